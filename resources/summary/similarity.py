"""How alike sentences are: one interface, by their words or by a sentence encoder.

Belongs here: cosines between sentences and between blocks of them. Pure; numpy is imported where it is used.
Does not belong here: what is made of them (`extractive.py`, `chapters.py`), or loading an encoder (`encoder.py`).

Similarities of all pairs are never written out: time and memory grow with the number of words, not with its square.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from resources.summary.sentences import Sentence
from resources.summary.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

Span = tuple[int, int, int]
"""Sentences `low:middle` and `middle:high`, a block before a gap and one after it."""

_DAMPING = 0.85  # of Erkan and Radev, 2004, and of PageRank before it


class Similarity(Protocol):
    """Cosines between the sentences of one recording, numbered from 0.

    `same` is the cosine from which two sentences say the same, `filled` how many words with a subject each has.
    """

    rows: int
    same: float
    filled: Array

    def shared(self, vector: Array, groups: Array | None = None) -> Array:
        """`S @ vector` for the cosines S of all pairs of sentences, 0 for a sentence with itself.

        With `groups` (the part of each sentence), only pairs within one part count.
        """
        ...

    def likeness(self, index: int) -> Array:
        """The cosine of every sentence with sentence `index`."""
        ...

    def across(self, spans: Sequence[Span]) -> Array:
        """For each span the cosine between its block before the gap and the one after it."""
        ...


def walk(similarity: Similarity, groups: Array | None = None) -> Array:
    """LexRank of each sentence, 1.0 the highest (of its part, with `groups`)."""
    import numpy as np

    degrees = similarity.shared(np.ones(similarity.rows), groups)
    safe = np.where(degrees > 0, degrees, 1.0)
    rank = np.full(similarity.rows, 1.0 / similarity.rows)
    for _ in range(100):
        following = (1 - _DAMPING) / similarity.rows + _DAMPING * similarity.shared(rank / safe, groups)
        change = float(np.abs(following - rank).sum())
        rank = following
        if change < 1e-9:
            break
    if groups is None:
        return rank / rank.max()
    highest = np.zeros(int(groups.max()) + 1)
    np.maximum.at(highest, groups.astype(np.int64), rank)
    return rank / highest[groups.astype(np.int64)]


class ByWords:
    """TF-IDF: sentences by stems, rows of length 1, as (row, column, value) triples, for numpy has no sparse arrays."""

    same = 0.65

    def __init__(self, sentences: Sequence[Sentence], vocabulary: Vocabulary) -> None:
        import numpy as np

        stems = [subjects(sentence.text, vocabulary) for sentence in sentences]
        self.rows = len(stems)
        found = Counter(stem for row in stems for stem in set(row))
        columns = {stem: column for column, stem in enumerate(found)}
        self._columns = len(columns)
        triples = [
            (row, columns[stem], (1 + math.log(times)) * math.log((1 + self.rows) / found[stem]))
            for row, said in enumerate(stems)
            for stem, times in Counter(said).items()
        ]
        self._row = np.array([row for row, _, _ in triples], dtype=np.int64)
        self._column = np.array([column for _, column, _ in triples], dtype=np.int64)
        value = np.array([value for _, _, value in triples], dtype=np.float64)
        lengths = np.sqrt(np.bincount(self._row, value * value, minlength=self.rows))
        self._value = value / np.where(lengths[self._row] > 0, lengths[self._row], 1.0)
        self.filled: Array = np.bincount(self._row, minlength=self.rows).astype(np.float64)
        self._own = np.bincount(self._row, self._value * self._value, minlength=self.rows)
        self._first = np.searchsorted(self._row, np.arange(self.rows + 1))
        self._plain = value  # in a block, a long sentence says more of the topic than a short one

    def shared(self, vector: Array, groups: Array | None = None) -> Array:
        import numpy as np

        column = self._column if groups is None else self._column + self._columns * groups[self._row].astype(np.int64)
        sums = np.bincount(column, self._value * vector[self._row])
        result = np.bincount(self._row, self._value * sums[column], minlength=self.rows)
        return np.maximum(result - self._own * vector, 0.0)

    def likeness(self, index: int) -> Array:
        import numpy as np

        low, high = self._first[index], self._first[index + 1]
        vector = np.zeros(self._columns)
        vector[self._column[low:high]] = self._value[low:high]
        likeness = np.bincount(self._row, self._value * vector[self._column], minlength=self.rows)
        return np.asarray(likeness, dtype=np.float64)

    def across(self, spans: Sequence[Span]) -> Array:
        import numpy as np

        cosines = np.zeros(len(spans))
        for at, (low, middle, high) in enumerate(spans):
            before, after = self._block(low, middle), self._block(middle, high)
            lengths = math.sqrt(sum(v * v for v in before.values()) * sum(v * v for v in after.values()))
            if lengths:
                cosines[at] = sum(value * after.get(column, 0.0) for column, value in before.items()) / lengths
        return cosines

    def _block(self, low: int, high: int) -> dict[int, float]:
        found: dict[int, float] = {}
        first, last = int(self._first[low]), int(self._first[high])
        for column, value in zip(self._column[first:last].tolist(), self._plain[first:last].tolist(), strict=True):
            found[column] = found.get(column, 0.0) + value
        return found


class ByMeaning:
    """Vectors of a sentence encoder, one row of length 1 a sentence: shape (sentences, dimensions)."""

    same = 0.8
    """Two sentences about one thing, told in different words, reach 0.6 to 0.75 with all-MiniLM-L6-v2."""

    def __init__(self, vectors: Array, sentences: Sequence[Sentence], vocabulary: Vocabulary) -> None:
        import numpy as np

        self.rows = len(vectors)
        self._vectors = vectors
        self.filled: Array = np.array([len(set(subjects(s.text, vocabulary))) for s in sentences], dtype=np.float64)

    def shared(self, vector: Array, groups: Array | None = None) -> Array:
        import numpy as np

        if groups is None:
            result = self._vectors @ (self._vectors.T @ vector)
        else:
            result = np.zeros(self.rows)
            for group in np.unique(groups):
                rows = groups == group
                result[rows] = self._vectors[rows] @ (self._vectors[rows].T @ vector[rows])
        return np.maximum(result - vector, 0.0)

    def likeness(self, index: int) -> Array:
        import numpy as np

        return np.maximum(self._vectors @ self._vectors[index], 0.0)

    def across(self, spans: Sequence[Span]) -> Array:
        import numpy as np

        # What all sentences of the recording share says nothing of where its topics change.
        own = self._vectors - self._vectors.mean(axis=0)
        sums = np.vstack([np.zeros(own.shape[1]), np.cumsum(own, axis=0)])
        edges = np.array(spans, dtype=np.int64).reshape(-1, 3)
        before, after = sums[edges[:, 1]] - sums[edges[:, 0]], sums[edges[:, 2]] - sums[edges[:, 1]]
        lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        return (before * after).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)


def subjects(text: str, vocabulary: Vocabulary) -> list[str]:
    """The stems of the words of `text` that carry a subject."""
    return [token.stem for token in vocabulary.tokens(text) if not token.empty]
