"""What every trained network has to beat: the most frequent class, and the class with the nearest mean image.

Belongs here: these two, as networks without anything to train. Does not belong here: networks (`network.py`). Pure
torch. Like networks they take normalised float images (n, 3, 32, 32) and return logits (n, classes).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from assets.cifar10.augment import normalised
from assets.cifar10.recipe import Cifar10Recipe

_CHUNK = 4096
"""Images summed at once: 100 MB as integers of 8 bytes."""


class Majority(nn.Module):
    """Gives every image the classes' shares of the training part, whatever it shows."""

    log_share: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("log_share", torch.zeros(classes))

    def learn(self, labels: Tensor) -> None:
        """`labels` (n,) of the training part. Each class counts one image more, so that none has a share of 0."""
        counts = torch.bincount(labels.cpu(), minlength=len(self.log_share)) + 1
        self.log_share.copy_((counts.double() / counts.sum()).log())

    def forward(self, x: Tensor) -> Tensor:
        return self.log_share.expand(len(x), -1)


class NearestMean(nn.Module):
    """Logits are minus the squared distances to the classes' mean images, up to what all classes have in common.

    Distances are a mean over pixels, |x - m|^2 / d; the card's temperature gives them their scale. |x|^2 is left out:
    it is the same for every class, so neither the order nor the probabilities depend on it.
    """

    means: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(classes, 3 * 32 * 32))

    def learn(self, images: Tensor, labels: Tensor, mean: Sequence[float], std: Sequence[float]) -> None:
        """`images` uint8 (n, 3, 32, 32) and `labels` (n,) of the training part; a class without images has mean 0."""
        classes = len(self.means)
        sums = torch.zeros(classes, 3 * 32 * 32, dtype=torch.int64, device=images.device)
        for some, theirs in zip(images.split(_CHUNK), labels.split(_CHUNK), strict=True):
            sums.index_add_(0, theirs, some.flatten(1).long())  # integers: exact, in whatever order
        counts = torch.bincount(labels, minlength=classes).clamp(min=1)
        average = (sums.cpu().double() / counts.cpu()[:, None]).float().view(classes, 3, 32, 32)
        self.means.copy_(normalised(average, mean, std).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return (2 * flat @ self.means.T - self.means.square().sum(1)) / flat.shape[1]


def learnt(
    recipe: Cifar10Recipe, images: Tensor, labels: Tensor, classes: int, mean: Sequence[float], std: Sequence[float]
) -> nn.Module:
    """The baseline that `recipe` names, with what it takes from the training part."""
    if recipe.network == "majority":
        majority = Majority(classes)
        majority.learn(labels)
        return majority
    nearest = NearestMean(classes)
    nearest.learn(images, labels, mean, std)
    return nearest


def build(network: str, classes: int) -> nn.Module:
    """A baseline by its name in a recipe, to load what it has learnt into."""
    return Majority(classes) if network == "majority" else NearestMean(classes)
