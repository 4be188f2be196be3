"""Figures of completions, with bootstrap intervals.

Belongs here: means and ratios with their intervals, distinct n-grams, hits. Does not belong here: ROUGE
(`prefixes.py`), what is asked of the models (`comparing.py`). Pure: NumPy.

Intervals are percentiles of the bootstrap over tweets (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13). The same tweets are drawn for every model, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assets.tweets.comparison_document import Figure

DRAWS = 2000
"""An end of a 95 % interval then rests on 50 draws."""
CONFIDENCE = 0.95
_AT_ONCE = 1 << 24  # counts drawn at once: 128 MB


class Bootstrap:
    """`draws` samples of `count` tweets, drawn with replacement by `seed`, as how often each tweet is in a sample."""

    def __init__(self, count: int, draws: int = DRAWS, seed: int = 0) -> None:
        """Raises: ValueError without a tweet."""
        if count < 1:
            raise ValueError("there is nothing to draw from")
        self.count, self._draws, self._seed = count, draws, seed
        self._times: np.ndarray | None = None

    def mean(self, values: Sequence[float], confidence: float = CONFIDENCE) -> Figure:
        """The mean of one value for each tweet."""
        return self.ratio(values, [1.0] * self.count, confidence)

    def ratio(self, above: Sequence[float], below: Sequence[float], confidence: float = CONFIDENCE) -> Figure:
        """The sum of `above` divided by the sum of `below`, which is positive."""
        if not len(above) == len(below) == self.count:
            raise ValueError(f"{len(above)} values for {self.count} tweets")
        sums = self._sums(np.stack([np.asarray(above, np.float64), np.asarray(below, np.float64)], 1))
        return _figure(float(np.sum(above) / np.sum(below)), sums[:, 0] / sums[:, 1], confidence)

    def difference(
        self, one: Sequence[float], other: Sequence[float], below: Sequence[float], confidence: float = CONFIDENCE
    ) -> Figure:
        """How much larger the ratio of `one` to `below` is than that of `other`, on the same tweets."""
        return self.ratio(np.asarray(one, np.float64) - np.asarray(other, np.float64), below, confidence)  # type: ignore[arg-type]  # an array will do

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Over each drawn sample, (draws, columns) of values (tweets, columns)."""
        if self._times is None:
            self._times = self._drawn()
        lots = np.array_split(self._times, -(-self._times.size // _AT_ONCE))
        return np.concatenate([lot.astype(np.float64) @ values for lot in lots])

    def _drawn(self) -> np.ndarray:
        """How often each tweet is in each sample, uint8 (draws, count); drawn once, which takes seconds. No tweet is in
        one more than 255 times: for that there would have to be as many tweets, and then it is likely once in 10^500.
        """
        generator = np.random.default_rng(self._seed)
        shares = np.full(self.count, 1 / self.count)
        times, lot = np.empty((self._draws, self.count), np.uint8), max(1, _AT_ONCE // self.count)
        for start in range(0, self._draws, lot):
            some = times[start : start + lot]
            some[:] = generator.multinomial(self.count, shares, len(some))
        return times


def distinct(texts: Sequence[str], length: int) -> float:
    """Different n-grams of `length` words divided by all of them (Li et al. 2016, arXiv:1510.03055: distinct-n), words
    being what white space separates, without regard to case; 0 where there is none.
    """
    grams = [
        tuple(words[at : at + length])
        for words in (text.casefold().split() for text in texts)
        for at in range(len(words) - length + 1)
    ]
    return len(set(grams)) / len(grams) if grams else 0.0


def hits(ranked: Sequence[Sequence[str]], wanted: Sequence[str], first: int) -> list[float]:
    """1 where what is wanted is among the `first` of its ranking, letter by letter, else 0."""
    return [float(word in words[:first]) for words, word in zip(ranked, wanted, strict=True)]


def _figure(value: float, drawn: np.ndarray, confidence: float) -> Figure:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Figure(value=value, low=float(low), high=float(high))
