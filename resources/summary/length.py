"""How long a summary is, and in how many chapters.

Belongs here: the formulas, shared by every way of summarizing. A longer recording gets a longer summary, but not in
proportion: people read the notes of three hours in minutes, too.
"""

from __future__ import annotations

import math

SHORTEST_CHAPTER_S = 90.0
"""Seconds of speech. With less, a recording is all headings."""


def bullets_for(speech_s: float) -> int:
    """`3 + 1.7 * sqrt(minutes)`, rounded: 5 for two minutes, 8 for ten, 16 for an hour, 26 for three hours."""
    return round(3 + 1.7 * math.sqrt(max(0.0, speech_s) / 60))


def terms_for(speech_s: float) -> int:
    """`6 + 1.5 * log2(1 + minutes)`, rounded, 8 to 15: 8 for two minutes, 11 for ten, 15 for an hour."""
    return min(15, max(8, round(6 + 1.5 * math.log2(1 + max(0.0, speech_s) / 60))))


def chapters_for(speech_s: float) -> int:
    """`0.66 * minutes ** 0.66`, rounded, at least 1: 1 for two minutes, 3 for ten, 10 for an hour, 20 for three hours.

    What is aimed at; how many there are depends on where the topics change.
    """
    return max(1, round(0.66 * (max(0.0, speech_s) / 60) ** 0.66))


def points_for(speech_s: float) -> int:
    """Key points of a chapter with so many seconds of speech, 2 to 5: 2 for two minutes, 3 for five, 5 for ten."""
    return min(5, max(2, round(0.5 + 1.3 * math.sqrt(max(0.0, speech_s) / 60))))
