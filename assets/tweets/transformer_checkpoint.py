"""A pretrained language model for tweets, one for each preset: as it was released, or fine-tuned.

Belongs here: the asset, and what is recorded of it. Does not belong here: how a preset is trained
(`transformer_training.py`), what is told of every checkpoint (`resources/training/results.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets.tweets.current import CORPUS
from assets.tweets.source import GROUP, OWNERS
from assets.tweets.transformer_recipe import CODE_VERSION, TransformerRecipe
from dagster_project.partitions import transformer_presets
from resources.errors import failures
from resources.progress import Progress
from resources.store.types import Checkpoint, Table
from resources.tracking import Tracking
from resources.training import launchpad, presets
from resources.training.results import checkpoint_result, finished_meanwhile, learned_from
from resources.training.trainer import Trainer

if TYPE_CHECKING:
    from resources.training.keeper import Training

PRESETS = Path(__file__).with_name("transformer_presets.yaml")
TEXT_LOG = "tweets/transformer_training_log.txt"

TransformerOverrides = launchpad.overrides_of(TransformerRecipe)


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    dagster_type=Checkpoint,
    partitions_def=transformer_presets,
    group_name=GROUP,
    kinds={"torch", "transformers"},
    owners=OWNERS,
    pool="gpu_training",
    code_version=CODE_VERSION,
    description=(
        "A pretrained causal language model for each entry of transformer_presets.yaml: with the weights it was"
        " released with, or fine-tuned on the train split of the corpus, tweet by tweet. With tokenizer and"
        " configuration, so that completions need nothing else. A training that was killed goes on at its last round;"
        f" every round is a line of `library/{TEXT_LOG}`."
    ),
)
def transformer_checkpoint(
    context: dg.AssetExecutionContext,
    config: TransformerOverrides,  # type: ignore[valid-type]  # a class, made of the recipe
    tweet_corpus: Table,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        device = trainer.device()
        from assets.tweets import transformer_training as steps
        from resources.text import causal

        preset = context.partition_key
        overrides = launchpad.given(config)
        recipe = presets.overridden(presets.read(PRESETS, TransformerRecipe)[preset], overrides)
        corpus = learned_from(context, "tweets", tweet_corpus, asset="tweet_corpus")
        done = finished_meanwhile(context, trainer.store, recipe, corpus, CODE_VERSION)
        if done is not None:
            return done
        found = causal.find(recipe.base, trainer.cache, trainer.offline)
        context.log.info(f"{found.name}: {found.said}")
        frame = tweet_corpus.frame
        progress: list[Progress] = []

        def told(done: int, total: int) -> None:
            if not progress:
                progress.append(Progress(context.log, "reading tweets into tokens", total, "tweets"))
            progress[0].update(done)

        prepared = steps.prepare(frame["text"].tolist(), frame["split"].tolist(), recipe, found, device, told)
        training: Training | None = None
        if prepared.module is not None and prepared.train is not None:
            inputs = "\n".join([CODE_VERSION, corpus, found.digest(), recipe.identity()])
            training = trainer.fit(
                context,
                prepared.module,
                prepared.train,
                prepared.held_out,
                recipe.counted_in_rounds(),
                inputs=inputs,
                text_log=TEXT_LOG,
            )
        checkpoint = steps.finish(prepared, training, preset=preset, overrides=overrides, corpus=corpus, device=device)
        made = checkpoint_result(context, checkpoint, training, tracking)
        more = {
            "base": found.name,
            "base_said": found.said,
            CORPUS: corpus,
            "train_tweets": 0 if prepared.train is None else prepared.train.samples,
            "train_tokens": 0 if prepared.train is None else prepared.train.tokens,
            "tweets_cut": prepared.cut,
            "validation_tweets": len(prepared.validation),
        }
        return made._replace(metadata={**(made.metadata or {}), **more})
