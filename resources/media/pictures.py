"""Small grey pictures compared with each other, and full ones made into files.

Belongs here: how alike two frames are, which frames are blank, JPEG and contact sheet. Does not belong here: which
frames of a video are looked at (`frames.py`), and what follows from the comparison (`scenes.py`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from resources.timecode import clock

SMALL = (160, 90)
_BLOCKS = (16, 9)
_CHANGED, _MOVED, _BLANK_SPREAD = 8.0, 4.0, 3.0
"""Levels of 255: a block whose mean difference is larger shows something else, or moves; so small a spread is blank."""
_FLAT, _SAME_HASH = 3.0, 0.4
LONGEST_SIDE, JPEG_QUALITY = 1600, 85


def small(frame: Any) -> Any:
    """A video frame as 90 x 160 grey levels, int16."""
    import numpy as np

    grey = frame.reformat(width=SMALL[0], height=SMALL[1], format="gray", interpolation="AREA")
    return grey.to_ndarray().astype(np.int16)


def changed(a: Any, b: Any, moving: Any | None = None) -> float:
    """The share of the picture, 0 to 1, that shows something else; blocks marked in `moving` don't count as changed."""
    blocks = _differences(a, b) > _CHANGED
    if moving is not None:
        blocks &= ~moving
    return float(blocks.mean())


def moving_blocks(a: Any, b: Any) -> Any:
    """Which of the 9 x 16 blocks differ between two frames taken shortly after each other."""
    return _differences(a, b) > _MOVED


def is_blank(picture: Any) -> bool:
    """Whether it is all but one colour: a fade, a pause, an empty page."""
    return float(picture.std()) < _BLANK_SPREAD


def no_blocks(kind: type = bool) -> Any:
    """9 x 16 blocks, none of them marked."""
    import numpy as np

    return np.zeros((_BLOCKS[1], _BLOCKS[0]), kind)


def look_alike(a: Any, b: Any, min_change: float, moving: Any | None = None) -> bool:
    """Whether two pictures are one slide: hardly a block differs, or only the brightness does (difference hash).

    Blocks marked in `moving` are not looked at. This is why the hash is made of differences between neighbours, each of
    which has its place, and not of a cosine transform, where the lecturer in a corner changes every bit.
    """
    import numpy as np

    seen = ~(no_blocks() if moving is None else moving)
    if not seen.any():
        return False
    if float((_differences(a, b) > _CHANGED)[seen].mean()) < min_change:
        return True
    steps = seen[:, 1:] & seen[:, :-1]
    return bool(steps.any()) and float(np.mean((_hash(a) != _hash(b))[steps])) < _SAME_HASH * min_change


def distance(pictures: Any, one: Any) -> Any:
    """Mean difference in grey levels between each of `pictures` (n x 90 x 160) and `one`."""
    import numpy as np

    return np.abs(pictures - one).mean((1, 2))


def jpeg(frame: Any, pixel_shape: float) -> tuple[bytes, int, int]:
    """A frame upright, with square pixels, at most 1600 pixels long: JPEG of quality 85, its width and height.

    `pixel_shape` is the width of the frame's pixels in units of their height.
    """
    from PIL import Image

    image = frame.to_image()
    width, height = image.width * pixel_shape, image.height
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue(), *image.size


def contact_sheet(pictures: Sequence[bytes], times_s: Sequence[float], limit_bytes: int) -> bytes:
    """JPEG of at most `limit_bytes`: up to 24 slides, evenly picked, four in a row, each with its time below."""
    from PIL import Image, ImageDraw, ImageFont

    count = min(24, len(pictures))
    picked = sorted({round(i * (len(pictures) - 1) / max(1, count - 1)) for i in range(count)})
    columns, width, height, label, gap = min(4, count), 240, 135, 20, 8
    rows = -(-count // columns)
    sheet = Image.new("RGB", (gap + columns * (width + gap), gap + rows * (height + label + gap)), "#ffffff")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for i, index in enumerate(picked):
        with Image.open(io.BytesIO(pictures[index])) as image:
            image.thumbnail((width, height), Image.Resampling.LANCZOS)
            x, y = gap + i % columns * (width + gap), gap + i // columns * (height + label + gap)
            sheet.paste(image, (x + (width - image.width) // 2, y + (height - image.height) // 2))
        draw.rectangle([x - 1, y - 1, x + width, y + height], outline="#d5dbe3")
        draw.text((x + width / 2, y + height + 4), clock(times_s[index]), font=font, fill="#5b6777", anchor="mt")
    for quality in (80, 60, 40, 20, 5):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= limit_bytes:
            break
    return buffer.getvalue()


def _differences(a: Any, b: Any) -> Any:
    import numpy as np

    columns, rows = _BLOCKS
    return np.abs(a - b).reshape(rows, SMALL[1] // rows, columns, SMALL[0] // columns).mean((1, 3))


def _hash(picture: Any) -> Any:
    """Difference hash of the block means: darker, like or lighter than the block to the left. 9 x 15 of -1, 0, 1."""
    import numpy as np

    columns, rows = _BLOCKS
    means = picture.reshape(rows, SMALL[1] // rows, columns, SMALL[0] // columns).mean((1, 3))
    steps = np.diff(means, axis=1)
    return np.sign(np.where(np.abs(steps) < _FLAT, 0, steps))
