"""How good predictions of sentiment are.

Belongs here: the figures of an evaluation. Does not belong here: those of any classifier (`resources/training/
classification.py`), where predictions come from (`predicting.py`), pictures and metadata (`pictures.py`,
`evaluation.py`). Pure torch. Computed on the CPU in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from resources.training.classification import Reliability, reliability

METRIC = "macro_recall"
"""What models are compared by: the mean of the classes' recalls. TweetEval's metric for sentiment (Barbieri et al.
2020, arXiv:2010.12421, section 3), and as good for files with few of one class as for even ones."""


@dataclass(frozen=True)
class Scores:
    """Of one split. Per class, in the order of the logits' columns: `precision`, `recall`, `f1`.

    `per_sample` (n,) float64: what each sample adds to macro recall, see `recall_scores`. `confusion` (classes,
    classes) int64, true class by row. `metrics` are the single figures by name; cross-entropies are means in nats,
    `ece` is the expected calibration error over 15 bins: both with the temperature, `_unscaled` without.
    """

    per_sample: Tensor
    confusion: Tensor
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    reliability: Reliability
    reliability_unscaled: Reliability
    metrics: dict[str, float]


def scored(logits: Tensor, labels: Tensor, temperature: float) -> Scores:
    """Scores of `logits` (n, classes) before the temperature, against `labels` (n,); n is at least 1.

    A class that is never predicted has precision 0, and F1 0, as in scikit-learn; so has one without samples recall 0.
    """
    logits, labels = logits.cpu().double(), labels.cpu().long()
    classes = logits.shape[1]
    soft, hard = torch.softmax(logits / temperature, 1), torch.softmax(logits, 1)
    predicted = hard.argmax(1)
    correct = predicted == labels
    confusion = torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)
    right, true, said = confusion.diagonal().double(), confusion.sum(1).double(), confusion.sum(0).double()
    precision, recall, f1 = _share(right, said), _share(right, true), _share(2 * right, true + said)
    after, before = reliability(soft.amax(1), correct), reliability(hard.amax(1), correct)
    per_sample = recall_scores(correct, labels, classes)
    return Scores(
        per_sample=per_sample,
        confusion=confusion,
        precision=tuple(precision.tolist()),
        recall=tuple(recall.tolist()),
        f1=tuple(f1.tolist()),
        reliability=after,
        reliability_unscaled=before,
        metrics={
            METRIC: per_sample.mean().item(),
            "macro_f1": f1.mean().item(),
            "macro_precision": precision.mean().item(),
            "accuracy": correct.double().mean().item(),
            "cross_entropy": functional.cross_entropy(logits / temperature, labels).item(),
            "cross_entropy_unscaled": functional.cross_entropy(logits, labels).item(),
            "ece": after.error,
            "ece_unscaled": before.error,
        },
    )


def recall_scores(correct: Tensor, labels: Tensor, classes: int) -> Tensor:
    """What each sample adds to macro-averaged recall, float64 (n,): correct · n / (classes · samples of its class).

    Their mean is macro recall exactly, so a paired bootstrap over them is one over that metric, with the classes'
    shares held as they are. `correct` (n,) bool, `labels` (n,) int64.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    return correct.double() * len(labels) / (classes * counts[labels])


def per_class(names: Sequence[str], scores: dict[str, Scores]) -> str:
    """Markdown: precision, recall and F1 of each class, split by split."""
    lines = ["| class | split | samples | precision | recall | F1 |", "|---|---|---:|---:|---:|---:|"]
    for label, name in enumerate(names):
        for split, each in scores.items():
            figures = " | ".join(f"{x[label]:.4f}" for x in (each.precision, each.recall, each.f1))
            lines.append(f"| {name} | {split} | {int(each.confusion[label].sum()):,} | {figures} |")
    return "\n".join(lines)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """0 where the whole is 0."""
    return torch.where(whole > 0, part / whole.clamp(min=1), torch.zeros_like(part))
