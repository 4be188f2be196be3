"""Jobs that look after the store: verify it, collect what nobody needs, report what takes how much room.

Belongs here: their configs, what they show in the UI, their schedules. Does not belong here: the work itself
(`resources/store/upkeep/`).
"""

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from resources import bars
from resources.errors import failures
from resources.store.io_manager import ArtifactStore
from resources.store.report import readable
from resources.store.upkeep import leftovers
from resources.store.upkeep.collecting import Ages, Collection, collect
from resources.store.upkeep.known import EventLog
from resources.store.upkeep.usage import Usage, usage
from resources.store.upkeep.verifying import Problem, Verification, verify

_MAX_ROWS = 50  # every event stores the table
_NOTHING = dg.Out(dg.Nothing)


class VerifyConfig(dg.Config):
    every_days: float = Field(30, gt=0, le=3650, description="An object is read again after so many days.")
    budget_gb: float = Field(50, gt=0, description="A run ends after reading so many GB (10^9 bytes).")
    budget_minutes: float = Field(15, gt=0, description="A run ends after so many minutes.")


class CollectConfig(dg.Config):
    dry_run: bool = Field(True, description="Only list what would be deleted.")
    keep_versions: int = Field(
        0, ge=0, description="Keep so many of the newest versions of each asset partition; 0 keeps all Dagster knows."
    )
    grace_days: float = Field(7, ge=1, description="Nothing younger is deleted from the store, needed or not.")
    scratch_days: float = Field(7, ge=1, description="Partial results nobody took up for so long are deleted.")
    bad_days: float = Field(180, ge=1, description="Damaged objects are deleted so long after they were set aside.")
    cache_days: float = Field(90, ge=1, description="Models and fonts in the cache unused for so long are deleted.")
    trust_event_log: bool = Field(
        False,
        description="Delete even if the event log and the store hardly know each other. Check DAGSTER_HOME first.",
    )


class ReportConfig(dg.Config):
    largest: int = Field(20, ge=1, le=_MAX_ROWS, description="How many of the largest artifacts and objects are named.")


def upkeep_jobs(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec], cache: Path | None = None, hub: bool = True
) -> list[dg.JobDefinition]:
    """The jobs `verify_store`, `collect_garbage` and `store_report`; they take the store from the resource `store`.

    `assets` tell the report which product an asset belongs to. `cache` is the folder of models and fonts; None if
    there is none to look after. `hub`: models that came from a hub could be fetched again.
    """
    groups = _groups(assets)

    @dg.op(name="verify_objects", out=_NOTHING)
    def verify_op(context: dg.OpExecutionContext, config: VerifyConfig, store: ArtifactStore) -> None:
        """Read objects again, and fail with a list of what has to be materialized again."""
        done = verify(
            Path(store.root).absolute(),
            context.log,
            every_days=config.every_days,
            budget_bytes=round(config.budget_gb * 1e9),
            budget_s=config.budget_minutes * 60,
            known=EventLog(context.instance)(),
        )
        metadata = _verification(done)
        context.log.info(f"{done.checked} of {done.objects} objects read, {readable(done.bytes)}; {done.due} are due.")
        if any(problem.matters for problem in done.problems):
            raise dg.Failure(_what_to_do(done.problems), metadata=metadata, allow_retries=False)
        context.add_output_metadata(metadata)

    @dg.op(name="delete_garbage", out=_NOTHING)
    def collect_op(context: dg.OpExecutionContext, config: CollectConfig, store: ArtifactStore) -> None:
        """Delete what no materialization needs any more, or list it."""
        if cache and cache.is_dir() and not leftovers.keeps_access_times(cache):
            context.log.info(f"The disk of {cache} keeps no access times, so what is unused there can't be told.")
        with failures():
            done = collect(
                Path(store.root).absolute(),
                EventLog(context.instance, config.keep_versions, config.grace_days),
                Ages(config.grace_days, config.scratch_days, config.bad_days, config.cache_days),
                cache=cache,
                hub=hub,
                dry_run=config.dry_run,
                trust_event_log=config.trust_event_log,
            )
        metadata = _collection(done)
        context.log.info(f"{readable(done.bytes)} {'could be' if done.dry_run else 'were'} deleted.")
        if done.unreadable:
            raise dg.Failure("\n".join(done.unreadable.values()), metadata=metadata, allow_retries=False)
        context.add_output_metadata(metadata)

    @dg.op(name="measure_store", out=_NOTHING)
    def report_op(context: dg.OpExecutionContext, config: ReportConfig, store: ArtifactStore) -> None:
        """Add up what takes how much room."""
        context.add_output_metadata(_usage(usage(Path(store.root).absolute(), groups, cache, config.largest)))

    @dg.job(
        name="verify_store",
        executor_def=dg.in_process_executor,
        description="Reads every object of the store again, a part in each run, those read longest ago first. Damaged"
        " ones are set aside, and the run fails with a list of what has to be materialized again.",
    )
    def verify_store() -> None:
        verify_op()

    @dg.job(
        name="collect_garbage",
        executor_def=dg.in_process_executor,
        description="Deletes what no materialization in the event log needs any more, abandoned partial results, and"
        " cached models unused for long. Lists them only, unless dry_run is set to false.",
    )
    def collect_garbage() -> None:
        collect_op()

    @dg.job(
        name="store_report",
        executor_def=dg.in_process_executor,
        description="What takes how much room in the store: by product and asset, the largest, what nobody names.",
    )
    def store_report() -> None:
        report_op()

    return [verify_store, collect_garbage, store_report]


def upkeep_schedules(jobs: Sequence[dg.JobDefinition], collect: bool = False) -> list[dg.ScheduleDefinition]:
    """One schedule for each of `upkeep_jobs`, all running; the collection deletes only if `collect` is set."""
    crons = {"verify_store": "0 3 * * *", "collect_garbage": "0 4 * * 0", "store_report": "30 4 * * 0"}
    configs = {"collect_garbage": {"ops": {"delete_garbage": {"config": {"dry_run": not collect}}}}}
    return [
        dg.ScheduleDefinition(
            name=f"{job.name}_schedule",
            job=job,
            cron_schedule=crons[job.name],
            run_config=configs.get(job.name),
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Every night." if job.name == "verify_store" else "Every Sunday.",
        )
        for job in jobs
    ]


def _groups(assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> dict[str, str]:
    specs = [spec for a in assets for spec in ([a] if isinstance(a, dg.AssetSpec) else a.specs)]
    return {spec.key.to_user_string(): spec.group_name for spec in specs if spec.group_name}


# What the UI shows


def _table(columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """A table of at most 50 rows; `columns`: name to type. A last row says how many were left out."""
    names, listed = list(columns), list(rows)
    shown = [dict(zip(names, row, strict=True)) for row in listed[:_MAX_ROWS]]
    if len(listed) > _MAX_ROWS:
        shown.append({names[0]: f"{len(listed) - _MAX_ROWS} more"})
    schema = dg.TableSchema(columns=[dg.TableColumn(name, type) for name, type in columns.items()])
    return dg.MetadataValue.table([dg.TableRecord(row) for row in shown], schema=schema)


def _verification(done: Verification) -> dict[str, Any]:
    columns = ("what", "asset", "partition", "run", "version", "name", "detail")
    return {
        "objects": done.objects,
        "checked": done.checked,
        "bytes": done.bytes,
        "due": done.due,
        "wall_s": round(done.seconds, 3),
        "problems": len(done.problems),
        "problem_list": _table(dict.fromkeys(columns, "string"), _problem_rows(done.problems)),
    }


def _problem_rows(problems: Sequence[Problem]) -> list[tuple[str, ...]]:
    """A row for each use of what is wrong, those that somebody must mend first."""
    rows = []
    for problem in problems:
        for use in problem.uses:
            version = "latest" if use.latest else "earlier"
            whose = (use.owner.asset, use.owner.partition or "", use.owner.run, version)
            rows.append((problem.what, *whose, problem.name, problem.detail))
        if not problem.uses:
            rows.append((problem.what, "", "", "", "none", problem.name, problem.detail))
    return sorted(rows, key=lambda row: row[4] != "latest")


def _what_to_do(problems: Sequence[Problem]) -> str:
    lost = sorted({str(use.owner) for problem in problems for use in problem.uses if use.latest})
    found = f"{len(problems)} things in the store are damaged or gone"
    if not lost:
        return f"{found}, none of them needed by a latest materialization. Check the disk."
    named = ", ".join(lost[:_MAX_ROWS]) + (f" and {len(lost) - _MAX_ROWS} more" if len(lost) > _MAX_ROWS else "")
    return f"{found}. Check the disk, then materialize again, with what depends on it: {named}."


def _collection(done: Collection) -> dict[str, Any]:
    rows = [(kind, part.count, part.bytes) for kind, part in done.parts.items()]
    named = [
        f"**{kind}**: {', '.join(f'`{name}`' for name in part.names)}"
        for kind, part in done.parts.items()
        if part.count
    ]
    return {
        "dry_run": done.dry_run,
        "bytes": done.bytes,
        "manifests": done.manifests.count,
        "objects": done.objects.count,
        "parts": _table({"what": "string", "count": "int", "bytes": "int"}, rows),
        "names": dg.MetadataValue.md("\n\n".join(named) or "nothing"),
    }


def _usage(found: Usage) -> dict[str, Any]:
    columns = {"name": "string", "partitions": "int", "versions": "int", "bytes": "int", "distinct bytes": "int"}
    products, assets = (
        _table(columns, [(name, r.partitions, r.versions, r.bytes, r.distinct) for name, r in rooms.items()])
        for rooms in (found.products, found.assets)
    )
    distinct = {name: room.distinct for name, room in found.products.items()}
    picture = base64.b64encode(
        bars.picture(distinct, {name: readable(size) for name, size in distinct.items()})
    ).decode()
    return {
        "picture": dg.MetadataValue.md(f"![bytes by product](data:image/png;base64,{picture})"),
        "products": products,
        "assets": assets,
        "bytes": found.object_bytes,
        "objects": found.objects,
        "dedup_ratio": round(found.dedup_ratio, 3),
        "unreferenced": found.unreferenced,
        "unreferenced_bytes": found.unreferenced_bytes,
        "damaged_manifests": found.damaged_manifests,
        **{f"{name}_bytes": size for name, size in found.leftovers.items()},
        "largest_artifacts": _table(
            {"asset": "string", "run": "string", "bytes": "int"},
            [(str(artifact.owner), artifact.owner.run, artifact.bytes) for artifact in found.largest_artifacts],
        ),
        "largest_objects": _table(
            {"digest": "string", "bytes": "int", "manifests": "int", "asset": "string"},
            [(o.digest, o.bytes, o.manifests, str(o.owner)) for o in found.largest_objects],
        ),
    }
