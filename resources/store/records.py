"""What Dagster's event log knows about stored artifacts.

Belongs here: finding the materialization an artifact is read from. Does not belong here: reading it (`artifacts.py`).
"""

from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.data_version import extract_data_version_from_entry

MANIFEST, DIGEST, BYTES, FILES, STORE_IO = "manifest", "digest", "bytes", "files", "store_io"
_PAGE = 20


@dataclass(frozen=True)
class Record:
    """One materialization event. `manifest` is None if nothing was stored with it (reported by hand, say)."""

    asset: str
    partition: str | None
    run: str
    manifest: str | None
    digest: str | None
    data_version: str | None
    timestamp: float


def latest(instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None) -> Record | None:
    """The newest materialization of an asset's partition (None: unpartitioned)."""
    return _find(instance, asset_key, partition, None)


def of_run(instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None, run_id: str) -> Record | None:
    """The newest materialization of an asset's partition that one run made."""
    return _find(instance, asset_key, partition, run_id)


def _find(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None, run_id: str | None
) -> Record | None:
    records_filter = dg.AssetRecordsFilter(
        asset_key=asset_key, asset_partitions=None if partition is None else [partition]
    )
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(records_filter, limit=_PAGE if run_id else 1, cursor=cursor)
        for record in page.records:
            if record.partition_key == partition and run_id in (None, record.run_id):
                return _record(record, asset_key, partition)
        if not page.has_more:
            return None
        cursor = page.cursor


def _record(record: dg.EventLogRecord, asset_key: dg.AssetKey, partition: str | None) -> Record:
    materialization = record.asset_materialization
    metadata = {} if materialization is None else materialization.metadata
    version = extract_data_version_from_entry(record.event_log_entry)
    return Record(
        asset=asset_key.to_user_string(),
        partition=partition,
        run=record.run_id,
        manifest=_text(metadata.get(MANIFEST)),
        digest=_text(metadata.get(DIGEST)),
        data_version=None if version is None else version.value,
        timestamp=record.timestamp,
    )


def _text(value: dg.MetadataValue | None) -> str | None:
    return value.value if isinstance(value, dg.TextMetadataValue) else None
