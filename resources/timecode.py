"""How a moment of a recording is written for people.

Belongs here: the one text form of a time that notes, previews and messages share. Does not belong here: the times of
subtitle formats, which their own standards fix (`resources/speech/subtitles.py`).
"""

from __future__ import annotations

import math


def clock(seconds: float) -> str:
    """`h:mm:ss` of a moment `seconds` from the start, rounded down, so that jumping there lands before it.

    The hour is always written, so that 1:05:30 can't be read as 5:30 or as an hour less. Hours may pass 24.
    ValueError if `seconds` is negative or not finite.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{seconds!r} is no time within a recording")
    whole = int(seconds + 1e-6)  # 2.9999999 is a rounding error of 3, not a moment before it
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
