"""Rows to pages: where pages end, and at which height everything stands.

Belongs here: the rules for page ends. Does not belong here: what is in a row (`rows.py`) or how it is drawn
(`pdf.py`). Pure. Lengths are in points, y grows downwards from the top of the text area.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from resources.notes.lines import Line, Run

GRID = 15.0  # every baseline stands on a multiple of this; heights of rows are multiples, too


@dataclass(frozen=True)
class Figure:
    """A picture at `x`, `width` by `height`, from the top of its row; `alt` says what it is."""

    name: str
    x: float
    width: float
    height: float
    alt: str


@dataclass(frozen=True)
class Row:
    """A strip of the page that is never split.

    `baseline` is how far below its top the text stands. `keep`: the next row stands on the same page. `space`: left out
    where a page begins. `boxed`: part of the tinted box. `start_s`: the moment of its first word, if it is transcript.
    `key`: the place links lead to. `outline`: level and title. `chapter`: what the running head says from here on.
    `page_of`: key of the place whose page number stands at the right end. `footnote`: lines at the foot of its page.
    `tag`: a part of the document of this PDF structure type begins here; without one the part before goes on.
    """

    height: float = GRID
    baseline: float = 11.0
    runs: tuple[Run, ...] = ()
    figures: tuple[Figure, ...] = ()
    keep: bool = False
    space: bool = False
    boxed: bool = False
    new_page: bool = False
    start_s: float | None = None
    key: str | None = None
    outline: tuple[int, str] | None = None
    chapter: str | None = None
    page_of: str | None = None
    footnote: tuple[Line, ...] = ()
    tag: str = ""


@dataclass
class Page:
    """Rows with the y of their tops, the lines of its footnotes, and the chapter the page begins in."""

    rows: list[tuple[float, Row]] = field(default_factory=list)
    footnotes: list[Line] = field(default_factory=list)
    chapter: str = ""


def paginate(rows: Sequence[Row], height: float) -> list[Page]:
    """Pages of at most `height`. Rows that must stay together do, unless together they are higher than a page."""
    pages = [Page()]
    y, room = 0.0, height
    chapter = ""
    for group in _groups(rows):
        notes = [line for row in group for line in row.footnote]
        needed = sum(row.height for row in group)
        if pages[-1].rows and (group[0].new_page or y + needed + _reserve(pages[-1], notes) > room + 0.01):
            pages.append(Page())
            y, room = 0.0, height
        room -= _reserve(pages[-1], notes)
        pages[-1].footnotes += notes
        for row in group:
            if pages[-1].rows and y + row.height > room + 0.01:
                pages.append(Page())
                y, room = 0.0, height
            page = pages[-1]
            if row.space and not page.rows:
                continue
            if row.chapter is not None:
                chapter = row.chapter
            if not page.rows or not page.chapter:
                page.chapter = chapter
            page.rows.append((y, row))
            y += row.height
    return pages


def _reserve(page: Page, lines: Sequence[Line]) -> float:
    """What more footnotes take from a page: their lines and, above the first, a blank one."""
    return (len(lines) + (not page.footnotes)) * GRID if lines else 0.0


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in rows:
        if row.new_page and group:
            yield group
            group = []
        group.append(row)
        if not row.keep:
            yield group
            group = []
    if group:
        yield group


class Places:
    """Where links lead: keys and moments to page number (from 1) and y."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._keys: dict[str, tuple[int, float]] = {}
        self._moments: list[float] = []
        self._spots: list[tuple[int, float]] = []
        for number, page in enumerate(pages, start=1):
            for y, row in page.rows:
                if row.key:
                    self._keys[row.key] = (number, y)
                if row.start_s is not None:
                    self._moments.append(max(row.start_s, self._moments[-1] if self._moments else 0.0))
                    self._spots.append((number, y))

    def of(self, key: str) -> tuple[int, float] | None:
        """The place named `key`; `at:<seconds>` is the line of the transcript that holds this moment."""
        if not key.startswith("at:"):
            return self._keys.get(key)
        if not self._moments:
            return None
        return self._spots[max(bisect_right(self._moments, float(key[3:]) + 0.001) - 1, 0)]
