"""The jobs of the product `sentiment`: one file from dataset to champion, the pooled champion, predictions.

Belongs here: named selections of sentiment assets. Does not belong here: what starts them (`sensors/sentiment.py`).
"""

from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.partitions import sentiment_batches, sentiment_files

CHAIN = ("dataset", "baseline", "checkpoint", "evaluation", "champion")
"""What a run of `sentiment` makes of a file, in this order."""


def sentiment_jobs(validation: Path | None) -> dict[str, dg.JobDefinition]:
    """`sentiment`, `sentiment_pool` and `sentiment_predict` by name.

    `validation` is the file on which the champions of all files are compared, None where the owner names none.
    """
    pooled: dict[str, Any] = {"validation": str(validation)} if validation else {}

    def job(name: str, parts: tuple[str, ...], description: str, **options: Any) -> dg.JobDefinition:
        return dg.define_asset_job(  # type: ignore[return-value]  # resolved when the definitions are
            name,
            selection=dg.AssetSelection.assets(*(f"sentiment_{part}" for part in parts)),
            # One run, one process: the tokens and the weights stay on the device from asset to asset.
            executor_def=dg.in_process_executor,
            description=description,
            **options,
        )

    jobs = [
        job(
            "sentiment",
            CHAIN,
            "Everything for one file of labelled tweets: dataset, baselines, fine-tuning, evaluation, champion.",
            partitions_def=sentiment_files,
        ),
        job(
            "sentiment_pool",
            ("pooled_champion",),
            "Compares the champions of all files on the one validation file that the owner names.",
            config={"ops": {"sentiment_pooled_champion": {"config": pooled}}},
        ),
        job(
            "sentiment_predict",
            ("predictions",),
            "Labels and probabilities for one batch of files.",
            partitions_def=sentiment_batches,
        ),
    ]
    return {made.name: made for made in jobs}
