"""The images that are to be predicted, as people gave them.

Belongs here: the external asset. Does not belong here: taking files in (`resources/intake/batches.py`).
"""

import dagster as dg

from assets.cifar10.dataset import GROUP, OWNERS
from dagster_project.partitions import cifar10_batches

cifar10_images = dg.AssetSpec(
    "cifar10_images",
    partitions_def=cifar10_batches,
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    description=(
        "Image files that were put into the inbox's folder `cifar10/` together, or given to `scriptorium infer"
        " cifar10`. They stay where they are and are never changed; the data version is a digest over names and"
        " bytes."
    ),
)
