"""The course of a learning rate, and the number a loss is known by: alike for every language model here.

Belongs here: these two. Does not belong here: losses (`chunked_loss.py`). Pure: the standard library.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def course(steps: int, warm_up: float, schedule: str) -> Callable[[int], float]:
    """The share of the peak learning rate at step 0, 1, …: up in `warm_up` of the steps, then down to 0 at `steps`, in
    a straight line (`linear`) or along half a cosine (`cosine`; Loshchilov and Hutter 2017, arXiv:1608.03983).
    """
    peak = warm_up * steps

    def share(step: int) -> float:
        if step < peak:
            return (step + 1) / (peak + 1)
        left = max(0.0, (steps - step) / (steps - peak)) if steps > peak else 0.0
        return left if schedule == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)

    return share


def perplexity(nats: float) -> float:
    """exp of a mean negative log-likelihood in nats a token; infinite where that is too large for a float."""
    return math.exp(nats) if nats < 700 else math.inf
