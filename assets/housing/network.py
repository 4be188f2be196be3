"""Many small networks as one batched computation.

Belongs here: the encoding of their inputs, the network of one member, and a bank of them that share every operation.
Does not belong here: which rows each of them sees and how they are trained (`module.py`). Pure: torch alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


def edges(x: Tensor, bins: int) -> Tensor:
    """Quantiles of each column of x (rows, columns), at 0, 1/bins, ..., 1: (bins + 1, columns)."""
    return torch.quantile(x, torch.linspace(0, 1, bins + 1, device=x.device, dtype=x.dtype), dim=0)


def encoded(x: Tensor, at: Tensor) -> Tensor:
    """x (..., rows, columns) beside its piecewise linear encoding: (..., rows, columns x (1 + bins)).

    For each bin between two edges, `at` (..., bins + 1, columns): 0 below it, 1 above it, linear inside; less what that
    is on average. It lets a small network bend at each edge, as trees do. Gorishniy et al., "On Embeddings for
    Numerical Features in Tabular Deep Learning" (2022), section 3.2.
    """
    bins = at.shape[-2] - 1
    if bins == 0:
        return x
    low, width = at[..., None, :-1, :], (at[..., 1:, :] - at[..., :-1, :])[..., None, :, :]
    above = x[..., None, :] - low
    # Where a column has one value in many rows, edges coincide: such a bin is a step.
    inside = torch.where(width > 0, (above / width.clamp_min(1e-3)).clamp(0, 1), (above > 0).to(x))
    usual = (bins - torch.arange(bins, device=x.device, dtype=x.dtype) - 0.5) / bins
    return torch.cat([x, (inside - usual[:, None]).flatten(-2)], -1)


class Network(nn.Module):
    """One member: linear layers with ReLU and dropout between them. (rows, columns) -> (rows,)."""

    def __init__(self, columns: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width_in, width in zip((columns, *hidden[:-1]), hidden, strict=True):
            layers += [nn.Linear(width_in, width), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out.squeeze(-1)


class Bank(nn.Module):
    """`count` networks of one shape. Parameters are stacked: each has `count` as its first dimension.

    Members never see each other: the gradient of a sum of their losses is each one's own, and an elementwise optimiser
    such as AdamW treats each as if it were alone. The first weights are PyTorch's, drawn from `seed`.
    """

    def __init__(self, count: int, columns: int, hidden: Sequence[int], dropout: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            members = [Network(columns, hidden, dropout) for _ in range(count)]
            # Only its shape is used. In a tuple, so that it is no submodule with parameters of its own.
            self._one = (Network(columns, hidden, dropout).to("meta"),)
        stacked, _ = stack_module_state(members)
        self._names = {name.replace(".", "_"): name for name in stacked}
        for short, name in self._names.items():
            self.register_parameter(short, nn.Parameter(stacked[name].detach()))

    def forward(self, x: Tensor) -> Tensor:
        """(count, rows, columns), or (rows, columns) that all members see -> (count, rows)."""
        one = self._one[0].train(self.training)

        def call(weights: Mapping[str, Tensor], rows: Tensor) -> Any:
            return functional_call(one, dict(weights), (rows,))

        weights = {name: getattr(self, short) for short, name in self._names.items()}
        axis = 0 if x.ndim == 3 else None
        out: Tensor = vmap(call, in_dims=(0, axis), randomness="different")(weights, x)
        return out
