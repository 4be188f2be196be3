"""What is measured of any classifier: calibration, the temperature, the surest mistakes.

Belongs here: these figures, for logits and probabilities of whatever classes. Does not belong here: the set of figures
that a product tells (`assets/<product>/scoring.py`), pictures of them (`plots.py`). Pure torch. Computed on the CPU in
float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ECE_BINS = 15
"""As in Guo et al. 2017 (arXiv:1706.04599), so that figures compare."""

_COLDEST, _HOTTEST = 1e-3, 1e3
"""Where the temperature is looked for: if all of validation is right the best one would be 0, if nothing, infinite."""


@dataclass(frozen=True)
class Reliability:
    """By bin of confidence, each a tuple over the bins: how many samples, their mean confidence, their accuracy.

    Bins are of equal width over (0, 1], open below and closed above. An empty bin has nan for both means.
    """

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean over samples of their bin's |accuracy - confidence|.

        Guo et al. 2017, equation 3.
        """
        total = sum(self.counts)
        bins = zip(self.counts, self.confidence, self.accuracy, strict=True)
        return math.fsum(count * abs(right - sure) for count, sure, right in bins if count) / total


def reliability(confidence: Tensor, correct: Tensor, bins: int = ECE_BINS) -> Reliability:
    """Accuracy against confidence, bin by bin. `confidence` (n,) in (0, 1], `correct` (n,) bool."""
    confidence, correct = confidence.cpu().double(), correct.cpu().double()
    bin_of = (confidence * bins).ceil().long().clamp(1, bins) - 1
    counts = torch.bincount(bin_of, minlength=bins)
    zeros = torch.zeros(bins, dtype=torch.float64)
    sure, right = (zeros.index_add(0, bin_of, values) / counts for values in (confidence, correct))
    return Reliability(tuple(counts.tolist()), tuple(sure.tolist()), tuple(right.tolist()))


def calibration_error(confidence: Tensor, correct: Tensor, bins: int = ECE_BINS) -> float:
    """Expected calibration error of predictions: `confidence` (n,) in (0, 1], `correct` (n,) bool, n at least 1."""
    return reliability(confidence, correct, bins).error


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
