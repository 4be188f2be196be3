"""What is told of a checkpoint and an evaluation, the same for every product.

Belongs here: their metadata in Dagster, their traces in MLflow, what of them lies in the library. Does not belong here:
how they are made (`assets/<product>/`), what is told of a champion (`crowning.py`).

A product's checkpoints learn from one dataset, each by another preset; or, where the dataset has partitions itself,
each from that of its own partition.
"""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.errors import BadInput, CorruptArtifact, MissingArtifact
from resources.store import records
from resources.store.codecs import OutdatedArtifact
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint, Table, Tensors
from resources.tracking import Tracking
from resources.training.documents import Card, Evaluation
from resources.training.plots import as_markdown, curves
from resources.training.recipe import Recipe

if TYPE_CHECKING:
    from resources.training.keeper import Training

MLFLOW_RUN = "mlflow_run"
UNUSABLE = (CorruptArtifact, MissingArtifact, OutdatedArtifact)
"""What an earlier value may be without harm to a new one: damaged, gone, or of an earlier version of this program."""


def current_version(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> str:
    """The data version, as it is now, of an asset that something learns from, or of one partition of it.

    Raises: MissingArtifact if it was never made; BadInput if a check refused it.
    """
    key = dg.AssetKey(asset)
    name = titled(asset, partition)
    record = records.latest(instance, key, partition)
    if record is None or record.digest is None:
        raise MissingArtifact(f"{name} was never made.", f"Materialize {name} first.")
    if checks := records.refused(instance, record.run).get(key):
        raise BadInput(
            f"{name} was refused by its check {', '.join(checks)}.",
            "Look at what the check says in the UI, correct the data, and make it again.",
        )
    return record.digest


def dataset_version(instance: dg.DagsterInstance, product: str, partition: str | None = None) -> str:
    """`current_version` of the product's dataset, or of one partition of it."""
    return current_version(instance, f"{product}_dataset", partition)


def learned_from(
    context: dg.AssetExecutionContext,
    product: str,
    dataset: Tensors | Table,
    partition: str | None = None,
    *,
    asset: str | None = None,
) -> str:
    """The data version of the dataset (of one partition of it) that this step was given.

    `asset` is its name where that is not `<product>_dataset`.
    Raises: BadInput if a check refused it, or it is not the newest any more.
    """
    asset = asset or f"{product}_dataset"
    version = current_version(context.instance, asset, partition)
    if dataset.data_version != version:
        raise BadInput(f"{titled(asset, partition)} was made anew while this run waited.", "Run it again.")
    return version


@dataclass(frozen=True)
class Judged:
    """The checkpoint that an evaluation is about: its data version, and its run in MLflow if it has one."""

    checkpoint: str
    data_version: str
    mlflow_run: str | None


def judged(
    context: dg.AssetExecutionContext,
    product: str,
    checkpoint: Checkpoint,
    partition: str | None = None,
    *,
    asset: str | None = None,
) -> Judged:
    """What an evaluation has to say of the checkpoint that it was given, which need not be the newest.

    `partition` is that of the dataset, where it has any; the checkpoint is of this step's, and was made by `asset`
    (`<product>_checkpoint` where none is named).
    Raises: BadInput if the dataset has changed since: what it learned from may be among what it would be judged by.
    """
    version, digest, card = (
        dataset_version(context.instance, product, partition),
        checkpoint.data_version,
        checkpoint.card,
    )
    assert digest is not None, "the checkpoint was loaded from the store"
    assert isinstance(card, Card), "checkpoints of training products carry a card of their kind"
    asset = asset or f"{product}_checkpoint"
    if card.data_version != version:
        command = f"Train it again: scriptorium train {product} --preset {context.partition_key}"
        raise BadInput(
            f"{titled(asset, context.partition_key)} learned from another dataset ({card.data_version[:12]}) than there"
            f" is now ({version[:12]}).",
            command if partition is None else f"Run the job {product} for {partition} again.",
        )
    made = records.versions(context.instance, dg.AssetKey(asset), context.partition_key)
    runs = [mlflow_run(record) for record in made if record.digest == digest]
    return Judged(digest, version, next((run for run in runs if run), None))


def finished_meanwhile(
    context: dg.AssetExecutionContext,
    store: ArtifactStore,
    recipe: Recipe,
    data_version: str,
    code_version: str,
    same: Callable[[Card], bool] = lambda card: True,
) -> dg.MaterializeResult | None:
    """The result of another run that finished this very training since this run was asked for; None if there is none.

    `same` says of a card whether the rest of what decides this training, if there is any, was the same. After a crash
    Dagster repeats a run by itself, and a person may have asked for the same at the same time.
    """
    record = records.latest(context.instance, context.asset_key, context.partition_key)
    asked = context.instance.get_run_record_by_id(context.run_id)
    if record is None or record.event is None or asked is None or record.run == context.run_id:
        return None
    if record.timestamp < asked.create_timestamp.timestamp():
        return None
    try:
        value = store.load(record, "cpu")
    except UNUSABLE:
        return None
    assert isinstance(value, Checkpoint), "a checkpoint asset returns checkpoints"
    card = value.card
    assert isinstance(card, Card), "checkpoints of training products carry a card of their kind"
    if not recipe.made(card.recipe) or (card.data_version, card.code_version) != (data_version, code_version):
        return None
    if not same(card):
        return None
    context.log.info(f"Run {record.run[:8]} has finished this training meanwhile; nothing is trained again.")
    said = {name: value for name, value in record.event.metadata.items() if name != records.RESTORED_RUN}
    return dg.MaterializeResult(value=value, metadata=said)


def checkpoint_result(
    context: dg.AssetExecutionContext,
    checkpoint: Checkpoint,
    training: "Training | None",
    tracking: Tracking,
    *,
    pictures: Mapping[str, bytes] | None = None,
    metadata: Mapping[str, Any] | None = None,
    check_results: Sequence[dg.AssetCheckResult] = (),
    name: str | None = None,
) -> dg.MaterializeResult:
    """The result of a `<product>_checkpoint`: curves, final metrics, size, speed, and the run in MLflow.

    `training` is None for a baseline; `pictures` are further PNGs by name, `metadata` what only this product has;
    `name` is the run's in MLflow, the preset's where none is given.
    """
    card = checkpoint.card
    assert isinstance(card, Card), "checkpoints of training products carry a card of their kind"
    shown = dict(pictures or {})
    if training is not None:
        shown = {"curves": curves(training.epochs), **shown}
    speed = {} if training is None else _speed(training)
    tracked = tracking.training(
        card.product,
        name or card.preset,
        params={**card.recipe, "baseline": card.baseline},
        epochs=[] if training is None else training.epochs,
        metrics={**card.metrics, **{name: value for name, value in speed.items() if isinstance(value, int | float)}},
        pictures=shown,
        card_json=card.model_dump_json(indent=1).encode(),
        tags={"dataset_digest": card.data_version, "dagster_run_id": context.run_id, "preset": card.preset},
    )
    if tracked.warning:
        context.log.warning(tracked.warning)
    told: dict[str, Any] = {
        **{name: dg.MetadataValue.md(as_markdown(png, name)) for name, png in shown.items()},
        "final_metrics": dg.MetadataValue.md(_table(card.metrics)),
        **rounded(card.metrics),
        **speed,
        "parameters": sum(tensor.numel() for tensor in checkpoint.weights.values()),
        "data_version_of_dataset": card.data_version,
        **(metadata or {}),
        **traces(tracked.run_id, tracked.warning),
        "recipe": dg.MetadataValue.json({name: value for name, value in card.recipe.items() if value is not None}),
    }
    if card.overrides:
        told["overrides"] = dg.MetadataValue.json(dict(card.overrides))
    return dg.MaterializeResult(value=checkpoint, metadata=told, check_results=list(check_results))


def evaluation_result(
    context: dg.AssetExecutionContext,
    evaluation: Evaluation,
    tracking: Tracking,
    judged: Judged,
    *,
    pictures: Mapping[str, bytes] | None = None,
    metadata: Mapping[str, Any] | None = None,
    check_results: Sequence[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult:
    """The result of a `<product>_evaluation`: metrics by split, pictures, and the same in the checkpoint's MLflow run.

    `metadata` adds to it what only this product has.
    """
    numbers = {flat(split, name): value for split, each in evaluation.metrics.items() for name, value in each.items()}
    warning = tracking.finished(
        judged.mlflow_run, checkpoint_digest=judged.checkpoint, metrics=numbers, pictures=dict(pictures or {})
    )
    if warning:
        context.log.warning(warning)
    return dg.MaterializeResult(
        value=evaluation,
        metadata={
            "metrics": dg.MetadataValue.md(_splits_table(evaluation.metrics)),
            **{name: dg.MetadataValue.md(as_markdown(png, name)) for name, png in (pictures or {}).items()},
            **rounded(numbers),
            "checkpoint": judged.checkpoint,
            **(metadata or {}),
            **traces(judged.mlflow_run, warning),
        },
        check_results=list(check_results),
    )


def publish_predictions(store: ArtifactStore, product: str, name: str, files: Mapping[str, bytes]) -> str:
    """Put the files into `library/<product>/predictions/<name>/`; return that folder's absolute path."""
    return publish_files(store, f"{product}/predictions/{name}", files)


def publish_files(store: ArtifactStore, folder: str, files: Mapping[str, bytes]) -> str:
    """Make the library's `folder` hold these files; return its absolute path."""
    with tempfile.TemporaryDirectory() as place:
        paths = {file: Path(place) / file for file in files}
        for file, path in paths.items():
            path.write_bytes(files[file])
        store.publish(folder, paths)
    return str(Path(store.library).absolute() / folder)


def titled(asset: str, partition: str | None) -> str:
    """An asset, or one partition of it, in a sentence."""
    return asset if partition is None else f"{asset} [{partition}]"


def mlflow_run(record: Record) -> str | None:
    """The MLflow run that a materialization names, if any."""
    said = None if record.event is None else record.event.metadata.get(MLFLOW_RUN)
    return None if said is None else str(said.value)


def traces(run_id: str | None, warning: str | None) -> dict[str, Any]:
    """Metadata: the run in MLflow, if one was written, and what went wrong, if something did."""
    run = {MLFLOW_RUN: dg.MetadataValue.text(run_id)} if run_id else {}
    return {**run, "mlflow_warning": dg.MetadataValue.text(warning)} if warning else dict(run)


def _speed(training: "Training") -> dict[str, Any]:
    said: dict[str, Any] = {
        "epochs": len(training.epochs),
        "kept_epoch": training.kept_epoch,
        "wall_s": round(training.wall_s, 3),
        "wall_s_without_warm_up": round(training.train_s, 3),
        "samples_per_s": round(training.samples_per_s, 1),
        "peak_memory_mb": round(training.peak_memory_bytes / 1e6, 1),
        "device_wait_share": round(training.device_wait_share, 4),
        "resumed_from_epoch": training.resumed_from,
    }
    return {**said, "stopped": training.stopped} if training.stopped else said


def rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    """To six digits, which is more than any metric is certain to; the full numbers are in the value."""
    return {name: float(f"{value:.6g}") for name, value in metrics.items() if math.isfinite(value)}


def flat(split: str, name: str) -> str:
    """`val_` for validation, as in the curves; the other splits by their names."""
    return f"{'val' if split == 'validation' else split}_{name}"


def _table(metrics: Mapping[str, float]) -> str:
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in metrics.items())
    return f"| metric | value |\n|---|---|\n{rows}"


def _splits_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    splits = list(metrics)
    names = dict.fromkeys(name for each in metrics.values() for name in each)
    rows = [
        f"| {name} | {' | '.join(f'{metrics[s][name]:.4f}' if name in metrics[s] else '' for s in splits)} |"
        for name in names
    ]
    return "\n".join([f"| metric | {' | '.join(splits)} |", f"|---|{'---|' * len(splits)}", *rows])
