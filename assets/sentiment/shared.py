"""The validation file that the champions of all files share: its rows, less those that any of them has learned from.

Belongs here: which rows count, and what identifies them. Does not belong here: finding what a champion has learned from
(`pooled.py`), reading the file (`labels.py`). Pure: numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

from assets.sentiment.labels import CLASSES
from assets.sentiment.rows import Rows
from resources.errors import BadInput

FEWEST = 20
"""Rows of each class, below which no figure means anything."""


@dataclass(frozen=True)
class Shared:
    """Rows to judge by, ordered by identity: cleaned `texts`, int64 `labels` (n,). `seen` were left out, since a
    candidate has learned from that tweet, or was chosen by it. `data_version` identifies what is left.
    """

    texts: list[str]
    labels: np.ndarray
    seen: int
    data_version: str


def unseen(rows: Rows, learned: Iterable[np.ndarray]) -> Shared:
    """The rows whose tweets are in none of `learned`: identities uint8 (m, 16) of train and validation tweets.

    A file's test tweets need not be among those: nothing was learned from them or chosen by them.
    Raises: BadInput if too few rows of a class are left.
    """
    own = _keys(rows.identities)
    known = np.zeros(len(own), bool)
    for identities in learned:
        known |= np.isin(own, _keys(identities))
    kept = np.flatnonzero(~known)
    labels = rows.labels[kept].astype(np.int64)
    counts = np.bincount(labels, minlength=len(CLASSES))
    if counts.min() < FEWEST:
        said = " and ".join(f"{count:,} {name}" for name, count in zip(CLASSES, counts, strict=True))
        raise BadInput(
            f"The validation file has {said} tweets to judge by ({int(known.sum()):,} others were left out, since a"
            f" candidate has learned from them); {FEWEST} of each are needed.",
            "Name a file with tweets that none of the files has.",
        )
    digest = blake3(rows.identities[kept].tobytes() + labels.astype(np.uint8).tobytes())
    return Shared([rows.texts[row] for row in kept], labels, int(known.sum()), digest.hexdigest())


def _keys(identities: np.ndarray) -> np.ndarray:
    """Each row of 16 bytes as one value, (n,)."""
    return np.ascontiguousarray(identities).view(np.dtype((np.void, identities.shape[1]))).ravel()
