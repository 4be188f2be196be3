"""What a product's network gives the training loop: its losses, and the epoch's numbers.

Belongs here: what all of them share. Does not belong here: networks and losses (`assets/<product>/`). Pure: torch and
Lightning.
"""

from __future__ import annotations

from typing import Literal

import lightning
import torch
from torch import Tensor


class TrainedModule(lightning.LightningModule):
    """A network with its loss. Subclasses give `training_step`, `validation_step` and `configure_optimizers`.

    Metrics go to `tally`, not to Lightning's `log`: they stay on the device and are read once an epoch. Those that are
    no means over samples come from `epoch_metrics`.
    """

    monitor: tuple[str, Literal["min", "max"]] = ("val_loss", "min")
    """The epoch's number by which the best epoch is known (`keep: best`, `patience`), and whether low or high is good.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tallies: dict[str, tuple[Tensor, int]] = {}

    def tally(self, name: str, value: Tensor, count: int) -> None:
        """Count a mean over `count` samples (0-d tensor) towards this epoch's mean `name`, e.g. `loss`, `val_loss`."""
        total = value.detach().float() * count
        before = self._tallies.get(name)
        self._tallies[name] = (total, count) if before is None else (before[0] + total, before[1] + count)

    def take_tallies(self) -> dict[str, float]:
        """The means since the last call, by name, in the order in which they first came."""
        tallies, self._tallies = self._tallies, {}
        if not tallies:
            return {}
        sums = torch.stack([total for total, _ in tallies.values()]).tolist()  # the epoch's one wait for the device
        return {name: value / count for (name, (_, count)), value in zip(tallies.items(), sums, strict=True)}

    def epoch_metrics(self) -> dict[str, float]:
        """Further numbers of the epoch that ends, by name: called once after its validation. None by default."""
        return {}
