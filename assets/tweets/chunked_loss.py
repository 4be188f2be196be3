"""Cross-entropy over a large vocabulary without ever holding the logits of a whole batch.

Belongs here: that loss. Does not belong here: what it is averaged over (`lstm_module.py`). Pure: torch.

The logits of 512 x 64 positions over 16,384 tokens are 2.1 GB in float32, and their gradient as much again. Here those
of `chunk` positions are computed at a time and forgotten; the backward pass computes them again (as litgpt's and
torchtune's chunked losses do), which costs one more product with the embedding matrix.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

IGNORED = -100
"""A target that is not learned from."""
LOGITS = 1 << 26
"""Logits at once: 256 MB as float32."""
_ON_CPU = 1 << 21
"""On a CPU: 8 MB, which stay in its cache. For 8,192 tokens that was 1.6 times as fast as 64 MB."""


def positions_at_once(vocabulary: int, device: torch.device) -> int:
    """How many positions' logits to compute in one go, at least 1."""
    return max(1, (_ON_CPU if device.type == "cpu" else LOGITS) // vocabulary)


def cross_entropy_sum(hidden: Tensor, targets: Tensor, logits: Callable[[Tensor], Tensor], chunk: int) -> Tensor:
    """The sum of the cross-entropies in nats, float32 0-d, over all targets but `IGNORED`.

    hidden (…, width), targets int64 (…); `logits` makes (positions, vocabulary) of (positions, width) and is called
    for at most `chunk` positions at once. What fits into one chunk is computed once.
    """
    hidden, targets = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)

    def of_chunk(some: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(logits(some).float(), wanted, ignore_index=IGNORED, reduction="sum")

    total = torch.zeros((), device=hidden.device)
    for some, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True):
        if torch.is_grad_enabled() and len(hidden) > chunk:
            # There is no randomness in it, so no state of it has to be kept.
            total = total + checkpoint(of_chunk, some, wanted, use_reentrant=False, preserve_rng_state=False)
        else:
            total = total + of_chunk(some, wanted)
    return total
