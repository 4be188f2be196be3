"""The best of a file's baselines: what its fine-tuned network has to beat.

Belongs here: the asset, what is recorded of all three. Does not belong here: fitting and judging them (`rivals.py`).
"""

import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.sentiment.recipe import PRODUCT
from assets.sentiment.source import GROUP, OWNERS
from dagster_project.partitions import sentiment_files
from resources.errors import BadInput, failures
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training.results import checkpoint_result, learned_from
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    from assets.sentiment.rivals import Released

EVALUATION = "evaluation.json"
"""Name of the evaluation among a baseline's files, as among a champion's."""


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    ins={"sentiment_dataset": dg.AssetIn(metadata={"device": "cpu"})},
    partitions_def=sentiment_files,
    group_name=GROUP,
    kinds={"python", "sklearn"},
    owners=OWNERS,
    pool="gpu_training",
    code_version="1",
    dagster_type=Checkpoint,
    description=(
        "The best, by macro recall on validation, of three baselines: the class most train tweets have; the released"
        " head of the base without its neutral output, where it has one, with no training at all; TF-IDF of words and"
        f" letters with logistic regression. The figures of all are in the metadata and on its card; `{EVALUATION}`"
        " lies beside it."
    ),
)
def sentiment_baseline(
    context: dg.AssetExecutionContext, sentiment_dataset: Tensors, trainer: Trainer, tracking: Tracking
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.sentiment import rivals
        from assets.sentiment.parts import parts

        started = time.monotonic()
        file = context.partition_key
        released, why = _released(sentiment_dataset, trainer)
        found = rivals.all_of(
            parts(sentiment_dataset),
            file=file,
            data_version=learned_from(context, PRODUCT, sentiment_dataset, file),
            released=released,
            device=trainer.device(),
            log=context.log,
        )
        checkpoint, evaluation = rivals.best(found)
        files = {name: checkpoint.files[name] for name in checkpoint.files}
        files[EVALUATION] = evaluation.model_dump_json().encode()
        first = found[0]
        context.log.info(f"the best baseline is {first.name}: macro recall {first.value:.4f} on validation")
        return checkpoint_result(
            context,
            Checkpoint(checkpoint.weights, checkpoint.card, files),
            None,
            tracking,
            name=f"{file} {first.name}",
            metadata={
                "baseline": first.name,
                "baselines": dg.MetadataValue.md(rivals.table(found)),
                "released_head": why,
                "wall_s": round(time.monotonic() - started, 3),
            },
        )


def _released(dataset: Tensors, trainer: Trainer) -> tuple["Released | None", str]:
    """The base's own classifier, if it is one of sentiment, and a sentence about it.

    Raises: MissingModel if the base can't be had; BadInput if it is not the one that the dataset was tokenized for.
    """
    from assets.sentiment import network
    from assets.sentiment.dataset import PRESETS
    from assets.sentiment.recipe import SentimentRecipe
    from assets.sentiment.rivals import Released
    from assets.sentiment.tokenizing import about_of, tokenizer_of
    from resources.text import pretrained
    from resources.training import presets

    about: dict[str, Any] = about_of(dataset)
    encoder = pretrained.encoder(about["base"], trainer.cache, trainer.offline)
    if encoder.digest != about["base_digest"]:
        raise BadInput(f"{encoder.name} is not what it was when sentiment_dataset was made.", "Make the dataset again.")
    recipe = presets.read(PRESETS, SentimentRecipe).get(about["preset"])
    try:
        model, head = network.load_base(encoder, base_labels=recipe.base_labels if recipe else None)
    except BadInput as error:
        return None, f"There is no released baseline: {error.message}"
    if head == "new":
        return None, f"There is no released baseline: {encoder.name} has no head of its own."
    tokenizer = tokenizer_of(dataset)
    return (
        Released(model, encoder.name, encoder.digest, tokenizer, about["pad_id"], about["max_length"]),
        f"{encoder.name} has a head for sentiment; its neutral output, if it has one, is left out.",
    )
