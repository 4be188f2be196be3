"""What is done to whole batches of images on the device: normalised, moved, mirrored, partly blanked.

Belongs here: these operations and their seeded choices. Does not belong here: which of them a preset uses
(`recipe.py`), batches (`resources/training/batches.py`). Pure torch. Images are (n, channels, height, width), uint8
where they come from the dataset; no operation has a loop over images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from assets.cifar10.recipe import Cifar10Recipe

_CHUNK = 4096
"""Images whose sums are taken at once: 12 million bytes, 100 MB as integers of 8 bytes."""


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images, 255 taken as 1. Exact: summed as integers."""
    total = torch.zeros(images.shape[1], dtype=torch.int64, device=images.device)
    squares = torch.zeros_like(total)
    for chunk in images.split(_CHUNK):
        values = chunk.long()
        total += values.sum((0, 2, 3))
        squares += (values * values).sum((0, 2, 3))
    count = images.shape[0] * images.shape[2] * images.shape[3]
    mean = total.cpu().double() / count
    # A channel of one value alone has no deviation to divide by.
    std = (squares.cpu().double() / count - mean**2).clamp(min=1.0).sqrt()
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def normalised(images: Tensor, mean: Sequence[float], std: Sequence[float], channels_last: bool = False) -> Tensor:
    """uint8 images as float32 of mean 0 and deviation 1; `mean` and `std` are by channel, 255 taken as 1."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    shift = torch.tensor(mean, dtype=torch.float32, device=images.device).view(1, -1, 1, 1) * 255
    scale = 1 / (torch.tensor(std, dtype=torch.float32, device=images.device).view(1, -1, 1, 1) * 255)
    # By channel first, then moved: with three channels innermost, CPUs are five times slower.
    return (images - shift).mul_(scale).contiguous(memory_format=layout)


def moved(images: Tensor, down: Tensor, right: Tensor, mirrored: Tensor) -> Tensor:
    """Each image moved by its `down` and `right` pixels, then mirrored left to right where `mirrored`; shapes (n,).

    What comes in at a border is the image reflected there, the border's own pixels not repeated. Moves are less than
    the image's side. One gather does it all; any dtype.
    """
    n, channels, height, width = images.shape
    rows = _reflected(torch.arange(height, device=images.device) - down[:, None], height)
    columns = torch.arange(width, device=images.device).expand(n, width)
    columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    columns = _reflected(columns - right[:, None], width)
    index = (rows[:, :, None] * width + columns[:, None, :]).view(n, 1, height * width).expand(n, channels, -1)
    return images.reshape(n, channels, height * width).gather(2, index).view_as(images)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Indices at most one `size` outside of 0 .. size - 1, reflected into it."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)


def blanked(images: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
    """Each image with a square of `size` pixels set to 0 (the mean of normalised images), its corner given, (n,).

    `images` themselves are changed; squares lie inside of them.
    """
    n, channels, _, width = images.shape
    across = torch.arange(size, device=images.device)
    pixels = (top[:, None, None] + across[:, None]) * width + left[:, None, None] + across
    if images.is_contiguous():
        images.view(n, channels, -1).scatter_(2, pixels.view(n, 1, -1).expand(-1, channels, -1), 0)
    else:  # channels_last: a pixel's channels side by side
        images.permute(0, 2, 3, 1).view(n, -1, channels).scatter_(1, pixels.view(n, -1, 1).expand(-1, -1, channels), 0)
    return images


def first_mirrored(count: int, seed: int, device: torch.device | str) -> Tensor:
    """A random half of `count` images, (count,) bool: those that alternating flips mirror in even epochs.

    The others are mirrored in odd ones, so two epochs in a row show every image both ways: less chance than a coin for
    each, and faster learning ("airbench", Jordan 2024, arXiv:2404.00498, section 3.6). Drawn on the CPU: every device
    has the same half.
    """
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: count // 2]] = True
    return chosen.to(device)


@dataclass(frozen=True)
class Augmentation:
    """The `batch_transform` of a training: a batch of `images` (uint8) and `first_mirrored` to one of float images."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    translate: int = 0
    flip: str = "none"
    cutout: int = 0
    channels_last: bool = False

    @classmethod
    def of(cls, recipe: Cifar10Recipe, mean: tuple[float, ...], std: tuple[float, ...]) -> Augmentation:
        """That of a training by `recipe`."""
        return cls(mean, std, recipe.translate, recipe.flip, recipe.cutout, recipe.channels_last)

    @classmethod
    def none(cls, mean: tuple[float, ...], std: tuple[float, ...], channels_last: bool) -> Augmentation:
        """That of a validation: images are normalised and nothing else."""
        return cls(mean, std, channels_last=channels_last)

    def __call__(self, batch: dict[str, Tensor], epoch: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Every choice is drawn from `generator`, which is on the images' device; `epoch` counts from 0."""
        images = batch["images"]
        n, device = len(images), images.device

        def drawn(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, (n,), generator=generator, device=device)

        if self.translate or self.flip != "none":
            mirrored = torch.zeros(n, dtype=torch.bool, device=device)
            if self.flip == "random":
                mirrored = drawn(0, 1).bool()
            elif self.flip == "alternating":
                mirrored = batch["first_mirrored"] ^ bool(epoch % 2)
            by = self.translate
            images = moved(images, drawn(-by, by), drawn(-by, by), mirrored)
        images = normalised(images, self.mean, self.std, self.channels_last)
        if self.cutout:
            height, width = images.shape[2] - self.cutout, images.shape[3] - self.cutout
            images = blanked(images, drawn(0, height), drawn(0, width), self.cutout)
        return {**batch, "images": images}
