"""Looking at a finished PDF: its text layer, its pages, a picture of one. By PDFium.

Belongs here: reading. Does not belong here: making PDFs (`pdf.py`). Pure: no Dagster. PDFium is not thread-safe:
call from one thread at a time.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

# PDFium writes a hyphen at the end of a line as one of these, since it might be a hyphenated word.
_LINE_END_HYPHENS = str.maketrans({"\x02": "-", "\ufffe": "-"})
_RTL = ("R", "AL")


class UnreadablePdf(ValueError):
    """The bytes are no PDF that PDFium can open."""


def column_text(
    pdf: bytes, column: tuple[float, float, float, float], start: tuple[int, float] = (1, math.inf)
) -> list[str]:
    """Text of each page inside `column` (left, bottom, right, top, in points from the lower left corner), from page
    and height `start` on.
    """
    left, bottom, right, top = column
    texts: list[str] = []
    with _opened(pdf) as document:
        for number in range(start[0] - 1, len(document)):
            highest = min(top, start[1]) if number == start[0] - 1 else top
            text = document[number].get_textpage().get_text_bounded(left, bottom, right, highest)
            texts.append(text.translate(_LINE_END_HYPHENS))
    return texts


def squeezed(text: str) -> str:
    """`text` without blanks and with compatible letters made one, so that texts compare whatever the line breaks."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def missing_texts(pages: Sequence[str], texts: Sequence[str], ignore: Sequence[str] = ()) -> list[str]:
    """Those of `texts` that don't stand in the joined pages one after the other, each whole and in order.

    Blanks and line ends don't count; `ignore` is taken out of each page first (a footnote may interrupt a paragraph).
    Readers have each an order of their own for letters from right to left: of such a text the letters are counted.
    """
    whole = ""
    for page in pages:
        text = squeezed(page)
        for aside in ignore:
            text = text.replace(squeezed(aside), "", 1)
        whole += text
    missing: list[str] = []
    unused = Counter(whole)
    at = 0
    for text in texts:
        if any(unicodedata.bidirectional(char) in _RTL for char in text):
            letters = Counter(filter(str.isalnum, squeezed(text)))  # they mirror brackets each in their own way
            if letters <= unused:
                unused -= letters
            else:
                missing.append(text)
            continue
        wanted = squeezed(text)
        found = whole.find(wanted, at)
        if found < 0:
            missing.append(text)
        else:
            at = found + len(wanted)
    return missing


def first_page(pdf: bytes, most_bytes: int = 70_000) -> bytes:
    """The first page as a PNG of at most `most_bytes`, as large as that allows."""
    with _opened(pdf) as document:
        page = document[0]
        for width in (800, 640, 500, 400, 300, 200):
            image = page.render(scale=width / page.get_width()).to_pil()
            buffer = io.BytesIO()
            image.quantize(colors=32).save(buffer, "PNG", optimize=True)
            if buffer.tell() <= most_bytes:
                break
        return buffer.getvalue()


@contextmanager
def _opened(pdf: bytes) -> Iterator[PdfDocument]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        raise UnreadablePdf(f"PDFium can't open these {len(pdf)} bytes: {error}") from error
    try:
        yield document
    finally:
        document.close()
