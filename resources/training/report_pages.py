"""A report as a PDF: headings, paragraphs, tables whose cells wrap, pictures; in the faces and the look of the notes.

Belongs here: setting such blocks on pages. Does not belong here: what a report says (`assets/<product>/report.py`).
Pure: no Dagster. The same blocks, date and fonts give the same bytes. Lengths are in points.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from resources.notes import fallback, fonts
from resources.notes.glyphs import Glyphs
from resources.notes.lines import Line, Measure, Style, Token
from resources.notes.look import ACCENT, BODY, FORMATS, GREY, HEADING, INK, SMALL, TINT, TITLE, Format, no_lone_lines
from resources.notes.pages import GRID, Figure, Page, Row, paginate
from resources.notes.pen import Pen
from resources.notes.scripts import Scripts

_CELL = Style("sans", 8.5, INK)
_CELL_HEAD = Style("sans-bold", 8.5, GREY)
_CELL_STRONG = Style("sans-bold", 8.5, ACCENT)
_LEAD = Style("serif", 10.5, ACCENT)
_PROMPT = Style("sans-bold", 9.5, INK)
_LEADING = 12.0  # from line to line within a cell
_CELL_ROOM = 6.0  # above and below a cell's text, together
_GAP = 7.0  # between columns
_MARGIN = 62.0  # left and right: reports have no column of times, and tables want room
_WIDEST_LINE = 480.0
_POINTS = 0.62  # of a pixel at most: letters of a picture then are not larger than those of the text
_HEAD_GAP, _FOOT_GAP = 26.0, 34.0  # as in the notes


@dataclass(frozen=True)
class Heading:
    """The head of a section, which readers find in the outline. `new_page`: it begins a page."""

    text: str
    new_page: bool = False


@dataclass(frozen=True)
class Paragraph:
    """Running text; `kind` is `text`, `lead` (what is read first), `small`, or `prompt` (the head of a small table)."""

    text: str
    kind: str = "text"
    keep: bool = False


@dataclass(frozen=True)
class Table:
    """`shares` of the width, one for each column; numbers stand at the right of theirs. `strong`: rows (from 0) whose
    text is set off. A row is never split between pages, and all rows stay together where `whole`.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]
    right: frozenset[int] = frozenset()
    strong: frozenset[int] = frozenset()
    whole: bool = True


@dataclass(frozen=True)
class Picture:
    """A PNG with what it says in words; its caption stands below it. It takes at most `share` of the width."""

    png: bytes
    alt: str
    caption: str = ""
    share: float = 1.0


Block = Heading | Paragraph | Table | Picture


@dataclass(frozen=True)
class Set:
    """The finished file, its pages, and how many signs no font had."""

    pdf: bytes
    pages: int
    glyphs_replaced: int


@dataclass(frozen=True)
class _Cells(Row):
    """A row of a table: the lines of each cell, and whether a rule is below it."""

    cells: tuple[tuple[Line, ...], ...] = ()
    rule: bool = False


@dataclass
class _Setter:
    """Blocks to rows."""

    measure: Measure
    form: Format
    glyphs: Glyphs
    pictures: dict[str, bytes] = field(default_factory=dict)

    def rows(self, title: str, blocks: Sequence[Block]) -> list[Row]:
        lines = self._lines(title, TITLE, self.form.column)
        rows = [Row(2 * GRID, 22, line.runs, keep=True, tag="" if at else "H1") for at, line in enumerate(lines)]
        rows.append(Row(GRID / 2, space=True, keep=True))
        for block in blocks:
            if isinstance(block, Heading):
                rows += self._heading(block)
            elif isinstance(block, Paragraph):
                rows += self._paragraph(block)
            elif isinstance(block, Table):
                rows += self._table(block)
            else:
                rows += self._picture(block)
        return rows

    def _heading(self, block: Heading) -> list[Row]:
        lines = self._lines(block.text, HEADING, self.form.column)
        text = self.glyphs.clean(block.text)
        rows = [Row(1.5 * GRID, space=True, keep=True, new_page=block.new_page)]
        for at, line in enumerate(lines):
            rows.append(Row(1.5 * GRID, 18, line.runs, keep=True, tag="" if at else "H2"))
        rows[1] = replace(rows[1], outline=(0, text), chapter=text)
        return [*rows, Row(GRID / 3, space=True, keep=True)]

    def _paragraph(self, block: Paragraph) -> list[Row]:
        style = {"lead": _LEAD, "small": SMALL, "prompt": _PROMPT}.get(block.kind, BODY)
        height = {"small": _LEADING, "prompt": 13.5}.get(block.kind, GRID)
        lines = self._lines(block.text, style, min(self.form.column, _WIDEST_LINE))
        rows = [
            Row(height, height - 4, line.runs, keep=block.keep, tag="" if at else "P") for at, line in enumerate(lines)
        ]
        if not block.keep:
            rows = no_lone_lines(rows)
        return [*rows, Row(3.0 if block.keep else GRID / 2, space=True, keep=block.keep)]

    def _table(self, block: Table) -> list[Row]:
        widths = _widths(block.shares, self.form.column)
        made: list[Row] = [self._cells(block.header, widths, block.right, _CELL_HEAD, rule=True, keep=True)]
        last = len(block.rows) - 1
        for number, row in enumerate(block.rows):
            style = _CELL_STRONG if number in block.strong else _CELL
            keep = number < last and (block.whole or number == 0)
            made.append(self._cells(row, widths, block.right, style, rule=number < last, keep=keep))
        return [*made, Row(GRID, space=True)]

    def _cells(
        self,
        texts: Sequence[str],
        widths: Sequence[float],
        right: frozenset[int],
        style: Style,
        *,
        rule: bool,
        keep: bool,
    ) -> _Cells:
        cells, x = [], self.form.left
        for column, (text, width) in enumerate(zip(texts, widths, strict=True)):
            lines = self._lines(text, style, width, x)
            if column in right:
                lines = [_moved(line, x + width) for line in lines]
            cells.append(tuple(lines))
            x += width + _GAP
        height = _CELL_ROOM + _LEADING * max(len(lines) for lines in cells)
        return _Cells(height, keep=keep, cells=tuple(cells), rule=rule)

    def _picture(self, block: Picture) -> list[Row]:
        from PIL import Image

        name = f"picture-{len(self.pictures)}"
        self.pictures[name] = block.png
        with Image.open(io.BytesIO(block.png)) as image:
            width, height = image.size
        shown = min(self.form.column * block.share, width * _POINTS)
        tall = shown * height / width
        if tall > self.form.body * 0.8:
            shown, tall = shown * self.form.body * 0.8 / tall, self.form.body * 0.8
        figure = Figure(name, self.form.left, shown, tall, self.glyphs.clean(block.alt))
        rows = [Row(tall + 4, figures=(figure,), keep=bool(block.caption))]
        if block.caption:
            rows += self._paragraph(Paragraph(block.caption, "small"))
        return [*rows, Row(GRID / 2, space=True)]

    def _lines(self, text: str, style: Style, width: float, x: float | None = None) -> list[Line]:
        words = self.glyphs.clean(text).split()
        if not words:
            return [Line((), 0)]
        left = self.form.left if x is None else x
        return self.measure.break_lines([Token(word, style) for word in words], width, left)


class _ReportPen(Pen):
    """Draws the pages of a report."""

    def __init__(
        self,
        title: str,
        created: datetime,
        language: str,
        form: Format,
        faces: dict[str, Path],
        measure: Measure,
        pages: list[Page],
    ) -> None:
        from fpdf import FPDF

        pdf: FPDF = FPDF(unit="pt", format=(form.width, form.height))
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.c_margin = 0
        for name, path in faces.items():
            pdf.add_font(name, fname=path)
        pdf.set_title(title)
        pdf.set_creator("Scriptorium")
        pdf.set_lang(language)
        pdf.set_creation_date(created)
        pdf.set_display_mode("fullwidth")
        super().__init__(pdf, measure)
        self._title, self._form, self._pages = title, form, pages

    def draw(self, pictures: dict[str, bytes]) -> bytes:
        for number, page in enumerate(self._pages, start=1):
            self._pdf.add_page()
            self._style = None
            with self._artifact():
                self._furniture(page, number)
            self._body(page, pictures)
        return bytes(self._pdf.output())

    def _furniture(self, page: Page, number: int) -> None:
        form = self._form
        if number > 1:
            y = form.top - _HEAD_GAP
            title = self._measure.fit(self._title, SMALL, form.column * 0.6)
            chapter = self._measure.fit(page.chapter, SMALL, form.column * 0.35)
            self._line(form.left, y, title, SMALL)
            self._line(form.left + form.column - self._measure.width(chapter, SMALL), y, chapter, SMALL)
            self._rule(form.left, y + 6, form.left + form.column)
        foot = f"{number} / {len(self._pages)}"
        x = form.left + form.column - self._measure.width(foot, SMALL)
        self._text(x, form.top + form.body + _FOOT_GAP, foot, SMALL)

    def _body(self, page: Page, pictures: dict[str, bytes]) -> None:
        element: list[tuple[float, Row]] = []
        for y, row in page.rows:
            if (row.tag or isinstance(row, _Cells) or row.figures) and element:
                self._text_rows(element)
                element = []
            top = self._form.top + y
            if row.outline:
                self._pdf.set_y(max(top - 6, 0))
                self._pdf.start_section(row.outline[1], row.outline[0], strict=False)
            if isinstance(row, _Cells):
                self._cells(top, row)
            elif row.figures:
                for figure in row.figures:
                    content = pictures[figure.name]
                    self._pdf.image(content, figure.x, top, figure.width, figure.height, alt_text=figure.alt)
            elif row.runs:
                element.append((top, row))
        self._text_rows(element)

    def _text_rows(self, rows: Sequence[tuple[float, Row]]) -> None:
        """Rows that are one part of the document, such as the lines of a paragraph."""
        if not rows:
            return
        with self._tagged(next((row.tag for _, row in rows if row.tag), "P")):
            for top, row in rows:
                for run in row.runs:
                    self._run(run, top + row.baseline)

    def _cells(self, top: float, row: _Cells) -> None:
        """Cell after cell, so that a reader aloud ends one before it begins the next."""
        head = any(run.style == _CELL_HEAD for lines in row.cells for line in lines for run in line.runs)
        if head:
            with self._artifact():
                self._pdf.set_fill_color(f"#{TINT}")
                self._pdf.rect(self._form.left - 6, top, self._form.column + 12, row.height, style="F")
        for lines in row.cells:
            if not any(line.runs for line in lines):
                continue
            with self._tagged("P"):
                for number, line in enumerate(lines):
                    for run in line.runs:
                        self._run(run, top + _CELL_ROOM / 2 + 9 + number * _LEADING)
        if row.rule and not head:
            with self._artifact():
                self._rule(self._form.left - 6, top + row.height, self._form.left + self._form.column + 6)


def typeset(
    title: str,
    blocks: Sequence[Block],
    cache: Path,
    created: datetime,
    *,
    page_format: str = "A4",
    language: str = "en",
) -> Set:
    """Set `blocks` under `title`. `created`, with its time zone, is the file's date. Faces are cut into `cache` once;
    signs that no installed font has become boxes.

    Raises: MissingExtra if the font packages are not installed.
    """
    faces = fonts.faces(cache)
    own = fonts.coverage(faces)
    signs = title + "".join(_texts(blocks))
    others = fallback.fallbacks(cache, fallback.lacking(signs, own))
    glyphs = Glyphs(own.union(*(face.has for face in others.values())))
    measure = Measure({name: face.advances for name, face in faces.items()}, Scripts(others, own) if others else None)
    form = replace(FORMATS[page_format], left=_MARGIN, right=_MARGIN)
    setter = _Setter(measure, form, glyphs)
    rows = setter.rows(title, blocks)
    pages = paginate(rows, form.body)
    paths = {name: face.path for name, face in faces.items()} | {name: face.path for name, face in others.items()}
    pdf = _ReportPen(glyphs.clean(title), created, language, form, paths, measure, pages).draw(setter.pictures)
    return Set(pdf, len(pages), glyphs.replaced)


def _texts(blocks: Sequence[Block]) -> Iterator[str]:
    """Every text that blocks can show."""
    for block in blocks:
        if isinstance(block, Heading | Paragraph):
            yield block.text
        elif isinstance(block, Table):
            yield from block.header
            yield from (cell for row in block.rows for cell in row)
        else:
            yield block.alt + block.caption


def _widths(shares: Sequence[float], column: float) -> list[float]:
    room = column - _GAP * (len(shares) - 1)
    return [room * share / sum(shares) for share in shares]


def _moved(line: Line, right: float) -> Line:
    """The line, ending at `right`."""
    if not line.runs:
        return line
    by = right - (line.runs[-1].x + line.runs[-1].width)
    return replace(line, runs=tuple(replace(run, x=run.x + by) for run in line.runs))
