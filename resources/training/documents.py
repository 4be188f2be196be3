"""The documents of a training product: the card of a checkpoint, an evaluation, a verdict.

Belongs here: what they hold, for every product. Does not belong here: how it is computed. Pure: pydantic alone.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from resources.store.types import Document


class Card(Document):
    """What is decided besides the weights. Products subclass it and add what predictions need.

    `recipe` is the preset with `overrides` applied, `data_version` that of the dataset it learned from, `epochs` one
    mapping per epoch of numbers by name (`epoch, loss, val_loss, ...`); times are not among them.
    """

    product: str
    preset: str
    recipe: dict[str, Any]
    overrides: dict[str, Any]
    baseline: bool = False
    data_version: str
    code_version: str
    seed: int
    metrics: dict[str, float]
    epochs: tuple[dict[str, float], ...] = ()


class Evaluation(Document):
    """How one checkpoint does, sample by sample on validation; test figures are shown and choose nothing.

    `statistic` says what the metric is of `scores`: `mean` is their mean, the higher the better; `rms` is the square
    root of the mean of their squares, the lower the better. Samples of one group are resampled together.
    `checkpoint` is the checkpoint's data version; `metrics` are numbers by split (`validation`, `test`) and name.
    """

    product: str
    model: str
    baseline: bool
    data_version: str
    checkpoint: str
    metric: str
    statistic: Literal["mean", "rms"]
    scores: tuple[float, ...]
    groups: tuple[int, ...] | None = None
    metrics: dict[str, dict[str, float]]
    details: dict[str, Any]


class Candidate(BaseModel):
    """One checkpoint a verdict looked at: its metric on validation, on test for information, what became of it.

    `gain` is over the verdict's `against`, in units of the metric, positive is better, within `lower` and `upper`;
    all three are empty for `against` itself and for what could not be compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    checkpoint: str
    baseline: bool
    state: str
    validation: float | None = None
    test: float | None = None
    gain: float | None = None
    lower: float | None = None
    upper: float | None = None


class Verdict(Document):
    """Which model is champion and why. `reason` is what a person reads.

    `champion` is the preset and `checkpoint` the data version of its checkpoint, `validation` its metric;
    `changed` says whether another checkpoint was champion before, or none. `against` is the checkpoint the gains of
    the candidates refer to: the champion before, where it could be compared, else the champion.
    """

    product: str
    champion: str
    checkpoint: str
    baseline: bool
    changed: bool
    reason: str
    data_version: str
    metric: str
    validation: float
    margin: float
    confidence: float
    comparisons: int
    against: str
    candidates: tuple[Candidate, ...]
