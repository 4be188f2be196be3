"""A champion as an asset: the checkpoint that won, the verdict, and what is told of both.

Belongs here: reading who reigned, keeping who won, metadata, MLflow's alias, the page in the library. Does not belong
here: who wins (`champion.py`).
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from pydantic import ValidationError

from resources.checks import partition_check
from resources.store import records
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint
from resources.tracking import Tracking
from resources.training import choosing
from resources.training.champion import crown, markdown
from resources.training.documents import Evaluation, Verdict
from resources.training.results import UNUSABLE, dataset_version, flat, mlflow_run, rounded, traces

_EVALUATION = "evaluation.json"
_CHECK = "beats_baselines"


def champion_result(
    context: dg.AssetExecutionContext,
    store: ArtifactStore,
    tracking: Tracking,
    product: str,
    evaluations: Mapping[str, Evaluation],
    *,
    margin: float = 0.0,
    of: str | None = None,
    data_version: str | None = None,
    find: Callable[[str], Record] | None = None,
) -> dg.MaterializeResult:
    """The result of a champion asset: the checkpoint that won, with its evaluation beside it, and the verdict.

    A product has one champion, or one for each `of` something: a partition of its dataset, or all of them. Its page is
    `library/<product>/champion/champion.md`, else `library/<product>/<of>/champion/champion.md`; in MLflow the
    registered model is `<product>`, else `<product>.<of>`. `data_version` is that of the samples all were judged by:
    the dataset's (of this step's partition, if it has one) where none is given. `find` gives the materialization of
    the checkpoint with a data version: among `<product>_checkpoint` where none is given.
    Raises: BadInput if there is nothing to choose from.
    """
    partition = context.partition_key if context.has_partition_key else None
    version = data_version or dataset_version(context.instance, product, partition)
    of = of or partition
    before = _reigning(context, store, partition)
    reigning = None if before is None else before.evaluation
    verdict = crown(evaluations, reigning, version, margin)
    again = [evaluation for evaluation in evaluations.values() if evaluation.checkpoint == verdict.checkpoint]
    won = again[0] if again else reigning
    assert won is not None, "the champion is one of the evaluations, or it reigned before"
    if before is not None and not verdict.changed:
        crowned, run = before.checkpoint, before.mlflow_run
    else:
        record = find(won.checkpoint) if find else choosing.find(context.instance, product, won.checkpoint)
        loaded = store.load(record, "cpu")
        assert isinstance(loaded, Checkpoint), "a checkpoint asset returns checkpoints"
        crowned, run = loaded, mlflow_run(record)
    files = {name: crowned.files[name] for name in crowned.files}
    # Its latest evaluation goes with it: the next one to compete is compared with that.
    value = Checkpoint(crowned.weights, crowned.card, {**files, _EVALUATION: won.model_dump_json().encode()})
    context.log.info(verdict.reason)
    report = markdown(verdict)
    warning = tracking.crowned(
        product,
        model=f"{product}.{of}" if of else product,
        run_id=run,
        preset=verdict.champion,
        checkpoint_digest=verdict.checkpoint,
        metrics=won.metrics.get("validation", {}),
    )
    if warning:
        context.log.warning(warning)
    title = f"{product}: {of}" if of else product
    with tempfile.TemporaryDirectory() as folder:
        (page := Path(folder) / "champion.md").write_text(f"# Champion of {title}\n\n{report}\n", encoding="utf-8")
        store.publish(f"{product}/{of}/champion" if of else f"{product}/champion", {"champion.md": page})
    return dg.MaterializeResult(
        value=value,
        metadata={
            "champion": verdict.champion,
            "changed": verdict.changed,
            "verdict": dg.MetadataValue.md(report),
            "checkpoint": verdict.checkpoint,
            **rounded({flat(s, n): v for s, each in won.metrics.items() for n, v in each.items()}),
            **traces(run, warning),
        },
        check_results=[_beats_baselines(verdict, won)],
    )


def beats_baselines_check(
    product: str, *, asset: str | None = None, partitions_def: dg.PartitionsDefinition | None = None
) -> dg.AssetCheckSpec:
    """The check that `champion_result` answers, for `<product>_champion` where no other `asset` is named."""
    asset = asset or f"{product}_champion"
    said = "The champion is a trained model. A warning if a baseline won: nothing trained is worth more yet."
    if partitions_def is None:
        return dg.AssetCheckSpec(_CHECK, asset=asset, description=said)
    return partition_check(_CHECK, asset=asset, partitions_def=partitions_def, description=said)


def _beats_baselines(verdict: Verdict, won: Evaluation) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=_CHECK,
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


def _reigning(context: dg.AssetExecutionContext, store: ArtifactStore, partition: str | None) -> _Reigning | None:
    """This asset's champion so far; None if there is none, or if it was lost."""
    record = records.latest(context.instance, context.asset_key, partition)
    if record is None or record.manifest is None:
        return None
    try:
        value = store.load(record, "cpu")
        assert isinstance(value, Checkpoint), "a champion asset returns checkpoints"
        evaluation = Evaluation.model_validate_json(value.files.path(_EVALUATION).read_bytes())
    except (*UNUSABLE, ValidationError) as error:
        context.log.warning(f"The champion so far can't be read and is out of the race: {error}")
        return None
    return _Reigning(value, evaluation, mlflow_run(record))
