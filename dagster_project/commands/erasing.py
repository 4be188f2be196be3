"""All that Dagster keeps of a partition, and deleting it: runs, events, logs, ticks, backfills, what is cached of them.

Belongs here: Dagster's storage. Does not belong here: our own files (`forget.py`, `store/upkeep/forgetting.py`).
What Dagster has a call for is done by that call. It has none for the events of one partition, for single ticks and
backfills, nor for the copies it keeps in its tables of assets and checks; these rows are deleted by SQL, all of it in
this module, over the connections of Dagster's own storage and its own table definitions (hence `dagster<1.14`).
Everything here can be done again: what was deleted is not found any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as db
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.scheduler.instigation import SensorInstigatorData
from dagster._core.storage.event_log.base import EventLogRecord
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import BackfillTagsTable, BulkActionsTable
from dagster._core.storage.schedules.schema import AssetDaemonAssetEvaluationsTable, JobTickTable
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._serdes import deserialize_value, serialize_value

from dagster_project.instance import BadInstance
from resources.intake.identity import shown
from resources.traces import is_named, spellings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_TAGS = ("dagster/partition", "dagster/run_key", ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
_MATERIALIZED = DagsterEventType.ASSET_MATERIALIZATION.value
_HELD = "Events were deleted on request; this line keeps their numbers from being given again."
_EVENTS, _TICKS = SqlEventLogStorageTable.c, JobTickTable.c


@dataclass(frozen=True)
class Kept:
    """What Dagster has of a partition: ids of its runs, those of them not at their end, those that made others too."""

    runs: tuple[str, ...]
    unfinished: tuple[str, ...]
    others: tuple[str, ...]
    backfills: tuple[str, ...]
    unfinished_backfills: tuple[str, ...]
    events: int


def find(instance: dg.DagsterInstance, key: str) -> Kept:
    """What Dagster has of partition `key`. Raises BadInstance for a storage that is not built on SQL."""
    _check(instance)
    unfinished = set[str]()
    runs = dict[str, None]()
    for tag in _TAGS:
        for run in instance.get_runs(dg.RunsFilter(tags={tag: key})):
            runs[run.run_id] = None
            if not run.is_finished:
                unfinished.add(run.run_id)
    with _events(instance) as index:
        counted = db.select(db.func.count()).select_from(SqlEventLogStorageTable).where(_EVENTS.partition == key)
        events = int(index.execute(counted).scalar_one())
        for table in (SqlEventLogStorageTable, AssetCheckExecutionsTable):
            found = index.execute(db.select(table.c.run_id).where(table.c.partition == key).distinct())
            runs |= dict.fromkeys(run for (run,) in found if run not in (None, RUNLESS_RUN_ID))
        others = [run for run in runs if _made_others(index, run, key)]
        # Runs that made nothing of other partitions and yet name this one: a report on the store, a failed collection.
        naming = (run for run in _naming(instance, index, key) if run not in runs)
        runs |= dict.fromkeys([run for run in naming if not _made_others(index, run, key)])
    for run_id in runs:
        record = instance.get_run_by_id(run_id)
        if record is not None and not record.is_finished:
            unfinished.add(run_id)
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        rows = connection.execute(
            db.select(BulkActionsTable.c.key, BulkActionsTable.c.status).where(_names(BulkActionsTable.c.body, [key]))
        ).all()
    over = {status.value for status in BULK_ACTION_TERMINAL_STATUSES}
    return Kept(
        runs=tuple(runs),
        unfinished=tuple(sorted(unfinished)),
        others=tuple(others),
        backfills=tuple(row.key for row in rows),
        unfinished_backfills=tuple(row.key for row in rows if row.status not in over),
        events=events,
    )


def erase(
    instance: dg.DagsterInstance, kept: Kept, asset: str, key: str, names: Sequence[str], paths: Sequence[str]
) -> None:
    """Delete what was found, and what else names `key`, or the file by one of its `names` or `paths`.

    `asset` is the external asset whose refusals name the file. The partition itself stays. What knows the names best,
    the events of `asset`, goes last.
    """
    _erase_ticks(instance, [key, *names, *paths])
    _erase_last_key(instance, key)
    _erase_backfills(instance, kept.backfills)
    _hold_ids(instance)
    _erase_runs(instance, kept.runs)
    storage: Any = instance.event_log_storage
    with storage.run_connection(RUNLESS_RUN_ID) as runless:
        _erase_events(runless, asset, key, paths)
    with _events(instance) as index:
        _erase_events(index, asset, key, paths)
        _mend_assets(index, key, kept.runs)


def databases(instance: dg.DagsterInstance) -> list[Path]:
    """The SQLite files of Dagster's storage; none if it lies in a database server."""
    storage: Any = instance.event_log_storage
    connections = (
        storage.index_connection(),
        storage.run_connection(RUNLESS_RUN_ID),
        instance.run_storage.connect(),  # type: ignore[attr-defined]
        instance.schedule_storage.connect(),  # type: ignore[union-attr]
    )
    found = dict[Path, None]()
    for connect in connections:
        with connect as connection:
            if (path := _file(connection)) is not None:
                found[path] = None
    return list(found)


def _check(instance: dg.DagsterInstance) -> None:
    events, runs, schedules = instance.event_log_storage, instance.run_storage, instance.schedule_storage
    if not (hasattr(events, "index_connection") and hasattr(runs, "connect") and hasattr(schedules, "connect")):
        raise BadInstance(
            f"Dagster's storage ({type(events).__name__}) is of a kind in which nothing can be deleted from here.",
            "Use one of SQLite, PostgreSQL or MySQL, set under `storage:` in dagster.yaml.",
        )


def _events(instance: dg.DagsterInstance) -> AbstractContextManager[Connection]:
    storage: Any = instance.event_log_storage
    return storage.index_connection()


def _file(connection: Connection) -> Path | None:
    """The file behind a connection, if it is one of SQLite's."""
    name = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not name or not Path(name).is_file():
        return None
    return Path(name)


def _names(column: db.Column[Any], texts: Iterable[str]) -> db.ColumnElement[bool]:
    """True where the text in `column`, mostly JSON, holds one of `texts`."""
    found = {spelling.decode() for text in texts if text for spelling in spellings(text)}
    return db.or_(db.false(), *(column.contains(spelling, autoescape=True) for spelling in sorted(found)))


def _naming(instance: dg.DagsterInstance, index: Connection, key: str) -> list[str]:
    """The runs that have an event in whose text the key is. SQLite has a file of events for each run."""
    storage: Any = instance.event_log_storage
    if getattr(storage, "is_run_sharded", False):
        return [run for run in storage.get_all_run_ids() if is_named(Path(storage.path_for_shard(run)), [key])]
    named = db.select(_EVENTS.run_id).where(_names(_EVENTS.event, [key])).distinct()
    return [run for (run,) in index.execute(named) if run not in (None, RUNLESS_RUN_ID)]


def _made_others(index: Connection, run: str, key: str) -> bool:
    made = db.select(_EVENTS.id).where(
        _EVENTS.run_id == run,
        _EVENTS.dagster_event_type == _MATERIALIZED,
        db.or_(_EVENTS.partition.is_(None), _EVENTS.partition != key),
    )
    return index.execute(made.limit(1)).first() is not None


def _erase_ticks(instance: dg.DagsterInstance, texts: list[str]) -> None:
    """Ticks that name it, with their logs. One that is under way is left alone: the daemon writes to it."""
    with instance.schedule_storage.connect() as connection:  # type: ignore[union-attr]
        wanted = _names(_TICKS.tick_body, texts), _TICKS.status != "STARTED"
        rows = connection.execute(db.select(_TICKS.id, _TICKS.tick_body).where(*wanted)).all()
        for row in rows:
            if log := getattr(deserialize_value(row.tick_body), "log_key", None):
                instance.compute_log_manager.delete_logs(log_key=list(log))
        connection.execute(JobTickTable.delete().where(_TICKS.id.in_([row.id for row in rows])))
        if db.inspect(connection).has_table(AssetDaemonAssetEvaluationsTable.name):
            evaluation = AssetDaemonAssetEvaluationsTable.c.asset_evaluation_body
            connection.execute(AssetDaemonAssetEvaluationsTable.delete().where(_names(evaluation, texts[:1])))


def _erase_last_key(instance: dg.DagsterInstance, key: str) -> None:
    """A sensor's state holds the run key it asked for last; nothing reads it."""
    for state in instance.all_instigator_state():
        data = state.instigator_data
        if isinstance(data, SensorInstigatorData) and data.last_run_key == key:
            instance.update_instigator_state(state.with_data(data._replace(last_run_key=None)))


def _erase_backfills(instance: dg.DagsterInstance, backfills: Iterable[str]) -> None:
    """The records of backfills that were to make it, among others perhaps; the runs of others stay."""
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.execute(BulkActionsTable.delete().where(BulkActionsTable.c.key.in_(list(backfills))))
        if db.inspect(connection).has_table(BackfillTagsTable.name):
            tagged = BackfillTagsTable.c.backfill_id.in_(list(backfills))
            connection.execute(BackfillTagsTable.delete().where(tagged))


def _erase_runs(instance: dg.DagsterInstance, runs: Iterable[str]) -> None:
    """Runs with their output, events and checks."""
    checks = AssetCheckExecutionsTable.c
    for run in runs:
        instance.compute_log_manager.delete_logs(prefix=[run])
        with _events(instance) as index:
            index.execute(AssetCheckExecutionsTable.delete().where(checks.run_id == run))
        instance.delete_run(run)
    storage: Any = instance.event_log_storage
    if not getattr(storage, "is_run_sharded", False):
        return
    # SQLite has a file for each run. Dagster empties it and leaves it there, with all that was in it in its free pages:
    # here, and when a run is deleted in its UI. So all files of runs that are no more are removed.
    for run in set(storage.get_all_run_ids()) - {RUNLESS_RUN_ID} - set(instance.get_run_ids()):
        path = Path(storage.path_for_shard(run))
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _hold_ids(instance: dg.DagsterInstance) -> None:
    """Put a line at the end of the event log, if it lies in SQLite, which gives the ids of the last rows again.

    Sensors and the daemon remember the id up to which they have read: with the newest events deleted, they would not
    see the next ones, such as the failure of a run. The line of an earlier deletion goes.
    """
    storage: Any = instance.event_log_storage
    with _events(instance) as index:
        if index.dialect.name != "sqlite":
            return
        entry = EventLogEntry(None, "debug", _HELD, RUNLESS_RUN_ID, time.time(), None, None, None)
        inserted: Any = index.execute(storage.prepare_insert_event(entry))
        last = inserted.inserted_primary_key[0]
        earlier = _EVENTS.id < last, _EVENTS.dagster_event_type.is_(None), _names(_EVENTS.event, [_HELD])
        index.execute(SqlEventLogStorageTable.delete().where(_EVENTS.run_id == RUNLESS_RUN_ID, *earlier))


def _erase_events(connection: Connection, asset: str, key: str, paths: Sequence[str]) -> None:
    """The partition's events that belong to no run, and the refusals of its file, which have keys of their own."""
    told = {shown(path, 4096) for path in paths}  # as `sensors/refusals.py` writes them
    refusals = [
        row.id
        for row in connection.execute(
            db.select(_EVENTS.id, _EVENTS.event).where(
                _EVENTS.dagster_event_type == DagsterEventType.ASSET_OBSERVATION.value,
                _EVENTS.asset_key == dg.AssetKey(asset).to_string(),
                _names(_EVENTS.event, told),
            )
        )
        if _refused_path(row.event) in told
    ]
    ids = [
        *refusals,
        *(row.id for row in connection.execute(db.select(_EVENTS.id).where(_EVENTS.partition == key))),
    ]
    connection.execute(AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(ids)))
    connection.execute(SqlEventLogStorageTable.delete().where(_EVENTS.id.in_(ids)))
    checks = AssetCheckExecutionsTable.c
    connection.execute(AssetCheckExecutionsTable.delete().where(checks.partition == key))


def _refused_path(event: str) -> str | None:
    entry = deserialize_value(event, EventLogEntry)
    observed = entry.dagster_event.asset_observation_data.asset_observation if entry.dagster_event else None
    path = observed.metadata.get("path") if observed is not None else None
    return None if path is None else str(path.value)


def _mend_assets(index: Connection, key: str, runs: Iterable[str]) -> None:
    """The row that Dagster keeps of each asset has a copy of its latest event, and a list of partitions."""
    rows = AssetKeyTable.c
    cached = AssetKeyTable.update().values(cached_status_data=None)
    index.execute(cached.where(_names(rows.cached_status_data, [key])))
    for row in index.execute(db.select(rows.asset_key, rows.last_run_id, rows.last_materialization)).all():
        named = key in (row.last_materialization or "")
        if not named and row.last_run_id not in set(runs):
            continue
        latest = index.execute(
            db.select(_EVENTS.id, _EVENTS.event, _EVENTS.run_id)
            .where(_EVENTS.asset_key == row.asset_key, _EVENTS.dagster_event_type == _MATERIALIZED)
            .order_by(_EVENTS.id.desc())
            .limit(1)
        ).first()
        record = latest and serialize_value(EventLogRecord(latest.id, deserialize_value(latest.event, EventLogEntry)))
        index.execute(
            AssetKeyTable.update()
            .values(last_materialization=record, last_run_id=latest and latest.run_id)
            .where(rows.asset_key == row.asset_key)
        )
