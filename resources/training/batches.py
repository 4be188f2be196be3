"""Batches of tensors that lie on the device already.

Belongs here: the order of samples and cutting it into batches. Does not belong here: what is done to a batch
(`assets/<product>/augment.py`). Pure: torch alone.

There are no workers and no copies from the host: whole data sets fit on a device, so a batch is an `index_select`
and augmentation is a few tensor operations on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

Batch = dict[str, Tensor]
Transform = Callable[[Batch, int, torch.Generator], Batch]
"""Gets tensors by name, the epoch (0 is the first) and the generator to draw from; returns tensors by name."""

_EPOCHS = 1_000_003
"""A prime above any number of epochs: seed x prime + epoch never gives two epochs of two seeds one stream."""


def _untimed() -> None:
    """Nobody measures."""


class DeviceBatches:
    """An iterable over batches, one pass an epoch.

    Each epoch's randomness is drawn from `seed` and the epoch's number alone, so that a training which goes on at
    epoch 7 sees what the uninterrupted one saw there.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        epoch_transform: Transform | None = None,
        batch_transform: Transform | None = None,
    ) -> None:
        """`tensors` share their first dimension n and one device.

        `epoch_transform` is given them all as an epoch begins, `batch_transform` each batch. `drop_last` leaves out
        the last batch if it is smaller than the others, unless it is the only one.
        Raises: ValueError if the tensors differ in length or device, or there is no sample.
        """
        lengths = {name: len(tensor) for name, tensor in tensors.items()}
        devices = {tensor.device for tensor in tensors.values()}
        if len(set(lengths.values())) != 1 or len(devices) != 1 or 0 in lengths.values():
            raise ValueError(f"samples of one batch source must be as many and on one device: {lengths}, {devices}")
        if batch_size < 1:
            raise ValueError(f"a batch has at least one sample, not {batch_size}")
        self.samples, self.device = next(iter(lengths.values())), devices.pop()
        self.batch_size = min(batch_size, self.samples)
        self.epoch = 0
        self.before_batch: Callable[[], None] = _untimed
        self._tensors, self._shuffle, self._seed, self._drop_last = dict(tensors), shuffle, seed, drop_last
        self._epoch_transform, self._batch_transform = epoch_transform, batch_transform

    def __len__(self) -> int:
        """Batches of an epoch."""
        whole, rest = divmod(self.samples, self.batch_size)
        return whole + (1 if rest and not self._drop_last else 0)

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator(self.device).manual_seed(self._seed * _EPOCHS + self.epoch)
        epoch, tensors = self.epoch, self._tensors
        self.epoch += 1
        order: Tensor | None = None
        for number in range(len(self)):
            self.before_batch()
            if number == 0:
                if self._epoch_transform is not None:
                    tensors = self._epoch_transform(tensors, epoch, generator)
                if self._shuffle:
                    order = torch.randperm(self.samples, generator=generator, device=self.device)
            some = slice(number * self.batch_size, (number + 1) * self.batch_size)
            if order is None:
                batch = {name: tensor[some] for name, tensor in tensors.items()}
            else:
                chosen = order[some]
                batch = {name: tensor.index_select(0, chosen) for name, tensor in tensors.items()}
            yield batch if self._batch_transform is None else self._batch_transform(batch, epoch, generator)
