"""A bar chart as a small picture.

Belongs here: drawing it with Pillow. Does not belong here: what is compared.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

_WIDTH, _ROW, _BAR, _MARGIN, _NAMES, _VALUES, _SCALE = 800, 30, 18, 14, 200, 90, 2
_PAPER, _FILL, _LABEL = "#ffffff", "#2f6fb0", "#36404d"
_MAX_ROWS, _MAX_NAME = 20, 28


def picture(bars: Mapping[str, float], labels: Mapping[str, str]) -> bytes:
    """PNG, 800 pixels wide, a few kB: a horizontal bar per name in the order given, its label to the right.

    The longest bar is as wide as there is room. At most 20 bars are drawn; values are 0 or larger.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = list(bars)[:_MAX_ROWS]
    size = _WIDTH * _SCALE, (2 * _MARGIN + _ROW * max(1, len(shown))) * _SCALE
    image = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13 * _SCALE)
    left, room = (_MARGIN + _NAMES) * _SCALE, (_WIDTH - 2 * _MARGIN - _NAMES - _VALUES) * _SCALE
    full = max((bars[name] for name in shown), default=0) or 1
    for i, name in enumerate(shown):
        top = (_MARGIN + i * _ROW + (_ROW - _BAR) / 2) * _SCALE
        middle, right = top + _BAR * _SCALE / 2, left + room * bars[name] / full
        text = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"
        draw.text((left - 10 * _SCALE, middle), text, font=font, fill=_LABEL, anchor="rm")
        if bars[name] > 0:
            draw.rectangle([left, top, max(right, left + _SCALE), top + _BAR * _SCALE], fill=_FILL)
        draw.text((right + 8 * _SCALE, middle), labels[name], font=font, fill=_LABEL, anchor="lm")
    small: Any = image.resize((size[0] // _SCALE, size[1] // _SCALE), Image.Resampling.LANCZOS).quantize(32)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
