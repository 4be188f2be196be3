"""From labelled texts to the rows of the dataset: cleaned, each tweet once, divided into parts by what it says.

Belongs here: what is left out and counted, and which part a row belongs to. Does not belong here: reading files
(`labels.py`), tokens (`tokenizing.py`). Pure: numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.sentiment.labels import CLASSES, NEUTRAL, Labelled
from resources.errors import BadInput
from resources.text import tweets

FEWEST = (20, 5, 5)
"""Rows of each class in train, validation and test, below which no figure means anything."""


@dataclass(frozen=True)
class Counts:
    """What became of the rows of a file. `read` is the sum of the others.

    `contradicting` are rows whose text is also there with the other label: all of them are left out. `duplicates` are
    further rows of a text that is there already with the same label. `beyond_limit` were left out by `limit`.
    """

    read: int
    used: int
    neutral: int
    unlabelled: int
    empty: int
    contradicting: int
    duplicates: int
    beyond_limit: int


@dataclass(frozen=True)
class Rows:
    """Distinct tweets, ordered by identity: `texts` cleaned, `identities` uint8 (n, 16), `labels` uint8 (n,) indexes of
    CLASSES, `split` uint8 (n,) 0 train, 1 validation, 2 test.
    """

    texts: list[str]
    identities: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    counts: Counts

    def per_part(self) -> np.ndarray:
        """Rows by part and class: int64 (3, 2)."""
        cells = self.split.astype(np.int64) * len(CLASSES) + self.labels
        return np.bincount(cells, minlength=len(tweets.PARTS) * len(CLASSES)).reshape(len(tweets.PARTS), len(CLASSES))


def distinct(labelled: Labelled, *, seed: int = 0, limit: int | None = None, divided: bool = True) -> Rows:
    """The rows of a dataset. Neither the order of a file's rows nor its encoding makes a difference.

    `limit` keeps that many tweets, those with the lowest digests, which is as good as drawn. Not `divided`, they are no
    dataset to learn from, and however few will do.
    Raises: BadInput if a class has too few rows in one of the parts.
    """
    texts: list[str] = []
    classes: list[int] = []
    neutral = unlabelled = empty = 0
    number = {name: index for index, name in enumerate(CLASSES)}
    for text, meaning in zip(labelled.texts, labelled.meanings, strict=True):
        if meaning == NEUTRAL:
            neutral += 1
        elif not meaning:
            unlabelled += 1
        elif kept := tweets.cleaned(text):
            texts.append(kept)
            classes.append(number[meaning])
        else:
            empty += 1
    identities = tweets.identities(texts)
    chosen, contradicting, duplicates = _once(texts, identities, np.array(classes, np.uint8))
    beyond = len(chosen) - min(len(chosen), limit) if limit is not None else 0
    chosen = chosen[: len(chosen) - beyond]
    counts = Counts(len(labelled.texts), len(chosen), neutral, unlabelled, empty, contradicting, duplicates, beyond)
    rows = Rows(
        [texts[i] for i in chosen],
        identities[chosen],
        np.array(classes, np.uint8)[chosen],
        tweets.splits_of(identities[chosen], seed),
        counts,
    )
    if divided:
        _enough(rows)
    return rows


def _once(texts: Sequence[str], identities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Numbers of the rows to keep, by identity; rows of texts with both labels; further rows of the same.

    Of the spellings of one tweet the one that comes first in the alphabet stays, so that order makes no difference.
    """
    order = _by_identity(identities)
    ranked = identities[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (ranked[1:] != ranked[:-1]).any(1)
    starts = np.flatnonzero(begins)
    if not len(starts):
        return starts, 0, 0
    sizes = np.diff(np.append(starts, len(order)))
    of_one = np.minimum.reduceat(labels[order], starts) == np.maximum.reduceat(labels[order], starts)
    chosen = order[starts]
    for group in np.flatnonzero(of_one & (sizes > 1)):
        same = order[starts[group] : starts[group] + sizes[group]]
        chosen[group] = min(same, key=lambda row: texts[row])
    return chosen[of_one], int(sizes[~of_one].sum()), int((sizes[of_one] - 1).sum())


def _by_identity(identities: np.ndarray) -> np.ndarray:
    """The order of rows by their 16 bytes."""
    halves = np.ascontiguousarray(identities).view(">u8")
    return np.lexsort((halves[:, 1], halves[:, 0]))


def _enough(rows: Rows) -> None:
    there = rows.per_part()
    if (there >= np.array(FEWEST)[:, None]).all():
        return
    said = "; ".join(
        f"{part}: {' and '.join(f'{count:,} {name}' for count, name in zip(row, CLASSES, strict=True))}, needed {least}"
        for part, row, least in zip(tweets.PARTS, there.tolist(), FEWEST, strict=True)
    )
    left_out = rows.counts.read - rows.counts.used
    raise BadInput(
        f"There are too few different tweets ({rows.counts.used:,} of {rows.counts.read:,} rows, {left_out:,} were left"
        f" out). Of each class, {said}.",
        "Add rows of the class that is short of them"
        + (", or raise `limit`." if rows.counts.beyond_limit else "; about 300 in all are enough."),
    )


def leaks(texts: Sequence[str], split: np.ndarray) -> int:
    """Tweets that are in more than one part, found anew from the texts: 0, or something is broken."""
    identities = tweets.identities(texts)
    order = _by_identity(identities)
    ranked, parts = identities[order], split[order]
    same = (ranked[1:] == ranked[:-1]).all(1)
    return int((same & (parts[1:] != parts[:-1])).sum())
