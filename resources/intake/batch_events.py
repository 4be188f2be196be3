"""What a batch is: its files, its digest and key, and the event that describes it in Dagster.

Belongs here: those values, and the event written and read. Does not belong here: making a batch of files, and handing
them to who works on them (`batches.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from resources.intake.files import Names
from resources.intake.identity import KEY_HEX, partition_key, shown
from resources.intake.intake import DATA_VERSION_TAG

_LISTED = 20
"""So many names are shown on the event's page; all of them are in its JSON."""


@dataclass(frozen=True)
class BatchFile:
    """One file: where it lies, its name within the batch (with its subfolders), bytes, nanoseconds, BLAKE3 in hex."""

    path: Path
    name: str
    size: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True)
class Batches:
    """What an inbox takes, and whose events its batches are.

    `asset` is the key of the external asset; `job` the job that works on a batch, whose runs are counted. With
    `partitions` (the name of dynamic partitions) each batch is a partition; without, a batch is all files of the
    folder, in whatever order and under whatever names. `finished` names the asset whose materialization says that the
    work is done, for the day when runs are deleted. At most `most` files are one batch: Dagster stores their names and
    digests in one event, 635 kB for 5,000 files, written in 0.2 s and read in 0.05 s.
    """

    asset: str
    partitions: str | None
    names: Names
    job: str
    finished: str | None = None
    most: int = 5000

    @property
    def partitions_def(self) -> dg.DynamicPartitionsDefinition | None:
        return None if self.partitions is None else dg.DynamicPartitionsDefinition(name=self.partitions)

    def digest(self, files: Sequence[BatchFile]) -> str:
        """What makes two batches the same: contents, and names where the batch is a partition. BLAKE3 in hex."""
        return named_digest(files) if self.partitions else _digest(sorted(file.digest for file in files))


@dataclass(frozen=True)
class Batch:
    """A batch as its event describes it. `folder` is the inbox it was found in, empty where it was given by name."""

    key: str | None
    digest: str
    run_key: str
    folder: str
    files: tuple[BatchFile, ...]


def named_digest(files: Sequence[BatchFile]) -> str:
    """BLAKE3 (hex) over names and contents; the order of the files does not matter."""
    return _digest(sorted([file.name, file.digest] for file in files))


def _digest(value: Any) -> str:
    from blake3 import blake3

    return blake3(json.dumps(value).encode("ascii")).hexdigest()


def batch_key(files: Sequence[BatchFile], length: int = KEY_HEX) -> str:
    """`<slug>~<first hex digits of the digest>`; the slug is of the folder all lie in, else of the first name."""
    first = min(file.name for file in files)
    top, inside, _ = first.partition("/")
    together = inside and all(file.name.startswith(f"{top}/") for file in files)
    return partition_key(top if together else Path(first).name, named_digest(files), length)


def batch_event(batches: Batches, batch: Batch) -> dg.AssetMaterialization:
    """The event that describes a batch; its data version is the batch's digest."""
    files, size = batch.files, sum(file.size for file in batch.files)
    names = "\n".join(f"- {_plain(shown(file.name))}" for file in files[:_LISTED])
    more = f"\n- and {len(files) - _LISTED:,} more" if len(files) > _LISTED else ""
    first = f'"{shown(files[0].name)}"' + (f" and {len(files) - 1:,} more" if len(files) > 1 else "")
    return dg.AssetMaterialization(
        asset_key=batches.asset,
        partition=batch.key,
        description=f"{first}, {size / 1e6:,.1f} MB; " + (f"in {shown(batch.folder)}." if batch.folder else "by name."),
        metadata={
            "names": dg.MetadataValue.md(names + more),
            "count": len(files),
            "bytes": size,
            "folder": dg.MetadataValue.text(batch.folder),
            "digest": dg.MetadataValue.text(batch.digest),
            "run_key": dg.MetadataValue.text(batch.run_key),
            "files": dg.MetadataValue.json([_row(file, batch.folder) for file in files]),
        },
        tags={DATA_VERSION_TAG: batch.digest},
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&-])", r"\\\1", text)


def _row(file: BatchFile, folder: str) -> list[str | int]:
    """Name, size, mtime_ns, digest; and the path where it is not the folder and the name."""
    row: list[str | int] = [file.name, file.size, file.mtime_ns, file.digest]
    return row if folder and str(file.path) == f"{folder}/{file.name}" else [*row, str(file.path)]


def batch_of(event: dg.AssetMaterialization | None) -> Batch | None:
    """The batch that an event describes; None for one that somebody reported by hand."""
    if event is None:
        return None
    said = event.metadata
    try:
        folder = str(said["folder"].value)
        rows: Any = said["files"].value
        files = tuple(
            BatchFile(Path(path[0] if path else f"{folder}/{name}"), str(name), int(size), int(mtime_ns), str(digest))
            for name, size, mtime_ns, digest, *path in rows
        )
        return Batch(event.partition, str(said["digest"].value), str(said["run_key"].value), folder, files)
    except (KeyError, TypeError, ValueError):
        return None


def latest(instance: dg.DagsterInstance, asset: str, partition: str | None) -> Batch | None:
    """The newest batch of the asset (of this partition), past whatever was reported by hand."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(asset), asset_partitions=None if partition is None else [partition]
    )
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(wanted, limit=1, cursor=cursor)
        for record in page.records:
            batch = batch_of(record.asset_materialization)
            if batch is not None:
                return batch
        if not page.has_more:
            return None
        cursor = page.cursor
