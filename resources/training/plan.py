"""How a training is to be run.

Belongs here: what `loop.py` is told. Does not belong here: what a preset holds beside it (`recipe.py`). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from resources.training.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """How to run a training. `device` is torch's name of it; the rest as in `Recipe`."""

    epochs: int
    device: str = "cpu"
    precision: str = "auto"
    gradient_clip: float | None = None
    seed: int = 0
    compile: bool = False
    time_limit_s: float | None = None
    patience: int | None = None
    keep: str = "last"

    @classmethod
    def of(cls, recipe: Recipe, device: str) -> Plan:
        return cls(
            epochs=recipe.epochs,
            device=device,
            precision=recipe.precision,
            gradient_clip=recipe.gradient_clip,
            seed=recipe.seed,
            compile=recipe.compile,
            time_limit_s=recipe.time_limit_s,
            patience=recipe.patience,
            keep=recipe.keep,
        )

    @property
    def lightning_precision(self) -> str:
        if self.precision != "auto":
            return self.precision
        return "bf16-mixed" if self.device.startswith("cuda") else "32-true"
