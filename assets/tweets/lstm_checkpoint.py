"""The LSTMs that complete tweets, one for each preset.

Belongs here: the asset. Does not belong here: how a preset is trained (`lstm_training.py`), what is told of a
checkpoint (`resources/training/results.py`).
"""

from pathlib import Path

import dagster as dg

from assets.tweets.lstm_recipe import CODE_VERSION, LstmRecipe
from assets.tweets.source import GROUP, OWNERS
from dagster_project.partitions import lstm_presets
from resources.errors import BadInput, failures
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training import launchpad, presets
from resources.training.results import checkpoint_result, current_version, finished_meanwhile, learned_from
from resources.training.trainer import Trainer

PRESETS = Path(__file__).with_name("lstm_presets.yaml")
TEXT_LOG = "tweets/lstm_training_log.txt"

LstmOverrides = launchpad.overrides_of(LstmRecipe)


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    dagster_type=Checkpoint,
    partitions_def=lstm_presets,
    group_name=GROUP,
    kinds={"torch", "lightning"},
    owners=OWNERS,
    pool="gpu_training",
    code_version=CODE_VERSION,
    description=(
        "An LSTM that completes tweets, for each entry of lstm_presets.yaml, with its tokenizer.json. It learns from"
        " every token of every tweet of the train split. A training that was killed goes on at its last round; each"
        f" round is a line of `library/{TEXT_LOG}`."
    ),
)
def lstm_checkpoint(
    context: dg.AssetExecutionContext,
    config: LstmOverrides,  # type: ignore[valid-type]  # a class, made of the recipe
    tweet_tokens: Tensors,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        device = trainer.device()
        from assets.tweets import lstm_training as steps
        from assets.tweets import token_rows

        preset = context.partition_key
        overrides = launchpad.given(config)
        recipe = presets.overridden(presets.read(PRESETS, LstmRecipe)[preset], overrides)
        version = learned_from(context, "tweets", tweet_tokens, asset="tweet_tokens")
        if token_rows.about_of(tweet_tokens)["corpus"] != current_version(context.instance, "tweet_corpus"):
            raise BadInput(
                "tweet_tokens was made of an earlier tweet_corpus than there is now.",
                "Materialize tweet_tokenizer and tweet_tokens: the job tweets_prepare makes all three.",
            )
        done = finished_meanwhile(context, trainer.store, recipe, version, CODE_VERSION)
        if done is not None:
            return done
        prepared = steps.prepare(tweet_tokens, recipe, device)
        training = trainer.fit(
            context,
            prepared.module,
            prepared.train,
            prepared.validation,
            recipe.counted_in_rounds(),
            inputs="\n".join([CODE_VERSION, version, recipe.identity()]),
            text_log=TEXT_LOG,
        )
        checkpoint = steps.finish(
            prepared, training, preset=preset, overrides=overrides, data_version=version, device=device
        )
        result = checkpoint_result(context, checkpoint, training, tracking)
    rate = training.samples_per_s * prepared.tokens_per_row
    more = {
        "tokens_per_s": round(rate, 1),
        "tokens_of_an_epoch": round(prepared.train.rows_per_epoch * prepared.tokens_per_row),
        "rounds_of_an_epoch": recipe.rounds,
        "corpus": prepared.about["corpus"],
    }
    return result._replace(metadata={**(result.metadata or {}), **more})
