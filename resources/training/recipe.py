"""What a training is told: the fields every product's presets share.

Belongs here: those fields, with their bounds. Does not belong here: the fields of one product (`assets/<product>/
recipe.py`), reading presets.yaml (`presets.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Recipe(BaseModel):
    """One entry of a presets.yaml. Products subclass it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(min_length=1, description="What the preset is for, in a line.")
    default_on: tuple[Literal["cpu", "gpu"], ...] = Field(
        (), description="Machines on which `scriptorium train` takes this preset where none is named."
    )
    epochs: int = Field(1, ge=1, le=100_000, description="How often the training part is gone through.")
    batch_size: int = Field(512, ge=1, description="Samples of one optimiser step.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the first weights, the order and the augmentation.")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto", description="Lightning's name of the precision; `auto` is bf16-mixed on CUDA and 32-true elsewhere."
    )
    gradient_clip: float | None = Field(None, gt=0, description="Gradients are scaled down to this norm at most.")
    compile: bool = Field(False, description="Compile the network with torch.compile; pays in long trainings only.")
    time_limit_s: float | None = Field(None, gt=0, description="Stop after the epoch in which so many seconds passed.")
    patience: int | None = Field(
        None,
        ge=1,
        description="Stop when validation (by val_loss, if the product names no other metric) has not improved for so"
        " many epochs; empty: never.",
    )
    keep: Literal["last", "best"] = Field(
        "last",
        description="Whose weights become the checkpoint: the last epoch's, or those of the one best on validation.",
    )

    def identity(self) -> str:
        """All that decides what is learned, as JSON: everything but the words about the preset."""
        return self.model_dump_json(exclude={"description", "default_on"})

    def made(self, recipe: Mapping[str, Any]) -> bool:
        """Whether a checkpoint whose card holds `recipe` was trained like this; False if it has other fields."""
        try:
            return type(self).model_validate(recipe).identity() == self.identity()
        except ValidationError:
            return False

    @property
    def is_baseline(self) -> bool:
        """Whether this is no trained network but something that every trained network has to beat."""
        return False
