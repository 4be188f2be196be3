"""What a CIFAR-10 training is told: the fields of an entry of presets.yaml, with their bounds.

Belongs here: those fields, and the version of the code that they are for. Does not belong here: the fields all products
share (`resources/training/recipe.py`), what the fields do (`network.py`, `augment.py`, `module.py`). Pure: pydantic
alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from resources.training.recipe import Recipe

BASELINES = ("majority", "nearest_mean")
"""Networks without a training: everything trained has to beat them."""

CODE_VERSION = "1"
"""Of all that decides a checkpoint; a training that was killed does not go on under another one."""


class Cifar10Recipe(Recipe):
    """A CIFAR-10 preset. A baseline reads `network`, `batch_size` and `tta` alone; the other fields have defaults.

    Learning rates are those of the mean loss of a batch, at their peak; they fall to 0 in the end.
    """

    network: Literal["resnet18", "fast", "tiny", "majority", "nearest_mean"] = Field(
        description="What is trained: a network of network.py, or a baseline of baselines.py."
    )
    width: int = Field(64, ge=4, le=512, description="Channels of the network's first group; later ones have more.")
    optimizer: Literal["sgd", "muon"] = Field(
        "sgd", description="`muon` takes orthogonalised steps for the convolutions' filters, and SGD for the rest."
    )
    learning_rate: float = Field(0.1, gt=0, le=10, description="Peak learning rate of the weights.")
    bias_learning_rate: float | None = Field(
        None, gt=0, le=1_000, description="That of the biases, where it is another one."
    )
    head_learning_rate: float | None = Field(
        None, gt=0, le=10_000, description="That of the last, linear layer, where it is another one."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    muon_momentum: float = Field(0.6, ge=0, lt=1, description="Momentum of Muon.")
    nesterov: bool = Field(True, description="Nesterov's momentum instead of the plain one.")
    weight_decay: float = Field(
        5e-4, ge=0, le=1, description="A step shrinks what SGD trains by this times the learning rate of the weights."
    )
    warm_up: float = Field(
        0.2, ge=0, le=0.9, description="Share of the steps in which the learning rate rises; it falls in the others."
    )
    label_smoothing: float = Field(
        0.0, ge=0, le=0.9, description="Probability that the training's targets spread evenly over all classes."
    )
    whitening_epochs: int = Field(
        3, ge=0, le=1_000, description="Epochs in which the bias of the whitening convolution is trained (`fast` only)."
    )
    translate: int = Field(0, ge=0, le=16, description="Pixels by which a training image is moved at most, each way.")
    flip: Literal["none", "random", "alternating"] = Field(
        "alternating",
        description="Mirroring in training: each time by chance, or every second epoch, half of the images each.",
    )
    cutout: int = Field(0, ge=0, le=32, description="Side in pixels of the square that is blanked in a training image.")
    channels_last: bool = Field(True, description="Keep a pixel's channels side by side in memory.")
    tta: Literal["none", "flip", "flip_shift"] = Field(
        "flip",
        description="Views of an image whose logits are averaged in use: its mirror image, and moved by a pixel.",
    )

    @property
    def is_baseline(self) -> bool:
        return self.network in BASELINES

    @model_validator(mode="after")
    def _fits_together(self) -> Cifar10Recipe:
        if self.nesterov and self.momentum == 0 and not self.is_baseline:
            raise ValueError("nesterov needs a momentum above 0")  # torch refuses it too, but only after the dataset
        return self
