"""The model of house prices to use.

Belongs here: the asset. Does not belong here: how it is chosen (`resources/training/champion.py`).
"""

import dagster as dg

from assets.housing.checkpoint import PRODUCT
from assets.housing.dataset import GROUP, OWNERS
from resources.errors import failures
from resources.store.io_manager import ArtifactStore
from resources.store.types import Checkpoint
from resources.tracking import Tracking
from resources.training.crowning import beats_baselines_check, champion_result
from resources.training.documents import Evaluation


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    ins={
        "housing_evaluation": dg.AssetIn(
            metadata={"allow_missing_partitions": True}, partition_mapping=dg.AllPartitionMapping()
        )
    },
    group_name=GROUP,
    kinds={"python", "torch"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Checkpoint,
    description=(
        "The checkpoint whose validation RMSE is best: a new one replaces it only if it is better beyond chance, and a"
        " baseline that no network beats is champion itself. Its evaluation lies beside it."
    ),
    check_specs=[beats_baselines_check(PRODUCT)],
)
def housing_champion(
    context: dg.AssetExecutionContext,
    housing_evaluation: dict[str, Evaluation],
    store: ArtifactStore,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        return champion_result(context, store, tracking, PRODUCT, housing_evaluation)
