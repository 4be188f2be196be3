"""How much a frame looks like writing and line drawing, as against a face or a room.

Belongs here: the measure and its threshold. Does not belong here: what is done with it (`selection.py`).

Writing is strokes on plain ground: within a few pixels brightness jumps up and down again, and most of what lies
between has one level. Pictures from a camera have many more levels and softer steps (V. Athitsos, M. Swain,
C. Frankel, Distinguishing photographs and graphics on the World Wide Web, CBAIVL 1997: prevalent colours, sharp
transitions); text lines are where edges are dense (M. Cai, J. Song, M. Lyu, A new approach for video text detection,
ICIP 2002). Both are asked of small cells, so a picture on a slide or a shaded background does no harm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

TEXT_LIKE = 0.2
"""Photographs of a face, a palace and a flower reach 0 to 0.14, slides 0.34 to 0.97; with noise of 10 levels added,
or as a JPEG of quality 30, none of these changes sides (see `test_text_likeness.py`). A bare bar chart has 0.2, and may
pass for either."""

_SIZE, _CELL = (640, 360), 20
"""At 360 lines the small print of a slide still has strokes of a pixel; a cell holds one to three letters."""
_STEP, _STROKES = 32, 12
"""Grey levels within two pixels that are the side of a stroke: JPEG's ringing and noise stay below; a letter has more
than so many pixels of either side."""
_SPREAD, _PLAIN, _HALF = 8.0, 12.0, 0.5
"""Levels: a cell that spreads less shows nothing; half of a written cell lies so near to its median, the paper."""
_ENOUGH = 0.03
"""With a title alone, about 17 of the 576 cells are written on; with fewer, the likeness falls in proportion."""


class Writing(NamedTuple):
    """`likeness`, 0 (a face, a room) to 1 (a page of text): of the cells that show anything, how many are written on.

    `share` is how many of all cells are written on, 0 to 1: it grows with every line.
    """

    likeness: float = 0.0
    share: float = 0.0


def writing(frame: Any) -> Writing:
    """What is written on a video frame."""
    import numpy as np

    (width, height), cell = _SIZE, _CELL
    grey = frame.reformat(width=width, height=height, format="gray", interpolation="AREA").to_ndarray()
    grey = grey.astype(np.int16)
    step = np.zeros_like(grey)
    step[:, 1:-1] = grey[:, 2:] - grey[:, :-2]

    def cells(levels: Any) -> Any:
        cut = levels.reshape(height // cell, cell, width // cell, cell)
        return cut.transpose(0, 2, 1, 3).reshape(-1, cell * cell)

    levels, steps = cells(grey), cells(step)
    busy = levels.std(1) > _SPREAD
    if not busy.any():
        return Writing()
    levels, steps = levels[busy], steps[busy]
    strokes = np.minimum((steps > _STEP).sum(1), (steps < -_STEP).sum(1)) >= _STROKES
    paper = np.partition(levels, levels.shape[1] // 2, axis=1)[:, levels.shape[1] // 2, None]
    plain = (np.abs(levels - paper) <= _PLAIN).mean(1) >= _HALF
    written = float((strokes & plain).sum())
    share = written / len(busy)
    return Writing(written / len(levels) * min(1.0, share / _ENOUGH), share)
