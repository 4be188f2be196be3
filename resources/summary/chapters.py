"""Where one topic of a recording ends and the next begins.

Belongs here: the boundaries. Pure; numpy is imported where it is used.
Does not belong here: how alike sentences are (`similarity.py`), titles (`titles.py`).

As in TextTiling (Hearst, 1997): the block of words before a gap between two sentences is held against the block after
it, and a gap counts by its depth, how far the similarity falls below the peaks on either side. Long pauses and words
that open a topic add to it. Of the gaps, those are chosen which together gain most, chapters far from the length that
is aimed at costing something (a shortest path, as Utiyama and Isahara, 2001, choose theirs).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from resources.summary import cues
from resources.summary.length import SHORTEST_CHAPTER_S, chapters_for
from resources.summary.sentences import Sentence
from resources.summary.similarity import Similarity

_BLOCKS = (70, 160)
"""Words on either side of a gap, in a narrow and a wide view: half a minute and a minute of speech."""
_LONGEST = 3.0
"""No chapter is longer than so many times the length that is aimed at, if there is a gap to cut at."""
_MOST = 1.2
"""So many times as many chapters as are aimed at are the most: 12 for an hour, 24 for three."""
_OFF_LENGTH = 1.2
"""What a chapter twice as long, or half as long, as aimed at costs, in standard deviations of the depth."""
_BREAK_S = 4.0
"""A pause after which a speaker has surely finished with something; longer ones say no more."""
_PAUSE_GAIN, _OPENING_GAIN = 3.5, 0.6
"""What the longest pause, and words that open a topic, add, in standard deviations of the depth."""


@dataclass(frozen=True)
class Stretch:
    """Sentences `first:last`, which make a chapter of `speech_s` seconds of speech."""

    first: int
    last: int
    speech_s: float


def stretches(sentences: Sequence[Sentence], similarity: Similarity, language: str) -> list[Stretch]:
    """The chapters, in order; together they hold every sentence. Empty for none.

    Each but a lone one has at least 90 seconds of speech. Deterministic; time grows with the number of sentences and
    the length of a chapter.
    """
    if not sentences:
        return []
    spoken = list(accumulate((sentence.end_s - sentence.start_s for sentence in sentences), initial=0.0))
    wanted = chapters_for(spoken[-1])
    gaps = [
        gap
        for gap in range(1, len(sentences))
        if spoken[gap] >= SHORTEST_CHAPTER_S and spoken[-1] - spoken[gap] >= SHORTEST_CHAPTER_S
    ]
    edges: list[int] = []
    if wanted > 1 and gaps:
        gains = _gains(sentences, similarity, language, gaps)
        edges = _path(gaps, gains, spoken, wanted)
        while len(edges) + 1 > math.ceil(_MOST * wanted):
            gains = {gap: gain - 0.5 for gap, gain in gains.items()}
            edges = _path(gaps, gains, spoken, wanted)
    edges = [0, *edges, len(sentences)]
    return [Stretch(low, high, spoken[high] - spoken[low]) for low, high in pairwise(edges)]


def _gains(
    sentences: Sequence[Sentence], similarity: Similarity, language: str, gaps: Sequence[int]
) -> dict[int, float]:
    """What each gap is worth as a boundary, in standard deviations of the depth above the mean."""
    import numpy as np

    every = range(1, len(sentences))
    depth = np.zeros(len(every))
    for words in _BLOCKS:
        cosines = similarity.across([_span(sentences, gap, words) for gap in every])
        one = _depths(cosines.tolist())
        spread = float(np.std(one))
        depth += (np.array(one) - float(np.mean(one))) / spread if spread > 1e-9 else 0.0
    depth /= len(_BLOCKS)
    gains = {}
    for gap in gaps:
        pause = max(0.0, sentences[gap].start_s - sentences[gap - 1].end_s)
        gain = float(depth[gap - 1]) + _PAUSE_GAIN * min(pause, _BREAK_S) / _BREAK_S
        gain += _OPENING_GAIN * cues.opens(sentences[gap].text, language)
        gains[gap] = gain - (0 if sentences[gap].whole and sentences[gap - 1].whole else 0.3)
    return gains


def _span(sentences: Sequence[Sentence], gap: int, words: int) -> tuple[int, int, int]:
    """The sentences within `words` before and after `gap`; at least one on either side."""
    position = sentences[gap].position
    low = bisect_left(sentences, position - words, 0, gap - 1, key=lambda sentence: sentence.position)
    high = bisect_right(sentences, position + words, gap + 1, len(sentences), key=lambda sentence: sentence.position)
    return low, gap, high


def _depths(cosines: Sequence[float]) -> list[float]:
    """How far each value lies below the peaks that are reached by climbing from it to the left and to the right."""
    smooth = [
        sum(cosines[max(0, at - 1) : at + 2]) / len(cosines[max(0, at - 1) : at + 2]) for at in range(len(cosines))
    ]
    left, right = smooth.copy(), smooth.copy()
    for at in range(1, len(smooth)):
        if smooth[at - 1] >= smooth[at]:
            left[at] = left[at - 1]
    for at in range(len(smooth) - 2, -1, -1):
        if smooth[at + 1] >= smooth[at]:
            right[at] = right[at + 1]
    return [left[at] + right[at] - 2 * smooth[at] for at in range(len(smooth))]


def _path(gaps: list[int], gains: dict[int, float], spoken: list[float], wanted: int) -> list[int]:
    """The gaps that together gain most. Chapters keep the shortest length, and the longest if gaps allow."""
    aim = spoken[-1] / wanted
    nodes = [0, *gaps, len(spoken) - 1]
    best = [-math.inf] * len(nodes)
    came = [0] * len(nodes)
    best[0] = 0.0
    for at in range(1, len(nodes)):
        here = spoken[nodes[at]]
        low = bisect_left(nodes, here - _LONGEST * aim, 0, at, key=lambda node: spoken[node])
        high = bisect_right(nodes, here - SHORTEST_CHAPTER_S, 0, at, key=lambda node: spoken[node])
        low = min(low, max(0, high - 1))  # a sentence longer than any chapter should be
        for before in range(low, high):
            off = math.log2((here - spoken[nodes[before]]) / aim)
            value = best[before] - _OFF_LENGTH * off * off
            if value > best[at]:
                best[at], came[at] = value, before
        best[at] += gains.get(nodes[at], 0.0)
    edges, at = [], came[-1]
    while at > 0:
        edges.append(nodes[at])
        at = came[at]
    return edges[::-1]
