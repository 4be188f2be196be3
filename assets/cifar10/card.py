"""The card of a CIFAR-10 checkpoint: all that predictions need besides the weights.

Belongs here: its fields. Does not belong here: how they are found (`checkpoint.py`), what they are used for
(`predicting.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from pydantic import Field

from assets.cifar10.recipe import Cifar10Recipe
from resources.training.documents import Card


class Cifar10Card(Card):
    """`mean` and `std` are by channel, with 255 taken as 1; logits are divided by `temperature` before the softmax.

    `network` and `width` say what to build for the weights; `input_size` is (channels, height, width).
    """

    class_names: tuple[str, ...] = Field(min_length=2)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    network: str
    width: int
    temperature: float = Field(gt=0)
    input_size: tuple[int, int, int] = (3, 32, 32)

    @property
    def settings(self) -> Cifar10Recipe:
        """The recipe, validated."""
        return Cifar10Recipe.model_validate(self.recipe)
