"""The inboxes of the product `tweets`: a corpus to learn from, and prompts to complete.

Belongs here: which folder feeds which job. Does not belong here: how a folder is watched (`batches.py`), what follows
from a new corpus (`chain.py`), and what the jobs do (`jobs/tweets.py`).
"""

from pathlib import Path

import dagster as dg

from resources.intake.batch_events import Batches
from resources.intake.files import TEXTS
from sensors.batches import always, batch_sensor, first_made
from sensors.chain import CHAIN_TAG
from sensors.inbox import Limits

TWEET_FILES = Batches("tweet_files", None, TEXTS, "tweets_prepare", "tweet_corpus")
TWEET_PROMPTS = Batches("tweet_prompts", "tweet_batches", TEXTS, "tweets_complete", "tweet_completions")


def tweets_inbox(*, folder: Path, prompts: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `tweet_files`: a run of `tweets_prepare` when the contents of `folder` have changed.

    `prompts` is the folder in it that `tweet_prompts_inbox` watches.
    """
    return batch_sensor(
        name="tweet_files",
        batches=TWEET_FILES,
        folder=folder,
        exclude=[prompts],
        limits=limits,
        failures=failures,
        ready=always,
        tags={CHAIN_TAG: "inbox"},
        description=(
            f"Takes all CSV and text files in {folder} together, once they have stopped changing, and makes the corpus"
            " of them anew whenever one was added, removed or edited; an LSTM, a transformer as it is, the same"
            " fine-tuned, and their comparison follow. Names do not matter, nor does their order."
        ),
    )


def tweet_prompts_inbox(*, folder: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `tweet_prompts`: one run of `tweets_complete` for the files dropped together into `folder`."""
    return batch_sensor(
        name="tweet_prompts",
        batches=TWEET_PROMPTS,
        folder=folder,
        limits=limits,
        failures=failures,
        ready=first_made("lstm_checkpoint", "transformer_checkpoint", by="scriptorium train tweets"),
        description=(
            f"Takes the files of tweets' beginnings dropped into {folder} together, once they have stopped changing,"
            " as one batch: one partition and one run that completes them. They wait until there is a checkpoint."
        ),
    )
