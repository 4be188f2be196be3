"""Contact sheets: many small pictures on one, with words below each.

Belongs here: laying out and writing the sheet, for any product. Does not belong here: which pictures are shown, and
slides (`pictures.py`). Pure: NumPy and Pillow, both imported when a sheet is made.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

_BACKGROUND, _INK, _FRAME = "#ffffff", "#3b4654", "#d5dbe3"
_LINE, _GAP = 14, 6  # pixels: a line of text, the space between pictures
_FONT = 12  # pixels; in smaller sizes of this font the spaces between words are hardly seen


@dataclass(frozen=True)
class Picture:
    """`pixels` are uint8, 3 x height x width; `lines` stand below it; `frame` is a colour (`#rrggbb`) around it."""

    pixels: Any
    lines: tuple[str, ...] = ()
    frame: str | None = None


def sheet(
    pictures: Sequence[Picture], *, columns: int = 10, side: int = 64, title: str = "", heads: Sequence[str] = ()
) -> Any:
    """All pictures in rows of `columns`, each scaled by whole pixels to at most `side`: a Pillow image.

    `heads` stand above the columns. Words that are wider than a cell are cut, the title never is: few pictures get a
    sheet as wide as that. Raises: ValueError if there is no picture.
    """
    from PIL import Image, ImageDraw, ImageFont

    if not pictures:
        raise ValueError("a sheet needs a picture")
    font = ImageFont.load_default(_FONT)
    columns = min(columns, len(pictures))
    above = _GAP + (_LINE + _GAP if title else 0)  # where the heads begin
    tops = [above + (_LINE + 2 if heads else 0)]  # of each row, and the end of the last
    for start in range(0, len(pictures), columns):
        lines = max(len(picture.lines) for picture in pictures[start : start + columns])
        tops.append(tops[-1] + side + lines * _LINE + _GAP)
    width = max(_GAP + columns * (side + _GAP), ceil(font.getlength(title)) + 2 * _GAP)
    image = Image.new("RGB", (width, tops[-1]), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    draw.text((_GAP, _GAP), title, font=font, fill=_INK)
    for column, head in enumerate(heads[:columns]):
        draw.text((_GAP + column * (side + _GAP), above), _cut(head, side, font), font=font, fill=_INK)
    for i, picture in enumerate(pictures):
        x, y = _GAP + i % columns * (side + _GAP), tops[i // columns]
        small = Image.fromarray(picture.pixels.transpose(1, 2, 0))
        times = max(1, side // max(small.size))
        if times > 1:
            small = small.resize((small.width * times, small.height * times), Image.Resampling.NEAREST)
        elif max(small.size) > side:
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
        draw.rectangle([x - 1, y - 1, x + side, y + side], outline=picture.frame or _FRAME)
        if picture.frame:  # thick enough to be seen at a glance
            draw.rectangle([x - 2, y - 2, x + side + 1, y + side + 1], outline=picture.frame)
        image.paste(small, (x + (side - small.width) // 2, y + (side - small.height) // 2))
        for number, line in enumerate(picture.lines):
            draw.text((x, y + side + 2 + number * _LINE), _cut(line, side, font), font=font, fill=_INK)
    return image


def png(image: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def jpeg(image: Any, limit_bytes: int) -> bytes:
    """JPEG of at most `limit_bytes`: the quality falls first, then the size.

    Dagster stores a picture shown in the UI in each event, as base64, which is a third longer.
    """
    from PIL import Image

    while True:
        for quality in (85, 70, 55, 40):
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= limit_bytes:
                return buffer.getvalue()
        if min(image.size) < 32:  # nothing could be seen on a smaller one
            return buffer.getvalue()
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)


def _cut(text: str, width: int, font: Any) -> str:
    """As much of `text` as fits into `width` pixels; an ellipsis where something was cut."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
