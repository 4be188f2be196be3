"""How each CIFAR-10 checkpoint does on validation and test.

Belongs here: the asset, its pictures and tables. Does not belong here: the figures (`scoring.py`), predictions
(`predicting.py`), what all products tell of an evaluation (`resources/training/results.py`).
"""

import io
from typing import TYPE_CHECKING

import dagster as dg

from dagster_project.partitions import cifar10_presets
from resources.checks import partition_check
from resources.errors import failures
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training.documents import Evaluation
from resources.training.results import evaluation_result, judged
from resources.training.trainer import Trainer

if TYPE_CHECKING:
    from torch import Tensor

    from assets.cifar10.scoring import Scores

_MISTAKES = 30
"""Three rows of ten; with 64 colours about 60 kB, which every event of the asset stores."""

_SIDE = 96  # pixels of a cell: "not automobile" fits below
_DIFFERENCE = 0.002
"""Ten of 5,000 images: more than another device's rounding changes, less than any change worth training for."""


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    dagster_type=Evaluation,
    partitions_def=cifar10_presets,
    group_name="cifar10",
    kinds={"torch", "json"},
    owners=["team:scriptorium"],
    pool="gpu_training",
    code_version="1",
    description=(
        "How a checkpoint does on validation, image by image, and on test: accuracy, cross-entropy without smoothing"
        " before and after the temperature, calibration error (15 bins), each class, confusions and the surest"
        " mistakes. Test figures are shown and choose nothing."
    ),
    check_specs=[
        partition_check(
            "card_holds",
            asset="cifar10_evaluation",
            partitions_def=cifar10_presets,
            description=f"The stored checkpoint's accuracy on validation is its card's, to {_DIFFERENCE}.",
        )
    ],
)
def cifar10_evaluation(
    context: dg.AssetExecutionContext,
    cifar10_checkpoint: Checkpoint,
    cifar10_dataset: Tensors,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        device = trainer.device()
        from assets.cifar10.predicting import card_of, logits, probabilities
        from assets.cifar10.scoring import scored
        from assets.cifar10.training import part
        from resources.training.plots import confusion

        card = card_of(cifar10_checkpoint)
        about = judged(context, "cifar10", cifar10_checkpoint)
        scores, pictures = {}, {}
        for split in ("validation", "test"):
            some = part(cifar10_dataset, split, device)
            raw = logits(cifar10_checkpoint, some.images, device)
            scores[split] = scored(raw, some.labels, card.temperature)
            pictures[f"confusion_{split}"] = confusion(scores[split].confusion.tolist(), list(card.class_names))
            if split == "validation" and not bool(scores[split].correct.all()):
                sure = probabilities(raw, card.temperature)
                pictures["worst_mistakes"] = worst(some.images.cpu(), some.labels.cpu(), sure, card.class_names)
        evaluation = Evaluation(
            product="cifar10",
            model=card.preset,
            baseline=card.baseline,
            data_version=about.data_version,
            checkpoint=about.checkpoint,
            metric="accuracy",
            statistic="mean",
            scores=tuple(scores["validation"].correct.double().tolist()),
            metrics={split: each.metrics for split, each in scores.items()},
            details={
                "class_names": list(card.class_names),
                "temperature": card.temperature,
                "per_class": {split: list(each.per_class) for split, each in scores.items()},
                "confusion": {split: each.confusion.tolist() for split, each in scores.items()},
            },
        )
        return evaluation_result(
            context,
            evaluation,
            tracking,
            about,
            pictures=pictures,
            metadata={
                "temperature": card.temperature,
                "per_class": dg.MetadataValue.md(_per_class(card.class_names, scores)),
            },
            check_results=[_holds(scores["validation"].accuracy, card.metrics["val_accuracy"])],
        )


def worst(images: "Tensor", labels: "Tensor", probabilities: "Tensor", names: tuple[str, ...]) -> bytes:
    """A PNG of the surest mistakes: how surely, what was predicted, and what is true. At least one is wrong."""
    from resources.media.sheets import Picture, sheet
    from resources.training.classification import worst_mistakes

    confidence, predicted = probabilities.max(1)
    pictures = [
        Picture(
            images[index].numpy(),
            (f"{confidence[index]:.0%} {names[predicted[index]]}", f"not {names[labels[index]]}"),
        )
        for index in worst_mistakes(probabilities, labels, _MISTAKES)
    ]
    # The sheet's own PNG has all colours of photographs, which takes four times the bytes.
    out = io.BytesIO()
    title = "The surest mistakes: how surely, what was predicted, and what is true"
    sheet(pictures, side=_SIDE, title=title).quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


def _per_class(names: tuple[str, ...], scores: dict[str, "Scores"]) -> str:
    rows = [
        f"| {name} | " + " | ".join(f"{each.per_class[label]:.1%}" for each in scores.values()) + " |"
        for label, name in enumerate(names)
    ]
    return "\n".join([f"| class | {' | '.join(scores)} |", f"|---|{'---|' * len(scores)}", *rows])


def _holds(found: float, said: float) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="card_holds",
        passed=abs(found - said) <= _DIFFERENCE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"accuracy": found, "on_the_card": said},
    )
