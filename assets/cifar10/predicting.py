"""From a checkpoint and images to probabilities.

Belongs here: rebuilding the network from the card alone, views, temperature. Does not belong here: reading image files
(`images.py`), scores (`scoring.py`). Pure torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from assets.cifar10 import baselines, network
from assets.cifar10.augment import moved, normalised
from assets.cifar10.card import Cifar10Card
from assets.cifar10.recipe import BASELINES, Cifar10Recipe
from resources.errors import BadInput
from resources.store.types import Checkpoint

BATCH, CPU_BATCH = 1024, 256
"""Images at once, where no number is given: 12 MB as floats, enough to keep a GPU busy. On a CPU so few that what a
layer gives is still in the cache when the next one takes it: half the time for `tiny`."""


def predict(checkpoint: Checkpoint, images: Tensor, device: str, batch_size: int | None = None) -> Tensor:
    """Probabilities, float32 (n, classes) on the CPU, of uint8 images (n, 3, 32, 32).

    The same checkpoint, images in their order, device and batch size give the same bits, those of the stored
    evaluation among them; a row may differ in its last bits where the images beside it are others.
    Raises: BadInput if the checkpoint is none of CIFAR-10 or the images have another shape.
    """
    return probabilities(logits(checkpoint, images, device, batch_size), card_of(checkpoint).temperature)


def probabilities(scores: Tensor, temperature: float) -> Tensor:
    """Logits (n, classes) divided by `temperature`, as probabilities. Computed in float64, returned as float32."""
    return torch.softmax(scores.double() / temperature, dim=1).float()


def logits(checkpoint: Checkpoint, images: Tensor, device: str, batch_size: int | None = None) -> Tensor:
    """Logits, float32 (n, classes) on the CPU, the mean over the views that the card names, before the temperature.

    Raises: as `predict`.
    """
    card = card_of(checkpoint)
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != card.input_size:
        wanted = ", ".join(map(str, card.input_size))
        raise BadInput(
            f"Images are {images.dtype}, {tuple(images.shape)}.", f"Give torch.uint8 of shape (n, {wanted})."
        )
    return network_logits(rebuilt(checkpoint, device), images, card.mean, card.std, card, batch_size)


def card_of(checkpoint: Checkpoint) -> Cifar10Card:
    """Its card. Raises: BadInput if it is another product's."""
    if not isinstance(checkpoint.card, Cifar10Card):
        raise BadInput(
            f"The checkpoint's card is a {type(checkpoint.card).__name__}.", "Choose a checkpoint of cifar10."
        )
    return checkpoint.card


def rebuilt(checkpoint: Checkpoint, device: str) -> nn.Module:
    """The network, from its card and weights, on `device` and ready for use."""
    card = card_of(checkpoint)
    classes = len(card.class_names)
    if card.network in BASELINES:
        built = baselines.build(card.network, classes)
    else:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, and overwritten: leave no trace of it
            built = network.build(card.network, classes, card.width)
    built.load_state_dict(dict(checkpoint.weights))
    layout = torch.channels_last if card.channels_last else torch.contiguous_format
    built.to(device).to(memory_format=layout)  # type: ignore[call-overload]  # not in torch's stubs
    return built.eval()


def network_logits(
    built: nn.Module,
    images: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    use: Cifar10Card | Cifar10Recipe,
    batch_size: int | None = None,
) -> Tensor:
    """As `logits`, of a network on its device and in evaluation mode; `use` names the views and the layout."""
    device = next(iter(built.state_dict().values())).device
    # Without an image the network is asked all the same: it knows the number of classes.
    size = batch_size or (CPU_BATCH if device.type == "cpu" else BATCH)
    parts = images.split(size) if len(images) else (images,)
    rows: list[Tensor] = []
    # Kernels are chosen by rule, not by a race: else the same images need not give the same bits again.
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        for some in parts:
            total: Tensor | None = None
            for view, mirrored, weight in _views(some.to(device), use.tta):
                x = normalised(view, mean, std, use.channels_last)
                for each in (x, x.flip(3)) if mirrored else (x,):
                    y = built(each).float() * weight
                    total = y if total is None else total + y
            assert total is not None
            rows.append(total.cpu())
    return torch.cat(rows)


def _views(images: Tensor, tta: str) -> Iterator[tuple[Tensor, bool, float]]:
    """uint8 images to look at, whether also mirrored, and the weight of each of these; weights sum to 1.

    `flip_shift` as in Jordan 2024 (arXiv:2404.00498, section 3.5): half of the weight is the image's own place, half
    that of one pixel up and left or down and right, each with its mirror image.
    """
    if tta == "none":
        yield images, False, 1.0
        return
    own = 0.25 if tta == "flip_shift" else 0.5
    yield images, True, own
    if tta == "flip_shift":
        one = torch.ones(len(images), dtype=torch.int64, device=images.device)
        for by in (-one, one):
            yield moved(images, by, by, torch.zeros_like(one, dtype=torch.bool)), True, 0.125
