"""An optimiser that takes orthogonalised steps for convolution filters, and SGD's steps for all else.

Belongs here: the two kinds of steps. Does not belong here: which parameter takes which (`module.py`). Pure torch.
One optimiser for both, so that Lightning steps, clips and saves it like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

STEPS = 3
"""Iterations; three bring all but the smallest singular values near 1 (the published CIFAR-10 record's number)."""


def orthogonalised(matrix: Tensor, steps: int = STEPS) -> Tensor:
    """(rows, columns) of about the same singular vectors, with all singular values near 1 (0.5 to 1.5).

    The quintic Newton-Schulz iteration x <- a x + b x^3 + c x^5 on the singular values, with coefficients that rise
    steeply from 0 and do not settle: Jordan et al. 2024, "Muon", https://kellerjordan.github.io/posts/muon/.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    # Tensor cores take bfloat16, which is exact enough; CPUs are faster in float32.
    x = matrix.to(torch.bfloat16 if matrix.is_cuda else torch.float32)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)  # the largest singular value is at most the norm, so 1; no division by 0
    for _ in range(steps):
        squared = x @ x.T
        x = a * x + (b * squared + c * (squared @ squared)) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Groups with `orthogonal=True` take Muon's steps, the others SGD's, both with (Nesterov's) momentum.

    A filter of Muon is held at the norm sqrt(its number of outputs), as in the record (`airbench94_muon`, Jordan 2024),
    so that it needs no weight decay and the learning rate has one meaning throughout.
    """

    def __init__(
        self, groups: list[dict[str, Any]], *, lr: float, momentum: float, nesterov: bool, weight_decay: float = 0.0
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "orthogonal": False,
        }
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["orthogonal"]:
                self._orthogonal(group)
            else:
                self._plain(group)
        return loss

    def _momentum(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        kept: Tensor = state["momentum"].mul_(group["momentum"]).add_(gradient)
        return gradient.add(kept, alpha=group["momentum"]) if group["nesterov"] else kept

    def _plain(self, group: dict[str, Any]) -> None:
        for parameter in group["params"]:
            if parameter.grad is not None:
                gradient = parameter.grad.add(parameter, alpha=group["weight_decay"])
                parameter.add_(self._momentum(parameter, gradient, group), alpha=-group["lr"])

    def _orthogonal(self, group: dict[str, Any]) -> None:
        for parameter in group["params"]:
            if parameter.grad is not None:
                change = self._momentum(parameter, parameter.grad, group)
                parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
                change = orthogonalised(change.flatten(1)).view(change.shape)
                parameter.add_(change, alpha=-group["lr"])
