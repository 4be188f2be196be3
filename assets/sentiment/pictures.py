"""Pictures of an evaluation and of predictions, as PNG.

Belongs here: which of them there are. Does not belong here: the figures (`scoring.py`), drawing what all classifiers
have (`resources/training/plots.py`). Pure: matplotlib by way of `plots`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from resources.training import plots

if TYPE_CHECKING:
    from assets.sentiment.scoring import Scores


def of_scores(names: Sequence[str], scores: Mapping[str, Scores]) -> dict[str, bytes]:
    """For each split who is taken for whom, and whether answers are right as often as they say."""
    drawn = {}
    for split, each in scores.items():
        drawn[f"confusion_{split}"] = plots.confusion(each.confusion.tolist(), list(names))
        title = f"{split}: {each.metrics['accuracy']:.1%} right"
        drawn[f"reliability_{split}"] = plots.reliability(each.reliability, each.reliability_unscaled, title)
    return drawn


def of_probabilities(positive: Sequence[float], label: str) -> bytes:
    """How many texts have which probability (n,) of this label."""
    return plots.histogram(positive, f"probability of {label}", "texts")
