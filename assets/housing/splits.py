"""Seeded splits of rows into train, validation and test.

Belongs here: drawing them, and what is computed from the train rows of each. Does not belong here: models.
Pure: numpy, and torch for `Parts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TRAIN, VALIDATION, TEST = 0, 1, 2
SHARE = 0.1
"""Of validation and of test rows; the rest trains."""

FEWEST_ROWS = 50
"""Validation and test have five rows each then; with fewer, their scores say nothing."""


def draw(values: np.ndarray, splits: int, seed: int) -> np.ndarray:
    """uint8 (splits, rows): 0 train, 1 validation, 2 test. Rows equal in `values` (rows, columns) stay together."""
    _, group = np.unique(values, axis=0, return_inverse=True)
    group = group.reshape(-1)
    sizes = np.bincount(group)
    wanted = max(1, round(SHARE * len(values)))
    parts = np.empty((splits, len(values)), np.uint8)
    for split in range(splits):
        order = np.random.default_rng([seed, split]).permutation(len(sizes))
        before = np.cumsum(sizes[order]) - sizes[order]  # rows of the groups drawn earlier
        of_group = np.empty(len(sizes), np.uint8)
        of_group[order] = np.where(before < wanted, TEST, np.where(before < 2 * wanted, VALIDATION, TRAIN))
        parts[split] = of_group[group]
    return parts


@dataclass(frozen=True)
class Scales:
    """Statistics of the train rows of each split: `mean`, `std` float32 (splits, columns); of the price's logarithm
    `log_mean`, `log_std` (splits,); `low`, `high` (splits,) the lowest and highest price. All torch tensors.

    A column that is constant among a split's train rows has std 1.
    """

    mean: Any
    std: Any
    log_mean: Any
    log_std: Any
    low: Any
    high: Any

    def tensors(self) -> dict[str, Any]:
        """By name, as a checkpoint holds them."""
        return {f"scale_{name}": value for name, value in vars(self).items()}

    @classmethod
    def of_tensors(cls, tensors: Any) -> Scales:
        """Those that `tensors()` gave."""
        return cls(**{name: tensors[f"scale_{name}"] for name in cls.__dataclass_fields__})


def scales(values: Any, target: Any, splits: Any) -> Scales:
    """Of torch tensors: values (rows, columns), target (rows,), splits (splits, rows). Sums are taken in float64."""
    import torch

    weight = (splits == TRAIN).double()
    count = weight.sum(1)

    def moments(x: Any) -> tuple[Any, Any]:
        """Mean and population standard deviation of x (rows, columns) over each split's train rows."""
        mean = weight @ x / count[:, None]
        # About the column's overall mean, so that nothing is lost to cancellation.
        centred = x - x.mean(0)
        variance = weight @ centred.square() / count[:, None] - (weight @ centred / count[:, None]).square()
        # Rounding leaves about 1e-16 of the square of the largest value; a smaller variance is none.
        is_constant = variance <= 1e-12 * centred.abs().amax(0).square()
        return mean, torch.where(is_constant, torch.ones_like(variance), variance.clamp_min(0)).sqrt()

    mean, std = moments(values.double())
    log_mean, log_std = moments(target.double().log()[:, None])
    absent = weight == 0
    prices = target.expand(len(splits), -1)
    return Scales(
        mean=mean.float(),
        std=std.float(),
        log_mean=log_mean[:, 0].float(),
        log_std=log_std[:, 0].float(),
        low=prices.masked_fill(absent, float("inf")).amin(1),
        high=prices.masked_fill(absent, -float("inf")).amax(1),
    )


def standardised(values: Any, of: Scales) -> Any:
    """Raw values (rows, columns) by each split's train statistics: (splits, rows, columns)."""
    return (values - of.mean[:, None]) / of.std[:, None]


def positions(splits: Any, part: int) -> tuple[Any, Any]:
    """Rows of `part` in each split: int64 (splits, most), and bool of the same shape, False where a split has fewer.

    Such places hold row 0.
    """
    import torch

    chosen = splits == part
    most = int(chosen.sum(1).max())
    rows = torch.argsort((~chosen).to(torch.uint8), dim=1, stable=True)[:, :most]
    real = chosen.gather(1, rows)
    return torch.where(real, rows, 0), real
