"""The tweets and the prompts that people dropped.

Belongs here: the external assets, and what all assets of this product share. Does not belong here: taking files in
(`resources/intake/batches.py`), reading them (`reading.py`).
"""

import dagster as dg

from dagster_project.partitions import tweet_batches

GROUP = "tweets"
OWNERS = ["team:scriptorium"]

tweet_files = dg.AssetSpec(
    "tweet_files",
    group_name=GROUP,
    kinds={"file", "csv"},
    owners=OWNERS,
    description=(
        "All CSV and text files in the inbox's folder `tweets/`, together: Sentiment140, or any other tweets. Their"
        " names and order do not matter. They stay where they are and are never changed."
    ),
)

tweet_prompts = dg.AssetSpec(
    "tweet_prompts",
    partitions_def=tweet_batches,
    group_name=GROUP,
    kinds={"file", "csv"},
    owners=OWNERS,
    description="Files in the inbox's folder `tweets/predict/`, whose texts are to be completed. Never changed.",
)
