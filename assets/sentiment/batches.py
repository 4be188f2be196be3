"""Batches of tweets of like length, cut from tensors that lie on the device already.

Belongs here: the order of tweets, and how little of a batch is padding. Does not belong here: what is learned from it
(`module.py`). Pure: torch alone.

Lengths are kept on the host too, so that cutting a batch to its longest tweet never waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from resources.training.batches import Batch, DeviceBatches

_EPOCHS = 1_000_003  # as in resources/training/batches.py: no two epochs of two seeds share a stream


class LengthBatches(DeviceBatches):
    """Batches `ids` int32 (rows, longest of them), `lengths` int32 (rows,), `labels` int64 (rows,).

    Shuffled: each epoch draws its tweets and their order from seed and epoch alone, sorts them by length (tweets of
    one length stay in the drawn order), cuts that into batches and shuffles these. Else: as they come, which for a
    dataset sorted by length is as tight.
    """

    def __init__(
        self,
        ids: Tensor,
        lengths: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        samples: int | None = None,
    ) -> None:
        """ids (n, L), right-padded, lengths (n,), labels (n,), on one device. `samples`: tweets of an epoch at most.

        Raises: ValueError if they differ in number or device, or there is none.
        """
        tensors = {"ids": ids, "lengths": lengths, "labels": labels}
        super().__init__(tensors, batch_size, shuffle=shuffle, seed=seed)
        self._lengths = lengths.cpu().long()
        self._rows = self.samples
        if samples is not None:
            self.samples = min(samples, self._rows)
            self.batch_size = min(self.batch_size, self.samples)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self.epoch
        self.epoch += 1
        plan: list[tuple[Tensor, int]] = []
        for number in range(len(self)):
            self.before_batch()
            if number == 0:
                chosen = self._plan(epoch)
                order = torch.cat(chosen).to(self.device)  # the epoch's one copy from the host
                longest = [int(self._lengths[rows].max()) for rows in chosen]
                plan = list(zip(order.split([len(rows) for rows in chosen]), longest, strict=True))
            rows, width = plan[number]
            yield {
                "ids": self._tensors["ids"][:, :width].index_select(0, rows),
                "lengths": self._tensors["lengths"].index_select(0, rows),
                "labels": self._tensors["labels"].index_select(0, rows).long(),
            }

    def padding_share(self, epoch: int = 0) -> float:
        """Of the tokens in all batches of that epoch, the share that only fills them up."""
        plan = self._plan(epoch)
        used = sum(int(self._lengths[rows].sum()) for rows in plan)
        return 1 - used / sum(len(rows) * int(self._lengths[rows].max()) for rows in plan)

    def _plan(self, epoch: int) -> list[Tensor]:
        """Row numbers of each batch, on the host."""
        if not self._shuffle:
            return list(torch.arange(self.samples).split(self.batch_size))
        generator = torch.Generator().manual_seed(self._seed * _EPOCHS + epoch)
        drawn = torch.randperm(self._rows, generator=generator)[: self.samples]
        alike = drawn[self._lengths[drawn].argsort(stable=True)]
        # The batch that is smaller than the others is not always the one of the longest tweets.
        rest = self.samples % self.batch_size
        small = int(torch.randint(len(self), (1,), generator=generator)) if rest else len(self)
        sizes = [rest if number == small else self.batch_size for number in range(len(self))]
        batches = alike.split(sizes)
        return [batches[int(index)] for index in torch.randperm(len(batches), generator=generator)]
