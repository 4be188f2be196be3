"""A checkpoint before the splits of its dataset: its answers, their scores, and the evaluation they make.

Belongs here: what the baselines and the trained network are judged by alike, on validation and test apart. Does not
belong here: the figures (`scoring.py`), pictures and metadata (`evaluation.py`). Pure torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from assets.sentiment import predicting
from assets.sentiment.card import SentimentCard
from assets.sentiment.parts import Part
from assets.sentiment.scoring import METRIC, Scores, scored
from resources.progress import Logger, Progress
from resources.store.types import Checkpoint
from resources.training.documents import Evaluation

JUDGED = ("validation", "test")
_DIGITS = 6  # of the stored probabilities: more than float32 is certain to


def answers(
    checkpoint: Checkpoint, parts: Mapping[str, Part], device: str, log: Logger | None = None
) -> dict[str, Tensor]:
    """Logits (n, classes) on the CPU, before the temperature, of each part; `log` hears of the progress."""
    given = {}
    for name, part in parts.items():
        task = f"{predicting.card_of(checkpoint).preset} on {name}"
        step = id if log is None else Progress(log, task, len(part), "tweets").update
        given[name] = predicting.logits(checkpoint, part.texts, device, step)
    return given


def scores(logits: Mapping[str, Tensor], parts: Mapping[str, Part], temperature: float) -> dict[str, Scores]:
    """Of each part, from its logits."""
    return {name: scored(logits[name], part.labels, temperature) for name, part in parts.items()}


def evaluation(
    card: SentimentCard,
    logits: Mapping[str, Tensor],
    found: Mapping[str, Scores],
    *,
    checkpoint: str,
    data_version: str | None = None,
    model: str | None = None,
) -> Evaluation:
    """The document: sample by sample on validation, figures of every part.

    `checkpoint` is the checkpoint's data version, `data_version` that of the samples: the card's where none is given;
    `model` is what it is called, the card's preset where nothing is given. `details` has, for every validation sample,
    the probability of the last class.
    """
    positive = predicting.calibrated(logits["validation"], card.temperature)[:, -1]
    return Evaluation(
        product=card.product,
        model=model or card.preset,
        baseline=card.baseline,
        data_version=data_version or card.data_version,
        checkpoint=checkpoint,
        metric=METRIC,
        statistic="mean",
        scores=tuple(found["validation"].per_sample.tolist()),
        metrics={name: each.metrics for name, each in found.items()},
        details={
            "class_names": list(card.labels),
            "temperature": card.temperature,
            "confusion": {name: each.confusion.tolist() for name, each in found.items()},
            "per_class": {
                name: {"precision": list(each.precision), "recall": list(each.recall), "f1": list(each.f1)}
                for name, each in found.items()
            },
            f"p_{card.labels[-1]}": [round(p, _DIGITS) for p in positive.tolist()],
        },
    )
