"""A fine-tuned classifier for each file of labelled tweets.

Belongs here: the asset, and which weights a training begins with. Does not belong here: how it is trained
(`training.py`, `module.py`), what is told of a checkpoint (`resources/training/results.py`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from assets.sentiment import choosing
from assets.sentiment.card import SentimentCard, StartedFrom
from assets.sentiment.dataset import PRESETS
from assets.sentiment.recipe import PRODUCT, SentimentRecipe
from assets.sentiment.source import GROUP, OWNERS
from dagster_project.partitions import sentiment_files
from resources.errors import BadInput, failures
from resources.store import records
from resources.store.types import Checkpoint, Tensors
from resources.text.tweets import PARTS
from resources.tracking import Tracking
from resources.training import launchpad, presets
from resources.training.documents import Card
from resources.training.results import checkpoint_result, finished_meanwhile, learned_from
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    from assets.sentiment.training import Prepared

CODE_VERSION = "1"
BASE = "base"

_Overrides = launchpad.overrides_of(SentimentRecipe)


class SentimentCheckpointConfig(_Overrides):  # type: ignore[misc, valid-type]  # a class, made of the recipe
    """Changes, for one run, the preset the dataset was made for; what is left empty stays as presets.yaml has it."""

    start_from: str = Field(
        default=BASE,
        min_length=1,
        description="Weights to begin with: `base`, the pretrained ones; or another file of this product (its partition"
        " key, or an unambiguous beginning of it), whose newest checkpoint is trained on.",
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    partitions_def=sentiment_files,
    group_name=GROUP,
    kinds={"torch", "transformers"},
    owners=OWNERS,
    pool="gpu_training",
    code_version=CODE_VERSION,
    dagster_type=Checkpoint,
    description=(
        "A pretrained encoder, fine-tuned on one file: each file begins with the base weights, or with those of a file"
        " named in `start_from`. The best epoch by macro-F1 on validation is kept, with the tokenizer and a"
        " temperature. Every epoch is a line of `library/sentiment/<file>/training.log`; a training that was killed"
        " goes on at its last epoch."
    ),
)
def sentiment_checkpoint(
    context: dg.AssetExecutionContext,
    config: SentimentCheckpointConfig,
    sentiment_dataset: Tensors,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.sentiment import training as steps
        from assets.sentiment.tokenizing import about_of
        from resources.text import pretrained

        key, device = context.partition_key, trainer.device()
        version = learned_from(context, PRODUCT, sentiment_dataset, key)
        about = about_of(sentiment_dataset)
        overrides = {name: value for name, value in launchpad.given(config).items() if name != "start_from"}
        recipe = presets.overridden(_preset(about["preset"]), overrides)
        steps.check(recipe, about)
        earlier = _earlier(context, config.start_from)
        started = None if earlier is None else StartedFrom(file=str(earlier.partition), checkpoint=str(earlier.digest))
        done = finished_meanwhile(
            context, trainer.store, recipe, version, CODE_VERSION, lambda card: _started_from(card) == started
        )
        if done is not None:
            return done
        if earlier is None:
            base = pretrained.encoder(about["base"], trainer.cache, trainer.offline)
            model, head = steps.fresh(base, recipe, about)
        else:
            loaded = trainer.store.load(earlier, "cpu")
            assert isinstance(loaded, Checkpoint), "a checkpoint asset returns checkpoints"
            model, head = steps.continued(loaded, sentiment_dataset)
        prepared = steps.prepare(model, head, sentiment_dataset, recipe, device)
        start = f"the checkpoint {started.checkpoint[:12]} of {started.file}" if started else f"the {head} head"
        training = trainer.fit(
            context,
            prepared.module,
            prepared.train,
            prepared.validation,
            recipe,
            inputs="\n".join([CODE_VERSION, version, recipe.identity(), repr(started)]),
            text_log=text_log(key),
            text_log_head=_head(key, version, about, prepared, recipe, device, start),
        )
        checkpoint, confusion = steps.finish(
            prepared,
            training,
            sentiment_dataset,
            recipe,
            file=key,
            overrides=overrides,
            data_version=version,
            code_version=CODE_VERSION,
            started_from=started,
            device=device,
        )
        card = checkpoint.card
        assert isinstance(card, SentimentCard)
        trainer.note(text_log(key), _kept(card, confusion.tolist()))
        return checkpoint_result(
            context,
            checkpoint,
            training,
            tracking,
            name=f"{key} {card.preset}",
            metadata={
                "preset": card.preset,
                "base": card.base,
                "base_head": card.base_head,
                "started_from": BASE if started is None else f"{started.file} ({started.checkpoint[:12]})",
                "trained_parameters": prepared.trained_parameters,
                "padding_share": round(prepared.padding_share, 4),
                "temperature": round(card.temperature, 4),
                "text_log": f"library/{text_log(key)}",
            },
        )


def text_log(key: str) -> str:
    """The training log of a file, in the library."""
    return f"{PRODUCT}/{key}/training.log"


def _preset(name: str) -> SentimentRecipe:
    known = presets.read(PRESETS, SentimentRecipe)
    if name not in known:
        raise BadInput(
            f'The dataset was made for the preset "{name}", which presets.yaml no longer has.',
            f"Make sentiment_dataset of this file again, with one of {', '.join(known)}.",
        )
    return known[name]


def _earlier(context: dg.AssetExecutionContext, start_from: str) -> records.Record | None:
    """The checkpoint to begin with; None for the base. Raises: BadInput if there is none."""
    if start_from == BASE:
        return None
    asset, key = context.asset_key, context.partition_key
    others = sorted(context.instance.get_materialized_partitions(asset) - {key})
    there = f"These have one: {', '.join(others)}." if others else "No other file has one yet."
    if start_from == key:
        raise BadInput(f"{key} can't start from itself.", f"Set start_from to `base`, or to another file. {there}")
    name = choosing.file_named(others, start_from)
    record = None if name is None else records.latest(context.instance, asset, name)
    if record is None:
        raise BadInput(f"There is no checkpoint of {start_from!r} to start from.", there)
    return record


def _started_from(card: Card) -> StartedFrom | None:
    return card.started_from if isinstance(card, SentimentCard) else None


def _kept(card: SentimentCard, confusion: Sequence[Sequence[int]]) -> str:
    """How the kept weights do on validation, who is taken for whom; `confusion` has the true class by row."""
    said = [
        f"of {sum(row):,} {label} "
        + ", ".join(f"{n:,} called {name}" for name, n in zip(card.labels, row, strict=True))
        for label, row in zip(card.labels, confusion, strict=True)
    ]
    return f"Kept, on validation: macro F1 {card.metrics['val_macro_f1']:.4f}; {'; '.join(said)}"


def _head(
    key: str,
    version: str,
    about: dict[str, Any],
    prepared: "Prepared",
    recipe: SentimentRecipe,
    device: str,
    start: str,
) -> list[str]:
    """What stands at the head of the text log."""
    parts = [
        f"{part} {sum(counts.values()):,} ({', '.join(f'{count:,} {label}' for label, count in counts.items())})"
        for part, counts in sorted(prepared.counts.items(), key=lambda item: PARTS.index(item[0]))
    ]
    of_rows = sorted(about["counts"].items(), key=lambda item: (item[0] != "read", item[0] != "used", item[0]))
    rows = [f"{count:,} {what.replace('_', ' ')}" for what, count in of_rows]
    return [
        f"Training on {key}, data {version}",
        f"Tweets: {'; '.join(parts)}",
        f"Rows: {', '.join(rows)}",
        f"Preset {about['preset']}: {recipe.epochs} epochs of {prepared.train.samples:,} tweets on {device}, begun with"
        f" {start} of {about['base']}; {prepared.padding_share:.1%} of the tokens are padding",
    ]
