"""Notes as rows on a grid of 15 points: the first page and the last.

Belongs here: title, summary, key terms, contents, provenance. Does not belong here: the recording itself (`body.py`),
sizes and colours (`look.py`), the order and wording of the content (`content.py`), page ends (`pages.py`), PDF
(`pdf.py`). Pure. Lengths are in points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from resources.notes.body import Body
from resources.notes.content import Notes, contents
from resources.notes.lines import Measure, Token
from resources.notes.look import (
    ALERT,
    BODY,
    BOX_INSET,
    HEADING,
    LABEL,
    LINK,
    REMARK,
    SMALL,
    STATEMENT,
    TITLE,
    VALUE,
    Format,
    Pieces,
    gap,
    no_lone_lines,
    to_grid,
    together,
    tokens,
)
from resources.notes.pages import GRID, Row
from resources.timecode import clock

_LONG_TITLE = 3  # a title of more lines than this is set in the heading's size
_BELOW_TITLE = 5.0  # between title and quiet line, in addition to their own leading
_PAGE_NUMBER = 30.0  # the room for a page number at the end of a line of the contents


class Typist(Pieces):
    """Turns notes into rows for one page format."""

    def __init__(self, measure: Measure, page: Format) -> None:
        super().__init__(measure, page)
        self._body = Body(measure, page)

    def rows(self, notes: Notes) -> list[Row]:
        """All rows of the notes, in order. The first row of the recording itself has the key `body`."""
        head = list(self._head(notes))
        summary = self._summary(notes, self.page.body - sum(row.height for row in head))
        front = [*head, *summary, *self._terms(notes), *self._contents(notes)]
        return [*front, *self._body.rows(notes), *self._about(notes)]

    def _head(self, notes: Notes) -> Iterator[Row]:
        width = self.page.column
        title = self.balanced(notes.origin.title, TITLE)
        style, height, baseline = TITLE, 2 * GRID, 23.0
        if len(title) > _LONG_TITLE:
            style, height, baseline = HEADING, 1.5 * GRID, 16.0
            title = self.balanced(notes.origin.title, style)
        rows = [Row(height, baseline, line.runs) for line in title]
        rows[0] = replace(rows[0], tag="H1")
        rows.append(Row(to_grid(rows) + _BELOW_TITLE))
        quiet = [Row(runs=line.runs) for line in self.lines(notes.quiet_line, SMALL, width)]
        rows += [replace(quiet[0], tag="P"), *quiet[1:]]
        for number, warning in enumerate(notes.warnings):
            if not number:
                rows.append(gap())
            lines = [Row(runs=line.runs) for line in self.lines(warning, ALERT, width)]
            if number:
                lines[0] = replace(lines[0], height=GRID + 4, baseline=15)
            rows += [replace(lines[0], tag="P"), *lines[1:]]
        yield from together(rows)
        yield Row(to_grid(rows) + GRID, space=True, keep=True)

    def _summary(self, notes: Notes, room: float) -> list[Row]:
        """The tinted box. It stays whole if it fits into the `room` below the title; else it breaks between points."""
        width = self.page.column - BOX_INSET
        words = notes.words
        rows = [Row(2 * GRID, 24, self.lines(words.summary, HEADING, width)[0].runs, tag="H2")]
        if notes.bullets:
            rows += self.points(notes.bullets, width)
        else:
            text, style = (notes.statement, STATEMENT) if notes.statement else (words.no_summary, REMARK)
            remark = [Row(runs=line.runs) for line in self.lines(text, style, width)]
            rows += [replace(remark[0], height=GRID + 5, baseline=16, tag="P"), *remark[1:]]
        rows.append(Row(to_grid(rows) + GRID))
        rows[0] = replace(rows[0], key="summary", outline=(0, words.summary))
        if not all(bullet.supported for bullet in notes.bullets):
            rows[0] = self.with_footnote(rows[0], notes.unsupported_note)
        rows = [replace(row, boxed=True) for row in rows]
        needed = sum(row.height for row in rows) + (2 * GRID if rows[0].footnote else 0)
        if needed <= room:
            return together(rows)
        # The lines of a point stay together, the heading with the first two points, and the last two with each other.
        begins = [at for at, row in enumerate(rows) if row.tag]
        apart = {at - 1 for at in begins[3:-1]} | {len(rows) - 1}
        return [replace(row, keep=at not in apart) for at, row in enumerate(rows)]

    def _terms(self, notes: Notes) -> Iterator[Row]:
        if not notes.terms:
            return
        line: list[Token] = []
        for term in notes.terms:
            if line:
                line.append(Token("·", SMALL))
            line += [Token(word, BODY, tied=bool(number)) for number, word in enumerate(term.text.split())]
            times = enumerate(term.times_s)
            line += [Token(clock(time_s), LINK, f"at:{time_s:.3f}", tied=not number) for number, time_s in times]
        rows = [Row(runs=line.runs) for line in self.measure.break_lines(line, self.page.column, self.page.left)]
        rows[0] = replace(rows[0], tag="P")
        yield from together([*self.heading(notes.words.key_terms, "terms"), *rows])

    def _contents(self, notes: Notes) -> Iterator[Row]:
        listed = contents(notes)
        if not listed:
            return
        rows = self.heading(notes.words.contents, "contents")
        for entry in listed:
            runs = [self.time(entry.start_s, LINK, entry.key)]
            x = self.page.left
            if entry.label:
                label = self.run(entry.label, SMALL)
                runs.append(label)
                x += label.width + 8
            name = self.measure.fit(entry.text, BODY, self.page.left + self.page.column - x - _PAGE_NUMBER)
            runs += self.measure.line(name, BODY, x, entry.key)
            rows.append(Row(runs=tuple(runs), page_of=entry.key, tag="P"))
        yield from together(rows)

    def _about(self, notes: Notes) -> Iterator[Row]:
        width = self.page.column
        [heading] = self.heading(notes.words.about, "about")[1:]
        yield replace(heading, new_page=True, chapter=notes.words.about)
        yield Row(GRID, space=True, keep=True)
        labels = [self.measure.width(label, LABEL) for label, _ in notes.provenance]
        at = min(max(labels) + 14, width / 2)
        for label, value in notes.provenance:
            lines = self.measure.break_lines(tokens(value, VALUE), width - at, self.page.left + at)
            heads = self.measure.break_lines(tokens(label, LABEL), at - 10, self.page.left)
            rows = []
            for number in range(max(len(lines), len(heads))):
                runs = [*(heads[number].runs if number < len(heads) else ())]
                runs += lines[number].runs if number < len(lines) else ()
                rows.append(Row(runs=tuple(runs)))
            rows[0] = replace(rows[0], height=GRID + 5, baseline=16, tag="P")
            yield from no_lone_lines(rows)
