"""Pictures of a training and of a classifier's mistakes, small enough for metadata.

Belongs here: drawing them with matplotlib (Agg, no pyplot: nothing global, no window). Does not belong here: computing
what they show. numpy and matplotlib are imported when a picture is drawn.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from resources.training.classification import Reliability

_WIDTH, _DPI = 9.0, 100  # inches: 900 pixels
_TRAIN, _VALIDATION, _RATE, _GREY = "#2f6fb0", "#d1622b", "#5b8c5a", "#6b7480"
_LOGARITHMIC = 30  # largest over smallest loss, from where the tail of a linear axis is flat
_RISING = ("accuracy", "f1", "f2", "auc", "precision", "recall", "r2", "rouge")  # the best of these is the highest
_NO_PANEL = ("epoch", "lr", "seconds", "samples_per_s")
_MOST_PANELS = 6
_MOST_NAMES = 40  # a class's row is then 22 pixels high
_LONGEST_NAME = 16
_COLOURS = 255  # of the palette: more are not seen and cost bytes


def curves(epochs: Sequence[Mapping[str, float]]) -> bytes:
    """PNG, 900 pixels wide, below 90 kB: a panel for the loss and one for each further metric, training and validation
    in it (`loss` and `val_loss`, `accuracy` and `val_accuracy`), and a small one for the learning rate `lr`.

    `epochs` are mappings as `Training.epochs`; `epoch` is the number of each, else they are counted from 1. Values that
    are missing or not finite leave a gap, and the panel says how many. Its title has the last and the best validation
    value: the highest of an accuracy, an F score and the like, else the lowest. Losses over more than a factor of 30
    get a logarithmic axis. Above 6 metrics the others are left out.
    """
    import numpy as np

    names = [name for name in _metrics(epochs) if name not in _NO_PANEL]
    panels = sorted(names, key=lambda name: name != "loss")[:_MOST_PANELS] or ["loss"]
    rate = any("lr" in row for row in epochs)
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = _figure(3.1 * rows + (1.1 if rate else 0.0))
    heights = [3.1] * rows + ([0.8] if rate else [])
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    x = np.array([float(row.get("epoch", i + 1)) for i, row in enumerate(epochs)])
    for i, name in enumerate(panels):
        last_wide = columns == 2 and i == len(panels) - 1 and i % 2 == 0
        place = grid[i // columns, :] if last_wide else grid[i // columns, i % columns]
        _curve(figure.add_subplot(place), name, x, _column(epochs, name), _column(epochs, f"val_{name}"))
    if rate:
        axes = figure.add_subplot(grid[-1, :])
        _line(axes, x, _column(epochs, "lr"), _RATE, "learning rate")
        axes.set_ylabel("learning rate", fontsize=8)
        axes.set_ylim(bottom=0)
        _dress(axes, x)
    return _png(figure)


def confusion(matrix: Sequence[Sequence[float]] | np.ndarray, names: Sequence[str]) -> bytes:
    """PNG, at most 900 pixels wide, below 90 kB: rows are what is true, columns what was predicted.

    `matrix` holds counts, shape (classes, classes). The colour is the share of the row, and each cell has that share in
    per cent and, up to 12 classes, the count. At most 40 classes are drawn: those with the most samples.
    Raises: ValueError if the matrix does not fit the names, or holds a negative or non-finite count.
    """
    import numpy as np

    counts = np.asarray(matrix, dtype=np.float64)
    if counts.shape != (len(names), len(names)) or not len(names):
        raise ValueError(f"{len(names)} names need a square matrix of as many rows, not {counts.shape}")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("a confusion matrix holds counts")
    title = f"{counts.trace() / counts.sum():.2%} of {counts.sum():,.0f} right" if counts.any() else "no samples"
    kept = np.sort(np.argsort(-counts.sum(1), kind="stable")[:_MOST_NAMES])
    totals = counts.sum(1)[kept]
    left_out = len(names) - len(kept)
    counts = counts[np.ix_(kept, kept)]
    shares = np.divide(counts, totals[:, None], out=np.zeros_like(counts), where=totals[:, None] > 0)
    labels = [_short(names[int(i)]) for i in kept]
    size = len(kept)
    figure = _figure(2.0 + min(7.0, 0.56 * size), width=min(_WIDTH, 3.0 + 0.7 * size))
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if size <= 25:
        for i, j in np.ndindex(size, size):
            if counts[i, j]:
                text = f"{shares[i, j]:.0%}" if shares[i, j] >= 0.005 else "<1%"
                text += f"\n{counts[i, j]:,.0f}" if size <= 12 else ""
                colour = "white" if shares[i, j] > 0.5 else "#1d2733"
                axes.text(j, i, text, ha="center", va="center", fontsize=8 if size <= 12 else 6, color=colour)
    fontsize = 9 if size <= 20 else 6
    axes.set_xticks(range(size), labels, rotation=0 if size <= 6 else 40, ha="center" if size <= 6 else "right")
    axes.set_yticks(range(size), [f"{label}  ({total:,.0f})" for label, total in zip(labels, totals, strict=True)])
    axes.tick_params(length=0, labelsize=fontsize)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (samples)")
    axes.set_title(title + (f"; {left_out} smaller classes left out" if left_out else ""), fontsize=11, loc="left")
    for spine in axes.spines.values():
        spine.set_visible(False)
    return _png(figure)


def reliability(after: Reliability, before: Reliability, title: str = "") -> bytes:
    """PNG below 40 kB: accuracy against confidence, bin by bin, and how many samples each bin has.

    `after` is with the temperature, `before` without. On the diagonal a classifier is right as often as it says.
    """
    figure = _figure(4.6, width=6.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color="#b8bfc8", linewidth=1, label="right as often as it says")
    for of, name, colour, marker in (
        (before, "before the temperature", _VALIDATION, "s"),
        (after, "after", _TRAIN, "o"),
    ):
        filled = [i for i, count in enumerate(of.counts) if count]
        x, y = [of.confidence[i] for i in filled], [of.accuracy[i] for i in filled]
        label = f"{name}: calibration error {of.error:.3f}"
        upper.plot(x, y, marker=marker, markersize=4, linewidth=1.4, color=colour, label=label)
    width = 1 / len(after.counts)
    places = [(i + 0.5) * width for i in range(len(after.counts))]
    lower.bar(places, after.counts, width=0.9 * width, color=_TRAIN)
    shown = [i for of in (before, after) for i, count in enumerate(of.counts) if count]
    upper.set_xlim(max(0.0, min(shown) * width - 0.02), 1.02)
    upper.set_ylim(-0.02, 1.02)
    upper.set_ylabel("accuracy", fontsize=8)
    upper.set_title(title, fontsize=10, loc="left")
    upper.legend(fontsize=8, frameon=False)
    lower.set_ylabel("samples", fontsize=8)
    lower.set_xlabel("confidence: the probability of the class that was predicted", fontsize=8)
    for axes in (upper, lower):
        _plain_axes(axes)
    return _png(figure)


def histogram(values: Sequence[float] | np.ndarray, what: str, of: str, limit: float | None = None) -> bytes:
    """PNG, 900 pixels wide, below 30 kB: how many of the values (n,) lie where, with their median and 99th percentile.

    `what` is counted along the axis (`tokens of a tweet`), `of` is what has them (`tweets`). `limit` is drawn.
    """
    import numpy as np

    values = np.asarray(values, dtype=np.float64)
    figure = _figure(2.8)
    axes = figure.add_subplot()
    if len(values):
        low, high = float(values.min()), float(values.max())
        whole = bool((values == np.round(values)).all()) and high - low <= 200
        bins = np.arange(low, high + 2) - 0.5 if whole else np.linspace(low, high + (high == low), 61)
        axes.hist(values, bins=bins.tolist(), color=_TRAIN)
        middle, most = np.percentile(values, [50, 99])
        axes.set_title(f"{len(values):,} {of}: median {middle:.4g}, 99 % up to {most:.4g}", fontsize=10, loc="left")
    if limit is not None:
        axes.axvline(limit, color=_VALIDATION, linewidth=1.4, label=f"at most {limit:g}")
        axes.legend(fontsize=8, frameon=False)
    axes.set_xlabel(what, fontsize=8)
    axes.set_ylabel(of, fontsize=8)
    _plain_axes(axes)
    return _png(figure)


def as_markdown(png: bytes, alt: str) -> str:
    """The picture as an inline image, as Dagster's markdown metadata shows it."""
    alt = alt.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _metrics(epochs: Sequence[Mapping[str, float]]) -> list[str]:
    """The metrics' names without `val_`, in the order they appear."""
    return list(dict.fromkeys(name.removeprefix("val_") for row in epochs for name in row))


def _column(epochs: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    import numpy as np

    return np.array([float(row.get(name, math.nan)) if row.get(name) is not None else math.nan for row in epochs])


def _figure(height: float, width: float = _WIDTH) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _curve(axes: Axes, name: str, x: np.ndarray, train: np.ndarray, validation: np.ndarray) -> None:
    import numpy as np

    _line(axes, x, train, _TRAIN, "training")
    _line(axes, x, validation, _VALIDATION, "validation")
    values = np.concatenate([train, validation])
    finite = values[np.isfinite(values)]
    if name == "loss" and len(finite) and finite.min() > 0 and finite.max() / finite.min() > _LOGARITHMIC:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_title(_title(name, x, train, validation), fontsize=10, loc="left")
    # A column that is there but broken off has diverged; one that is not there at all has nothing to say.
    broken = sum(int((~np.isfinite(column)).sum()) for column in (train, validation) if np.isfinite(column).any())
    if broken or (len(x) and not len(finite)):
        said = f"{broken or len(x)} values are not finite"
        axes.text(0.98, 0.55, said, transform=axes.transAxes, ha="right", fontsize=8, color="#b3261e")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)
    _dress(axes, x)


def _title(name: str, x: np.ndarray, train: np.ndarray, validation: np.ndarray) -> str:
    """The metric's name, and the number one looks for."""
    import numpy as np

    said = name.replace("_", " ")
    known = np.flatnonzero(np.isfinite(validation))
    if len(known):
        sign = -1 if any(word in name for word in _RISING) else 1
        best = known[np.argmin(sign * validation[known])]
        last = known[-1]
        return f"{said}: validation {validation[last]:.4g}, best {validation[best]:.4g} at epoch {x[best]:.0f}"
    known = np.flatnonzero(np.isfinite(train))
    return f"{said}: {train[known[-1]]:.4g}" if len(known) else said


def _line(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str, label: str) -> None:
    import numpy as np

    known = np.isfinite(y)
    if not known.any():
        return
    # A value without neighbours would be no line.
    alone = known & ~np.r_[False, known[:-1]] & ~np.r_[known[1:], False]
    axes.plot(x, np.where(known, y, np.nan), color=colour, linewidth=1.4, label=label)
    axes.plot(x[alone], y[alone], "o", color=colour, markersize=4)


def _dress(axes: Axes, x: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(x):
        room = max(0.5, 0.02 * float(x[-1] - x[0]))
        axes.set_xlim(float(x[0]) - room, float(x[-1]) + room)
    _plain_axes(axes)


def _plain_axes(axes: Axes) -> None:
    """Grey ticks, a faint grid, and no frame above and right."""
    axes.tick_params(labelsize=8, colors=_GREY)
    axes.grid(color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b8bfc8")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _png(figure: Figure) -> bytes:
    """The figure with a palette: a third of the bytes, and no difference that is seen."""
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=_DPI)
    image: Any = Image.open(raw).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    image.save(small, "PNG", optimize=True)
    return small.getvalue()
