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
    """One split: cleaned `texts`, int64 `labels` (n,) on the CPU."""

    texts: list[str]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.texts)


def parts(dataset: Mapping[str, Tensor]) -> dict[str, Part]:
    """`train`, `validation` and `test`, each in the dataset's order.

    Raises: BadInput if one of the two classes has no row in one of them, for nothing could be judged by that.
    """
    texts, labels, split = texts_of(dataset), dataset["labels"].cpu().long(), dataset["split"].cpu()
    made = {}
    for code, name in enumerate(PARTS):
        rows = (split == code).nonzero().squeeze(1)
        counts = torch.bincount(labels[rows], minlength=2).tolist()
        if 0 in counts:
            raise BadInput(
                f"The {name} split has {counts[0]:,} negative and {counts[1]:,} positive tweets; each class needs one.",
                "Give a file with more tweets of both classes.",
            )
        made[name] = Part([texts[row] for row in rows.tolist()], labels[rows])
    return made
