"""The built-in summarizer: the sentences of a transcript that stand for the rest, unchanged, with their times.

Belongs here: weighing and choosing sentences. Pure; numpy is imported where it is used.
Does not belong here: cutting sentences (`sentences.py`), how alike they are (`similarity.py`), chapters, key terms.

Sentences are weighed by LexRank (Erkan and Radev, 2004: a random walk over sentences that are alike) over the whole
recording and again within the chapter they belong to, so that a chapter with its own subject is not judged by that of
the others; what the speaker marks as important weighs more (Edmundson, 1969). They are chosen by maximal marginal
relevance (Carbonell and Goldstein, 1998): what was said already counts less. Each chapter gives its best sentence
before any gives a second, and so does each quarter: the beginning, the middle and the end are all there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from resources.summary import cues
from resources.summary.chapters import Stretch
from resources.summary.length import points_for
from resources.summary.sentences import Sentence
from resources.summary.similarity import Similarity, walk
from resources.summary.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_FULL_WEIGHT_WORDS = 7
"""Words with a subject from which a sentence is not too short to be a point of a summary."""
_COMFORTABLE_WORDS = 32
"""A longer sentence loses weight: a bullet is read at a glance."""
_MARKED = 1.0
"""What a sentence gains that the speaker says must be remembered: as much as the most central one has."""


def parts(sentences: Sequence[Sentence], count: int) -> list[int]:
    """For each sentence, which of `count` parts of equally many words it starts in, 0 to count - 1."""
    if not sentences:
        return []
    total = sentences[-1].position + sentences[-1].words
    return [min(count - 1, sentence.position * count // total) for sentence in sentences]


class Chooser:
    """The sentences of one recording with their weights, and those chosen so far. Deterministic."""

    def __init__(
        self,
        sentences: Sequence[Sentence],
        vocabulary: Vocabulary,
        similarity: Similarity,
        chapters: Sequence[Stretch],
    ) -> None:
        import numpy as np

        self._sentences, self._chapters, self._similarity = sentences, chapters, similarity
        self.weights = _weights(sentences, vocabulary, similarity, chapters)
        self._likeness = np.zeros(len(sentences))
        self._taken: set[int] = set()

    def bullets(self, wanted: int) -> list[int]:
        """At most `wanted` sentences by number, in order; at most a third of all, at least one.

        If there are as many as chapters, each has one; with four or more, each quarter of the words that holds the
        start of a sentence has one.
        """
        wanted = max(1, min(wanted, math.ceil(len(self._sentences) / 3)))
        whole = range(len(self._sentences))
        chosen: list[int] = []
        quarter_of = parts(self._sentences, 4)
        quarters = [[index for index in whole if quarter_of[index] == quarter] for quarter in range(4)]
        chapters = [range(chapter.first, chapter.last) for chapter in self._chapters]
        groups: list[Sequence[int]] = [*chapters] if len(chapters) <= wanted else []
        for group in [*self._weightiest(groups), *self._weightiest([group for group in quarters if group])]:
            if len(chosen) < wanted and not set(group) & set(chosen):
                chosen += self.best(group, must=True)
        while len(chosen) < wanted and (more := self.best(whole, must=False)):
            chosen += more
        return sorted(chosen)

    def points(self, chapter: Stretch) -> list[int]:
        """Two to five more sentences of a chapter by number, in order; at most half of it with those chosen before."""
        inside = range(chapter.first, chapter.last)
        room = math.ceil(len(inside) / 2) - len(self._taken & set(inside))
        chosen: list[int] = []
        while len(chosen) < min(points_for(chapter.speech_s), room) and (more := self.best(inside, must=False)):
            chosen += more
        return sorted(chosen)

    def best(self, among: Iterable[int], *, must: bool) -> list[int]:
        """Choose the weightiest sentence that says something new; a repetition only if one `must` be chosen.

        A list of one number, empty if there is none.
        """
        import numpy as np

        open_ = [index for index in among if index not in self._taken]
        fresh = [i for i in open_ if self._likeness[i] < self._similarity.same and self.weights[i] > 0]
        candidates = fresh or (open_ if must else [])
        if not candidates:
            return []
        best = max(candidates, key=lambda index: (self.weights[index] * (1 - self._likeness[index]), -index))
        self._taken.add(best)
        self._likeness = np.maximum(self._likeness, self._similarity.likeness(best))
        return [best]

    def _weightiest(self, groups: list[Sequence[int]]) -> list[Sequence[int]]:
        return sorted(groups, key=lambda group: -max(self.weights[index] for index in group))


def _weights(
    sentences: Sequence[Sentence], vocabulary: Vocabulary, similarity: Similarity, chapters: Sequence[Stretch]
) -> Array:
    import numpy as np

    chapter_of = np.zeros(len(sentences))
    for number, chapter in enumerate(chapters):
        chapter_of[chapter.first : chapter.last] = number
    weights = np.sqrt(walk(similarity) * walk(similarity, chapter_of))
    marks = cues.emphasis([sentence.text for sentence in sentences], vocabulary.language)
    weights += _MARKED * np.array(marks)
    weights *= np.minimum(1.0, similarity.filled / _FULL_WEIGHT_WORDS)
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
