"""The card of a CIFAR-10 checkpoint: all that predictions need besides the weights.

Belongs here: its fields. Does not belong here: how they are found (`checkpoint.py`), what they are used for
(`predicting.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from resources.training.documents import Card


class Cifar10Card(Card):
    """`mean` and `std` are by channel, with 255 taken as 1; logits are divided by `temperature` before the softmax.

    `network` and `width` say what to build for the weights; `input_size` is (channels, height, width). `tta` and
    `channels_last` are the recipe's: recipes change with the code, and what a card says must not.
    """

    class_names: tuple[str, ...] = Field(min_length=2)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    network: str
    width: int
    tta: Literal["none", "flip", "flip_shift"]
    channels_last: bool
    temperature: float = Field(gt=0)
    input_size: tuple[int, int, int] = (3, 32, 32)
