"""The splits of a sentiment dataset, as who fits and who judges want them.

Belongs here: one split of it on the host. Does not belong here: how it is packed into tensors (`tokenizing.py`). Pure
torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from assets.sentiment.tokenizing import texts_of
from resources.errors import BadInput
from resources.text.tweets import PARTS


@dataclass(frozen=True)
class Part:
    """One split: cleaned `texts`, int64 `labels` (n,), int32 `ids` (n, L) and `lengths` (n,), all on the CPU."""

    texts: list[str]
    labels: Tensor
    ids: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.texts)


def part(dataset: Mapping[str, Tensor], split: str) -> Part:
    """The rows of `train`, `validation` or `test`, in the dataset's order.

    Raises: BadInput if one of the two classes has no row there, for nothing could be judged by it.
    """
    rows = (dataset["split"].cpu() == PARTS.index(split)).nonzero().squeeze(1)
    labels = dataset["labels"].cpu()[rows].long()
    counts = torch.bincount(labels, minlength=2).tolist()
    if 0 in counts:
        raise BadInput(
            f"The {split} split has {counts[0]:,} negative and {counts[1]:,} positive tweets; each class needs one.",
            "Give a file with more tweets of both classes.",
        )
    every = texts_of(dataset)
    texts = [every[row] for row in rows.tolist()]
    return Part(texts, labels, dataset["ids"].cpu()[rows], dataset["lengths"].cpu()[rows])
