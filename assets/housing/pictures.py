"""Pictures of the table and of a model's errors, as PNG.

Belongs here: what is drawn. Does not belong here: curves of a training (`resources/training/plots.py`).
Pure: matplotlib, imported inside functions.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

_BLUE, _RED, _GREY = "#2b6cb0", "#c53030", "#718096"
_POINTS = 1500  # in a scatter, of more so many drawn at random: it stays readable, and below 100 kB
_COLOURS = 64  # every event of an evaluation stores two pictures, as base64: 60 kB each at most
_DPI = 100  # 9 inches are 900 pixels then, the width of Dagster's page


def histogram(target: np.ndarray) -> bytes:
    """How many rows have which price (1000 USD), and the median."""
    figure, axes = _figure(9, 3.2)
    axes.hist(target, bins=min(50, max(10, len(target) // 10)), color=_BLUE)
    median = float(np.median(target))
    axes.axvline(median, color=_RED, linewidth=1.5, label=f"median {median:.1f}")
    axes.set(xlabel="price, 1000 USD", ylabel="rows", title=f"Prices of {len(target):,} rows")
    axes.legend(frameon=False)
    return _png(figure)


def predicted_against_true(true: np.ndarray, predicted: np.ndarray, title: str) -> bytes:
    """Each row's price against its prediction; on the line they are equal."""
    figure, axes = _figure(7, 6)
    ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
    axes.plot(ends, ends, color=_GREY, linewidth=1)
    some = _some(len(true))
    axes.scatter(true[some], predicted[some], s=9, alpha=0.45, color=_BLUE, edgecolors="none")
    axes.set(xlabel="true price, 1000 USD", ylabel="predicted price, 1000 USD", title=title)
    axes.set_aspect("equal")
    return _png(figure)


def residuals(true: np.ndarray, predicted: np.ndarray) -> bytes:
    """Predicted minus true: against the prediction, and how often."""
    figure, (left, right) = _figure(9, 3.8, 2)
    off = predicted - true
    left.axhline(0, color=_GREY, linewidth=1)
    some = _some(len(off))
    left.scatter(predicted[some], off[some], s=9, alpha=0.45, color=_BLUE, edgecolors="none")
    left.set(xlabel="predicted price, 1000 USD", ylabel="predicted - true, 1000 USD", title="Errors on test rows")
    right.hist(off, bins=40, color=_BLUE)
    right.axvline(float(off.mean()), color=_RED, linewidth=1.5, label=f"mean {off.mean():+.2f}")
    right.set(xlabel="predicted - true, 1000 USD", ylabel="rows")
    right.legend(frameon=False)
    return _png(figure)


def _some(count: int) -> np.ndarray:
    """Which points to draw."""
    return np.random.default_rng(0).permutation(count)[:_POINTS]


def _figure(width: float, height: float, panels: int = 1) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots(1, panels)
    for one in np.atleast_1d(axes):
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    """The figure with a palette: a third of the bytes, and no difference that is seen."""
    from PIL import Image

    figure.savefig(raw := io.BytesIO(), format="png")
    image: Any = Image.open(raw).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    image.save(small := io.BytesIO(), "PNG", optimize=True)
    return small.getvalue()
