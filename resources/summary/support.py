"""Whether the transcript says what was written about it, and when.

Belongs here: finding the sentence a written point stands for, and judging the point by what is said around it. Pure.
Does not belong here: writing points (`writing.py`), or adding what was left out (`coverage.py`).

Words are compared, not meanings: a point whose words are not said near its time can't be trusted; one whose words are
said may still be wrong.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum

from resources.summary.numbers import numbers, reads_words
from resources.summary.sentences import Sentence
from resources.summary.similarity import subjects
from resources.summary.vocabulary import Vocabulary

WINDOW_S = 90.0
"""Seconds on either side of a point's time in which it must be said: a thought told twice fits, another topic not."""
LEAST = 1 / 3
"""Of a point's words with a subject, by their rarity; below this share nothing supports it: of six words the two that
are said may be no more than the topic."""
ENOUGH = 0.6
"""From this share it is supported: of five words a model may choose two of its own, a verb and a noun."""
_CAPITALISED_NOUNS = frozenset({"de", "lb"})


class Verdict(Enum):
    """`NO`: to be left out. `PARTLY`: to be marked."""

    NO = 0
    PARTLY = 1
    YES = 2


class Support:
    """The sentences of one recording, searchable by their words."""

    def __init__(self, sentences: Sequence[Sentence], vocabulary: Vocabulary) -> None:
        self._sentences, self._vocabulary = sentences, vocabulary
        self._stems = [frozenset(subjects(sentence.text, vocabulary)) for sentence in sentences]
        self._starts = [sentence.start_s for sentence in sentences]
        found = Counter(stem for stems in self._stems for stem in stems)
        self._rarity = {stem: math.log(1 + len(sentences) / count) for stem, count in found.items()}
        self._unsaid = math.log(1 + max(1, len(sentences)))  # a word nobody says weighs as much as the rarest
        self._numbers = [numbers(sentence.text, vocabulary, parts=True) for sentence in sentences]
        self._all_numbers = frozenset().union(*self._numbers) if sentences else frozenset()

    def time_of(self, text: str, first: int, last: int) -> float:
        """When it is said, in seconds: the start of the sentence of `first:last` that shares most with it, rare words
        counting more; that of `first` if none shares a word.
        """
        stems = frozenset(subjects(text, self._vocabulary))
        counted = numbers(text, self._vocabulary)

        def support(index: int) -> float:
            shared = self._weight(stems & self._stems[index]) + len(counted & self._numbers[index])
            return shared / math.sqrt(1 + self._weight(self._stems[index]))

        best = max(range(first, last), key=lambda index: (support(index), -index))
        return self._sentences[best if support(best) > 0 else first].start_s

    def verdict(self, text: str, time_s: float) -> Verdict:
        """How far what is said within `WINDOW_S` of `time_s` supports `text`.

        A number that is said nowhere in the recording makes it `NO`; one that is said elsewhere, and a name that is
        said nowhere, `PARTLY` at best. So does the former in a language whose numbers in words are not read: five may
        have been said for a 5.
        """
        low = bisect_left(self._starts, time_s - WINDOW_S)
        high = max(low + 1, bisect_right(self._starts, time_s + WINDOW_S))
        stems = frozenset(subjects(text, self._vocabulary))
        counted = numbers(text, self._vocabulary)
        if not stems and not counted:
            return Verdict.NO
        near = frozenset().union(*self._stems[low:high])
        share = self._weight(stems & near) / self._weight(stems) if stems else 1.0
        invented = counted - self._all_numbers
        if share < LEAST or (invented and reads_words(self._vocabulary.language)):
            return Verdict.NO
        near_numbers = frozenset().union(*self._numbers[low:high])
        if share < ENOUGH or counted - near_numbers or self._unknown_name(text):
            return Verdict.PARTLY
        return Verdict.YES

    def _unknown_name(self, text: str) -> bool:
        """Whether a word that is capitalised inside a sentence is said nowhere."""
        if self._vocabulary.language in _CAPITALISED_NOUNS:
            return False
        for token in self._vocabulary.tokens(text):
            before = text[: token.start].rstrip()
            inside = bool(before) and not re.search(r"[.!?:…\"'«“(-]\Z", before)
            if inside and token.surface[0].isupper() and not token.empty and token.stem not in self._rarity:
                return True
        return False

    def _weight(self, stems: Iterable[str]) -> float:
        return sum(sorted(self._rarity.get(stem, self._unsaid) for stem in stems))
