"""How long a summary is.

Belongs here: the two formulas, shared by every way of summarizing. A longer recording gets a longer summary, but not in
proportion: people read the notes of three hours in minutes, too.
"""

from __future__ import annotations

import math


def bullets_for(speech_s: float) -> int:
    """`3 + 1.7 * sqrt(minutes)`, rounded: 5 for two minutes, 8 for ten, 16 for an hour, 26 for three hours."""
    return round(3 + 1.7 * math.sqrt(max(0.0, speech_s) / 60))


def terms_for(speech_s: float) -> int:
    """`6 + 1.5 * log2(1 + minutes)`, rounded, 8 to 15: 8 for two minutes, 11 for ten, 15 for an hour."""
    return min(15, max(8, round(6 + 1.5 * math.log2(1 + max(0.0, speech_s) / 60))))
