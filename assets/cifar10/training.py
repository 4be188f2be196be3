"""From the dataset's tensors and a recipe to a module with its batches, and from a training to a checkpoint.

Belongs here: what training, benchmarks and tests do alike. Does not belong here: the asset (`checkpoint.py`), layers
and losses (`network.py`, `module.py`). Pure torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from assets.cifar10 import baselines, network
from assets.cifar10.augment import Augmentation, channel_statistics, first_mirrored, normalised
from assets.cifar10.card import Cifar10Card
from assets.cifar10.module import Cifar10Module
from assets.cifar10.predicting import network_logits
from assets.cifar10.recipe import CODE_VERSION, Cifar10Recipe
from assets.cifar10.scoring import scored
from resources.errors import BadInput
from resources.store.types import Checkpoint
from resources.training.batches import DeviceBatches
from resources.training.classification import fitted_temperature
from resources.training.keeper import Training
from resources.training.loop import seeded

SPLITS = {"train": 0, "validation": 1, "test": 2}
"""What the dataset's tensor `split` holds."""

_WHITENING_IMAGES = 5_000
"""They give almost 5 million patches for 78 numbers (a symmetric matrix of 12 x 12)."""


@dataclass(frozen=True)
class Part:
    """One split: uint8 `images` (n, 3, 32, 32), int64 `labels` (n,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def part(dataset: Mapping[str, Tensor], split: str, device: str) -> Part:
    """A split of `cifar10_dataset` on `device`, wherever its tensors lie. Raises: BadInput if it has no image."""
    chosen = (dataset["split"].cpu() == SPLITS[split]).nonzero().squeeze(1)
    if not len(chosen):
        raise BadInput(f"The dataset has no images for {split}.", "Materialize cifar10_dataset with other settings.")
    images, labels = dataset["images"], dataset["labels"]
    return Part(images[chosen.to(images.device)].to(device), labels[chosen.to(labels.device)].to(device))


def class_names(dataset: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names of the classes, label 0 first."""
    return tuple(bytes(dataset["class_names"].tolist()).decode().split("\n"))


@dataclass(frozen=True)
class Prepared:
    """All that a training starts from. `module` is None for a baseline, which has learnt already."""

    network: nn.Module
    module: Cifar10Module | None
    train: DeviceBatches
    validation: DeviceBatches
    recipe: Cifar10Recipe
    mean: tuple[float, ...]
    std: tuple[float, ...]
    names: tuple[str, ...]
    held_out: Part


def prepare(dataset: Mapping[str, Tensor], recipe: Cifar10Recipe, device: str) -> Prepared:
    """A network with its first weights, and the batches of `dataset` on `device`. Raises: BadInput as `part`."""
    learn, held_out, names = part(dataset, "train", device), part(dataset, "validation", device), class_names(dataset)
    mean, std = channel_statistics(learn.images)
    module = None
    if recipe.is_baseline:
        built = baselines.learnt(recipe, learn.images, learn.labels, len(names), mean, std)
    else:
        seeded(recipe.seed)
        built = network.build(recipe.network, len(names), recipe.width)
        if isinstance(built, network.Fast):
            built.whiten(normalised(learn.images[:_WHITENING_IMAGES], mean, std))
        module = Cifar10Module(built, recipe)
    train = DeviceBatches(
        {
            "images": learn.images,
            "labels": learn.labels,
            "first_mirrored": first_mirrored(len(learn), recipe.seed, device),
        },
        recipe.batch_size,
        shuffle=True,
        seed=recipe.seed,
        drop_last=True,  # normalisation by a few images' statistics would disturb the running ones
        batch_transform=Augmentation.of(recipe, mean, std),
    )
    validation = DeviceBatches(
        {"images": held_out.images, "labels": held_out.labels},
        recipe.batch_size,
        batch_transform=Augmentation.none(mean, std, recipe.channels_last),
    )
    return Prepared(built, module, train, validation, recipe, mean, std, names, held_out)


def finish(
    prepared: Prepared,
    training: Training | None,
    *,
    preset: str,
    overrides: Mapping[str, Any],
    data_version: str,
    device: str,
) -> Checkpoint:
    """The checkpoint of what was trained, with its temperature and its figures on validation.

    `training` is None for a baseline. The figures are those of use: all views, with the temperature.
    """
    recipe, built = prepared.recipe, prepared.network
    if training is not None:
        built.load_state_dict({name.removeprefix("network."): value for name, value in training.weights.items()})
    built.to(device).eval()
    held_out = prepared.held_out
    logits = network_logits(built, held_out.images, prepared.mean, prepared.std, recipe)
    temperature = fitted_temperature(logits, held_out.labels)
    scores = scored(logits, held_out.labels, temperature)
    card = Cifar10Card(
        product="cifar10",
        preset=preset,
        recipe=recipe.model_dump(mode="json"),
        overrides=dict(overrides),
        baseline=recipe.is_baseline,
        data_version=data_version,
        code_version=CODE_VERSION,
        seed=recipe.seed,
        metrics={f"val_{name}": value for name, value in scores.metrics.items()},
        epochs=training.curve if training else (),
        class_names=prepared.names,
        mean=prepared.mean,
        std=prepared.std,
        network=recipe.network,
        width=recipe.width,
        tta=recipe.tta,
        channels_last=recipe.channels_last,
        temperature=temperature,
    )
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in built.state_dict().items()}
    return Checkpoint(weights, card)
