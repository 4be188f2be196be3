"""The champion of CIFAR-10: the best checkpoint by a test on validation, and why.

Belongs here: the asset. Does not belong here: how a champion is chosen (`resources/training/champion.py`).
"""

import dagster as dg

from resources.errors import failures
from resources.store.io_manager import ArtifactStore
from resources.store.types import Checkpoint
from resources.tracking import Tracking
from resources.training.crowning import beats_baselines_check, champion_result
from resources.training.documents import Evaluation


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    dagster_type=Checkpoint,
    ins={
        "cifar10_evaluation": dg.AssetIn(
            partition_mapping=dg.AllPartitionMapping(), metadata={"allow_missing_partitions": True}
        )
    },
    group_name="cifar10",
    kinds={"torch"},
    owners=["team:scriptorium"],
    code_version="1",
    description=(
        "The checkpoint that predictions use. A challenger takes its place only if it is more accurate on validation"
        " beyond chance, and no network does that a baseline beats. The verdict is written in the metadata."
    ),
    check_specs=[beats_baselines_check("cifar10")],
)
def cifar10_champion(
    context: dg.AssetExecutionContext,
    cifar10_evaluation: dict[str, Evaluation],
    store: ArtifactStore,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        return champion_result(context, store, tracking, "cifar10", cifar10_evaluation)
