"""A fitted model of house prices, one for each preset.

Belongs here: the asset, and which part of the work its preset asks for. Does not belong here: fitting itself
(`module.py`, `baselines.py`).
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.housing.dataset import GROUP, OWNERS, columns_of
from assets.housing.recipe import HousingRecipe
from dagster_project.partitions import housing_presets
from resources.errors import failures
from resources.progress import Progress
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training import presets
from resources.training.launchpad import given, overrides_of
from resources.training.results import checkpoint_result, finished_meanwhile, learned_from
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    from resources.training.keeper import Training

PRESETS = Path(__file__).with_name("presets.yaml")
PRODUCT = "housing"
CODE_VERSION = "1"
TEXT_LOG = "housing/training_log.txt"

HousingOverrides = overrides_of(HousingRecipe)


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    partitions_def=housing_presets,
    group_name=GROUP,
    kinds={"python", "torch"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    pool="gpu_training",
    dagster_type=Checkpoint,
    description=(
        "Models of house prices, one for each split of the rows: by preset an ensemble of small networks, all of them"
        " trained together as one batched computation, or a baseline (mean, least squares, boosted trees, Gaussian"
        f" process). Every epoch is a line of `library/{TEXT_LOG}`."
    ),
)
def housing_checkpoint(
    context: dg.AssetExecutionContext,
    config: HousingOverrides,  # type: ignore[valid-type]  # a class made of HousingRecipe's fields
    housing_dataset: Tensors,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        needed()
        overrides = given(config)
        recipe = presets.overridden(presets.read(PRESETS, HousingRecipe)[context.partition_key], overrides)
        version = learned_from(context, PRODUCT, housing_dataset)
        done = finished_meanwhile(context, trainer.store, recipe, version, CODE_VERSION)
        if done is not None:
            return done
        training: Training | None = None
        if recipe.is_baseline:
            weights, took = _baseline(context, recipe, housing_dataset)
            context.log.info(f"fitted {recipe.model} on all splits in {took:.1f} s")
        else:
            training, weights = _ensemble(context, recipe, housing_dataset, trainer, version)
        checkpoint = _checkpoint(context.partition_key, recipe, overrides, housing_dataset, weights, training, version)
        return checkpoint_result(context, checkpoint, training, tracking)


def _baseline(
    context: dg.AssetExecutionContext, recipe: HousingRecipe, dataset: Tensors
) -> tuple[dict[str, Any], float]:
    """Weights, and the seconds it took."""
    from assets.housing import baselines
    from assets.housing.splits import Scales

    at_hand = {name: tensor.cpu() for name, tensor in dataset.items()}
    values, target, splits = at_hand["features"], at_hand["target"], at_hand["splits"]
    started = time.monotonic()
    progress = Progress(context.log, f"fitting {recipe.model}", len(splits), "splits")
    of = Scales.of_tensors(at_hand)
    fitted = baselines.fit(recipe, values, target, splits, of, progress.update)
    return {**of.tensors(), **fitted}, time.monotonic() - started


def _ensemble(
    context: dg.AssetExecutionContext, recipe: HousingRecipe, dataset: Tensors, trainer: Trainer, version: str
) -> tuple["Training", dict[str, Any]]:
    from assets.housing.module import HousingModule, kept, train_batches, validation_batches

    device = trainer.device()
    values, target, splits = (dataset[name].to(device) for name in ("features", "target", "splits"))
    module = HousingModule(recipe, values, target, splits)
    training = trainer.fit(
        context,
        module,
        train_batches(recipe, splits),
        validation_batches(recipe, splits),
        recipe,
        inputs=f"{version} {CODE_VERSION} {recipe.identity()}",
        text_log=TEXT_LOG,
    )
    return training, {**module.of_splits(), **kept(recipe, training.weights)}


def _checkpoint(
    preset: str,
    recipe: HousingRecipe,
    overrides: dict[str, Any],
    dataset: Tensors,
    weights: dict[str, Any],
    training: "Training | None",
    version: str,
) -> Checkpoint:
    from assets.housing import predicting, scoring, tables
    from assets.housing.card import HousingCard

    values, target, splits = (dataset[name].cpu() for name in ("features", "target", "splits"))
    columns = columns_of(dataset)
    logs, spread = predicting.of_splits(recipe, weights, values)
    validation = scoring.score(logs.numpy(), spread.numpy(), target.numpy(), splits.numpy()).metrics()["validation"]
    card = HousingCard(
        product=PRODUCT,
        preset=preset,
        recipe=recipe.model_dump(mode="json"),
        overrides=overrides,
        baseline=recipe.is_baseline,
        data_version=version,
        code_version=CODE_VERSION,
        seed=recipe.seed,
        metrics={f"val_{name}": value for name, value in validation.items()},
        epochs=training.curve if training else (),
        model=recipe.model,
        members=recipe.members,
        hidden=tuple(recipe.hidden),
        depth=recipe.depth,
        columns=columns,
        units=predicting.units_of(columns),
        dropped=tuple(column.name for column in tables.FEATURES if column.name not in columns),
        lowest=tuple(values.amin(0).tolist()),
        highest=tuple(values.amax(0).tolist()),
        target=tables.TARGET.name,
        target_unit=tables.TARGET.unit,
        splits=len(splits),
        level=predicting.LEVEL,
        residuals=predicting.residuals(logs, spread, target, splits),
    )
    return Checkpoint(weights, card)
