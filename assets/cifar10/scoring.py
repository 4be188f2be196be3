"""How good predictions are.

Belongs here: the figures of an evaluation. Does not belong here: those of any classifier (`resources/training/
classification.py`), where predictions come from (`predicting.py`), pictures and metadata (`evaluation.py`). Pure torch.
Computed on the CPU in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from resources.training.classification import calibration_error


@dataclass(frozen=True)
class Scores:
    """Of one split. `correct` (n,) bool by image; `confusion` (classes, classes) int64, true class by row.

    `per_class` is the accuracy of each class's images, nan where it has none. Cross-entropies are means in nats,
    without label smoothing: `cross_entropy` with the temperature, `cross_entropy_unscaled` without.
    """

    correct: Tensor
    accuracy: float
    cross_entropy: float
    cross_entropy_unscaled: float
    ece: float
    per_class: tuple[float, ...]
    confusion: Tensor

    @property
    def metrics(self) -> dict[str, float]:
        """The single figures by name."""
        return {
            "accuracy": self.accuracy,
            "cross_entropy": self.cross_entropy,
            "cross_entropy_unscaled": self.cross_entropy_unscaled,
            "ece": self.ece,
        }


def scored(logits: Tensor, labels: Tensor, temperature: float) -> Scores:
    """Scores of `logits` (n, classes) before the temperature, against `labels` (n,); n is at least 1."""
    logits, labels = logits.cpu().double(), labels.cpu()
    classes = logits.shape[1]
    probabilities = torch.softmax(logits / temperature, dim=1)
    confidence, predicted = probabilities.max(1)
    correct = predicted == labels
    confusion = torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)
    per_class = confusion.diagonal().double() / confusion.sum(1)
    return Scores(
        correct=correct,
        accuracy=correct.double().mean().item(),
        cross_entropy=functional.cross_entropy(logits / temperature, labels).item(),
        cross_entropy_unscaled=functional.cross_entropy(logits, labels).item(),
        ece=calibration_error(confidence, correct),
        per_class=tuple(per_class.tolist()),
        confusion=confusion,
    )
