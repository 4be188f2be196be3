"""What Dagster's event log knows about stored artifacts.

Belongs here: finding the materialization an artifact is read from, all that came before it, what a check refused, and
the event that makes an earlier one the latest. Does not belong here: reading artifacts (`artifacts.py`).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.definitions.data_version import extract_data_version_from_entry

MANIFEST, DIGEST, BYTES, FILES, STORE_IO = "manifest", "digest", "bytes", "files", "store_io"
RESTORED_RUN = "restored_run"
_PAGE = 20


@dataclass(frozen=True)
class Record:
    """One materialization event. `manifest` is None if nothing was stored with it (reported by hand, say).

    `run` made what is stored. That is the event's own run, but for an earlier materialization that was made the latest
    again: its event belongs to no run, and it is `restored`. `data_version` is Dagster's, `timestamp` the event's.
    """

    asset: str
    partition: str | None
    run: str
    manifest: str | None
    digest: str | None
    data_version: str | None
    timestamp: float
    restored: bool = False
    event: dg.AssetMaterialization | None = field(default=None, repr=False, compare=False)

    @property
    def bytes(self) -> int | None:
        """The size of the value; None if nothing was stored."""
        size = None if self.event is None else self.event.metadata.get(BYTES)
        return size.value if isinstance(size, dg.IntMetadataValue) else None


def latest(instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None) -> Record | None:
    """The newest materialization of an asset's partition (None: unpartitioned)."""
    return next((found for _, found in _newest_first(instance, asset_key, partition, page=1)), None)


def of_run(instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None, run_id: str) -> Record | None:
    """The newest materialization of an asset's partition among the events of one run, restored later or not."""
    events = _newest_first(instance, asset_key, partition, _PAGE)
    return next((found for event_run, found in events if event_run == run_id), None)


def versions(instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None) -> list[Record]:
    """Every materialization of an asset's partition that Dagster knows, newest first."""
    return [found for _, found in _newest_first(instance, asset_key, partition, _PAGE)]


def refused(instance: dg.DagsterInstance, run_id: str) -> dict[dg.AssetKey, list[str]]:
    """The blocking checks that failed in a run, by asset: Dagster keeps the materializations that they refused.

    A check that was evaluated more than once (its step was retried) counts as it did last.
    """
    last: dict[dg.AssetCheckKey, bool] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event is not None:
            found = entry.dagster_event.asset_check_evaluation_data
            fatal = found.severity == dg.AssetCheckSeverity.ERROR
            last[found.asset_check_key] = bool(found.blocking) and fatal and not found.passed
    checks: dict[dg.AssetKey, list[str]] = defaultdict(list)
    for check, failed in last.items():
        if failed:
            checks[check.asset_key].append(check.name)
    return dict(checks)


def restoring(record: Record) -> dg.AssetMaterialization:
    """The event that makes `record` the latest materialization, once reported.

    It says what the first one said: what was made, of which inputs and by which code, so that Dagster finds it, and
    what follows from it, out of date exactly when it is. Raises: ValueError if nothing is stored with the record.
    """
    if record.event is None or record.manifest is None:
        raise ValueError(f"nothing is stored with this materialization of {record.asset}")
    metadata = {name: value for name, value in record.event.metadata.items() if name != STORE_IO}
    tags = {name: value for name, value in (record.event.tags or {}).items() if name.startswith("dagster/")}
    return dg.AssetMaterialization(
        asset_key=record.event.asset_key,
        partition=record.partition,
        description=f"Made by run {record.run}, and made the latest again.",
        metadata={**metadata, RESTORED_RUN: dg.MetadataValue.text(record.run)},
        tags=tags,
    )


def _newest_first(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None, page: int
) -> Iterator[tuple[str, Record]]:
    """Each materialization with the run its event belongs to, fetched `page` at a time."""
    wanted = dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=None if partition is None else [partition])
    cursor: str | None = None
    while True:
        found = instance.fetch_materializations(wanted, limit=page, cursor=cursor)
        for record in found.records:
            if record.partition_key == partition:
                yield record.run_id, _record(record, asset_key, partition)
        if not found.has_more:
            return
        cursor = found.cursor


def _record(record: dg.EventLogRecord, asset_key: dg.AssetKey, partition: str | None) -> Record:
    materialization = record.asset_materialization
    metadata = {} if materialization is None else materialization.metadata
    version = extract_data_version_from_entry(record.event_log_entry)
    maker = _text(metadata.get(RESTORED_RUN))
    return Record(
        asset=asset_key.to_user_string(),
        partition=partition,
        run=maker or record.run_id,
        manifest=_text(metadata.get(MANIFEST)),
        digest=_text(metadata.get(DIGEST)),
        data_version=None if version is None else version.value,
        timestamp=record.timestamp,
        restored=maker is not None,
        event=materialization,
    )


def _text(value: dg.MetadataValue | None) -> str | None:
    return value.value if isinstance(value, dg.TextMetadataValue) else None
