"""The splits of a sentiment dataset, as who fits and who judges want them.

Belongs here: reading what `dataset.py` has packed into tensors. Does not belong here: packing it. Pure torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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


def about(dataset: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the dataset says of itself: preset, base, labels, counts."""
    said: dict[str, Any] = json.loads(bytes(dataset["about"].cpu().numpy()))
    return said


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
    content = bytes(dataset["texts"].cpu().numpy())
    offsets = dataset["offsets"].cpu().tolist()
    texts = [content[offsets[row] : offsets[row + 1]].decode() for row in rows.tolist()]
    lengths = dataset["lengths"].cpu()[rows]
    return Part(texts, labels, dataset["ids"].cpu()[rows], lengths)
