"""Pages to a PDF file, by fpdf2.

Belongs here: drawing, links, outline, structure, the file's own metadata. Does not belong here: any decision about
looks (`look.py`, `rows.py`, `body.py`) or page ends (`pages.py`). Pure. The same notes, slides and fonts give the same
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from resources.notes.content import Notes
from resources.notes.fallback import Fallback
from resources.notes.fonts import Face, coverage
from resources.notes.lines import Measure, Run
from resources.notes.look import FORMATS, HAIRLINE, SMALL, TINT, Format
from resources.notes.pages import GRID, Page, Places, Row, paginate
from resources.notes.pen import Pen
from resources.notes.rows import Typist
from resources.notes.scripts import Scripts
from resources.timecode import clock

if TYPE_CHECKING:
    from fpdf import FPDF

_BOX_LEFT, _BOX_RIGHT = 58.0, 6.0  # how far the tinted box reaches beyond the text column: left over the times
_BOX_OPEN = 6.0  # how far a box that goes on over the next page reaches below its last line
_HEAD_GAP = 26.0  # from the running head's baseline to the text
_HEAD_BETWEEN = 18.0  # at least this far apart are title and chapter in the running head
_FOOT_GAP = 34.0  # from the text to the foot's baseline


@dataclass(frozen=True)
class Drawn:
    """The finished file, its number of pages, where the text column lies (left, bottom, right, top in points from the
    lower left corner), and where the recording begins: its page, from 1, and the height of its first line's top.
    """

    content: bytes
    pages: int
    column: tuple[float, float, float, float]
    body: tuple[int, float]


def draw(
    notes: Notes,
    pictures: Mapping[str, Path | bytes],
    faces: Mapping[str, Face],
    page_format: str = "A4",
    on_page: Callable[[int, int], None] | None = None,
    others: Mapping[str, Fallback] | None = None,
) -> Drawn:
    """Set `notes`, whose every text the faces can show (those of `others` where `faces` can't), with `pictures` by file
    name.

    `on_page(done, total)` is called after each page.
    """
    form = FORMATS[page_format]
    scripts = Scripts(others, coverage(dict(faces))) if others else None
    measure = Measure({name: face.advances for name, face in faces.items()}, scripts)
    pages = paginate(Typist(measure, form).rows(notes), form.body)
    paths = {name: face.path for name, face in faces.items()} | {
        name: face.path for name, face in (others or {}).items()
    }
    pen = _Pen(notes, pictures, paths, form, measure, pages)
    for number in range(1, len(pages) + 1):
        pen.page(number)
        if on_page:
            on_page(number, len(pages))
    top = form.height - form.top
    column = (form.left - 2, top - form.body - 2, form.width - form.right + 12, top + 2)
    places = Places(pages)
    page, y = places.of("body") or places.of("chapter:0") or (len(pages), 0.0)
    return Drawn(pen.finish(), len(pages), column, (page, top - y + 2))


class _Pen(Pen):
    def __init__(
        self,
        notes: Notes,
        pictures: Mapping[str, Path | bytes],
        faces: Mapping[str, Path],
        form: Format,
        measure: Measure,
        pages: list[Page],
    ) -> None:
        from fpdf import FPDF

        self._notes, self._pictures, self._form, self._pages = notes, pictures, form, pages
        self._places = Places(pages)
        self._links: dict[tuple[int, float], int] = {}
        pdf: FPDF = FPDF(unit="pt", format=(form.width, form.height))
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.c_margin = 0
        for name, path in faces.items():
            pdf.add_font(name, fname=path)
        origin = notes.origin
        pdf.set_title(origin.title)
        pdf.set_subject(notes.words.subject.format(name=origin.name, duration=clock(origin.duration_s)))
        pdf.set_keywords(", ".join(term.text for term in notes.terms))
        pdf.set_creator("Scriptorium")
        pdf.set_lang(notes.language)
        pdf.set_creation_date(origin.created.astimezone(UTC))
        pdf.set_display_mode("fullpage" if len(pages) == 1 else "fullwidth")
        super().__init__(pdf, measure)

    def page(self, number: int) -> None:
        """Draw page `number`, from 1: head and foot, the boxes, then the rows from top to bottom."""
        page = self._pages[number - 1]
        self._pdf.add_page()
        self._style = None
        with self._artifact():
            if number > 1:
                self._furniture(page, number)
            self._boxes(page, goes_on=number < len(self._pages) and self._pages[number].rows[0][1].boxed)
        element: list[tuple[float, Row]] = []
        for y, row in page.rows:
            if row.tag and element:
                self._element(element)
                element = []
            element.append((y, row))
        self._element(element)
        if page.footnotes:
            y = self._form.top + self._form.body - 4 - GRID * (len(page.footnotes) - 1)
            with self._artifact():
                self._rule(self._form.left, y - 13, self._form.left + 60)
            with self._tagged("Note"):
                for number_, line in enumerate(page.footnotes):
                    for run in line.runs:
                        self._run(run, y + number_ * GRID)

    def finish(self) -> bytes:
        return bytes(self._pdf.output())

    def _furniture(self, page: Page, number: int) -> None:
        form = self._form
        y = form.top - _HEAD_GAP
        # Each gets what the other leaves, at least half.
        room = form.column - _HEAD_BETWEEN
        chapter_width = self._measure.width(page.chapter, SMALL) if page.chapter else 0.0
        title = self._measure.fit(self._notes.origin.title, SMALL, max(room - chapter_width, room / 2))
        self._line(form.left, y, title, SMALL)
        chapter = self._measure.fit(page.chapter, SMALL, room - self._measure.width(title, SMALL))
        self._line(form.left + form.column - self._measure.width(chapter, SMALL), y, chapter, SMALL)
        self._rule(form.left, y + 6, form.left + form.column)
        foot = self._notes.words.page.format(number=number, total=len(self._pages))
        x = form.left + form.column - self._measure.width(foot, SMALL)
        self._text(x, form.top + form.body + _FOOT_GAP, foot, SMALL)

    def _boxes(self, page: Page, goes_on: bool) -> None:
        """The tint behind boxed rows; `goes_on`: the next page begins with such a row."""
        left = self._form.left - _BOX_LEFT
        width = self._form.column + _BOX_LEFT + _BOX_RIGHT
        self._pdf.set_fill_color(f"#{TINT}")
        top: float | None = None
        bottom = 0.0
        for y, row in [*page.rows, (0.0, Row())]:
            if row.boxed:
                top, bottom = y if top is None else top, y + row.height
            elif top is not None:
                bottom += _BOX_OPEN if goes_on and page.rows[-1][1].boxed and bottom > page.rows[-1][0] else 0.0
                self._pdf.rect(left, self._form.top + top, width, bottom - top, style="F")
                top = None

    def _element(self, rows: list[tuple[float, Row]]) -> None:
        """Draw rows that are one part of the document, such as the lines of a paragraph."""
        for y, row in rows:
            self._figures(self._form.top + y, row)
        if any(row.runs for _, row in rows):
            with self._tagged(next((row.tag for _, row in rows if row.tag), "P")):
                for y, row in rows:
                    self._row(self._form.top + y, row)

    def _figures(self, y: float, row: Row) -> None:
        if row.outline:
            level, title = row.outline
            self._pdf.set_y(max(y - 6, 0))
            self._pdf.start_section(title, level, strict=False)
        for figure in row.figures:
            content = self._pictures[figure.name]
            self._pdf.image(content, figure.x, y, figure.width, figure.height, alt_text=figure.alt)
            with self._artifact():
                self._pdf.set_draw_color(f"#{HAIRLINE}")
                self._pdf.set_line_width(0.5)
                self._pdf.rect(figure.x, y, figure.width, figure.height, style="D")

    def _row(self, y: float, row: Row) -> None:
        for run in row.runs:
            self._run(run, y + row.baseline)
        if row.page_of and (place := self._places.of(row.page_of)):
            text = str(place[0])
            x = self._form.left + self._form.column - self._measure.width(text, SMALL)
            self._run(Run(x, text, SMALL, self._measure.width(text, SMALL), row.page_of), y + row.baseline)

    def _run(self, run: Run, baseline: float) -> None:
        super()._run(run, baseline)
        if run.link and (place := self._places.of(run.link)):
            size = run.style.size
            self._pdf.link(run.x, baseline - size, run.width, size * 1.3, self._link(place))

    def _link(self, place: tuple[int, float]) -> int:
        if place not in self._links:
            page, y = place
            self._links[place] = self._pdf.add_link(page=page, y=max(self._form.top + y - 6, 0))
        return self._links[place]
