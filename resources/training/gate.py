"""Is a challenger better than the champion, or luckier? A paired bootstrap over the scores both got on validation.

Belongs here: the one statistical question, as a pure function. Does not belong here: who is asked about, and what
follows (`champion.py`). Pure: numpy alone, imported when a comparison is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 2_000_000  # counts held at once: 16 MB, and as much again as numbers of units and as floats
_TAIL = 20  # draws that have to lie beyond the bound, so that its place is known to a quarter (1 / sqrt(20) = 22 %)


@dataclass(frozen=True)
class Scores:
    """One number per validation sample, in the same order for every model.

    `mean`: the metric is their mean, higher is better. `rms`: they are errors, the metric is the square root of the
    mean of their squares, lower is better. `groups`: samples with the same number are one house, patient, speaker:
    they are drawn together, for they are no independent evidence.
    """

    values: Sequence[float] | np.ndarray
    statistic: Literal["mean", "rms"]
    groups: Sequence[int] | np.ndarray | None = None


@dataclass(frozen=True)
class Gate:
    """What the comparison found, in units of the metric; positive is better, whichever way the metric runs.

    `difference` is the gain of the challenger over the champion on the samples as they are. `lower` and `upper` bound
    it: the true gain is beyond each with a probability of (1 - confidence) / comparisons. `promoted` where `lower` is
    above `margin`. In `share` of the draws the gain was above `margin`; `p` is the probability of such a difference if
    the gain were `margin`, never 0. `units` are the samples, or the groups where there are such; the two models' scores
    are not the same on `differ` of them.
    """

    promoted: bool
    difference: float
    lower: float
    upper: float
    share: float
    p: float
    margin: float
    confidence: float
    comparisons: int
    draws: int
    samples: int
    units: int
    differ: int
    sentence: str


def better(
    challenger: Scores,
    champion: Scores,
    *,
    margin: float = 0.0,
    confidence: float = 0.95,
    comparisons: int = 1,
    draws: int = 10_000,
    seed: int = 0,
) -> Gate:
    """Whether `challenger` gains more than `margin` on `champion`, so that chance is no good explanation.

    Samples (or whole groups: the cluster bootstrap) are drawn with replacement, the same for both models, `draws` times
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 6). The gains' standard deviation over the
    draws is the standard error, and Student's distribution says how many of it a bound is away: symmetric, as the gain
    of one of two equal models is, where percentiles follow the skew of the sample at hand. Where the models differ on
    so few units that even all of them in the challenger's favour may be chance (the sign test: 2 to the power of minus
    their number), nothing is promoted.

    One-sided at `confidence`; where the best of several challengers is asked about, `comparisons` is their number, and
    Bonferroni's correction applies: more draws are made where a bound would rest on fewer than 20. `margin` is in the
    metric's unit.

    Raises: ValueError if the two are not paired, not finite, or a number is out of its range.
    """
    import numpy as np

    units = _units(challenger, champion)
    _in_range(margin, confidence, comparisons, draws)
    count = len(units)
    level = (1 - confidence) / comparisons
    draws = max(draws, math.ceil(_TAIL / (2 * level)))
    totals = units.sum(axis=0)
    scale = _scale(totals, rms=champion.statistic == "rms")
    difference = float(totals[0] / totals[3] * scale)
    differ, needed = int(np.count_nonzero(units[:, 0])), max(2, math.ceil(-math.log2(level)))
    generator = np.random.default_rng(seed)
    gains = np.concatenate([drawn[:, 0] / drawn[:, 1] for drawn in _drawn(units[:, [0, 3]], draws, generator)]) * scale
    if differ < needed:
        half, tail = math.inf, 0.5
    else:
        error = float(gains.std()) * math.sqrt(count / (count - 1))
        spread = error * np.abs(generator.standard_t(count - 1, draws))
        half = float(np.quantile(spread, 1 - 2 * level))
        tail = (int((spread >= abs(difference - margin)).sum()) + 1) / (draws + 1) / 2
    gate = Gate(
        promoted=difference - half > margin,
        difference=difference,
        lower=difference - half,
        upper=difference + half,
        share=float((gains > margin).mean()),
        p=tail if difference > margin else 1 - tail,
        margin=margin,
        confidence=confidence,
        comparisons=comparisons,
        draws=draws,
        samples=int(totals[3]),
        units=count,
        differ=differ,
        sentence="",
    )
    return _told(gate, needed, grouped=champion.groups is not None)


def _units(challenger: Scores, champion: Scores) -> np.ndarray:
    """A row for each sample or group: sum of the gains, of the champion's and the challenger's scores, samples."""
    import numpy as np

    values = [np.asarray(scores.values, dtype=np.float64) for scores in (champion, challenger)]
    if challenger.statistic != champion.statistic:
        raise ValueError(f"scores of {challenger.statistic} and of {champion.statistic} can't be compared")
    if values[0].ndim != 1 or values[0].shape != values[1].shape or not len(values[0]):
        raise ValueError(f"scores are paired sample by sample: {values[1].shape} against {values[0].shape}")
    if not all(np.isfinite(value).all() for value in values):
        raise ValueError("a score is no finite number")
    if challenger.groups is None and champion.groups is None:
        labels = np.arange(len(values[0]))
    else:
        groups = np.asarray(champion.groups)
        if groups.shape != values[0].shape or not np.array_equal(groups, np.asarray(challenger.groups)):
            raise ValueError("both models need the same group for each sample")
        labels = np.unique(groups, return_inverse=True)[1]
    old, new = (np.square(value) for value in values) if champion.statistic == "rms" else values
    gained = old - new if champion.statistic == "rms" else new - old
    columns = (gained, old, new, np.ones_like(old))
    return np.stack([np.bincount(labels, weights=column) for column in columns], axis=1)


def _in_range(margin: float, confidence: float, comparisons: int, draws: int) -> None:
    if not (margin >= 0 and math.isfinite(margin)):
        raise ValueError(f"a margin is 0 or more, not {margin}")
    if not 0.5 <= confidence < 1:
        raise ValueError(f"a confidence is from 0.5 to below 1, not {confidence}")
    if comparisons < 1 or draws < 1:
        raise ValueError(f"there is at least one comparison and one draw, not {comparisons} and {draws}")


def _drawn(units: np.ndarray, draws: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """The columns' totals in each draw, in pieces of bounded size.

    How often each unit is drawn is multinomial. Equal units are counted as one kind: of right and wrong answers there
    are three kinds of gain, however many samples.
    """
    import numpy as np

    kinds, kind, many = np.unique(units, axis=0, return_inverse=True, return_counts=True)
    count = len(units)
    step = max(1, _CHUNK // count)
    for start in range(0, draws, step):
        now = min(step, draws - start)
        if len(kinds) < count // 4:
            counts = generator.multinomial(count, many / count, size=now)
        else:  # the same distribution, and four times as fast where almost every unit is a kind of its own
            drawn = kind.ravel()[generator.integers(count, size=(now, count))]
            drawn += np.arange(now)[:, None] * len(kinds)
            counts = np.bincount(drawn.ravel(), minlength=now * len(kinds)).reshape(now, len(kinds))
        yield counts.astype(np.float64) @ kinds


def _scale(totals: np.ndarray, rms: bool) -> float:
    """What turns a gain in the mean of what `_units` sums into one in the metric.

    sqrt(a) - sqrt(b) = (a - b) / (sqrt(a) + sqrt(b)), with a and b from all samples, in every draw: then the gain is as
    symmetric for equal models as that in squares. With roots of each draw's own, 6 % of equal models whose errors had
    heavy tails (Student's t of 5 degrees) were promoted instead of 5.
    """
    _, old, new, samples = totals
    both = math.sqrt(old / samples) + math.sqrt(new / samples) if rms else 1.0
    return 1 / both if both else 0.0


def _told(gate: Gate, needed: int, grouped: bool) -> Gate:
    units = f"{gate.units:,} groups of {gate.samples:,} samples" if grouped else f"{gate.samples:,} samples"
    asked = f"more than {gate.margin:.4g} better" if gate.margin else "better"
    if gate.differ < needed:
        few = f"the two differ on {gate.differ} of {units}, and {needed} are needed to tell a gain from chance"
        return replace(gate, sentence=f"{gate.difference:+.4g}: {few}.")
    each = f", one of {gate.comparisons} challengers" if gate.comparisons > 1 else ""
    outcome = f"{asked} beyond chance" if gate.promoted else f"not {asked} beyond chance"
    return replace(
        gate,
        sentence=f"{gate.difference:+.4g} ({gate.lower:+.4g} to {gate.upper:+.4g}; {asked} in {gate.share:.1%} of "
        f"{gate.draws:,} draws of {units}): {outcome} (one-sided, {gate.confidence:.0%}{each}).",
    )
