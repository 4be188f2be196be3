"""The jobs of the product `tweets`: a corpus, an LSTM, a transformer, their comparison, completions.

Belongs here: named selections of tweet assets. Does not belong here: in which order they run (`scriptorium train`,
`sensors/chain.py`), what starts them.
"""

import dagster as dg

from dagster_project.partitions import lstm_presets, transformer_presets, tweet_batches


def _job(
    name: str, assets: list[str], partitions: dg.PartitionsDefinition | None, description: str
) -> dg.JobDefinition:
    return dg.define_asset_job(  # type: ignore[return-value]  # resolved when the definitions are
        name,
        selection=dg.AssetSelection.assets(*assets),
        partitions_def=partitions,
        # One run, one process: tokens and weights stay on the device from asset to asset.
        executor_def=dg.in_process_executor,
        description=description,
    )


tweets_prepare = _job(
    "tweets_prepare",
    ["tweet_corpus", "tweet_tokenizer", "tweet_tokens"],
    None,
    "Makes the corpus, its tokenizer and its tokens. What learned from another corpus is out of date.",
)
tweets_train_lstm = _job(
    "tweets_train_lstm",
    ["lstm_checkpoint"],
    lstm_presets,
    "Trains one preset of the LSTM on the tokens that are there. A sweep is a backfill of it.",
)
tweets_train_transformer = _job(
    "tweets_train_transformer",
    ["transformer_checkpoint"],
    transformer_presets,
    "Takes a pretrained language model as it is, or fine-tunes it on the corpus that is there, as the preset says.",
)
tweets_compare = _job(
    "tweets_compare",
    ["completion_comparison"],
    None,
    "Compares the newest checkpoints of every preset that learned from the corpus as it is now.",
)
tweets_complete = _job(
    "tweets_complete", ["tweet_completions"], tweet_batches, "Completes one batch of tweets' beginnings."
)
