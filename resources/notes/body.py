"""The recording itself as rows on the grid: chapters with their points, slides, and every word with its times.

Belongs here: what stands between the contents and the last page. Does not belong here: sizes and colours (`look.py`),
the order and wording of the content (`content.py`), page ends (`pages.py`). Pure. Lengths are in points.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from resources.notes.content import Chapter, Notes, omission_text, section_label
from resources.notes.lines import Measure, Run, Token
from resources.notes.look import (
    BODY,
    BOX_INSET,
    FAINT,
    HEADING,
    PART,
    SMALL,
    SPEAKER,
    TIME,
    Format,
    Pieces,
    gap,
    no_lone_lines,
    to_grid,
)
from resources.notes.pages import GRID, Figure, Row
from resources.notes.sections import Omission, Paragraph, Picture, Section
from resources.timecode import clock

_CAPTION = 30.0  # below a picture: its caption and a little room
_PADDING = 5.0  # above the first and below the last point of a box
_BELOW_BOX = 10.0  # at least this much, then up to the next line of the grid
_EN_SPACE = "\u2002"  # between a speaker's name and the words


class Body(Pieces):
    """Turns chapters into rows for one page format."""

    def __init__(self, measure: Measure, page: Format) -> None:
        super().__init__(measure, page)
        self._noted = False  # whether a footnote has said what grey words are
        self._marked = False  # whether one has said what the mark after a point is

    def rows(self, notes: Notes) -> Iterator[Row]:
        """All rows from the first chapter's heading to the last word."""
        self._noted = False
        self._marked = not all(bullet.supported for bullet in notes.bullets)
        if not notes.sections and not notes.has_chapters:
            return
        number = 0
        first = True
        if not notes.has_chapters:
            space, heading = self.heading(notes.body_heading, "body")
            yield from (space, heading)
        for at, chapter in enumerate(notes.chapters):
            if chapter.title:
                yield from self._opening(notes, at, chapter)
                first = True
            for section in chapter.sections:
                yield from self._section(notes, section, number, first)
                number, first = number + 1, False

    def _opening(self, notes: Notes, at: int, chapter: Chapter) -> Iterator[Row]:
        """Heading and key points, which stay together and with what follows."""
        lines = self.balanced(chapter.title, HEADING)
        rows = [Row(1.5 * GRID, 18, line.runs) for line in lines]
        rows[0] = replace(rows[0], runs=(self.time(chapter.start_s, TIME, None), *rows[0].runs))
        rows[0] = replace(rows[0], key=f"chapter:{at}", outline=(0, chapter.title), chapter=chapter.title, tag="H2")
        rows[-1] = replace(rows[-1], height=rows[-1].height + to_grid(rows))
        if chapter.points:
            points = [Row(_PADDING), *self.points(chapter.points, self.page.column - BOX_INSET), Row(_PADDING)]
            box = [Row(GRID / 2), *(replace(row, boxed=True) for row in points)]
            box.append(Row(_BELOW_BOX + to_grid([*box, Row(_BELOW_BOX)])))
            if not self._marked and not all(point.supported for point in chapter.points):
                box[0], self._marked = self.with_footnote(box[0], notes.unsupported_note), True
            rows += box
        yield Row(3 * GRID, space=True, keep=True)
        yield from (replace(row, keep=True) for row in rows)

    def _section(self, notes: Notes, section: Section, number: int, first: bool) -> Iterator[Row]:
        rows: list[Row] = []
        single = len(notes.sections) == 1
        if section.pictures:
            rows += self._pictures(notes, section, first)
        elif section.part and not single:
            rows += self._part(notes, section, first)
        for count, block in enumerate(section.blocks):
            if count or not (rows or first):
                rows.append(gap())
            rows += self._omission(notes, block) if isinstance(block, Omission) else self._paragraph(notes, block)
        if not self._noted:
            rows = self._with_note(rows, notes)
        label = section_label(notes, section)
        parts = (clock(section.start_s), label, section.opening(notes.spacing))
        name = " · ".join(part for part in parts if part)
        named = next((at for at, row in enumerate(rows) if not row.space), 0)
        level = (1, name) if (label and not single) or section.pictures else None
        chapter = None if notes.has_chapters or single else label
        rows[named] = replace(rows[named], key=f"section:{number}", outline=level, chapter=chapter)
        yield from rows

    def _paragraph(self, notes: Notes, block: Paragraph) -> list[Row]:
        named = [Token(word, SPEAKER) for word in (block.speaker or "").split()]
        if named:
            named[-1] = Token(named[-1].text + _EN_SPACE, SPEAKER)
        said = [Token(word.text, FAINT if word.uncertain else BODY) for word in block.words]
        lines = self.measure.break_lines([*named, *said], self.page.column, self.page.left, notes.spacing)
        starts = [block.words[max(line.first - len(named), 0)].start_s for line in lines]
        rows = [Row(runs=line.runs, start_s=start_s) for line, start_s in zip(lines, starts, strict=True)]
        rows[0] = replace(rows[0], runs=(self.time(block.start_s, TIME, None), *rows[0].runs), tag="P")
        return no_lone_lines(rows)

    def _omission(self, notes: Notes, omission: Omission) -> list[Row]:
        rows = [Row(runs=line.runs) for line in self.lines(omission_text(notes, omission), SMALL, self.page.column)]
        rows[0] = replace(rows[0], start_s=omission.start_s, tag="P")
        return no_lone_lines(rows)

    def _part(self, notes: Notes, section: Section, first: bool) -> list[Row]:
        heading = Row(runs=(self.run(section_label(notes, section), PART),), keep=True, tag="H3")
        return [heading] if first else [Row(2 * GRID, space=True, keep=True), heading]

    def _with_note(self, rows: list[Row], notes: Notes) -> list[Row]:
        for at, row in enumerate(rows):
            if any(run.style == FAINT for run in row.runs):
                rows[at] = self.with_footnote(row, notes.uncertain_note)
                self._noted = True
                break
        return rows

    # Slides

    def _pictures(self, notes: Notes, section: Section, first: bool) -> Iterator[Row]:
        numbered = list(enumerate(section.pictures, start=section.first_slide))
        for start in range(0, len(numbered), 2):
            yield Row(GRID if first or start else 2 * GRID, space=True, keep=True)
            row = self._picture_row(notes, numbered[start : start + 2], len(numbered) > 1)
            yield replace(row, keep=start + 2 >= len(numbered))  # the last stays with the text said over it

    def _picture_row(self, notes: Notes, numbered: Sequence[tuple[int, Picture]], paired: bool) -> Row:
        gutter = GRID
        room = (self.page.column - gutter) / 2 if paired else self.page.column * 2 / 3
        # Two of the tallest share a page, each with two lines above it left blank and two lines of text below.
        rows = math.floor(self.page.body / GRID / 2) - 3
        most = rows * GRID - _CAPTION
        figures: list[Figure] = []
        captions: list[Run] = []
        x = self.page.left
        for number, picture in numbered:
            scale = min(room / picture.width, most / picture.height)
            caption = notes.words.slide_of.format(number=number, total=notes.slide_total)
            moment = clock(picture.time_s)
            width, height = picture.width * scale, picture.height * scale
            figures.append(Figure(picture.name, x, width, height, f"{caption}, {moment}"))
            text = f"{caption} · {moment}" if paired else caption
            captions.append(Run(x, text, SMALL, self.measure.width(text, SMALL)))
            x += room + gutter
        # A little smaller, so that the row ends on the grid.
        tallest = max(figure.height for figure in figures)
        height = max(math.floor((tallest + _CAPTION) / GRID), 3) * GRID
        scale = min((height - _CAPTION) / tallest, 1.0)
        figures = [replace(figure, width=figure.width * scale, height=figure.height * scale) for figure in figures]
        tallest *= scale
        time = self.time(numbered[0][1].time_s, TIME, None)
        return Row(
            height, tallest + 12, tuple(captions) if paired else (*captions, time), tuple(figures), tag="Caption"
        )
