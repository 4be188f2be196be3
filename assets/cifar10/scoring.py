"""How good predictions are.

Belongs here: the figures of an evaluation, and the temperature. Does not belong here: where predictions come from
(`predicting.py`), pictures and metadata (`evaluation.py`). Pure torch. Computed on the CPU in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

ECE_BINS = 15
"""As in Guo et al. 2017 (arXiv:1706.04599), so that figures compare."""

_COLDEST, _HOTTEST = 1e-3, 1e3
"""Where the temperature is looked for: if all of validation is right the best one would be 0, if nothing, infinite."""


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


def calibration_error(confidence: Tensor, correct: Tensor, bins: int = ECE_BINS) -> float:
    """Expected calibration error: over bins of equal width, the mean of |accuracy - confidence|, by their images.

    Guo et al. 2017, equation 3. `confidence` (n,) in (0, 1], `correct` (n,) bool.
    """
    bin_of = (confidence * bins).ceil().long().clamp(1, bins) - 1  # bins are open below and closed above
    gap = torch.zeros(bins, dtype=torch.float64).index_add_(0, bin_of, correct.double() - confidence.double())
    return (gap.abs().sum() / len(confidence)).item()


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the lowest cross-entropy of `logits` (n, classes) against `labels` (n,).

    Guo et al. 2017, section 4.2. The loss is convex in 1 / temperature, so bisection finds where its slope is 0; 50
    halvings of the logarithm leave no more than rounding.
    """
    logits, labels = logits.cpu().double(), labels.cpu()
    own = logits.gather(1, labels[:, None]).squeeze(1)

    def slope(sharpness: float) -> float:
        """d loss / d sharpness, sharpness being 1 / temperature."""
        return ((torch.softmax(logits * sharpness, 1) * logits).sum(1) - own).mean().item()

    low, high = -math.log(_HOTTEST), -math.log(_COLDEST)
    for _ in range(50):
        middle = (low + high) / 2
        if slope(math.exp(middle)) < 0:
            low = middle
        else:
            high = middle
    return math.exp(-(low + high) / 2)


def worst_mistakes(probabilities: Tensor, labels: Tensor, count: int) -> list[int]:
    """Indices of at most `count` wrong predictions, the surest first; of equals the first in order."""
    probabilities, labels = probabilities.cpu(), labels.cpu()
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != labels).nonzero().squeeze(1)
    order = torch.sort(confidence[wrong], descending=True, stable=True).indices
    return [int(index) for index in wrong[order[:count]]]
