"""What is told of a checkpoint, an evaluation and a champion, the same for every product.

Belongs here: their metadata in Dagster, their traces in MLflow, what of them lies in the library. Does not belong here:
how they are made (`assets/<product>/`), who becomes champion (`champion.py`).
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import ValidationError

from resources.errors import BadInput, CorruptArtifact, MissingArtifact
from resources.store import records
from resources.store.codecs import OutdatedArtifact
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training import choosing
from resources.training.champion import crown, markdown
from resources.training.documents import Card, Evaluation, Verdict
from resources.training.plots import as_markdown, curves
from resources.training.recipe import Recipe

if TYPE_CHECKING:
    from resources.training.loop import Training

MLFLOW_RUN = "mlflow_run"
_EVALUATION = "evaluation.json"
_UNUSABLE = (CorruptArtifact, MissingArtifact, OutdatedArtifact)
"""What an earlier value may be without harm to a new one: damaged, gone, or of an earlier version of this program."""


def dataset_version(instance: dg.DagsterInstance, product: str) -> str:
    """The data version of the product's dataset as it is now.

    Raises: MissingArtifact if it was never made; BadInput if a check refused it.
    """
    name = dg.AssetKey(f"{product}_dataset")
    record = records.latest(instance, name, None)
    if record is None or record.digest is None:
        raise MissingArtifact(f"{product}_dataset was never made.", f"Materialize {product}_dataset first.")
    if checks := records.refused(instance, record.run).get(name):
        raise BadInput(
            f"{product}_dataset was refused by its check {', '.join(checks)}.",
            "Look at what the check says in the UI, correct the data, and make it again.",
        )
    return record.digest


def learned_from(context: dg.AssetExecutionContext, product: str, dataset: Tensors) -> str:
    """The data version of the dataset that this step was given. Raises: BadInput if a check refused it, or it is not
    the newest any more.
    """
    version = dataset_version(context.instance, product)
    if dataset.data_version != version:
        raise BadInput(f"{product}_dataset was made anew while this run waited.", "Run it again.")
    return version


@dataclass(frozen=True)
class Judged:
    """The checkpoint that an evaluation is about: its data version, and its run in MLflow if it has one."""

    checkpoint: str
    data_version: str
    mlflow_run: str | None


def judged(context: dg.AssetExecutionContext, product: str, checkpoint: Checkpoint) -> Judged:
    """What an evaluation has to say of the checkpoint that it was given, which need not be the newest.

    Raises: BadInput if the dataset has changed since: what it learned from may be among what it would be judged by.
    """
    version, digest, card = dataset_version(context.instance, product), checkpoint.data_version, checkpoint.card
    assert digest is not None, "the checkpoint was loaded from the store"
    assert isinstance(card, Card), "checkpoints of training products carry a card of their kind"
    if card.data_version != version:
        raise BadInput(
            f"{product}_checkpoint [{context.partition_key}] learned from another dataset ({card.data_version[:12]})"
            f" than there is now ({version[:12]}).",
            f"Train it again: scriptorium train {product} --preset {context.partition_key}",
        )
    made = records.versions(context.instance, dg.AssetKey(f"{product}_checkpoint"), context.partition_key)
    runs = [_mlflow_run(record) for record in made if record.digest == digest]
    return Judged(digest, version, next((run for run in runs if run), None))


def finished_meanwhile(
    context: dg.AssetExecutionContext, store: ArtifactStore, recipe: Recipe, data_version: str, code_version: str
) -> dg.MaterializeResult | None:
    """The result of another run that finished this very training since this run was asked for; None if there is none.

    After a crash Dagster repeats a run by itself, and a person may have asked for the same at the same time.
    """
    record = records.latest(context.instance, context.asset_key, context.partition_key)
    asked = context.instance.get_run_record_by_id(context.run_id)
    if record is None or record.event is None or asked is None or record.run == context.run_id:
        return None
    if record.timestamp < asked.create_timestamp.timestamp():
        return None
    try:
        value = store.load(record, "cpu")
    except _UNUSABLE:
        return None
    assert isinstance(value, Checkpoint), "a checkpoint asset returns checkpoints"
    card = value.card
    assert isinstance(card, Card), "checkpoints of training products carry a card of their kind"
    if not recipe.made(card.recipe) or (card.data_version, card.code_version) != (data_version, code_version):
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
    check_results: Sequence[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult:
    """The result of a `<product>_checkpoint`: curves, final metrics, size, speed, and the run in MLflow.

    `training` is None for a baseline; `pictures` are further PNGs by name.
    """
    card = checkpoint.card
    assert isinstance(card, Card), "checkpoints of training products carry a card of their kind"
    shown = dict(pictures or {})
    if training is not None:
        shown = {"curves": curves(training.epochs), **shown}
    speed = {} if training is None else _speed(training)
    tracked = tracking.training(
        card.product,
        card.preset,
        params={**card.recipe, "baseline": card.baseline},
        epochs=[] if training is None else training.epochs,
        metrics={**card.metrics, **{name: value for name, value in speed.items() if isinstance(value, int | float)}},
        pictures=shown,
        card_json=card.model_dump_json(indent=1).encode(),
        tags={"dataset_digest": card.data_version, "dagster_run_id": context.run_id, "preset": card.preset},
    )
    if tracked.warning:
        context.log.warning(tracked.warning)
    metadata: dict[str, Any] = {
        **{name: dg.MetadataValue.md(as_markdown(png, name)) for name, png in shown.items()},
        "final_metrics": dg.MetadataValue.md(_table(card.metrics)),
        **_rounded(card.metrics),
        **speed,
        "parameters": sum(tensor.numel() for tensor in checkpoint.weights.values()),
        "data_version_of_dataset": card.data_version,
        **_traces(tracked.run_id, tracked.warning),
        "recipe": dg.MetadataValue.json({name: value for name, value in card.recipe.items() if value is not None}),
    }
    if card.overrides:
        metadata["overrides"] = dg.MetadataValue.json(dict(card.overrides))
    return dg.MaterializeResult(value=checkpoint, metadata=metadata, check_results=list(check_results))


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
    flat = {_flat(split, name): value for split, each in evaluation.metrics.items() for name, value in each.items()}
    warning = tracking.finished(
        judged.mlflow_run, checkpoint_digest=judged.checkpoint, metrics=flat, pictures=dict(pictures or {})
    )
    if warning:
        context.log.warning(warning)
    return dg.MaterializeResult(
        value=evaluation,
        metadata={
            "metrics": dg.MetadataValue.md(_splits_table(evaluation.metrics)),
            **{name: dg.MetadataValue.md(as_markdown(png, name)) for name, png in (pictures or {}).items()},
            **_rounded(flat),
            "checkpoint": judged.checkpoint,
            **(metadata or {}),
            **_traces(judged.mlflow_run, warning),
        },
        check_results=list(check_results),
    )


def champion_result(
    context: dg.AssetExecutionContext,
    store: ArtifactStore,
    tracking: Tracking,
    product: str,
    evaluations: Mapping[str, Evaluation],
    *,
    margin: float = 0.0,
) -> dg.MaterializeResult:
    """The result of a `<product>_champion`: the checkpoint that won, with its evaluation beside it, and the verdict.

    The verdict is also written to `library/<product>/champion.md`. Raises: BadInput if there is nothing to choose from.
    """
    instance, version = context.instance, dataset_version(context.instance, product)
    before = _reigning(context, store, product)
    reigning = None if before is None else before.evaluation
    verdict = crown(evaluations, reigning, version, margin)
    again = [evaluation for evaluation in evaluations.values() if evaluation.checkpoint == verdict.checkpoint]
    won = again[0] if again else reigning
    assert won is not None, "the champion is one of the evaluations, or it reigned before"
    if before is not None and not verdict.changed:
        crowned, run = before.checkpoint, before.mlflow_run
    else:
        record = choosing.find(instance, product, won.checkpoint)
        loaded = store.load(record, "cpu")
        assert isinstance(loaded, Checkpoint), "a checkpoint asset returns checkpoints"
        crowned, run = loaded, _mlflow_run(record)
    files = {name: crowned.files[name] for name in crowned.files}
    # Its latest evaluation goes with it: the next one to compete is compared with that.
    value = Checkpoint(crowned.weights, crowned.card, {**files, _EVALUATION: won.model_dump_json().encode()})
    context.log.info(verdict.reason)
    report = markdown(verdict)
    warning = tracking.crowned(
        product,
        run_id=run,
        preset=verdict.champion,
        checkpoint_digest=verdict.checkpoint,
        metrics=won.metrics.get("validation", {}),
    )
    if warning:
        context.log.warning(warning)
    with tempfile.TemporaryDirectory() as folder:
        (page := Path(folder) / "champion.md").write_text(f"# Champion of {product}\n\n{report}\n", encoding="utf-8")
        store.publish(f"{product}/champion", {"champion.md": page})
    return dg.MaterializeResult(
        value=value,
        metadata={
            "champion": verdict.champion,
            "changed": verdict.changed,
            "verdict": dg.MetadataValue.md(report),
            "checkpoint": verdict.checkpoint,
            **_rounded({_flat(s, n): v for s, each in won.metrics.items() for n, v in each.items()}),
            **_traces(run, warning),
        },
        check_results=[_beats_baselines(verdict, won)],
    )


def publish_predictions(store: ArtifactStore, product: str, name: str, files: Mapping[str, bytes]) -> str:
    """Put the files into `library/<product>/predictions/<name>/`; return that folder's absolute path."""
    folder = f"{product}/predictions/{name}"
    with tempfile.TemporaryDirectory() as place:
        paths = {file: Path(place) / file for file in files}
        for file, path in paths.items():
            path.write_bytes(files[file])
        store.publish(folder, paths)
    return str(Path(store.library).absolute() / folder)


def beats_baselines_check(product: str) -> dg.AssetCheckSpec:
    """The check that `champion_result` answers."""
    return dg.AssetCheckSpec(
        "beats_baselines",
        asset=f"{product}_champion",
        description="The champion is a trained model. A warning if a baseline won: nothing trained is worth more yet.",
    )


def _beats_baselines(verdict: Verdict, won: Evaluation) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="beats_baselines",
        passed=not won.baseline,
        severity=dg.AssetCheckSeverity.WARN,
        description=verdict.reason,
    )


@dataclass(frozen=True)
class _Reigning:
    """The champion so far, the evaluation it won or was confirmed by, and its run in MLflow."""

    checkpoint: Checkpoint
    evaluation: Evaluation
    mlflow_run: str | None


def _reigning(context: dg.AssetExecutionContext, store: ArtifactStore, product: str) -> _Reigning | None:
    """The champion so far; None if there is none, or if it was lost."""
    record = records.latest(context.instance, dg.AssetKey(f"{product}_champion"), None)
    if record is None or record.manifest is None:
        return None
    try:
        value = store.load(record, "cpu")
        assert isinstance(value, Checkpoint), "a champion asset returns checkpoints"
        evaluation = Evaluation.model_validate_json(value.files.path(_EVALUATION).read_bytes())
    except (*_UNUSABLE, ValidationError) as error:
        context.log.warning(f"The champion so far can't be read and is out of the race: {error}")
        return None
    return _Reigning(value, evaluation, _mlflow_run(record))


def _mlflow_run(record: Record) -> str | None:
    said = None if record.event is None else record.event.metadata.get(MLFLOW_RUN)
    return None if said is None else str(said.value)


def _traces(run_id: str | None, warning: str | None) -> dict[str, Any]:
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


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    """To six digits, which is more than any metric is certain to; the full numbers are in the value."""
    return {name: float(f"{value:.6g}") for name, value in metrics.items() if math.isfinite(value)}


def _flat(split: str, name: str) -> str:
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
