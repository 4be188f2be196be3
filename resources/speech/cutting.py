"""From the words a recogniser heard to sentences with times. Pure text work.

Belongs here: joining word pieces, keeping times in order, cutting by sentence, pause and length.
Does not belong here: recognising words (`recognition.py`), cutting for a screen (`subtitles.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from resources.speech.documents import SENTENCE_END, Segment, Word, word_separator

PAUSE_S = 1.2
"""A silence between two words that ends a segment even within a sentence."""

LONGEST_S = 15.0
LONGEST_CHARACTERS = 240
"""Longer sentences (or stretches where the model wrote no full stop) are cut again, at a pause or a comma."""

_INITIAL = re.compile(r"(?:^|[\s.(«\"'])[^\W\d_]\.$")
_CLAUSE_END = re.compile(r"[,;:—–-][\"'»”’)\]]*$")


@dataclass(frozen=True)
class Heard:
    """A word as recognised: `text` begins with a blank unless it goes on from the word before it."""

    start_s: float
    end_s: float
    text: str
    probability: float
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


def segments_of(heard: Sequence[Heard], duration_s: float, language: str) -> list[Segment]:
    """Cut what was heard into segments: times within 0..`duration_s`, never running backwards, no empty text."""
    separator = word_separator(language)
    words = in_order(joined(heard) if separator else [w for w in heard if w.text.strip()], duration_s)
    return [
        _segment(part, separator)
        for sentence in sentences(words, spaced=bool(separator))
        for part in _short_enough(sentence)
    ]


def joined(heard: Sequence[Heard]) -> list[Heard]:
    """Whole words: a piece without a leading blank ("%", "-known") belongs to the word before it.

    The probability of a joined word is the mean of its pieces'.
    """
    groups: list[list[Heard]] = []
    for piece in heard:
        if not piece.text.strip():
            continue
        if groups and not piece.text[0].isspace() and piece.start_s - groups[-1][-1].end_s < PAUSE_S:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return [
        replace(
            group[0],
            end_s=group[-1].end_s,
            text="".join(piece.text for piece in group),
            probability=fmean(piece.probability for piece in group),
        )
        for group in groups
    ]


def in_order(heard: Sequence[Heard], duration_s: float) -> list[Heard]:
    """The same words with each time moved, if need be, to the end of the word before it or into the recording."""
    ordered: list[Heard] = []
    earliest = 0.0
    latest = int(duration_s * 1000) / 1000
    for word in heard:
        start = min(max(round(word.start_s, 3), earliest), latest)
        end = min(max(round(word.end_s, 3), start), latest)
        ordered.append(replace(word, start_s=start, end_s=end))
        earliest = end
    return ordered


def sentences(words: Sequence[Heard], spaced: bool) -> list[list[Heard]]:
    """The words cut where a sentence ends or somebody pauses for `PAUSE_S`; `spaced`: blanks stand between words."""
    found: list[list[Heard]] = []
    for word in words:
        if not found or _ends_before(found[-1][-1], word, spaced):
            found.append([])
        found[-1].append(word)
    return found


def _ends_before(word: Heard, following: Heard, spaced: bool) -> bool:
    if following.start_s - word.end_s >= PAUSE_S:
        return True
    text = word.text.strip()
    if not SENTENCE_END.search(text):
        return False
    if not spaced:
        return True
    # "т. е." and "e.g. water" go on in lower case; "J. Smith" is an initial.
    begins = following.text.strip().lstrip("\"'«“‘([—– ")
    return not begins[:1].islower() and not _INITIAL.search(text)


def _short_enough(words: list[Heard]) -> list[list[Heard]]:
    seconds = words[-1].end_s - words[0].start_s
    if len(words) < 2 or (seconds <= LONGEST_S and sum(len(w.text) for w in words) <= LONGEST_CHARACTERS):
        return [words]
    middle = len(words) / 2

    def worth(cut: int) -> float:
        pause = min(words[cut].start_s - words[cut - 1].end_s, 1.0)
        clause = 0.5 if _CLAUSE_END.search(words[cut - 1].text) else 0.0
        return pause + clause - abs(cut - middle) / len(words)

    cut = max(range(1, len(words)), key=worth)
    return _short_enough(words[:cut]) + _short_enough(words[cut:])


def _segment(words: Sequence[Heard], separator: str) -> Segment:
    """Its figures are the worst of the windows it comes from, so that a check can't miss a bad one."""
    texts = [word.text.strip() for word in words]
    return Segment(
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        text=separator.join(texts),
        words=[
            Word(start_s=w.start_s, end_s=w.end_s, text=text, probability=round(min(max(w.probability, 0.0), 1.0), 4))
            for w, text in zip(words, texts, strict=True)
        ],
        avg_logprob=round(min(w.avg_logprob for w in words), 4),
        no_speech_prob=round(max(w.no_speech_prob for w in words), 4),
        compression_ratio=round(max(w.compression_ratio for w in words), 4),
    )
