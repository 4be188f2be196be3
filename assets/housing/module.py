"""Training the ensemble: all networks of all splits, each on the rows of its split, in one computation.

Belongs here: which rows a network sees, the loss, the metrics, the optimiser. Does not belong here: the network
(`network.py`), the loop (`resources/training/loop.py`). Pure: torch and Lightning.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assets.housing.network import Bank, edges, encoded
from assets.housing.recipe import HousingRecipe
from assets.housing.splits import TRAIN, VALIDATION, Scales, positions, scales, standardised
from resources.training.batches import DeviceBatches
from resources.training.module import TrainedModule

_BANK, _BEST = "bank.", "best_"
_AT_ONCE = 4096  # validation rows in one go: some hundred MB for 160 networks of two layers of 64


class HousingModule(TrainedModule):
    """`recipe.members` networks for each split, the first ones for split 0.

    They learn the standardised logarithm of the price from standardised columns, each by the train statistics of its
    split. `loss` is the mean squared error of that, averaged over networks; `mae` is in 1000 USD, per network.
    """

    x: Tensor
    logs: Tensor
    price: Tensor
    split_of: Tensor
    best_loss: Tensor

    def __init__(self, recipe: HousingRecipe, values: Tensor, target: Tensor, splits: Tensor) -> None:
        """values (rows, columns), target (rows,) in 1000 USD, splits (splits, rows): see `splits.py`."""
        super().__init__()
        self.recipe = recipe
        # In float64, which not every device has.
        of = scales(values.cpu(), target.cpu(), splits.cpu())
        self.scales = Scales(**{name: tensor.to(values.device) for name, tensor in vars(of).items()})
        x = standardised(values, self.scales)
        self.edges = torch.stack([edges(x[s][part == TRAIN], recipe.bins) for s, part in enumerate(splits)])
        x = encoded(x, self.edges)
        networks = len(splits) * recipe.members
        self.bank = Bank(networks, x.shape[-1], recipe.hidden, recipe.dropout, recipe.seed)
        split_of = torch.arange(networks, device=values.device) // recipe.members
        logs = (target.log() - self.scales.log_mean[:, None]) / self.scales.log_std[:, None]
        data = {"x": x, "logs": logs, "price": target, "split_of": split_of}
        for name, tensor in data.items():  # moves with the module, and is no part of its state
            self.register_buffer(name, tensor, persistent=False)
        self._best = recipe.keep_epoch == "best_on_validation"
        if self._best:
            self.register_buffer("best_loss", torch.full((networks,), float("inf")))
            for name, weights in self.bank.named_parameters():
                self.register_buffer(_BEST + name, weights.detach().clone())
        self._sums: Tensor | None = None

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        loss, _, _ = self._losses(batch, "")
        return loss.sum()

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        if not self._best:
            self._losses(batch, "val_")
            return
        loss, _, weight = self._losses(batch, "val_")
        sums = torch.stack([loss.detach() * weight, weight])
        self._sums = sums if self._sums is None else self._sums + sums

    def on_validation_epoch_end(self) -> None:
        """Each network whose own validation loss is its lowest so far keeps its weights; the device alone decides."""
        if self._sums is None:
            return
        total, weight = self._sums
        self._sums = None
        loss = total / weight.clamp_min(1)
        better = loss < self.best_loss
        self.best_loss.copy_(torch.where(better, loss, self.best_loss))
        for name, weights in self.bank.named_parameters():
            best: Tensor = getattr(self, _BEST + name)
            best.copy_(torch.where(better.view(-1, *[1] * (weights.ndim - 1)), weights.detach(), best))

    def _losses(self, batch: dict[str, Tensor], prefix: str) -> tuple[Tensor, Tensor, Tensor]:
        """Each network's mean squared error, mean absolute error in 1000 USD, and number of rows: (networks,)."""
        rows, real = batch["rows"].T, batch["real"].T  # (networks, rows)
        split = self.split_of[:, None]
        weight = real / real.sum(1, keepdim=True).clamp_min(1)
        wanted = self.logs[split, rows]
        given = self.bank(self.x[split, rows])
        loss = ((given - wanted).square() * weight).sum(1)
        with torch.no_grad():
            of = self.scales
            price = (given * of.log_std.to(given)[split] + of.log_mean.to(given)[split]).exp()
            off = ((price - self.price[rows]).abs() * weight).sum(1)
            # Networks of one batch have nearly as many rows each; the last rows of ragged splits weigh a little more.
            self.tally(f"{prefix}loss", loss.mean(), rows.shape[1])
            self.tally(f"{prefix}mae", off.mean(), rows.shape[1])
        return loss, off, real.sum(1)

    def of_splits(self) -> dict[str, Tensor]:
        """What predictions need of each split besides the networks, on the CPU."""
        return {name: tensor.cpu() for name, tensor in {**self.scales.tensors(), "edges": self.edges}.items()}

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        optimizer = torch.optim.AdamW(self.bank.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def train_batches(recipe: HousingRecipe, splits: Tensor) -> DeviceBatches:
    """Batches of row numbers, (rows of a batch, networks): each network draws an order of its own every epoch."""
    rows, real = _of_networks(splits, TRAIN, recipe.members)

    def shuffled(tensors: dict[str, Tensor], epoch: int, generator: torch.Generator) -> dict[str, Tensor]:
        order = torch.rand(rows.shape, generator=generator, device=rows.device).argsort(0)
        return {name: tensor.gather(0, order) for name, tensor in tensors.items()}

    return DeviceBatches({"rows": rows, "real": real}, recipe.batch_size, seed=recipe.seed, epoch_transform=shuffled)


def validation_batches(recipe: HousingRecipe, splits: Tensor) -> DeviceBatches:
    """All validation rows of each network's split."""
    rows, real = _of_networks(splits, VALIDATION, recipe.members)
    return DeviceBatches({"rows": rows, "real": real}, _AT_ONCE)


def kept(recipe: HousingRecipe, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The networks' weights in the state_dict of a trained module: `network_<name>`, (networks, ...)."""
    prefix = _BEST if recipe.keep_epoch == "best_on_validation" else _BANK
    chosen = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return {f"network_{name}": tensor for name, tensor in chosen.items() if name != "loss"}


def _of_networks(splits: Tensor, part: int, members: int) -> tuple[Tensor, Tensor]:
    """`positions` of a part, (rows, networks)."""
    rows, real = (tensor.to(splits.device) for tensor in positions(splits.cpu(), part))
    return rows.repeat_interleave(members, 0).T.contiguous(), real.repeat_interleave(members, 0).T.contiguous()
