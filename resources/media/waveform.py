"""A picture of a sound: its outline over time.

Belongs here: drawing with Pillow. Does not belong here: measuring (`levels.py`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from resources.media.levels import Levels
from resources.timecode import clock

_WIDTH, _HEIGHT, _MARGIN, _AXIS, _SCALE = 1000, 200, 14, 26, 2
_PAPER, _GRID, _WAVE, _MIDDLE, _LABEL = "#ffffff", "#e3e8ef", "#2f6fb0", "#1f4e80", "#5b6777"
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)


def picture(levels: Levels, duration_s: float) -> bytes:
    """PNG, 1000 x 200 pixels, a few kB: lowest and highest sample of each column, and the time in h:mm:ss below."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = _WIDTH * _SCALE, _HEIGHT * _SCALE
    left, right = _MARGIN * _SCALE, width - _MARGIN * _SCALE
    top, bottom = _MARGIN * _SCALE, height - _AXIS * _SCALE
    middle, half = (top + bottom) / 2, (bottom - top) / 2
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(11 * _SCALE)

    for at in _ticks(duration_s):
        x = left + (right - left) * at / duration_s
        draw.line([(x, top), (x, bottom)], fill=_GRID, width=_SCALE)
        anchor = "lt" if at == 0 else "rt" if x > right - 25 * _SCALE else "mt"
        draw.text((x, bottom + 7 * _SCALE), clock(at), font=font, fill=_LABEL, anchor=anchor)
    columns = (right - left) // _SCALE
    lows, highs = _columns(levels.low, columns, min), _columns(levels.high, columns, max)
    # Quiet recordings are drawn larger, or they would look like silence; the loudest sample fills the picture at most.
    full = max(1024, *(-low for low in lows), *highs)
    draw.line([(left, middle), (right, middle)], fill=_MIDDLE, width=1)
    for i, (low, high) in enumerate(zip(lows, highs, strict=True)):
        x = left + i * _SCALE
        draw.rectangle([x, middle - half * high / full, x + _SCALE - 1, middle - half * low / full], fill=_WAVE)
    small: Any = image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS).quantize(64)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _columns(values: Sequence[int], count: int, extreme: Any) -> list[int]:
    """`count` extremes of equal parts of `values`; short sounds repeat theirs."""
    n = len(values)
    return [extreme(values[i * n // count : max(i * n // count + 1, (i + 1) * n // count)]) for i in range(count)]


def _ticks(duration_s: float) -> list[float]:
    step = next((step for step in _STEPS_S if duration_s / step <= 10), _STEPS_S[-1])
    return [float(at) for at in range(0, int(duration_s) + 1, step)]
