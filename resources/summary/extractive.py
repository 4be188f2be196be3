"""The built-in summarizer: the sentences of a transcript that stand for the rest, unchanged, with their times.

Belongs here: weighing and choosing sentences. Pure; numpy is imported where it is used.
Does not belong here: cutting sentences (`sentences.py`), stems and empty words (`vocabulary.py`), key terms.

Sentences are weighed by LexRank (Erkan and Radev, 2004: a random walk over sentences that share words, TF-IDF weighted)
over the whole recording and again within the part they belong to, so that a part with its own subject is not judged by
that of the others. They are chosen by maximal marginal relevance (Carbonell and Goldstein, 1998): what was said already
counts less. The recording is divided into parts of equally many words; each gives its best sentence before any part
gives a second, so the beginning, the middle and the end are all there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resources.summary.sentences import Sentence
from resources.summary.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_DAMPING = 0.85
_SAME = 0.65
"""Cosine from which two sentences say the same."""
_FULL_WEIGHT_WORDS = 7
"""Words with a subject from which a sentence is not too short to be a point of a summary."""
_COMFORTABLE_WORDS = 32
"""A longer sentence loses weight: a bullet is read at a glance."""


def parts(sentences: Sequence[Sentence], count: int) -> list[int]:
    """For each sentence, which of `count` parts of equally many words it starts in, 0 to count - 1."""
    total = sentences[-1].position + sentences[-1].words
    return [min(count - 1, sentence.position * count // total) for sentence in sentences]


def choose(sentences: Sequence[Sentence], vocabulary: Vocabulary, wanted: int) -> list[Sentence]:
    """At most `wanted` sentences, in time order; at most a third of all, at least one. Empty for an empty transcript.

    Deterministic. With four or more, each quarter of the words that holds the start of a sentence is represented.
    Time and memory grow with the number of words.
    """
    if not sentences:
        return []
    wanted = max(1, min(wanted, math.ceil(len(sentences) / 3)))
    matrix = _Matrix([_subjects(sentence, vocabulary) for sentence in sentences])
    count = wanted if wanted < 8 else 4 * (wanted // 8)
    part_of = parts(sentences, count if wanted < 4 else max(4, count - count % 4))
    weights = _weights(sentences, vocabulary, matrix, part_of)
    chosen = _Chosen(matrix, weights)
    members: dict[int, list[int]] = {}
    for index, part in enumerate(part_of):
        members.setdefault(part, []).append(index)
    for part in sorted(members, key=lambda part: -max(weights[index] for index in members[part])):
        if len(chosen.indices) < wanted:
            chosen.add_best(members[part], must=True)
    while len(chosen.indices) < wanted and chosen.add_best(range(len(sentences)), must=False):
        pass
    return [sentences[index] for index in sorted(chosen.indices)]


def _subjects(sentence: Sentence, vocabulary: Vocabulary) -> list[str]:
    return [token.stem for token in vocabulary.tokens(sentence.text) if not token.empty]


class _Matrix:
    """Sentences by stems, TF-IDF weighted, rows of length 1, as (row, column, value) triples, for numpy has no sparse
    arrays. Similarities are never written out: a walk over them is two products with this matrix.
    """

    def __init__(self, subjects: list[list[str]]) -> None:
        import numpy as np

        self.rows = len(subjects)
        found = Counter(stem for stems in subjects for stem in set(stems))
        columns = {stem: column for column, stem in enumerate(found)}
        self.columns = len(columns)
        triples = [
            (row, columns[stem], (1 + math.log(times)) * math.log((1 + self.rows) / found[stem]))
            for row, stems in enumerate(subjects)
            for stem, times in Counter(stems).items()
        ]
        self.row = np.array([row for row, _, _ in triples], dtype=np.int64)
        self.column = np.array([column for _, column, _ in triples], dtype=np.int64)
        value = np.array([value for _, _, value in triples], dtype=np.float64)
        lengths = np.sqrt(np.bincount(self.row, value * value, minlength=self.rows))
        self.value = value / np.where(lengths[self.row] > 0, lengths[self.row], 1.0)

    def shared(self, vector: Array, groups: Array | None = None) -> Array:
        """`S @ vector` for the cosines S of all pairs of sentences, 0 for a sentence with itself.

        With `groups` (the part of each sentence), only pairs within one part count.
        """
        import numpy as np

        column = self.column if groups is None else self.column + self.columns * groups[self.row].astype(np.int64)
        sums = np.bincount(column, self.value * vector[self.row])
        result = np.bincount(self.row, self.value * sums[column], minlength=self.rows)
        own = np.bincount(self.row, self.value * self.value, minlength=self.rows)
        return np.maximum(result - own * vector, 0.0)

    def walk(self, groups: Array | None = None) -> Array:
        """LexRank of each sentence, 1.0 the highest (of its part, with `groups`)."""
        import numpy as np

        degrees = self.shared(np.ones(self.rows), groups)
        safe = np.where(degrees > 0, degrees, 1.0)
        rank = np.full(self.rows, 1.0 / self.rows)
        for _ in range(100):
            following = (1 - _DAMPING) / self.rows + _DAMPING * self.shared(rank / safe, groups)
            change = float(np.abs(following - rank).sum())
            rank = following
            if change < 1e-9:
                break
        if groups is None:
            return rank / rank.max()
        highest = np.zeros(int(groups.max()) + 1)
        np.maximum.at(highest, groups.astype(np.int64), rank)
        return rank / highest[groups.astype(np.int64)]


def _weights(sentences: Sequence[Sentence], vocabulary: Vocabulary, matrix: _Matrix, part_of: list[int]) -> Array:
    import numpy as np

    weights = np.sqrt(matrix.walk() * matrix.walk(np.array(part_of)))
    filled = np.bincount(matrix.row, minlength=matrix.rows)
    weights *= np.minimum(1.0, filled / _FULL_WEIGHT_WORDS)
    for index, sentence in enumerate(sentences):
        if sentence.words > _COMFORTABLE_WORDS:
            weights[index] *= _COMFORTABLE_WORDS / sentence.words
        if not sentence.whole:
            weights[index] *= 0.6
        if sentence.text.rstrip("\"'»”’)] ").endswith(("?", "？", "؟")):
            weights[index] *= 0.4  # a question is no point
        if vocabulary.leans(sentence.text):
            weights[index] *= 0.6
    return weights


class _Chosen:
    """Sentences chosen so far, and how like them each other sentence is."""

    def __init__(self, matrix: _Matrix, weights: Array) -> None:
        import numpy as np

        self._matrix, self._weights = matrix, weights
        self._likeness = np.zeros(matrix.rows)
        self._by_row: dict[int, list[int]] = {}
        for entry, row in enumerate(matrix.row.tolist()):
            self._by_row.setdefault(row, []).append(entry)
        self.indices: list[int] = []

    def add_best(self, among: Sequence[int], *, must: bool) -> bool:
        """Choose the weightiest sentence that says something new; a repetition only if one `must` be chosen."""
        import numpy as np

        taken = set(self.indices)
        open_ = [index for index in among if index not in taken]
        fresh = [index for index in open_ if self._likeness[index] < _SAME and self._weights[index] > 0]
        candidates = fresh or (open_ if must else [])
        if not candidates:
            return False
        best = max(candidates, key=lambda index: (self._weights[index] * (1 - self._likeness[index]), -index))
        self.indices.append(best)
        entries = self._by_row.get(best, [])
        vector = np.zeros(self._matrix.columns)
        vector[self._matrix.column[entries]] = self._matrix.value[entries]
        likeness = np.bincount(
            self._matrix.row, self._matrix.value * vector[self._matrix.column], minlength=self._matrix.rows
        )
        self._likeness = np.maximum(self._likeness, likeness)
        return True
