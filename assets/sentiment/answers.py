"""What predictions look like to a person: a CSV file, and figures where the files say what is true.

Belongs here: its columns, and the comparison with labels. Does not belong here: where probabilities come from
(`predicting.py`), reading files (`questions.py`). Pure: the standard library and numpy.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.sentiment.questions import Questions
from resources.spreadsheets import safe

if TYPE_CHECKING:
    import numpy as np

_OURS = ("file", "line", "text", "label")


def table(asked: Sequence[Questions], labels: Sequence[str], probabilities: np.ndarray) -> bytes:
    """One row per text, file after file: where it stands, the cleaned text, the likeliest label, the probability of
    each (n, labels), then the other columns of its row as they were.

    RFC 4180, UTF-8; no cell is a formula. A column that is called as one of ours, or as one before it, gets another
    name.
    """
    ours = [*_OURS, *(f"p_{label}" for label in labels)]
    named = [_names(one.header, ours) for one in asked]
    header = list(dict.fromkeys(name for names in named for name in names))
    out = io.StringIO(newline="")
    writer = csv.writer(out)  # lines end with CRLF, as RFC 4180 has it
    writer.writerow([safe(name) for name in [*ours, *header]])
    number = 0
    for one, names in zip(asked, named, strict=True):
        for text, line, cells in zip(one.texts, one.lines, one.cells, strict=True):
            given = dict(zip(names, cells, strict=True))
            shares = probabilities[number]
            label = labels[int(shares.argmax())]
            row = [one.name, str(line), text, label, *(f"{share:.6f}" for share in shares)]
            writer.writerow([safe(cell) for cell in [*row, *(given.get(name, "") for name in header)]])
            number += 1
    return out.getvalue().encode()


def compared(asked: Sequence[Questions], labels: Sequence[str], probabilities: np.ndarray) -> dict[str, float]:
    """Figures over the texts of which the files themselves say negative or positive; empty if there are none.

    Macro F1 and macro recall need rows of every label.
    """
    truth = [label for one in asked for label in one.truth]
    known = [row for row, label in enumerate(truth) if label in labels]
    if not known:
        return {}
    import torch

    from assets.sentiment.scoring import scored

    right = torch.tensor([labels.index(truth[row]) for row in known])
    logits = torch.from_numpy(probabilities[known]).clamp_min(1e-300).log()
    scores = scored(logits, right, 1.0)
    names = ("accuracy", "macro_f1", "macro_recall") if len(right.unique()) == len(labels) else ("accuracy",)
    return {"labelled": len(known), **{name: round(scores.metrics[name], 6) for name in names}}


def _names(header: Sequence[str], ours: Sequence[str]) -> list[str]:
    """Names of a file's columns: not ours, and those that repeat numbered."""
    taken = {name.casefold() for name in ours}
    out: list[str] = []
    for name in header:
        free = f"{name} (input)" if name.casefold() in taken else name
        again = 1
        while (f"{free} ({again})" if again > 1 else free) in out:
            again += 1
        out.append(f"{free} ({again})" if again > 1 else free)
    return out
