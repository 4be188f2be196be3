"""What predictions look like to a person: two CSV files and a gallery.

Belongs here: their columns and layout. Does not belong here: where the probabilities come from (`predictions.py`).
Pure: NumPy and Pillow.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from resources.intake.identity import shown
from resources.spreadsheets import safe

GALLERY_IMAGES = 60
_SURE, _DOUBTFUL = 0.9, 0.5
"""Probabilities from which the frame is green, and below which it is red; amber between."""
_COLOURS = ("#c0392b", "#d68910", "#1e8449")
_SIDE = 96
_CHARACTERS = 1000
"""Of a name in a CSV file; no file system has longer ones, but a path of many folders may be."""


def predictions_csv(names: Sequence[str], class_names: Sequence[str], probabilities: Any) -> bytes:
    """One row per image: file, class, probability, the second best of both, and the probability of every class.

    `probabilities` is float (n, classes). RFC 4180, UTF-8; see `_safe` for names.
    """
    header = ["file", "class", "probability", "second_class", "second_probability"]
    rows: list[list[str]] = [[*header, *(f"p_{_safe(name)}" for name in class_names)]]
    for name, row in zip(names, probabilities.tolist(), strict=True):
        first, second = sorted(range(len(row)), key=lambda i: -row[i])[:2]
        best = (_safe(class_names[first]), f"{row[first]:.6f}", _safe(class_names[second]), f"{row[second]:.6f}")
        rows.append([_safe(name), *best, *(f"{value:.6f}" for value in row)])
    return _csv(rows)


def skipped_csv(skipped: Iterable[tuple[str, str]]) -> bytes:
    """One row per file that was left out: file, reason."""
    return _csv([["file", "reason"], *([_safe(name), _safe(reason)] for name, reason in skipped)])


def gallery(names: Sequence[str], images: Any, class_names: Sequence[str], probabilities: Any) -> Any:
    """Up to 60 images with name, class and probability, the least certain first: a Pillow image.

    Of more than 60 images, half are the least certain ones, and half are evenly picked from the others. `images` is
    uint8 (n, 3, 32, 32). The title says how they are sorted and what the frames' colours mean.
    """
    from resources.media.sheets import Picture, sheet

    best = probabilities.max(1)
    pictures = []
    for i in _picked(best):
        share = float(best[i])
        colour = _COLOURS[(share >= _DOUBTFUL) + (share >= _SURE)]
        label = f"{percent(share)} {class_names[int(probabilities[i].argmax())]}"
        pictures.append(Picture(images[i], (label, shown(names[i].rpartition("/")[2])), colour))
    shares = f"green from {_SURE:.0%}, amber from {_DOUBTFUL:.0%}, red below"
    some = f" ({len(pictures)} of {len(names):,} images)" if len(pictures) < len(names) else ""
    return sheet(pictures, columns=10, side=_SIDE, title=f"Least sure first{some}; frame {shares}")


def percent(share: float) -> str:
    """A share in whole percent; 100 % only where it is not a bit less."""
    return f"{min(round(share * 100), 99) if share < 0.9999 else 100}%"


def _picked(best: Any) -> list[int]:
    """Which images are shown, the least certain first."""
    import numpy as np

    order = np.argsort(best, kind="stable")
    if len(order) > GALLERY_IMAGES:
        half = GALLERY_IMAGES // 2
        others = order[half:]
        order = np.concatenate([order[:half], others[np.linspace(0, len(others) - 1, half).astype(int)]])
    return [int(i) for i in order]


def _safe(text: str) -> str:
    """Text for a cell: on one line, and no formula."""
    return safe(shown(text, _CHARACTERS))


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)  # lines end with CRLF, as RFC 4180 has it
    return out.getvalue().encode("utf-8")
