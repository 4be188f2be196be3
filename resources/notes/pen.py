"""The strokes every page is made of: text in any script, rules, and the structure that readers aloud follow.

Belongs here: what fpdf2 is told for a single piece. Does not belong here: what stands where (`pdf.py` for notes,
`resources/training/report_pages.py` for reports). Pure. Lengths are in points.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resources.notes.lines import Measure, Run, Style
from resources.notes.look import HAIRLINE

if TYPE_CHECKING:
    from fpdf import FPDF

_CELL_BASELINE = 0.8  # of its height: where fpdf2 sets the baseline of a cell as high as its type


class Pen:
    """Draws on the page that `pdf` is at; `measure` knows the widths of its faces."""

    def __init__(self, pdf: FPDF, measure: Measure) -> None:
        self._pdf, self._measure = pdf, measure
        self._style: Style | None = None

    @contextmanager
    def _tagged(self, tag: str) -> Iterator[None]:
        """What is drawn inside is one element of the document's structure, in reading order.

        fpdf2 (2.8) tags pictures only, and offers nothing for text; these are the two calls it makes for a picture.
        """
        number = self._pdf.struct_builder.next_mcid_for_page(self._pdf.page)
        self._pdf._add_marked_content(struct_type=f"/{tag}", mcid=number)
        self._pdf._out(f"/{tag} <</MCID {number}>> BDC")
        yield
        self._pdf._out("EMC")

    @contextmanager
    def _artifact(self) -> Iterator[None]:
        """What is drawn inside is decoration, which readers aloud skip."""
        self._pdf._out("/Artifact BMC")
        yield
        self._pdf._out("EMC")

    def _run(self, run: Run, baseline: float) -> None:
        if run.face:
            self._shaped(run, baseline)
        else:
            self._text(run.x, baseline, run.text, run.style)

    def _line(self, x: float, baseline: float, text: str, style: Style) -> None:
        for run in self._measure.line(text, style, x):
            self._run(run, baseline)

    def _text(self, x: float, baseline: float, text: str, style: Style) -> None:
        if style != self._style:
            self._pdf.set_font(style.face, size=style.size)
            self._pdf.set_text_color(f"#{style.colour}")
            self._style = style
        self._pdf.text(x, baseline, text)

    def _shaped(self, run: Run, baseline: float) -> None:
        """Text of a fallback face, its letters joined; only a cell of fpdf2 does that."""
        size = run.style.size
        self._pdf.set_font(run.face, size=size)
        self._pdf.set_text_color(f"#{run.style.colour}")
        self._style = None
        self._pdf.set_text_shaping(True, direction="rtl" if run.rtl else "ltr")
        self._pdf.set_xy(run.x, baseline - _CELL_BASELINE * size)
        # Joined letters are pieces without a code of their own, so the word itself is there for search and copying,
        # from left to right as it stands, since PDFium and Poppler turn it round.
        words = (run.text[::-1] if run.rtl else run.text).encode("utf-16-be").hex().upper()
        self._pdf._out(f"/Span <</ActualText <FEFF{words}>>> BDC")
        self._pdf.cell(run.width, size, run.text)
        self._pdf._out("EMC")
        self._pdf.set_text_shaping(False)

    def _rule(self, x: float, y: float, end: float) -> None:
        self._pdf.set_draw_color(f"#{HAIRLINE}")
        self._pdf.set_line_width(0.5)
        self._pdf.line(x, y, end, y)
