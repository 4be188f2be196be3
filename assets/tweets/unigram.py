"""The baseline that knows how frequent things are and nothing of what came before.

Belongs here: counting, and what follows from the counts. Does not belong here: models that are trained. Pure: NumPy and
tokenizers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from assets.tweets import bpe

NAME = "unigram"


class Unigram:
    """Frequencies of the tokens of a byte-level tokenizer, each counted once more than it was seen (Laplace's rule), so
    that every text has a probability; and the most frequent words.
    """

    def __init__(self, tokenizer: Any, texts: Sequence[str], told: Callable[[int], object] = lambda done: None) -> None:
        """`texts` are of the train split; `told` gets the number of those that are counted."""
        self._tokenizer = tokenizer
        ids, _ = bpe.encode_all(tokenizer, texts, told)
        counts = np.bincount(ids.astype(np.int64), minlength=tokenizer.get_vocab_size()).astype(np.float64) + 1.0
        counts[bpe.END] = 0.0  # a continuation's end is charged to no model
        with np.errstate(divide="ignore"):
            self._nats = -np.log(counts / counts.sum())
        # Never the first of its tweet: the next word of a prefix isn't, either.
        words = Counter(word for text in texts for word in text.split()[1:])
        self._frequent = [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0]))[:10]]

    def nats(self, continuations: Sequence[str]) -> list[float]:
        """−log p of each continuation, which begins with its space."""
        return [float(self._nats[ids].sum()) for ids in bpe.encode(self._tokenizer, continuations)]

    def tokens(self, continuations: Sequence[str]) -> list[int]:
        """How many tokens each continuation has."""
        return [len(ids) for ids in bpe.encode(self._tokenizer, continuations)]

    def next_words(self, count: int) -> list[str]:
        """The most frequent words, whatever the prefix."""
        return self._frequent[:count]
