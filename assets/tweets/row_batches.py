"""Batches of packed rows that lie on the device, an epoch of them in several rounds.

Belongs here: which rows come when, and cutting them into what is read and what is taught. Does not belong here: making
rows (`packing.py`), the loss (`lstm_module.py`). Pure: torch.

A round is what the loop (`resources/training/loop.py`) takes for an epoch: after it the state is saved and validation
runs. So a training that is killed loses a round at most, though an epoch of all tweets may be long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from resources.errors import BadInput
from resources.training.batches import Batch, DeviceBatches

_EPOCHS = 1_000_003  # as in batches.py: no two epochs of two seeds share a stream


class RowBatches(DeviceBatches):
    """Batches `ids` and `targets` int64 (rows, row_length), and `used` (rows,): so many targets of a row are real.

    Each epoch goes through all rows in an order drawn from `seed` and the epoch's number alone, or through the first
    `rows_per_epoch` of that order. It is cut into `rounds` with equally many batches, whose sizes differ by one row at
    most and are `batch_size` at most; `epoch`, as the loop sets it, counts rounds.
    """

    def __init__(
        self,
        rows: Tensor,
        used: Tensor,
        batch_size: int,
        *,
        seed: int,
        rounds: int = 1,
        rows_per_epoch: int | None = None,
    ) -> None:
        """`rows` int16 (rows, 1 + row_length) and `used` int32 (rows,) share a device.

        Raises: BadInput if there are so few rows that a batch would have none.
        """
        super().__init__({"rows": rows, "used": used}, batch_size, shuffle=True, seed=seed)
        self.rows_per_epoch = min(self.samples, rows_per_epoch or self.samples)
        self._rounds = rounds
        self._per_round = -(-self.rows_per_epoch // (rounds * self.batch_size))
        if rounds * self._per_round > self.rows_per_epoch:
            raise BadInput(
                f"{self.rows_per_epoch:,} rows of tweets are too few for {rounds:,} rounds of batches of"
                f" {self.batch_size:,}.",
                "Take fewer rounds, or give more tweets.",
            )

    def __len__(self) -> int:
        """Batches of a round."""
        return self._per_round

    def __iter__(self) -> Iterator[Batch]:
        epoch, part = divmod(self.epoch, self._rounds)
        self.epoch += 1
        generator = torch.Generator(self.device).manual_seed(self._seed * _EPOCHS + epoch)
        order: Tensor | None = None
        in_all = self._rounds * self._per_round
        for number in range(part * self._per_round, (part + 1) * self._per_round):
            self.before_batch()
            if order is None:
                order = torch.randperm(self.samples, generator=generator, device=self.device)
            first, last = (self.rows_per_epoch * edge // in_all for edge in (number, number + 1))
            yield cut(self._tensors, order[first:last])


def cut(tensors: Mapping[str, Tensor], chosen: Tensor | slice) -> Batch:
    """The batch of the chosen rows: what is read, what is taught, and how much of that is real."""
    rows, used = tensors["rows"], tensors["used"]
    some = rows[chosen] if isinstance(chosen, slice) else rows.index_select(0, chosen)
    some = some.long()  # on the device: int16 is what is stored and copied
    count = used[chosen] if isinstance(chosen, slice) else used.index_select(0, chosen)
    return {"ids": some[:, :-1], "targets": some[:, 1:], "used": count}


def filling(batch: Batch) -> Tensor:
    """Which targets of a batch are there to fill up a row, bool (rows, row_length)."""
    targets, used = batch["targets"], batch["used"]
    return torch.arange(targets.shape[1], device=targets.device) >= used[:, None]


def validation_batches(rows: Tensor, used: Tensor, batch_size: int) -> DeviceBatches:
    """All rows in their order."""
    every = slice(None)
    return DeviceBatches(
        {"rows": rows, "used": used}, batch_size, batch_transform=lambda batch, epoch, generator: cut(batch, every)
    )
