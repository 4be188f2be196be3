"""Prices with intervals, from a checkpoint alone.

Belongs here: what each split's model says, their average, the interval. Does not belong here: fitting (`module.py`,
`baselines.py`), files (`predictions.py`). Pure: torch and numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assets.housing import baselines
from assets.housing.card import HousingCard
from assets.housing.network import Bank, encoded
from assets.housing.recipe import HousingRecipe
from assets.housing.splits import VALIDATION, Scales, standardised
from resources.store.types import Checkpoint

LEVEL = 0.9
"""Share of prices the interval is meant to hold."""

_LEVELS = (0.5, 0.8, LEVEL, 0.95)
_CHUNK = 1024  # rows at a time: 160 networks of width 64 take 40 MB a layer then


@dataclass(frozen=True)
class Prices:
    """In 1000 USD, float64 (rows,): the price, and the ends of the interval around it."""

    price: np.ndarray
    low: np.ndarray
    high: np.ndarray


def predict(checkpoint: Checkpoint, values: Tensor, device: str = "cpu") -> Prices:
    """Prices of raw values (rows, columns in the card's order), by the models of all splits together.

    The price is the geometric mean of theirs; the interval has its validation residuals' quantile on both sides, as a
    factor: split-conformal, see `quantile`. That is measured on one split's models; their mean errs less.
    """
    card = checkpoint.card
    assert isinstance(card, HousingCard), "a housing checkpoint has a housing card"
    logs, spread = of_splits(card, checkpoint.weights, values, device)
    middle, half = logs.mean(0).numpy(), spread.mean(0).numpy() * card.residuals[str(card.level)]
    return Prices(np.exp(middle), np.exp(middle - half), np.exp(middle + half))


def of_splits(
    by: HousingCard | HousingRecipe, weights: Mapping[str, Tensor], values: Tensor, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Logarithm of the price by each split's model, and the model's relative unsureness: float64 (splits, rows), CPU.

    `by` is the card, or the recipe where there is no card yet. Nothing is predicted below the lowest or above the
    highest price among the split's train rows.
    """
    of = Scales.of_tensors({name: tensor.cpu() for name, tensor in weights.items() if name.startswith("scale_")})
    if by.model != "ensemble":
        mine = {name: tensor for name, tensor in weights.items() if name.startswith(by.model)}
        price, spread = baselines.predict(by, mine, standardised(values.cpu(), of), of)
        low, high = of.low.double()[:, None], of.high.double()[:, None]
        return price.clamp(low, high).log(), spread
    logs = _networks(by, weights, values.to(device)).cpu().double()  # MPS has no float64
    logs = logs * of.log_std.double()[:, None] + of.log_mean.double()[:, None]
    return logs.clamp(of.low.double().log()[:, None], of.high.double().log()[:, None]), torch.ones_like(logs)


def _networks(by: HousingCard | HousingRecipe, weights: Mapping[str, Tensor], values: Tensor) -> Tensor:
    """Mean over each split's networks of the standardised logarithm: (splits, rows)."""
    device = values.device
    of = Scales.of_tensors({n: tensor.to(device) for n, tensor in weights.items() if n.startswith("scale_")})
    splits = len(of.mean)
    at = weights["edges"].to(device)
    bank = Bank(splits * by.members, values.shape[1] * at.shape[1], by.hidden).to(device).eval()
    names = [name for name, _ in bank.named_parameters()]
    bank.load_state_dict({name: weights[f"network_{name}"] for name in names})
    out = []
    with torch.inference_mode():
        for piece in values.split(_CHUNK):
            x = encoded(standardised(piece, of), at).repeat_interleave(by.members, 0)
            out.append(bank(x).view(splits, by.members, -1).mean(1))
    return torch.cat(out, 1)


def quantile(scores: np.ndarray, level: float) -> float:
    """The score that the next one stays below with probability `level` at least, if it is like these.

    The ceil((n + 1) level)-th smallest of n; the largest if there are too few. Lei et al., "Distribution-free
    predictive inference for regression" (2018), algorithm 2.
    """
    return float(np.sort(scores)[min(len(scores), math.ceil((len(scores) + 1) * level)) - 1])


def residuals(logs: Tensor, spread: Tensor, target: Tensor, splits: Tensor) -> dict[str, float]:
    """Quantiles of |log price - prediction| / unsureness over the validation rows of all splits, by level."""
    scores = ((target.double().log() - logs).abs() / spread)[splits == VALIDATION].numpy()
    return {str(level): quantile(scores, level) for level in _LEVELS}


def units_of(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The unit of each column."""
    from assets.housing.tables import FEATURES

    units: dict[str, Any] = {column.name: column.unit for column in FEATURES}
    return tuple(units[column] for column in columns)
