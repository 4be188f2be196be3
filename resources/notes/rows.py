"""The look of the notes: every part of the content as rows on a grid of 15 points.

Belongs here: type sizes, colours, columns, and what stands beside what. Does not belong here: the order and wording of
the content (`content.py`), page ends (`pages.py`), PDF (`pdf.py`). Pure. Lengths are in points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from resources.notes.content import Notes, Timed, contents, section_label
from resources.notes.lines import Line, Measure, Run, Style, Token
from resources.notes.pages import GRID, Figure, Row
from resources.notes.sections import Paragraph, Picture, Section
from resources.timecode import clock

_MM = 72 / 25.4
INK, GREY, ACCENT, TINT, HAIRLINE = "1a1a1a", "6b6b6b", "1f4e79", "f1f4f8", "b8bec6"

BODY = Style("serif", 10.5, INK)
FAINT = Style("serif", 10.5, "757575")  # a contrast of 4.6 to 1: plainly grey, still read with ease
REMARK = Style("serif-italic", 10.5, GREY)
TITLE = Style("sans-bold", 24, INK)
HEADING = Style("sans-bold", 15, INK)
PART = Style("sans-bold", 10.5, INK)
LABEL = Style("sans-bold", 8.5, GREY)
SMALL = Style("sans", 8.5, GREY)
VALUE = Style("sans", 8.5, INK)
TIME = Style("sans", 8.5, GREY)
LINK = Style("sans", 8.5, ACCENT)
ALERT = Style("sans-bold", 8.5, INK)

_LONG_TITLE = 3  # a title of more lines than this is set in the heading's size


@dataclass(frozen=True)
class Format:
    """A page: its size and margins. The left margin is the time column; the text column has 60 to 75 characters."""

    name: str
    width: float
    height: float
    left: float = 38 * _MM
    right: float = 24 * _MM
    top: float = 24 * _MM
    bottom: float = 28 * _MM

    @property
    def column(self) -> float:
        """Width of the text column."""
        return self.width - self.left - self.right

    @property
    def body(self) -> float:
        """Height of the text area, a whole number of lines."""
        return math.floor((self.height - self.top - self.bottom) / GRID) * GRID


FORMATS = {
    "A4": Format("A4", 210 * _MM, 297 * _MM),
    "Letter": Format("Letter", 612, 792, right=30 * _MM, bottom=25 * _MM),
}

_TIME_GAP = 14.0  # between the end of a time and the text
_CAPTION = 24.0  # below a picture: its caption and a little room
_BOX_INSET = 10.0  # the box's text ends this far before its edge


class Typist:
    """Turns notes into rows for one page format."""

    def __init__(self, measure: Measure, page: Format) -> None:
        self._measure, self._page = measure, page

    def rows(self, notes: Notes) -> list[Row]:
        """All rows of the notes, in order."""
        return [
            *self._head(notes),
            *self._summary(notes),
            *self._terms(notes),
            *self._contents(notes),
            *self._body(notes),
            *self._about(notes),
        ]

    # First page

    def _head(self, notes: Notes) -> Iterator[Row]:
        width = self._page.column
        title = self._set(notes.origin.title, TITLE, width)
        style, height, baseline = TITLE, 2 * GRID, 23.0
        if len(title) > _LONG_TITLE:
            style, height, baseline = HEADING, 1.5 * GRID, 16.0
            title = self._set(notes.origin.title, style, width)
        rows = [Row(height, baseline, line.runs) for line in title]
        rows.append(Row(_to_grid(rows)))
        rows += [Row(runs=line.runs) for line in self._set(notes.quiet_line, SMALL, width)]
        for number, warning in enumerate(notes.warnings):
            if not number:
                rows.append(_gap())
            rows += [Row(runs=line.runs) for line in self._set(warning, ALERT, width)]
        yield from _together(rows)
        yield Row(2 * GRID if notes.warnings else GRID, space=True, keep=True)

    def _summary(self, notes: Notes) -> Iterator[Row]:
        width = self._page.column - _BOX_INSET
        rows = [Row(2 * GRID, 24, self._set(notes.words.summary, HEADING, width)[0].runs)]
        if not notes.bullets:
            remark = self._set(notes.words.no_summary, REMARK, width)
            rows += [Row(GRID + 5, 16, line.runs) for line in remark]
        for bullet in notes.bullets:
            rows += self._bullet(bullet, width)
        rows.append(Row(_to_grid(rows) + GRID))
        rows[0] = replace(rows[0], key="summary", outline=(0, notes.words.summary))
        # The box stays whole; one that is higher than a page goes on over the next.
        yield from _together([replace(row, boxed=True) for row in rows])

    def _bullet(self, bullet: Timed, width: float) -> list[Row]:
        lines = self._set(bullet.text, BODY, width)
        time = self._time(bullet.time_s, LINK, _at(bullet.time_s))
        first = Row(GRID + 5, 16, (time, *lines[0].runs))
        return [first, *(Row(runs=line.runs) for line in lines[1:])]

    def _terms(self, notes: Notes) -> Iterator[Row]:
        if not notes.terms:
            return
        tokens: list[Token] = []
        for term in notes.terms:
            if tokens:
                tokens.append(Token("·", SMALL))
            tokens += [Token(word, BODY) for word in term.text.split()]
            times = enumerate(term.times_s)
            tokens += [Token(clock(time_s), LINK, _at(time_s), tied=not number) for number, time_s in times]
        lines = self._measure.break_lines(tokens, self._page.column, self._page.left)
        heading = self._heading(notes.words.key_terms, "terms")
        yield from _together([*heading, *(Row(runs=line.runs) for line in lines)])

    def _contents(self, notes: Notes) -> Iterator[Row]:
        listed = contents(notes)
        if not listed:
            return
        rows = self._heading(notes.words.contents, "contents")
        for number, section in listed:
            label = self._run(section_label(notes, section), SMALL)
            x = self._page.left + label.width + 8
            room = self._page.left + self._page.column - x - 30  # the page number's place
            opening = self._measure.fit(section.opening(notes.spacing), BODY, room)
            key = f"section:{number}"
            runs = [self._time(section.start_s, LINK, key), label]
            if opening:
                runs.append(Run(x, opening, BODY, self._measure.width(opening, BODY), key))
            rows.append(Row(runs=tuple(runs), page_of=key))
        yield from _together(rows)

    # The recording

    def _body(self, notes: Notes) -> Iterator[Row]:
        yield from self._heading(notes.body_heading, "transcript")
        if not notes.speech_total and not notes.slide_total:
            yield from (Row(runs=line.runs) for line in self._set(notes.words.no_words, REMARK, self._page.column))
        noted = False
        single = len(notes.sections) == 1
        for number, section in enumerate(notes.sections):
            rows: list[Row] = []
            if section.pictures:
                rows += self._pictures(notes, section, first=number == 0)
            elif not single:
                rows += self._part(notes, section, first=number == 0)
            for count, block in enumerate(section.paragraphs):
                if count:
                    rows.append(_gap())
                rows += self._paragraph(block, notes.spacing)
            if not rows:
                continue
            if not noted:
                rows, noted = self._with_footnote(rows, notes)
            opening = section.opening(notes.spacing)
            label = section_label(notes, section)
            named_by = (clock(section.start_s), label, opening)
            named = next((at for at, row in enumerate(rows) if not row.space), 0)
            rows[named] = replace(
                rows[named],
                key=f"section:{number}",
                outline=None if single else (1, " · ".join(part for part in named_by if part)),
                chapter=None if single else label,
            )
            yield from rows

    def _paragraph(self, block: Paragraph, spacing: str) -> list[Row]:
        tokens = [Token(word.text, FAINT if word.uncertain else BODY) for word in block.words]
        lines = self._measure.break_lines(tokens, self._page.column, self._page.left, spacing)
        rows = [Row(runs=line.runs, start_s=block.words[line.first].start_s) for line in lines]
        rows[0] = replace(rows[0], runs=(self._time(block.start_s, TIME, None), *rows[0].runs))
        return _no_lone_lines(rows)

    def _part(self, notes: Notes, section: Section, first: bool) -> list[Row]:
        heading = Row(runs=(self._run(section_label(notes, section), PART),), keep=True)
        return [heading] if first else [Row(2 * GRID, space=True, keep=True), heading]

    def _with_footnote(self, rows: list[Row], notes: Notes) -> tuple[list[Row], bool]:
        for at, row in enumerate(rows):
            if any(run.style == FAINT for run in row.runs):
                rows[at] = replace(row, footnote=self._set(notes.uncertain_note, SMALL, self._page.column)[0])
                return rows, True
        return rows, False

    # Slides

    def _pictures(self, notes: Notes, section: Section, first: bool) -> Iterator[Row]:
        numbered = list(enumerate(section.pictures, start=section.first_slide))
        for start in range(0, len(numbered), 2):
            yield Row(GRID if first or start else 2 * GRID, space=True, keep=True)
            row = self._picture_row(notes, numbered[start : start + 2], len(numbered) > 1)
            yield replace(row, keep=start + 2 >= len(numbered))  # the last stays with the text said over it

    def _picture_row(self, notes: Notes, numbered: Sequence[tuple[int, Picture]], paired: bool) -> Row:
        gutter = GRID
        room = (self._page.column - gutter) / 2 if paired else self._page.column * 2 / 3
        # Two of the tallest share a page, each with two lines above it left blank and two lines of text below.
        rows = math.floor(self._page.body / GRID / 2) - 3
        most = rows * GRID - _CAPTION
        figures: list[Figure] = []
        captions: list[Run] = []
        x = self._page.left
        for number, picture in numbered:
            scale = min(room / picture.width, most / picture.height)
            caption = notes.words.slide_of.format(number=number, total=notes.slide_total)
            moment = clock(picture.time_s)
            width, height = picture.width * scale, picture.height * scale
            figures.append(Figure(picture.name, x, width, height, f"{caption}, {moment}"))
            text = f"{caption} · {moment}" if paired else caption
            captions.append(Run(x, text, SMALL, self._measure.width(text, SMALL)))
            x += room + gutter
        tallest = max(figure.height for figure in figures)
        height = math.ceil((tallest + _CAPTION) / GRID) * GRID
        time = self._time(numbered[0][1].time_s, TIME, None)
        return Row(height, tallest + 12, tuple(captions) if paired else (*captions, time), tuple(figures))

    # Last page

    def _about(self, notes: Notes) -> Iterator[Row]:
        width = self._page.column
        [heading] = self._heading(notes.words.about, "about")[1:]
        yield replace(heading, new_page=True, chapter=notes.words.about)
        yield Row(GRID, space=True, keep=True)
        labels = [self._measure.width(label, LABEL) for label, _ in notes.provenance]
        at = min(max(labels) + 14, width / 2)
        for label, value in notes.provenance:
            lines = self._measure.break_lines(_tokens(value, VALUE), width - at, self._page.left + at)
            heads = self._measure.break_lines(_tokens(label, LABEL), at - 10, self._page.left)
            rows = []
            for number in range(max(len(lines), len(heads))):
                runs = [*(heads[number].runs if number < len(heads) else ())]
                runs += lines[number].runs if number < len(lines) else ()
                rows.append(Row(runs=tuple(runs)))
            rows[0] = replace(rows[0], height=GRID + 5, baseline=16)
            yield from _no_lone_lines(rows)

    # Pieces

    def _heading(self, text: str, key: str) -> list[Row]:
        run = self._run(text, HEADING)
        space = Row(2 * GRID, space=True, keep=True)
        return [space, Row(2 * GRID, 18, (run,), keep=True, key=key, outline=(0, text))]

    def _set(self, text: str, style: Style, width: float) -> list[Line]:
        return self._measure.break_lines(_tokens(text, style), width, self._page.left)

    def _run(self, text: str, style: Style) -> Run:
        return Run(self._page.left, text, style, self._measure.width(text, style))

    def _time(self, seconds: float, style: Style, link: str | None) -> Run:
        text = clock(seconds)
        width = self._measure.width(text, style)
        return Run(self._page.left - _TIME_GAP - width, text, style, width, link)


def _at(seconds: float) -> str:
    return f"at:{seconds:.3f}"


def _to_grid(rows: Iterable[Row]) -> float:
    """What is missing from the rows' height to a whole number of lines."""
    return -sum(row.height for row in rows) % GRID


def _gap() -> Row:
    return Row(GRID, space=True, keep=True)


def _tokens(text: str, style: Style) -> list[Token]:
    return [Token(word, style) for word in text.split()] or [Token(" ", style)]


def _together(rows: Iterable[Row]) -> list[Row]:
    kept = [replace(row, keep=True) for row in rows]
    kept[-1] = replace(kept[-1], keep=False)
    return kept


def _no_lone_lines(rows: list[Row]) -> list[Row]:
    """At least two lines of a paragraph stay together where a page ends and where one begins."""
    last = len(rows) - 1
    return [replace(row, keep=at < last and at in (0, last - 1)) for at, row in enumerate(rows)]
