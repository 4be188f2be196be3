"""Batches of tweets for a transformer: token ids that lie on the device, tweets of like length together.

Belongs here: tokens of texts, the order of tweets and cutting it into batches. Does not belong here: the loss
(`transformer_module.py`). Pure: torch.

All tweets lie in one int32 tensor, one after another, and a batch is gathered from it, as wide as its longest tweet.
The host knows every length, so that making a batch never waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from resources.training.batches import Batch, DeviceBatches

_EPOCHS = 1_000_003  # as in resources/training/batches.py: no two epochs of two seeds share a stream
_POOL = 64
"""Batches whose tweets are sorted by length together: enough that a batch is nearly free of padding, few enough that
each epoch makes other batches."""
_AT_ONCE = 20_000  # texts given to the tokenizer at once; after each lot the progress is told


def encoded(tokenizer: Any, texts: Sequence[str], told: Callable[[int], object] = lambda done: None) -> list[list[int]]:
    """Token ids of each text by a tokenizer of transformers, without marks for begin and end.

    What looks like such a mark inside a text is text. `told` gets the number of texts done.
    """
    ids: list[list[int]] = []
    for at in range(0, len(texts), _AT_ONCE):
        some = list(texts[at : at + _AT_ONCE])
        ids += tokenizer(
            some, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False, verbose=False
        )["input_ids"]
        told(len(ids))
    return ids


def marked(rows: Sequence[Sequence[int]], begin: int, end: int, longest: int) -> tuple[list[list[int]], int]:
    """Each row with `begin` before and `end` after it, and how many had to be cut to `longest` tokens (with marks).

    A cut row has no end mark: the model must not learn that tweets end there.
    """
    made, cut = [], 0
    for row in rows:
        whole = [begin, *row, end]
        cut += len(whole) > longest
        made.append(whole[:longest])
    return made, cut


class TokenBatches(DeviceBatches):
    """Batches `ids` int64 (rows, width), filled up on the right with `fill`, and `positions` int64 (m,).

    `positions` are the places in the flattened `ids` that have a next token to predict: padding and last tokens are
    none. One pass is a round, a part of an epoch; an epoch's order follows from `seed` and its number alone, so that a
    training which goes on at round 7 sees what the uninterrupted one saw there. All rounds have as many batches, whose
    sizes differ by one row at most and are `batch_size` at most, so that an epoch has each row once.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        batch_size: int,
        device: str,
        *,
        fill: int,
        shuffle: bool = False,
        seed: int = 0,
        rounds: int = 1,
    ) -> None:
        """Raises: ValueError if there is no row, a row has fewer than two tokens, or a batch would have no row."""
        self._host_lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        if not len(rows) or int(self._host_lengths.min()) < 2:
            raise ValueError("a batch source needs rows, each of at least two tokens")
        super().__init__({"lengths": self._host_lengths.to(device)}, batch_size, shuffle=shuffle, seed=seed)
        self._per_round = -(-len(rows) // (rounds * self.batch_size))
        count = rounds * self._per_round
        if count > len(rows):
            raise ValueError(f"{len(rows)} rows can't be cut into {rounds} rounds of batches of {self.batch_size}")
        edges = [len(rows) * number // count for number in range(count + 1)]
        self._sizes, self._rounds, self._fill = [end - start for start, end in pairwise(edges)], rounds, fill
        flat = torch.tensor([token for row in rows for token in row], dtype=torch.int32)
        self._flat = flat.to(device)
        self._starts = (self._host_lengths.cumsum(0) - self._host_lengths).to(device)
        self.tokens = int(self._host_lengths.sum()) - len(rows)
        """Tokens that are predicted in one epoch."""

    def __len__(self) -> int:
        """Batches of a round."""
        return self._per_round

    def __iter__(self) -> Iterator[Batch]:
        epoch, part = divmod(self.epoch, self._rounds)
        self.epoch += 1
        order: list[Tensor] = []
        for number in range(part * self._per_round, (part + 1) * self._per_round):
            self.before_batch()
            order = order or self._order(epoch)
            yield self._batch(order[number])

    def _order(self, epoch: int) -> list[Tensor]:
        """The rows of each batch of an epoch, on the host."""
        if not self._shuffle:
            return list(torch.argsort(self._host_lengths, stable=True).split(self._sizes))
        generator = torch.Generator().manual_seed(self._seed * _EPOCHS + epoch)
        drawn = torch.randperm(self.samples, generator=generator).split(self._sizes)
        batches: list[Tensor] = []
        for at in range(0, len(drawn), _POOL):
            pool = torch.cat(drawn[at : at + _POOL])
            alike = pool[torch.argsort(self._host_lengths[pool], stable=True)]
            batches += alike.split(self._sizes[at : at + _POOL])
        turns = torch.randperm(len(batches), generator=generator)
        return [batches[turn] for turn in turns.tolist()]

    def _batch(self, rows: Tensor) -> Batch:
        lengths = self._host_lengths[rows]
        width, predicted = int(lengths.max()), int(lengths.sum()) - len(rows)
        at, lengths = rows.to(self.device), lengths.to(self.device)
        columns = torch.arange(width, device=self.device)
        places = self._starts[at][:, None] + columns
        inside = columns < lengths[:, None]
        ids = torch.where(inside, self._flat[places.clamp_max(len(self._flat) - 1)], self._fill).long()
        return {"ids": ids, "positions": real_positions(lengths - 1, width, predicted)}


def real_positions(counts: Tensor, width: int, total: int) -> Tensor:
    """Indices into a flattened (rows, width) of the first `counts[i]` places of each row i; `total` is their sum,
    which the host knows, so that nothing waits for the device.
    """
    before = counts.cumsum(0) - counts
    rows = torch.arange(len(counts), device=counts.device) * width
    return torch.arange(total, device=counts.device) + torch.repeat_interleave(rows - before, counts, output_size=total)
