"""The look of the notes: type sizes, colours, margins, and the pieces every part of a page is set from.

Belongs here: styles, page formats, a heading, a time in its column, a point of a summary. Does not belong here: what
stands where (`rows.py` for the front and the last page, `body.py` for the recording itself), page ends (`pages.py`).
Pure. Lengths are in points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from resources.notes.content import UNSUPPORTED, Timed
from resources.notes.lines import Line, Measure, Run, Style, Token
from resources.notes.pages import GRID, Row
from resources.timecode import clock

_MM = 72 / 25.4
# Contrast on white, by the formula of WCAG 2: grey 5.3 to 1, accent 8.6 to 1; on the tint 4.8 and 7.8.
INK, GREY, ACCENT, TINT, HAIRLINE = "1a1a1a", "6b6b6b", "1f4e79", "f1f4f8", "b8bec6"

BODY = Style("serif", 10.5, INK)
FAINT = Style("serif", 10.5, "757575")  # a contrast of 4.6 to 1: plainly grey, still read with ease
REMARK = Style("serif-italic", 10.5, GREY)
STATEMENT = Style("serif-italic", 10.5, INK)
TITLE = Style("sans-bold", 24, INK)
HEADING = Style("sans-bold", 15, INK)
PART = Style("sans-bold", 10.5, INK)
LABEL = Style("sans-bold", 8.5, GREY)
SPEAKER = Style("sans-bold", 8.5, INK)
SMALL = Style("sans", 8.5, GREY)
VALUE = Style("sans", 8.5, INK)
TIME = Style("sans", 8.5, GREY)
LINK = Style("sans", 8.5, ACCENT)
ALERT = Style("sans-bold", 8.5, INK)

TIME_GAP = 14.0  # between the end of a time and the text
BOX_INSET = 10.0  # the box's text ends this far before its edge


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


class Pieces:
    """What is set alike wherever it stands, for one page format."""

    def __init__(self, measure: Measure, page: Format) -> None:
        self.measure, self.page = measure, page

    def heading(self, text: str, key: str) -> list[Row]:
        """A blank, then the heading in one line."""
        run = self.run(text, HEADING)
        space = Row(2 * GRID, space=True, keep=True)
        return [space, Row(2 * GRID, 18, (run,), keep=True, key=key, outline=(0, text), tag="H2")]

    def points(self, points: Iterable[Timed], width: float) -> list[Row]:
        """Points of a summary, each with its time in the column; what is not supported has its mark."""
        rows: list[Row] = []
        for point in points:
            lines = self.lines(point.text if point.supported else point.text + UNSUPPORTED, BODY, width)
            time = self.time(point.time_s, LINK, f"at:{point.time_s:.3f}")
            rows.append(Row(GRID + 5, 16, (time, *lines[0].runs), tag="P"))
            rows += [Row(runs=line.runs) for line in lines[1:]]
        return rows

    def lines(self, text: str, style: Style, width: float) -> list[Line]:
        return self.measure.break_lines(tokens(text, style), width, self.page.left)

    def balanced(self, text: str, style: Style) -> list[Line]:
        """A heading: no more lines than it needs, and these about equally long."""
        low, high = 0.0, self.page.column
        lines = self.lines(text, style, high)
        while len(lines) > 1 and high - low > 1:
            middle = (low + high) / 2
            narrower = self.lines(text, style, middle)
            if len(narrower) > len(lines):
                low = middle
            else:
                lines, high = narrower, middle
        return lines

    def run(self, text: str, style: Style) -> Run:
        return Run(self.page.left, text, style, self.measure.width(text, style))

    def time(self, seconds: float, style: Style, link: str | None) -> Run:
        """A time at the right edge of its column."""
        text = clock(seconds)
        width = self.measure.width(text, style)
        return Run(self.page.left - TIME_GAP - width, text, style, width, link)

    def with_footnote(self, row: Row, text: str) -> Row:
        """`row`, and `text` at the foot of the page it comes to stand on."""
        return replace(row, footnote=(*row.footnote, *self.lines(text, SMALL, self.page.column)))


def to_grid(rows: Iterable[Row]) -> float:
    """What is missing from the rows' height to a whole number of lines."""
    return -sum(row.height for row in rows) % GRID


def gap() -> Row:
    """A blank line that a page does not begin with."""
    return Row(GRID, space=True, keep=True)


def tokens(text: str, style: Style) -> list[Token]:
    return [Token(word, style) for word in text.split()] or [Token(" ", style)]


def together(rows: Iterable[Row]) -> list[Row]:
    """The rows, all on one page."""
    kept = [replace(row, keep=True) for row in rows]
    kept[-1] = replace(kept[-1], keep=False)
    return kept


def no_lone_lines(rows: list[Row]) -> list[Row]:
    """At least two lines of a paragraph stay together where a page ends and where one begins."""
    last = len(rows) - 1
    return [replace(row, keep=at < last and at in (0, last - 1)) for at, row in enumerate(rows)]
