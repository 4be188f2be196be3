"""Reports as PDF: everything is printed, within the margins, whole, in order, and found again by its structure."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pypdf
import pypdfium2
import pytest
from PIL import Image

from resources.training.report_pages import Heading, Paragraph, Picture, Set, Table, typeset

CREATED = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LONG = "averyveryverylongwordwithoutanyplacetobreakit" * 6


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, "PNG")
    return out.getvalue()


def table(rows: int, whole: bool = True) -> Table:
    cells = tuple((f"model number {row}", "word " * 30 + f"end{row}", f"{row}.25") for row in range(rows))
    return Table(("model", "text", "figure"), cells, (1, 3, 1), frozenset({2}), frozenset({1}), whole)


@pytest.fixture(scope="module")
def made(cache: Path) -> Set:
    blocks = [
        Paragraph("What is read first.", "lead"),
        *(Paragraph(f"Paragraph {number}. " + "Some words of it. " * 40) for number in range(6)),
        Heading("Figures"),
        table(4),
        Paragraph(LONG),
        table(40, whole=False),
        Heading("Pictures", new_page=True),
        Picture(png(900, 300), "a blue strip", "The strip, in words."),
        Picture(png(300, 3000), "a tall one"),
        Paragraph("Signs: Ω Ж é … and 🦄 one that no font here has.", "small"),
    ]
    return typeset("A report: its title is long enough for two lines of this size", blocks, cache, CREATED)


def words(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


def test_all_of_it_is_printed_in_order(made: Set) -> None:
    text = words(made.pdf)
    wanted = ["A report", "What is read first", *(f"Paragraph {n}." for n in range(6)), "model number 3"]
    wanted += ["end39", "The strip, in words", "Signs: Ω Ж é"]
    places = [text.find(one) for one in wanted]
    assert -1 not in places
    assert places == sorted(places)
    assert LONG in text.replace(" ", "")
    assert made.glyphs_replaced == 1


def test_nothing_reaches_into_the_margins(made: Set) -> None:
    """Of every page as a picture: ink in the outer 40 points would be text that runs over."""
    with pypdfium2.PdfDocument(made.pdf) as document:
        for page in document:
            image = page.render(scale=1).to_pil().convert("L")
            width, height = image.size
            for box in ((0, 0, 40, height), (width - 40, 0, width, height), (0, 0, width, 30)):
                assert image.crop(box).getextrema()[0] == 255


def test_the_file_says_what_it_is(made: Set) -> None:
    reader = pypdf.PdfReader(io.BytesIO(made.pdf))
    assert len(reader.pages) == made.pages
    assert reader.metadata is not None
    assert reader.metadata.title == "A report: its title is long enough for two lines of this size"
    assert reader.metadata.creation_date == CREATED
    assert [str(entry.title) for entry in reader.outline] == ["Figures", "Pictures"]  # type: ignore[union-attr]
    tags = set(re.findall(rb"/S /(\w+)", made.pdf))
    assert {b"H1", b"H2", b"P", b"Figure"} <= tags
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]  # type: ignore[index]


def test_pages_are_numbered_and_headed(made: Set) -> None:
    for number, page in enumerate(pypdf.PdfReader(io.BytesIO(made.pdf)).pages, start=1):
        text = page.extract_text()
        assert f"{number} / {made.pages}" in text
        assert ("A report: its title" in text.split("\n")[0]) or number == 1


def test_a_small_table_is_on_one_page_and_rows_are_never_split(made: Set) -> None:
    pages = [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(made.pdf)).pages]
    small = [number for number, text in enumerate(pages) for row in range(4) if f"model number {row} word" in text]
    assert len(set(small[:4])) == 1
    for row in range(4, 40):
        [at] = [number for number, text in enumerate(pages) if f"end{row} " in f"{text} "]
        assert f"model number {row} " in pages[at]


def test_a_heading_that_begins_a_page_does(made: Set) -> None:
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(made.pdf)).pages]
    [page] = [text for text in pages if "The strip" in text]
    assert "end39" not in page


def test_the_same_report_has_the_same_bytes(cache: Path) -> None:
    blocks = [Heading("One"), table(3), Picture(png(90, 30), "x")]
    assert typeset("T", blocks, cache, CREATED).pdf == typeset("T", blocks, cache, CREATED).pdf
