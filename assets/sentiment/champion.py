"""The classifier of a file to use: its network, or the baseline that the network does not beat.

Belongs here: the asset. Does not belong here: how it is chosen (`resources/training/champion.py`).
"""

import dagster as dg

from assets.sentiment import choosing
from assets.sentiment.baseline import EVALUATION
from assets.sentiment.recipe import PRODUCT
from assets.sentiment.source import GROUP, OWNERS
from dagster_project.partitions import sentiment_files
from resources.errors import BadInput, MissingArtifact, failures
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint
from resources.tracking import Tracking
from resources.training.crowning import beats_baselines_check, champion_result
from resources.training.documents import Evaluation


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    ins={"sentiment_baseline": dg.AssetIn(metadata={"device": "cpu"})},
    partitions_def=sentiment_files,
    group_name=GROUP,
    kinds={"torch"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Checkpoint,
    description=(
        "The best classifier of a file by macro recall on validation: its fine-tuned network, or the best baseline,"
        " which is champion itself where no network beats it. One that reigns is replaced only by what is better beyond"
        " chance. Its evaluation lies beside it; the verdict is also in `library/sentiment/<file>/champion/`."
    ),
    check_specs=[beats_baselines_check(PRODUCT, partitions_def=sentiment_files)],
)
def sentiment_champion(
    context: dg.AssetExecutionContext,
    sentiment_baseline: Checkpoint,
    sentiment_evaluation: Evaluation,
    store: ArtifactStore,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        baseline = baseline_evaluation(sentiment_baseline)
        if baseline.data_version != sentiment_evaluation.data_version:
            raise BadInput(
                f"The baseline and the network of {context.partition_key} were judged by different versions of its"
                " dataset: whether the network beats the baseline is not known.",
                "Run the job sentiment for this file again.",
            )
        evaluations = {each.model: each for each in (baseline, sentiment_evaluation)}

        def find(digest: str) -> Record:
            record = choosing.by_data_version(context.instance, digest)
            if record is None:
                raise MissingArtifact(
                    f"The checkpoint {digest[:12]} of {context.partition_key} is gone.",
                    "Run the job sentiment for this file again.",
                )
            return record

        return champion_result(context, store, tracking, PRODUCT, evaluations, find=find)


def baseline_evaluation(baseline: Checkpoint) -> Evaluation:
    """The evaluation stored beside a baseline, with the baseline's data version, which no part of it can hold."""
    assert baseline.data_version is not None, "it was loaded from the store"
    stored = Evaluation.model_validate_json(baseline.files.path(EVALUATION).read_bytes())
    return stored.model_copy(update={"checkpoint": baseline.data_version})
