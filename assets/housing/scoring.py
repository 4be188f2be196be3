"""How far a model's prices are off, split by split.

Belongs here: errors, metrics, coverage of the intervals, differences between two models. Does not belong here: making
predictions (`predicting.py`). Pure: numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.housing.predicting import LEVEL, quantile
from assets.housing.splits import TEST, VALIDATION

PARTS = {"validation": VALIDATION, "test": TEST}


@dataclass(frozen=True)
class Scores:
    """`errors` and `rows`: predicted minus true (1000 USD) and row number of each row of a part, split after split.

    `per_split` has a mapping for each split: `val_rmse, val_mae, test_rmse, test_mae, coverage, width`.
    """

    errors: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]
    per_split: list[dict[str, float]]

    def metrics(self) -> dict[str, dict[str, float]]:
        """By part: `rmse` over all rows of all splits; mean and sd over splits of their RMSE and MAE; coverage."""
        made: dict[str, dict[str, float]] = {}
        for part, prefix in (("validation", "val"), ("test", "test")):
            made[part] = {"rmse": _rms(self.errors[part]), "mae": float(np.abs(self.errors[part]).mean())}
            for name in ("rmse", "mae"):
                over = np.array([split[f"{prefix}_{name}"] for split in self.per_split])
                made[part] |= {f"{name}_mean": float(over.mean()), f"{name}_sd": _sd(over)}
        for name in ("coverage", "width"):
            made["test"][name] = float(np.mean([split[name] for split in self.per_split]))
        return made


def score(logs: np.ndarray, spread: np.ndarray, target: np.ndarray, splits: np.ndarray) -> Scores:
    """Scores of each split's model on the split's own validation and test rows, which it was not fitted on.

    logs (splits, rows): logarithm of the predicted price; spread: how unsure the model is, relatively. `coverage` is
    the share of a split's test rows whose price lies in the interval that its validation rows alone give, `width` the
    mean width of these in 1000 USD.
    """
    errors = np.exp(logs) - target
    half = np.abs(np.log(target) - logs) / spread
    per_split = []
    for split, part in enumerate(splits):
        validation, test = part == VALIDATION, part == TEST
        reach = quantile(half[split][validation], LEVEL) * spread[split][test]
        width = np.exp(logs[split][test] + reach) - np.exp(logs[split][test] - reach)
        per_split.append(
            {
                "val_rmse": _rms(errors[split][validation]),
                "val_mae": float(np.abs(errors[split][validation]).mean()),
                "test_rmse": _rms(errors[split][test]),
                "test_mae": float(np.abs(errors[split][test]).mean()),
                "coverage": float((half[split][test] * spread[split][test] <= reach).mean()),
                "width": float(width.mean()),
            }
        )
    chosen = {name: splits == code for name, code in PARTS.items()}
    rows = np.broadcast_to(np.arange(splits.shape[1]), splits.shape)
    return Scores(
        {name: errors[which] for name, which in chosen.items()},
        {name: rows[which] for name, which in chosen.items()},
        per_split,
    )


def table(per_split: Sequence[dict[str, float]]) -> str:
    """Markdown: a line per split, then mean and sd."""
    names = list(per_split[0])
    lines = [f"| split | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    lines += [
        f"| {number} | {' | '.join(f'{split[name]:.3f}' for name in names)} |" for number, split in enumerate(per_split)
    ]
    over = {name: np.array([split[name] for split in per_split]) for name in names}
    lines.append(f"| **mean ± sd** | {' | '.join(f'{x.mean():.3f} ± {_sd(x):.3f}' for x in over.values())} |")
    return "\n".join(lines)


def compared(mine: Sequence[dict[str, float]], others: dict[str, Sequence[dict[str, float]]]) -> str:
    """Markdown: this model's RMSE minus each other's, split by split: mean, standard error, splits in which it won.

    Splits share rows, so the standard error is too small by some factor: it is a measure of scatter, not a test.
    """
    lines = ["| against | validation RMSE | test RMSE | splits won (test) |", "|---|---|---|---|"]
    for name, theirs in sorted(others.items()):
        cells = []
        for part in ("val_rmse", "test_rmse"):
            off = differences(mine, theirs, part)
            cells.append(f"{off.mean():+.3f} ± {_sd(off) / len(off) ** 0.5:.3f}")
        won = int((differences(mine, theirs, "test_rmse") < 0).sum())
        lines.append(f"| {name} | {' | '.join(cells)} | {won} of {len(mine)} |")
    return "\n".join(lines)


def differences(mine: Sequence[Any], theirs: Sequence[Any], name: str) -> np.ndarray:
    """This model's figure minus the other's, split by split."""
    return np.array([a[name] - b[name] for a, b in zip(mine, theirs, strict=True)])


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.square(errors).mean()))


def _sd(values: np.ndarray) -> float:
    """The sample's standard deviation; 0 where there is one value only."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
