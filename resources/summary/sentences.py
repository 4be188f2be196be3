"""The sentences of a transcript, each with its time.

Belongs here: where a sentence ends, and when its words are said. Pure: no Dagster, no numpy.
Does not belong here: which sentences matter (`extractive.py`).

A segment of a transcript is no sentence: it may end in the middle of one, or hold several. So sentences are cut from
the whole text, at punctuation; where there is none for long, at the best pause. Times are those of the words.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from resources.speech.documents import Segment, Transcript

_LONGEST_SENTENCE = 60
"""Words; one longer than this, by its punctuation, is cut."""
_LONGEST_PIECE, _SHORTEST_PIECE = 35, 6
"""Words in a piece of a sentence that was cut."""
_BREATH_S = 0.35
"""A silence at which even a short enough piece is cut, if it has room for two."""
_CLEAR_PAUSE_S = 0.7
"""A silence that ends a sentence even after what looks like an abbreviation."""

_END = re.compile(r"[.!?…。！？؟।]+[\"'»”’)\]]*\Z")
_ABBREVIATED = """
    mr mrs ms messrs dr prof st vs no fig figs eq gen col capt rev hon approx vol jr sr bzw ca nr
    рис стр им тыс млн млрд руб гг вв см ср напр ул табл гл акад доц св
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())


@dataclass(frozen=True)
class Sentence:
    """A stretch of `Transcript.text`, unchanged.

    `start_s` and `end_s` in seconds; `position` counts the words before it, `words` its own; `whole` is false for a
    piece of a sentence that was too long; `starts` holds, for each word, its offset in `text` and its time.
    """

    text: str
    start_s: float
    end_s: float
    position: int
    words: int
    whole: bool
    starts: tuple[tuple[int, float], ...]

    def time_at(self, offset: int) -> float:
        """When the word at `offset` of `text` is said, in seconds."""
        return self.starts[max(0, bisect_right(self.starts, (offset, float("inf"))) - 1)][1]


@dataclass(frozen=True)
class _Spoken:
    """A word at `start:end` of the whole text, said from `start_s` to `end_s`; `closes` its segment or not."""

    start: int
    end: int
    text: str
    start_s: float
    end_s: float
    closes: bool


def sentences(transcript: Transcript) -> list[Sentence]:
    """All sentences in order; together they hold every word. No sentence is empty."""
    text = transcript.text
    spoken = _spoken(transcript)
    found: list[Sentence] = []
    first = 0
    for last in range(len(spoken)):
        if last + 1 < len(spoken) and not _ends(spoken, first, last):
            continue
        pieces = _pieces(spoken, first, last + 1)
        found += [_sentence(text, spoken, low, high, whole=len(pieces) == 1) for low, high in pieces]
        first = last + 1
    return found


def _sentence(text: str, spoken: list[_Spoken], low: int, high: int, *, whole: bool) -> Sentence:
    origin, end = spoken[low].start, spoken[high - 1].end
    return Sentence(
        text=text[origin:end],
        start_s=spoken[low].start_s,
        end_s=max(spoken[high - 1].end_s, spoken[low].start_s),
        position=low,
        words=high - low,
        whole=whole,
        starts=tuple((word.start - origin, word.start_s) for word in spoken[low:high]),
    )


def _spoken(transcript: Transcript) -> list[_Spoken]:
    """The words with their places in `transcript.text`. What a segment says outside its words goes to a neighbour."""
    spoken: list[_Spoken] = []
    origin = 0
    for segment in transcript.segments:
        placed = _placed(segment) or _spread(segment)
        # Each word reaches up to the next one, and the first starts the segment, so that no character is lost.
        edges = [0, *(start for start, _, _ in placed[1:]), len(segment.text)]
        for index, (_, start_s, end_s) in enumerate(placed):
            part = segment.text[edges[index] : edges[index + 1]].rstrip()
            start = origin + edges[index]
            spoken.append(_Spoken(start, start + len(part), part, start_s, end_s, index + 1 == len(placed)))
        origin += len(segment.text) + 1
    return spoken


def _placed(segment: Segment) -> list[tuple[int, float, float]]:
    """Offset in the segment's text, start and end in seconds, of each word that is found there."""
    placed, cursor = [], 0
    for word in segment.words:
        said = word.text.strip()
        offset = segment.text.find(said, cursor) if said else -1
        if offset >= 0:
            placed.append((offset, word.start_s, word.end_s))
            cursor = offset + len(said)
    return placed


def _spread(segment: Segment) -> list[tuple[int, float, float]]:
    """The same for a segment without words: its time is shared out by characters."""
    length, span = len(segment.text), segment.end_s - segment.start_s
    matches = list(re.finditer(r"\S+", segment.text))
    return [
        (match.start(), segment.start_s + span * match.start() / length, segment.start_s + span * match.end() / length)
        for match in matches
    ]


def _ends(spoken: list[_Spoken], first: int, last: int) -> bool:
    word, following = spoken[last], spoken[last + 1]
    mark = _END.search(word.text)
    if not mark or following.text[:1].islower():
        return False
    core = word.text[: mark.start()].lstrip("\"'«“‘([").casefold()
    if not mark[0].startswith(".") or mark[0].startswith("..") or following.start_s - word.end_s >= _CLEAR_PAUSE_S:
        return True
    if core.isdigit():
        return last > first or len(core) > 2  # "1. ..." opens a list; "... in 1452." closes a sentence
    return not ((len(core) == 1 and core.isalpha()) or "." in core or core in _ABBREVIATIONS)


def _pieces(spoken: list[_Spoken], low: int, high: int) -> list[tuple[int, int]]:
    """`low:high` in pieces a person can read: itself unless it is too long, else cut at its best places."""
    if high - low <= _LONGEST_SENTENCE:
        return [(low, high)]
    pieces = []
    # A text without any punctuation is first walked through in steps, so that time stays linear in its length.
    while high - low > 10 * _LONGEST_PIECE:
        cut = _best_cut(spoken, low + 3 * _LONGEST_PIECE, low + 6 * _LONGEST_PIECE)
        pieces += _halves(spoken, low, cut)
        low = cut
    return pieces + _halves(spoken, low, high)


def _halves(spoken: list[_Spoken], low: int, high: int) -> list[tuple[int, int]]:
    if high - low < 2 * _SHORTEST_PIECE:
        return [(low, high)]
    cut = _best_cut(spoken, low + _SHORTEST_PIECE, high - _SHORTEST_PIECE)
    if high - low <= _LONGEST_PIECE and spoken[cut].start_s - spoken[cut - 1].end_s < _BREATH_S:
        return [(low, high)]
    return _halves(spoken, low, cut) + _halves(spoken, cut, high)


def _best_cut(spoken: list[_Spoken], low: int, high: int) -> int:
    """The place in `low..high` with the longest pause, ends of segments and clauses preferred, the middle if equal."""
    middle = (low + high) / 2

    def worth(cut: int) -> float:
        before, after = spoken[cut - 1], spoken[cut]
        pause = min(max(after.start_s - before.end_s, 0.0), 3.0)
        mark = 1.0 if before.text[-1:] in ";:—" or _END.search(before.text) else 0.4 if before.text[-1:] == "," else 0.0
        return pause + mark + 0.3 * before.closes - 0.3 * abs(cut - middle) / max(1, high - low)

    return max(range(low, high + 1), key=worth)
