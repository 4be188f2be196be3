"""How likely a language model finds given tokens, in chunks, so that logits of a large vocabulary fit in memory.

Belongs here: negative log-likelihoods. Does not belong here: which tokens (`language_models.py`), metrics made of them
(`metrics.py`), the loss of a training (`chunked_loss.py`). Pure: torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from assets.tweets.chunked_loss import LOGITS
from assets.tweets.transformer_batches import real_positions

_TOKENS = 1 << 13
"""Tokens, padding included, that go through a network at once while it is asked, not trained."""


class Scorer(Protocol):
    """A causal network: what it makes of tokens, and logits of that."""

    vocabulary: int
    context: int | None
    """Tokens it can read at once; None: any number."""

    @property
    def device(self) -> str: ...

    def hidden(self, ids: Tensor) -> Tensor:
        """ids int64 (rows, steps) → (rows, steps, width); step i has seen the tokens 0 to i and no other."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, width) → (…, vocabulary)."""
        ...


def token_nll(scorer: Scorer, hidden: Tensor, targets: Tensor, at_once: int = LOGITS) -> Tensor:
    """−log p of each target in nats, float32 (m,), from hidden states (m, width); at most `at_once` logits are there at
    a time.
    """
    chunk = max(1, at_once // scorer.vocabulary)
    parts = [
        functional.cross_entropy(scorer.logits(some).float(), wanted, reduction="none")
        for some, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True)
    ]
    return torch.cat(parts)


def row_nll(
    scorer: Scorer, rows: Sequence[Sequence[int]], begins: Sequence[int], told: Callable[[int], object] | None = None
) -> list[list[float]]:
    """For each row of token ids the −log p, in nats, of its tokens from index `begins[i]` (at least 1) on, each given
    all tokens before it.

    Rows go through the network in batches of like length, filled up on the right: no token sees what comes after it,
    and what is filled up is never counted. A row that is longer than the network's context goes through it in windows,
    so that each token is given half a context before it at least. `told` gets the number of rows done.
    """
    windows = [
        _Window(row, ids[start:end], first - start, end == len(ids))
        for row, (ids, begin) in enumerate(zip(rows, begins, strict=True))
        for start, end, first in _windows(len(ids), begin, scorer.context)
    ]
    order = sorted(range(len(windows)), key=lambda at: (len(windows[at].ids), at))
    made: list[list[float]] = [[] for _ in windows]
    done = 0
    for some in _batches(order, [len(window.ids) for window in windows]):
        batch = [windows[at] for at in some]
        width = len(batch[-1].ids)
        ids = torch.zeros(len(batch), width, dtype=torch.int64)
        for place, window in enumerate(batch):
            ids[place, : len(window.ids)] = torch.tensor(window.ids)
        counts = [len(window.ids) - window.first for window in batch]
        firsts = torch.tensor([window.first - 1 for window in batch])
        offset = real_positions(torch.tensor(counts), width, sum(counts))
        positions = offset + torch.repeat_interleave(firsts, torch.tensor(counts))
        with torch.inference_mode():
            hidden = scorer.hidden(ids.to(scorer.device)).flatten(0, 1)[positions.to(scorer.device)]
            targets = ids.flatten()[positions + 1].to(scorer.device)
            values = token_nll(scorer, hidden, targets).cpu()
        for at, own in zip(some, values.split(counts), strict=True):
            made[at] = own.tolist()
        done += sum(window.last for window in batch)
        if told is not None:
            told(done)
    joined: list[list[float]] = [[] for _ in rows]
    for window, own_values in zip(windows, made, strict=True):
        joined[window.row] += own_values
    return joined


@dataclass(frozen=True)
class _Window:
    """A part of a row: its tokens are asked for from index `first` on; `last`: the row ends with it."""

    row: int
    ids: Sequence[int]
    first: int
    last: bool


def _windows(length: int, begin: int, context: int | None) -> Iterator[tuple[int, int, int]]:
    """Start and end of each window of a row, and the first token that is asked for in it."""
    if context is None or length <= context:
        yield 0, length, begin
        return
    while begin < length:
        start = max(0, begin - context // 2)
        end = min(length, start + context)
        yield start, end, begin
        begin = end


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Rows sorted by length, cut so that a batch with its padding has at most `_TOKENS` tokens."""
    batches: list[list[int]] = []
    for row in order:
        if not batches or (len(batches[-1]) + 1) * lengths[row] > _TOKENS:
            batches.append([])
        batches[-1].append(row)
    return batches
