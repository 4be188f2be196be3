"""How likely a language model finds given tokens, in chunks, so that logits of a large vocabulary fit in memory.

Belongs here: negative log-likelihoods. Does not belong here: which tokens (`language_models.py`), metrics made of them
(`metrics.py`), the loss of a training (`chunked_loss.py`). Pure: torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    and what is filled up is never counted. `told` gets the number of rows done.
    """
    order = sorted(range(len(rows)), key=lambda row: (len(rows[row]), row))
    made: list[list[float]] = [[] for _ in rows]
    done = 0
    for some in _batches(order, [len(row) for row in rows]):
        width = len(rows[some[-1]])
        ids = torch.zeros(len(some), width, dtype=torch.int64)
        for place, row in enumerate(some):
            ids[place, : len(rows[row])] = torch.tensor(rows[row])
        counts = [len(rows[row]) - begins[row] for row in some]
        firsts = torch.tensor([begins[row] - 1 for row in some])
        offset = real_positions(torch.tensor(counts), width, sum(counts))
        positions = offset + torch.repeat_interleave(firsts, torch.tensor(counts))
        with torch.inference_mode():
            hidden = scorer.hidden(ids.to(scorer.device)).flatten(0, 1)[positions.to(scorer.device)]
            targets = ids.flatten()[positions + 1].to(scorer.device)
            values = token_nll(scorer, hidden, targets).cpu()
        for row, own in zip(some, values.split(counts), strict=True):
            made[row] = own.tolist()
        done += len(some)
        if told is not None:
            told(done)
    return made


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Rows sorted by length, cut so that a batch with its padding has at most `_TOKENS` tokens."""
    batches: list[list[int]] = []
    for row in order:
        if not batches or (len(batches[-1]) + 1) * lengths[row] > _TOKENS:
            batches.append([])
        batches[-1].append(row)
    return batches
