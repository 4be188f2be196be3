"""Pictures of a corpus, as PNG.

Belongs here: what is drawn of texts. Does not belong here: curves of a training (`resources/training/plots.py`). Pure:
matplotlib, imported when a picture is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

_COLOURS = 64  # of the palette: a third of the bytes, and no difference that is seen


def words_of_tweets(texts: Sequence[str]) -> bytes:
    """How many tweets have how many words, and the median; 900 pixels wide, below 30 kB."""
    from matplotlib.figure import Figure
    from PIL import Image

    words = np.fromiter((text.count(" ") + 1 for text in texts), np.int32, len(texts))
    most = int(np.percentile(words, 99.9)) + 1
    figure = Figure(figsize=(9, 2.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.hist(words.clip(max=most), bins=list(np.arange(0.5, most + 1.5)), color="#2b6cb0")
    median = float(np.median(words))
    axes.axvline(median, color="#c53030", linewidth=1.5, label=f"median {median:.0f}")
    axes.set(xlabel=f"words ({most} or more counted as {most})", ylabel="tweets", title=f"{len(words):,} tweets")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(raw := io.BytesIO(), format="png")
    image: Any = Image.open(raw).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    image.save(small := io.BytesIO(), "PNG", optimize=True)
    return small.getvalue()
