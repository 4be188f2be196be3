"""The Word file read back by python-docx: everything the notes say, in styles, with links that lead somewhere."""

import io
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from docx.oxml.ns import qn
from PIL import Image

from resources.notes.content import Notes
from resources.notes.docx import docx
from resources.notes.typesetting import Typeset
from resources.timecode import clock


@pytest.fixture(scope="module")
def noted(typeset: Callable[[Any], Typeset], cases: dict[str, Any]) -> Callable[[str], tuple[Notes, dict[str, bytes]]]:
    """The notes of a case, and its slides."""

    @cache
    def of(name: str) -> tuple[Notes, dict[str, bytes]]:
        notes = typeset(cases[name]).printed
        files = {}
        for number, picture in enumerate(p for section in notes.sections for p in section.pictures):
            buffer = io.BytesIO()
            Image.new("RGB", (picture.width, picture.height), (number * 40 % 256, 80, 120)).save(buffer, "JPEG")
            files[picture.name] = buffer.getvalue()
        return notes, files

    return of


def read(content: bytes) -> Any:
    return Document(io.BytesIO(content))


def said(document: Any) -> str:
    """All text, that of links and tables too."""
    return " ".join(" ".join("".join(node.itertext(qn("w:t"))) for node in document.element.iter(qn("w:p"))).split())


def styled(document: Any, style: str) -> list[str]:
    return [paragraph.text for paragraph in document.paragraphs if paragraph.style.name == style]


@pytest.mark.parametrize("name", ["english", "russian", "mixed", "no_speech", "no_chapters"])
def test_everything_is_there_in_order(noted: Any, name: str) -> None:
    notes, files = noted(name)
    document = read(docx(notes, files))
    text, at = said(document), 0
    told = [notes.origin.title, notes.quiet_line, *notes.warnings, *(point.text for point in notes.bullets)]
    told += [notes.statement, *(term.text for term in notes.terms)]
    for chapter in notes.chapters:
        told += [chapter.title, *(point.text for point in chapter.points)]
        told += [block.text(notes.spacing) for section in chapter.sections for block in section.paragraphs]
    told += [part for row in notes.provenance for part in row]
    for part in told:
        found = text.find(" ".join(part.split()), at)
        assert found >= 0, part
        at = found
    assert styled(document, "Title") == [notes.origin.title]
    points = [*notes.bullets, *(point for chapter in notes.chapters for point in chapter.points)]
    assert len(styled(document, "List Bullet")) == len(points)
    assert [line[:7] for line in styled(document, "List Bullet")] == [clock(point.time_s) for point in points]


@pytest.mark.parametrize("name", ["english", "no_chapters", "no_speech"])
def test_every_link_leads_somewhere(noted: Any, name: str) -> None:
    notes, files = noted(name)
    document = read(docx(notes, files))
    marks = [mark.get(qn("w:name")) for mark in document.element.iter(qn("w:bookmarkStart"))]
    links = {link.get(qn("w:anchor")) for link in document.element.iter(qn("w:hyperlink"))}
    assert len(set(marks)) == len(marks)
    assert links <= set(marks)
    assert bool(links) == bool(notes.sections)


def test_times_lead_to_the_paragraph_of_that_time(noted: Any) -> None:
    notes, files = noted("english")
    document = read(docx(notes, files))
    starts = {mark.get(qn("w:name")): mark.getparent() for mark in document.element.iter(qn("w:bookmarkStart"))}
    for line in document.paragraphs:
        if line.style.name == "List Bullet":
            target = starts[line._p.find(qn("w:hyperlink")).get(qn("w:anchor"))]
            assert "".join(target.itertext(qn("w:t")))[:7] <= line.text[:7]


def test_slides_have_alt_texts_and_fit(noted: Any) -> None:
    notes, files = noted("english")
    document = read(docx(notes, files))
    shapes = document.inline_shapes
    assert len(shapes) == notes.slide_total == 5
    described = [shape._inline.docPr.get("descr") for shape in shapes]
    assert described == [notes.words.slide_of.format(number=number, total=5) for number in range(1, 6)]
    page = document.sections[0]
    column = page.page_width - page.left_margin - page.right_margin
    assert all(shape.width <= column and shape.height < page.page_height / 2 for shape in shapes)
    assert [shape._inline.docPr.get("name") for shape in shapes] == sorted(files)


def test_properties_come_from_the_recording(noted: Any) -> None:
    notes, files = noted("russian")
    core = read(docx(notes, files)).core_properties
    assert (core.title, core.language) == (notes.origin.title, "ru")
    assert core.created == core.modified == notes.origin.created
    assert core.comments == ""


def test_the_same_bytes_at_another_time(noted: Any) -> None:
    notes, files = noted("english")
    first = docx(notes, files)
    time.sleep(2.1)  # a zip's times have steps of two seconds
    assert docx(notes, files) == first
    with zipfile.ZipFile(io.BytesIO(first)) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert packed.testzip() is None


def test_slides_are_named_after_what_they_hold(noted: Any, tmp_path: Path) -> None:
    """Files of the store have no suffix; Word takes a part named `image1.` for damage."""
    notes, files = noted("english")
    kept = {name: tmp_path / name.removesuffix(".jpg") for name in files}
    for name, path in kept.items():
        path.write_bytes(files[name])
    with zipfile.ZipFile(io.BytesIO(docx(notes, kept))) as packed:
        media = [name for name in packed.namelist() if name.startswith("word/media/")]
        assert [name.rpartition(".")[2] for name in media] == ["jpg"] * len(files)
        assert '<Default Extension="jpg" ContentType="image/jpeg"/>' in packed.read("[Content_Types].xml").decode()


def test_signs_that_xml_can_not_hold_are_left_out(noted: Any) -> None:
    notes, files = noted("no_chapters")
    spoilt = replace(notes, origin=replace(notes.origin, title="A\x00 bell\x07 \ud800 <b>&amp;\ufffe"))
    assert styled(read(docx(spoilt, files)), "Title") == ["A bell <b>&amp;"]


def test_grey_words_and_speakers_are_styles(noted: Any) -> None:
    notes, files = noted("russian")
    runs = [run for line in read(docx(notes, files)).paragraphs for run in line.runs]
    grey = " ".join(run.text for run in runs if run.style.name == "Uncertain").split()
    assert grey == [word.text for block in notes.paragraphs for word in block.words if word.uncertain]
    bold = {run.text.strip() for run in runs if run.style.name == "Strong"}
    assert bold == {block.speaker for block in notes.paragraphs if block.speaker}


@pytest.mark.parametrize(("language", "east_asian", "rtl"), [("ja", "Yu Mincho", False), ("ar", "SimSun", True)])
def test_scripts(noted: Any, language: str, east_asian: str, rtl: bool) -> None:
    notes, files = noted("no_chapters")
    document = read(docx(replace(notes, language=language), files))
    properties = document.styles["Normal"].element.rPr
    assert properties.find(qn("w:rFonts")).get(qn("w:eastAsia")) == east_asian
    assert properties.find(qn("w:lang")).get(qn("w:val")) == language
    lines = [line for line in document.paragraphs if line.text]
    assert all((line._p.find(f".//{qn('w:bidi')}") is not None) == rtl for line in lines)
    assert all(bool(run.font.rtl) == rtl for line in lines for run in line.runs)
