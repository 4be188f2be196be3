"""What a PDF says besides ink: outline, links, tags for screen readers; and where pages end with chapters."""

import io
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pypdf
import pytest

from resources.notes.content import Chapter, contents
from resources.notes.pdf_reading import column_text, squeezed
from resources.notes.typesetting import Typeset

Typesets = Callable[..., Typeset]


@pytest.fixture(scope="module")
def english(typeset: Typesets, cases: dict[str, Any]) -> Typeset:
    return typeset(cases["english"])


def read(done: Typeset) -> Any:
    return pypdf.PdfReader(io.BytesIO(done.pdf))


def elements(pdf: Any) -> list[Any]:
    document = pdf.trailer["/Root"]["/StructTreeRoot"]["/K"][0].get_object()
    return [element.get_object() for element in document["/K"]]


def test_the_text_is_tagged_in_reading_order_and_every_slide_described(english: Typeset) -> None:
    pdf = read(english)
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    found = elements(pdf)
    kinds = [str(element["/S"]) for element in found]
    # Title; summary, key terms, contents, three chapters and the last page; five slides with captions; two footnotes.
    assert kinds[0] == "/H1"
    assert {kind: kinds.count(kind) for kind in set(kinds) - {"/P"}} == {
        "/H1": 1,
        "/H2": 7,
        "/Figure": 5,
        "/Caption": 5,
        "/Note": 2,
    }
    figures = [element["/Alt"] for element in found if element["/S"] == "/Figure"]
    assert figures[1] == "Slide 2 of 5, 0:01:14"
    for page in pdf.pages:
        marks = page.get_contents().get_data()
        assert marks.count(b" BDC") + marks.count(b"/Artifact BMC") == marks.count(b"EMC")


def test_the_outline_has_the_chapters_and_the_slides_within(english: Typeset) -> None:
    pdf = read(english)
    words, chapters = english.printed.words, english.printed.chapters
    top = [entry["/Title"] for entry in pdf.outline if not isinstance(entry, list)]
    titles = [chapter.title for chapter in chapters]
    assert top == [words.summary, words.key_terms, words.contents, *titles, words.about]
    nested = [[entry["/Title"].split(" · ")[1] for entry in part] for part in pdf.outline if isinstance(part, list)]
    assert [number for part in nested for number in part] == [f"Slide {number}" for number in range(1, 6)]


def test_the_contents_lead_to_the_chapters_and_name_their_pages(english: Typeset) -> None:
    pdf = read(english)
    at = {entry["/Title"]: pdf.get_destination_page_number(entry) for entry in pdf.outline if isinstance(entry, dict)}
    front = squeezed(column_text(english.pdf, english.column)[0])
    assert len(contents(english.printed)) == 3
    for entry in contents(english.printed):
        assert f"{squeezed(entry.text)}{at[entry.text] + 1}" in front
        heads = pdf.pages[at[entry.text]].extract_text()
        assert squeezed(entry.text) in squeezed(heads)


def test_contents_of_very_many_chapters_are_thinned_out_evenly(english: Typeset) -> None:
    many = tuple(Chapter(number * 3.0, f"Chapter {number}", (), ()) for number in range(100))
    printed = replace(english.printed, chapters=many, origin=replace(english.printed.origin, duration_s=300.0))
    listed = contents(printed)
    assert 30 <= len(listed) <= 40  # at most 40; 34 if each is the first that begins 7.5 s later
    assert listed[0].text == "Chapter 0"
    assert int(listed[-1].text.split()[1]) >= 96
    apart = [after.start_s - before.start_s for before, after in itertools.pairwise(listed)]
    assert max(apart) == min(apart)


def test_the_mark_of_an_unsupported_point_is_explained_once(english: Typeset) -> None:
    texts = [page.extract_text() for page in read(english).pages]
    note = squeezed(english.printed.unsupported_note)
    assert sum(squeezed(text).count(note) for text in texts) == 1
    points = [*english.printed.bullets, *(point for chapter in english.printed.chapters for point in chapter.points)]
    marked = sum(not point.supported for point in points)
    assert sum(text.count("†") for text in texts) == marked + 1


def test_what_was_left_out_is_marked_and_counted_on_page_one(english: Typeset) -> None:
    texts = [" ".join(text.split()) for text in column_text(english.pdf, english.column)]
    assert "Passages left out because they can't be trusted: 2 (4 % of the speech)." in texts[0]
    whole = " ".join(texts[1:-1])
    assert "[0:01:36 to 0:01:47: left out, a phrase that recognition invents in silence]" in whole
    assert "[0:03:20 to 0:03:23: left out, the words repeat themselves]" in whole


def test_voices_and_a_correction_are_named(typeset: Typesets, cases: dict[str, Any]) -> None:
    done = typeset(cases["russian"])
    texts = [" ".join(text.split()) for text in column_text(done.pdf, done.column)]
    assert "0:03:42 · исправлено вручную: lecture edited.srt, изменено слов: 17" in texts[0]
    assert "русский с вероятностью всего 0,58" in texts[0]
    assert "Голос A" in texts[1]
    assert "Голос B" in texts[1]
    assert "lecture edited.srt" in texts[-1]


def test_a_summary_too_long_for_page_one_goes_on_over_the_next(typeset: Typesets, cases: dict[str, Any]) -> None:
    done = typeset(replace(cases["forty_chapters"], chapters=1, words=3000, bullets=30))
    first, second, *_ = column_text(done.pdf, done.column)
    inside = [bullet.text for bullet in done.printed.bullets]
    on_first = [text for text in inside if squeezed(text) in squeezed(first)]
    assert len(on_first) >= 15
    assert on_first == inside[: len(on_first)]
    assert len(inside) - len(on_first) >= 2
    assert all(squeezed(text) in squeezed(second) for text in inside[len(on_first) :])


def test_no_page_ends_with_a_chapters_heading_or_its_points(typeset: Typesets, cases: dict[str, Any]) -> None:
    done = typeset(cases["forty_chapters"])
    bodies = column_text(done.pdf, done.column, done.body)
    titles = {squeezed(chapter.title) for chapter in done.printed.chapters}
    paragraphs = squeezed(" ".join(block.text(" ") for block in done.printed.paragraphs))
    note = squeezed(done.printed.uncertain_note)
    for body in bodies[:-1]:
        lines = [squeezed(line) for line in body.splitlines() if squeezed(line) not in (note, "")]
        assert not any(lines[-1] in title for title in titles)
        assert lines[-2] + lines[-1] in paragraphs  # two lines of the same stretch of words


def test_provenance_has_a_page_of_its_own_also_after_slides_without_words(
    typeset: Typesets, cases: dict[str, Any]
) -> None:
    done = typeset(replace(cases["no_speech"], slides=3))
    texts = [squeezed(text) for text in column_text(done.pdf, done.column)]
    assert texts[-1].startswith(squeezed(done.printed.words.about))
    assert squeezed("Slide 3 of 3") in texts[-2]
