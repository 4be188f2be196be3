"""How good a file's classifier is, beside its baselines.

Belongs here: the asset, its tables and checks. Does not belong here: the figures (`scoring.py`), answers and the
document (`judging.py`), who becomes champion (`champion.py`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.sentiment.recipe import PRODUCT
from assets.sentiment.source import GROUP, OWNERS
from dagster_project.partitions import sentiment_files
from resources.checks import partition_check
from resources.errors import failures
from resources.intake.sentiment import quoted
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training.documents import Evaluation
from resources.training.results import evaluation_result, judged
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    from torch import Tensor

    from assets.sentiment.card import SentimentCard
    from assets.sentiment.parts import Part

_MISTAKES = 20
_CHARACTERS = 200  # of a text in a table
_CPU = {"device": "cpu"}


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    ins={"sentiment_dataset": dg.AssetIn(metadata=_CPU), "sentiment_baseline": dg.AssetIn(metadata=_CPU)},
    partitions_def=sentiment_files,
    group_name=GROUP,
    kinds={"torch", "json"},
    owners=OWNERS,
    pool="gpu_training",
    code_version="1",
    dagster_type=Evaluation,
    description=(
        "How a file's classifier does on validation, tweet by tweet, and on test: macro recall, by which models are"
        " compared, macro F1, accuracy, each class, cross-entropy and calibration before and after the temperature,"
        " the surest mistakes, the baselines' figures. Test figures are shown and choose nothing."
    ),
    check_specs=[
        partition_check(
            "answers_finite",
            asset="sentiment_evaluation",
            partitions_def=sentiment_files,
            blocking=True,
            description="Every answer is a number.",
        ),
        partition_check(
            "beats_majority",
            asset="sentiment_evaluation",
            partitions_def=sentiment_files,
            description="Macro recall on validation is above that of always saying the same. A warning if not.",
        ),
    ],
)
def sentiment_evaluation(
    context: dg.AssetExecutionContext,
    sentiment_dataset: Tensors,
    sentiment_checkpoint: Checkpoint,
    sentiment_baseline: Checkpoint,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.sentiment import judging, pictures, predicting, scoring
        from assets.sentiment.parts import parts

        card = predicting.card_of(sentiment_checkpoint)
        about = judged(context, PRODUCT, sentiment_checkpoint, context.partition_key)
        every = parts(sentiment_dataset)
        held_out = {name: every[name] for name in judging.JUDGED}
        logits = judging.answers(sentiment_checkpoint, held_out, trainer.device(), context.log)
        broken = sum(int((~each.isfinite()).any(1).sum()) for each in logits.values())
        # What is no number can't be scored: it stands for no answer, and the check below stops what would follow.
        logits = {name: each.nan_to_num(0.0, 0.0, 0.0) for name, each in logits.items()}
        scores = judging.scores(logits, held_out, card.temperature)
        evaluation = judging.evaluation(card, logits, scores, checkpoint=about.checkpoint)
        sure = predicting.calibrated(logits["validation"], card.temperature)
        against = predicting.card_of(sentiment_baseline)
        mine, theirs = scores["validation"].metrics[scoring.METRIC], 1 / len(card.labels)
        return evaluation_result(
            context,
            evaluation,
            tracking,
            about,
            pictures=pictures.of_scores(card.labels, scores),
            metadata={
                "model": card.preset,
                "temperature": round(card.temperature, 4),
                "per_class": dg.MetadataValue.md(scoring.per_class(card.labels, scores)),
                "against_baselines": dg.MetadataValue.md(_against(evaluation, against)),
                "surest_mistakes": dg.MetadataValue.md(_mistakes(held_out["validation"], sure, card.labels)),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="answers_finite",
                    passed=broken == 0,
                    description=f"{broken:,} answers are no numbers.",
                    metadata={"broken": broken},
                ),
                dg.AssetCheckResult(
                    check_name="beats_majority",
                    passed=mine > theirs,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"macro_recall": mine, "of_the_majority": theirs},
                ),
            ],
        )


def _against(mine: Evaluation, baseline: "SentimentCard") -> str:
    """Markdown: this model's figures and those of every baseline, which the best one's card has."""
    from assets.sentiment.judging import JUDGED
    from assets.sentiment.rivals import NAMES, SHOWN

    lines = [
        f"| model | {' | '.join(f'{name}, {split}' for split in JUDGED for name in SHOWN)} |",
        f"|---|{'---:|' * (len(JUDGED) * len(SHOWN))}",
        f"| **{mine.model}** | {_row([mine.metrics[split][name] for split in JUDGED for name in SHOWN])} |",
    ]
    known: dict[str, Any] = baseline.metrics if baseline.data_version == mine.data_version else {}
    for rival in NAMES:
        figures = [known.get(f"{rival}_{short}_{name}") for short in ("val", "test") for name in SHOWN]
        if all(figure is not None for figure in figures):
            best = " (the best baseline)" if rival == baseline.preset else ""
            lines.append(f"| {rival}{best} | {_row(figures)} |")
    if not known:
        lines += ["", "The baselines were fitted on another version of this dataset."]
    return "\n".join(lines)


def _row(figures: Sequence[Any]) -> str:
    return " | ".join(f"{figure:.4f}" for figure in figures)


def _mistakes(part: "Part", probabilities: "Tensor", names: Sequence[str]) -> str:
    """Markdown: the wrong answers given most surely; probabilities (n, classes) of a part."""
    from resources.training.classification import worst_mistakes

    worst = worst_mistakes(probabilities, part.labels, _MISTAKES)
    if not worst:
        return "Every answer on validation is right."
    lines = ["| said | how surely | is | text |", "|---|---:|---|---|"]
    for row in worst:
        said = int(probabilities[row].argmax())
        cells = (names[said], f"{probabilities[row, said]:.1%}", names[int(part.labels[row])])
        lines.append(f"| {' | '.join(cells)} | {quoted(part.texts[row], _CHARACTERS)} |")
    return "\n".join(lines)
