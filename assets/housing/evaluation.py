"""How good a model of house prices is.

Belongs here: the asset, its pictures and tables. Does not belong here: the figures (`scoring.py`), who becomes
champion (`champion.py`).
"""

from typing import Any

import dagster as dg

from assets.housing.checkpoint import PRESETS, PRODUCT
from assets.housing.dataset import GROUP, OWNERS
from assets.housing.recipe import HousingRecipe
from dagster_project.partitions import housing_presets
from resources.checks import partition_check
from resources.errors import CorruptArtifact, MissingArtifact, failures
from resources.store import records
from resources.store.codecs import OutdatedArtifact
from resources.store.io_manager import ArtifactStore
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training import presets
from resources.training.documents import Evaluation
from resources.training.results import evaluation_result, judged

_CPU = {"device": "cpu"}  # these models are small; on one kind of device an evaluation is replayed bit for bit
_SLACK = 0.05
"""Coverage of a 90 % interval may be so much lower before a person is warned: with 20 x 51 test rows, of which each
row is there about twice, its standard error is about 0.013; four of these."""


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    partitions_def=housing_presets,
    group_name=GROUP,
    kinds={"python", "json"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Evaluation,
    ins={"housing_dataset": dg.AssetIn(metadata=_CPU), "housing_checkpoint": dg.AssetIn(metadata=_CPU)},
    description=(
        "Errors of each split's model on the validation and test rows of that split, in 1000 USD: RMSE and MAE, mean"
        " and standard deviation over splits, and how often prices lie in their intervals. Models are compared on"
        " validation alone."
    ),
    check_specs=[
        partition_check(
            "intervals_hold",
            asset="housing_evaluation",
            partitions_def=housing_presets,
            description="About as many test prices lie in their intervals as these promise.",
        )
    ],
)
def housing_evaluation(
    context: dg.AssetExecutionContext,
    housing_dataset: Tensors,
    housing_checkpoint: Checkpoint,
    tracking: Tracking,
    store: ArtifactStore,
) -> dg.MaterializeResult:
    with failures():
        from assets.housing import pictures, predicting, scoring
        from assets.housing.card import HousingCard

        card = housing_checkpoint.card
        assert isinstance(card, HousingCard), "a housing checkpoint has a housing card"
        of = judged(context, PRODUCT, housing_checkpoint)
        values, target, splits = (housing_dataset[name] for name in ("features", "target", "splits"))
        logs, spread = predicting.of_splits(card, housing_checkpoint.weights, values)
        scores = scoring.score(logs.numpy(), spread.numpy(), target.numpy(), splits.numpy())
        metrics = scores.metrics()
        evaluation = Evaluation(
            product=PRODUCT,
            model=context.partition_key,
            baseline=card.baseline,
            data_version=of.data_version,
            checkpoint=of.checkpoint,
            metric="rmse",
            statistic="rms",
            scores=tuple(scores.errors["validation"].tolist()),
            groups=tuple(scores.rows["validation"].tolist()),
            metrics=metrics,
            details={"per_split": scores.per_split, "level": card.level},
        )
        true = target.numpy()[scores.rows["test"]]
        predicted = true + scores.errors["test"]
        test = metrics["test"]
        title = f"{context.partition_key}, test rows: mean RMSE of the {len(splits)} splits {test['rmse_mean']:.2f}"
        return evaluation_result(
            context,
            evaluation,
            tracking,
            of,
            pictures={
                "predicted_against_true": pictures.predicted_against_true(true, predicted, title),
                "residuals": pictures.residuals(true, predicted),
            },
            metadata={
                "per_split": dg.MetadataValue.md(scoring.table(scores.per_split)),
                "against_baselines": dg.MetadataValue.md(_against_baselines(context, store, evaluation)),
            },
            check_results=[_intervals(test["coverage"], card.level)],
        )


def _against_baselines(context: dg.AssetExecutionContext, store: ArtifactStore, mine: Evaluation) -> str:
    """The differences, split by split, to every baseline that was evaluated on the same data."""
    from assets.housing import scoring

    others: dict[str, Any] = {}
    for name, recipe in presets.read(PRESETS, HousingRecipe).items():
        if not recipe.is_baseline or name == mine.model:
            continue
        record = records.latest(context.instance, context.asset_key, name)
        if record is None:
            continue
        try:
            other = store.load(record)
        except (CorruptArtifact, MissingArtifact, OutdatedArtifact) as error:
            context.log.warning(f"{name} is not compared with: {error.message}")
            continue
        if isinstance(other, Evaluation) and other.data_version == mine.data_version:
            others[name] = other.details["per_split"]
    if not others:
        return "No baseline has been evaluated on these data yet."
    return scoring.compared(mine.details["per_split"], others)


def _intervals(coverage: float, level: float) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="intervals_hold",
        passed=coverage >= level - _SLACK,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"coverage": round(coverage, 4), "promised": level},
    )
