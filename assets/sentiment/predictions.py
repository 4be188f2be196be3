"""Whether the texts in dropped files are negative or positive.

Belongs here: the asset, and what is recorded of it. Does not belong here: reading files (`questions.py`), probabilities
(`predicting.py`), the file of answers (`answers.py`).
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from assets.sentiment import choosing
from assets.sentiment.reading import ReadingConfig
from assets.sentiment.recipe import PRODUCT
from assets.sentiment.source import GROUP, OWNERS, sentiment_questions
from dagster_project.partitions import sentiment_batches
from resources.commonmark import bullets
from resources.errors import BadInput, failures
from resources.intake import batches
from resources.intake.sentiment import quoted
from resources.progress import Progress
from resources.store.io_manager import ArtifactStore
from resources.store.types import Files
from resources.training.choosing import CHAMPION, checkpoint_digest
from resources.training.plots import as_markdown
from resources.training.results import publish_predictions
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    import numpy as np

    from assets.sentiment.questions import Questions

PREDICTIONS, SKIPPED = "predictions.csv", "skipped.txt"
_SHOWN_DIGITS = 8  # of a digest, as in the names of runs: enough to tell checkpoints apart
_SHOWN = 20  # rows and problems on the event's page; all are in the files


class SentimentPredictionsConfig(ReadingConfig):
    """Which model is asked, and how tables are read where that can't be recognised."""

    checkpoint: str = Field(
        default=CHAMPION,
        min_length=1,
        description="`champion` (the pooled champion, else that of the newest file), `pooled`, a file's partition key"
        " or a beginning of it, or the beginning of a checkpoint's data version (6 or more hex digits).",
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[
        sentiment_questions,
        dg.AssetDep("sentiment_champion", partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep("sentiment_pooled_champion"),
    ],
    partitions_def=sentiment_batches,
    group_name=GROUP,
    kinds={"python", "torch", "csv"},
    owners=OWNERS,
    pool="gpu",
    code_version="1",
    dagster_type=Files,
    description=(
        f"`{PREDICTIONS}`: every text of the dropped files, cleaned, with its label and the probability of each; other"
        f" columns of tables are passed through. What can't be read is in `{SKIPPED}`. Both are also in"
        f" `library/{PRODUCT}/predictions/<partition>/`; where another checkpoint than the champion was asked for, in"
        " `<partition>~<preset>-<its digest>/`."
    ),
)
def sentiment_predictions(
    context: dg.AssetExecutionContext, config: SentimentPredictionsConfig, store: ArtifactStore, trainer: Trainer
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.sentiment import answers, pictures, predicting

        started = time.monotonic()
        asked, problems = _read(context, config)
        texts = [text for one in asked for text in one.texts]
        if not texts:
            raise BadInput(
                "No text of these files can be judged:\n" + "\n".join(problems[:_SHOWN]),
                "Correct the files, and drop them again.",
            )
        checkpoint, record, which = choosing.chosen(context.instance, store, config.checkpoint, "cpu")
        card = predicting.card_of(checkpoint)
        progress = Progress(context.log, "judging texts", len(texts), "texts")
        begun = time.monotonic()
        shares = predicting.probabilities(checkpoint, texts, trainer.device(), progress.update)
        took = time.monotonic() - begun
        files: dict[str, Any] = {PREDICTIONS: answers.table(asked, card.labels, shares)}
        if problems:
            files[SKIPPED] = ("\n".join(problems) + "\n").encode()
        digest = checkpoint_digest(record)
        by = f"{card.preset}-{digest[:_SHOWN_DIGITS]}"
        # What others say lies beside the champion's predictions, never in their place.
        key = context.partition_key
        folder = publish_predictions(store, PRODUCT, key if config.checkpoint == CHAMPION else f"{key}~{by}", files)
    say = context.log.warning if problems else context.log.info
    say(
        f"{which} judged {len(texts):,} texts, {len(problems):,} lines or files were skipped"
        f"{f' and are listed in {SKIPPED}' if problems else ''}: {folder}/{PREDICTIONS}"
    )
    said = shares.argmax(1)
    return dg.MaterializeResult(
        value=Files(files),
        metadata={
            "texts": len(texts),
            "skipped": len(problems),
            **{f"texts_{label}": int((said == number).sum()) for number, label in enumerate(card.labels)},
            f"share_{card.labels[-1]}": round(float((said == len(card.labels) - 1).mean()), 6),
            "mean_probability": round(float(shares.max(1).mean()), 6),
            "checkpoint_is": which,
            "model": card.preset,
            "checkpoint": digest,
            "folder": dg.MetadataValue.path(folder),
            "probabilities": dg.MetadataValue.md(
                as_markdown(pictures.of_probabilities(shares[:, -1].tolist(), card.labels[-1]), "probabilities")
            ),
            "preview": dg.MetadataValue.md(_preview(asked, card.labels, shares)),
            "texts_per_s": round(len(texts) / took, 1) if took else 0.0,
            "wall_s": round(time.monotonic() - started, 3),
            **({"problems": dg.MetadataValue.md(bullets(problems, _SHOWN))} if problems else {}),
            **_truth(asked),
            **answers.compared(asked, card.labels, shares),
        },
    )


def _read(context: dg.AssetExecutionContext, config: SentimentPredictionsConfig) -> tuple[list["Questions"], list[str]]:
    """The texts of every file that is as it was taken in, and what is left out, a line each."""
    from assets.sentiment import questions

    options = config.options()

    def read(name: str, content: bytes) -> tuple["Questions", Sequence[str]]:
        one = questions.read(name, content, options)
        return one, one.problems

    return batches.read_each(context, sentiment_questions.key.to_user_string(), read)


def _preview(asked: list["Questions"], labels: tuple[str, ...], shares: "np.ndarray") -> str:
    """The first rows as Markdown."""
    lines = [f"| text | label | {' | '.join(labels)} |", f"|---|---|{'---:|' * len(labels)}"]
    texts = [text for one in asked for text in one.texts]
    for text, row in zip(texts[:_SHOWN], shares, strict=False):
        lines.append(f"| {quoted(text)} | {labels[int(row.argmax())]} | {' | '.join(f'{p:.1%}' for p in row)} |")
    return "\n".join(lines) + (f"\n\n… and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else "")


def _truth(asked: list["Questions"]) -> dict[str, Any]:
    """Where the labels of tables were found, or why none were."""
    said = [f"- {quoted(one.name)}: {quoted(one.labels, 500)}" for one in asked if one.labels]
    return {"labels_in_the_files": dg.MetadataValue.md("\n".join(said[:_SHOWN]))} if said else {}
