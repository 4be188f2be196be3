"""The checkpoints of CIFAR-10, one for each preset.

Belongs here: the asset. Does not belong here: how a preset is trained (`training.py`), what is told of a checkpoint
(`resources/training/results.py`).
"""

from pathlib import Path

import dagster as dg

from assets.cifar10.recipe import CODE_VERSION, Cifar10Recipe
from dagster_project.partitions import cifar10_presets
from resources.errors import failures
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training import launchpad, presets
from resources.training.results import checkpoint_result, finished_meanwhile, learned_from
from resources.training.trainer import Trainer

PRESETS = Path(__file__).with_name("presets.yaml")

Overrides = launchpad.overrides_of(Cifar10Recipe)


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    dagster_type=Checkpoint,
    partitions_def=cifar10_presets,
    group_name="cifar10",
    kinds={"torch", "lightning"},
    owners=["team:scriptorium"],
    pool="gpu_training",
    code_version=CODE_VERSION,
    description=(
        "A trained network, or a baseline, for each entry of presets.yaml, with all that predictions need besides the"
        " weights: class names, normalisation, temperature. A training that was killed goes on at its last epoch."
    ),
)
def cifar10_checkpoint(
    context: dg.AssetExecutionContext,
    config: Overrides,  # type: ignore[valid-type]  # a class, made of the recipe
    cifar10_dataset: Tensors,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        device = trainer.device()
        from assets.cifar10 import training as steps

        preset = context.partition_key
        overrides = launchpad.given(config)
        recipe = presets.overridden(presets.read(PRESETS, Cifar10Recipe)[preset], overrides)
        version = learned_from(context, "cifar10", cifar10_dataset)
        done = finished_meanwhile(context, trainer.store, recipe, version, CODE_VERSION)
        if done is not None:
            return done
        prepared = steps.prepare(cifar10_dataset, recipe, device)
        training = None
        if prepared.module is not None:
            inputs = "\n".join([CODE_VERSION, version, recipe.identity()])
            training = trainer.fit(context, prepared.module, prepared.train, prepared.validation, recipe, inputs=inputs)
        checkpoint = steps.finish(
            prepared, training, preset=preset, overrides=overrides, data_version=version, device=device
        )
        return checkpoint_result(context, checkpoint, training, tracking)
