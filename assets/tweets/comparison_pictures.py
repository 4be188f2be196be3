"""Pictures of a comparison, as PNG.

Belongs here: what is drawn. Does not belong here: the curves of one training (`resources/training/plots.py`). Pure:
matplotlib, imported inside functions.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from assets.tweets.comparison_document import CompletionComparison, Figure

_BLUE, _ORANGE, _GREY, _INK = "#1f4e79", "#d1622b", "#9aa4af", "#1a1a1a"
_DPI = 100  # 9 inches are 900 pixels then, the width of Dagster's page
_COLOURS = 64  # of the palette: each event stores the pictures, as base64


def bits(comparison: CompletionComparison) -> bytes:
    """Bits per character of every model and of the unigram baseline, with intervals; the shortest bar is the best."""
    systems = [*comparison.systems, comparison.unigram]
    figure, axes = _figure(9, 0.8 + 0.42 * len(systems))
    colours = [_ORANGE if one.name == comparison.best else _GREY if one.baseline else _BLUE for one in systems]
    _bars(axes, [one.name for one in systems], [one.bits_per_character for one in systems], colours, "{:.3f}")
    axes.set_xlabel("bits per character of the continuation, fewer is better")
    return _png(figure)


def rouge(comparison: CompletionComparison) -> bytes:
    """ROUGE-L of every model, greedy and sampling, with intervals."""
    figure, axes = _figure(9, 0.8 + 0.6 * len(comparison.systems))
    names, figures, colours = [], [], []
    for one in comparison.systems:
        for mode in one.modes:
            names.append(f"{one.name}, {mode.mode}")
            figures.append(mode.rouge_l)
            colours.append(_BLUE if mode.mode == "greedy" else _GREY)
    _bars(axes, names, figures, colours, "{:.4f}")
    axes.set_xlabel("ROUGE-L (F1) of the completion, more is better")
    return _png(figure)


def next_word(comparison: CompletionComparison) -> bytes:
    """How often the next word is the likeliest one, or among the three likeliest."""
    systems = [*comparison.systems, comparison.unigram]
    figure, axes = _figure(9, 0.8 + 0.6 * len(systems))
    names, figures, colours = [], [], []
    for one in systems:
        for first, value in ((1, one.next_word_top_1), (3, one.next_word_top_3)):
            names.append(f"{one.name}, top {first}")
            figures.append(value)
            colours.append(_BLUE if first == 1 else _GREY)
    _bars(axes, names, figures, colours, "{:.1%}")
    axes.set_xlabel("share of tweets whose next word was found, more is better")
    axes.xaxis.set_major_formatter(lambda value, place: f"{value:.0%}")
    return _png(figure)


def _bars(axes: Any, names: Sequence[str], figures: Sequence[Figure], colours: Sequence[str], form: str) -> None:
    """Horizontal bars from top to bottom, each with its interval and its value behind it."""
    places = range(len(names), 0, -1)
    values = [one.value for one in figures]
    sides = [
        [max(0.0, one.value - one.low) for one in figures],
        [max(0.0, one.high - one.value) for one in figures],
    ]
    axes.barh(places, values, color=colours, height=0.62)
    axes.errorbar(values, places, xerr=sides, fmt="none", ecolor=_INK, elinewidth=1, capsize=3)
    far = max([*(one.high for one in figures), 1e-9])
    for place, one in zip(places, figures, strict=True):
        axes.text(one.high + 0.012 * far, place, form.format(one.value), va="center", fontsize=9, color=_INK)
    axes.set_yticks(list(places), names, fontsize=9)
    axes.set_xlim(0, 1.12 * far)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    """The figure with a palette: a third of the bytes, and no difference that is seen."""
    from PIL import Image

    figure.savefig(raw := io.BytesIO(), format="png", dpi=_DPI)
    image: Any = Image.open(raw).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    image.save(small := io.BytesIO(), "PNG", optimize=True)
    return small.getvalue()
