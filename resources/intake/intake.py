"""How a file becomes a partition: looked into, hashed, given a key, and described by an event of its external asset.

Belongs here: what the sensor and the command line share. Does not belong here: when a file is looked at
(`sensors/inbox.py`), and what the files of one product are (`recordings.py`).
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import dagster as dg

from resources.errors import BadInput
from resources.intake.files import Names
from resources.intake.forgotten import TAKEN_IN, Forgotten
from resources.intake.identity import KEY_HEX, FileChanged, FileStat, digest_some, partition_key, shown
from resources.intake.ledger import Ledger
from resources.progress import Progress

RUN_KEY_TAG = "dagster/run_key"
SENSOR_TAG = "dagster/sensor_name"
DATA_VERSION_TAG = "dagster/data_version"
_STARTING_S = 60.0
"""So long a run that someone else has created may take to start before it no longer counts."""


@dataclass(frozen=True)
class Product:
    """What an inbox takes: the external asset its files are events of, and how a file is looked into.

    `inspect` gets a path, raises `BadInput`, and returns the metadata it found. `finished` names the asset whose
    materialization says that all work on a key is done. There is one inbox per external asset.
    """

    asset: str
    partitions: str
    finished: str
    names: Names
    inspect: Callable[[Path], Mapping[str, Any]]

    @property
    def partitions_def(self) -> dg.DynamicPartitionsDefinition:
        return dg.DynamicPartitionsDefinition(name=self.partitions)


@dataclass(frozen=True)
class Reported:
    """What the latest event of a key says: where its bytes lie."""

    path: str
    size: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True)
class Due:
    """What Dagster lacks of a key: its event, its run. `later`: another process is about to start the run."""

    event: dg.AssetMaterialization | None
    run: bool
    later: bool
    reported: Reported | None


@dataclass(frozen=True)
class Taken:
    """A file that was taken in. `event` is to be reported if given; `is_new`: no run of this key exists yet."""

    key: str
    digest: str
    path: Path
    event: dg.AssetMaterialization | None
    is_new: bool


class Intake:
    """One product's intake on one Dagster instance. Use as a context manager; it holds the ledger open."""

    def __init__(
        self, product: Product, instance: dg.DagsterInstance, ledger: Path, sensor_name: str | None = None
    ) -> None:
        self.product, self.instance = product, instance
        self.forgotten = Forgotten(ledger)
        self.ledger = Ledger(ledger, product.asset, _storage_id(instance))
        self._sensor_name = sensor_name
        self._keys_by_start: dict[str, list[str]] | None = None
        self._events: dict[str, Reported | None] = {}
        self._runs: dict[str, str] = {}
        self._inspected: dict[Path, Mapping[str, Any]] = {}

    def __enter__(self) -> Intake:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ledger.__exit__(kind, error, trace)

    def take_in(self, path: Path, log: Any = None) -> Taken:
        """Take in one file lying anywhere, whole and at once.

        The caller adds the partition `key`, reports `event` if there is one, and starts a run tagged `dagster/run_key`.
        Progress goes to `log`, if given. What was forgotten is taken in all the same: it was asked for by name.
        Raises `BadInput`.
        """
        path = Path(os.path.normpath(Path.cwd() / path))  # links stay links: the name that was given is the name kept
        place, name = str(path), path.name
        check_name(place)
        try:
            if not path.is_file() and path.exists():
                raise BadInput(f'"{shown(name)}" is no file.', "Name a file, or a folder's files by a pattern.")
            stat = FileStat.of(path.stat())
            row = self.ledger.file(place)
            digest = self.ledger.digest_of(row.key) if row and row.key and row.knows(stat) else None
            if digest is None:
                self.inspect(path)
                progress = Progress(log, f"reading {shown(name)}", stat.size / 1e6, "MB") if log else None
                digest, _ = digest_some(
                    place, stat, read=None if progress is None else lambda done: progress.update(done / 1e6)
                )
            assert digest is not None
        except FileChanged as error:
            raise BadInput(f'"{shown(name)}" changed while it was read.', "Wait until it is complete.") from error
        except FileNotFoundError as error:
            raise BadInput(f'There is no file "{shown(place)}".', "Check the path.") from error
        except OSError as error:
            raise BadInput(f'"{shown(name)}" can\'t be read ({error.strerror}).', _readable(error)) from error
        key = self.key_for(name, digest)
        if digest in self.forgotten:
            self.forgotten.note(TAKEN_IN, digest)
        self.ledger.take(place, stat, key, digest)
        due = self.due(key, digest, place, stat)
        return Taken(key, digest, path, due.event, due.run)

    def inspect(self, path: Path) -> Mapping[str, Any]:
        """What is in the file; looked into once while this intake is open. Raises `BadInput`, `OSError`."""
        if path not in self._inspected:
            self._inspected[path] = self.product.inspect(path)
        return self._inspected[path]

    def key_for(self, name: str, digest: str) -> str:
        """The key of these bytes: the one they already have, whatever they were called; else a new one from `name`.

        Sameness is decided on the full digest. Where the usual 16 hex digits belong to other bytes, the key gets more.
        """
        known = self.ledger.key_of(digest)
        if known is not None:
            return known
        alike = self._keys(digest[:KEY_HEX])
        for key in alike:
            event = self.reported(key)
            if digest.startswith(key.rpartition("~")[2]) and (event is None or event.digest == digest):
                return key
        for length in range(KEY_HEX, len(digest) + 1, 8):
            key = partition_key(name, digest, length)
            if key not in alike and self.ledger.digest_of(key) in (None, digest):
                return key
        raise AssertionError("two contents with one BLAKE3 digest")

    def _keys(self, start: str) -> list[str]:
        if self._keys_by_start is None:
            by_start: dict[str, list[str]] = defaultdict(list)
            for key in self.instance.get_dynamic_partitions(self.product.partitions):
                by_start[key.rpartition("~")[2][:KEY_HEX]].append(key)
            self._keys_by_start = by_start
        return self._keys_by_start.get(start, [])

    def reported(self, key: str) -> Reported | None:
        """The latest event of `key`, from Dagster's event log."""
        self.look_up([key])
        return self._events[key]

    def look_up(self, keys: Sequence[str]) -> None:
        """Ask Dagster for the events and runs of these keys together; what was asked is kept while this intake is open.

        One question for fifty keys costs little more than one for a single key.
        """
        keys = [key for key in keys if key not in self._events]
        if not keys:
            return
        events = self._latest_events(self.product.asset, keys)
        for key in keys:
            self._events[key] = _reported(events.get(key))
        self._runs |= dict.fromkeys(keys, "missing") | self._run_states(keys)
        missing = [key for key in keys if self._runs[key] == "missing"]
        if missing:
            # Made, though the runs have been pruned since.
            self._runs |= dict.fromkeys(self._latest_events(self.product.finished, missing), "exists")

    def _latest_events(self, asset: str, keys: Sequence[str]) -> dict[str, dg.AssetMaterialization]:
        latest: dict[str, dg.AssetMaterialization] = {}
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=list(keys))
        cursor, more = None, True
        while more and len(latest) < len(keys):
            page = self.instance.fetch_materializations(wanted, limit=1000, cursor=cursor)
            for record in page.records:  # newest first
                if record.asset_materialization is not None and record.partition_key is not None:
                    latest.setdefault(record.partition_key, record.asset_materialization)
            cursor, more = page.cursor, page.has_more
        return latest

    def _run_states(self, keys: Sequence[str]) -> dict[str, str]:
        """`exists` or `starting` for keys of which Dagster has a run with this run key.

        A run counts once it is past NOT_STARTED: before that the daemon may have died with it, and asking again makes
        the daemon launch that very run. One that another process created is given a minute.
        """
        states: dict[str, str] = {}
        for record in self.instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: list(keys)})):
            tags = record.dagster_run.tags
            if tags.get(SENSOR_TAG) not in (None, self._sensor_name):
                continue  # another product's sensor took in the same bytes
            if record.dagster_run.status != dg.DagsterRunStatus.NOT_STARTED:
                states[tags[RUN_KEY_TAG]] = "exists"
            elif SENSOR_TAG not in tags and time.time() - record.create_timestamp.timestamp() < _STARTING_S:
                states.setdefault(tags[RUN_KEY_TAG], "starting")
        return states

    def due(self, key: str, digest: str, path: str, stat: FileStat) -> Due:
        """What still has to be told to Dagster about `key`, whose bytes lie at `path` now.

        Raises `BadInput` or `OSError` if an event is needed and the file can't be looked into any more.
        """
        event = self.reported(key)
        there = event is not None and event.digest == digest and unchanged(event.path, event.size, event.mtime_ns)
        run = self._runs[key]
        needed = None if there else self.event(key, digest, path, stat)
        return Due(needed, run == "missing", run == "starting", event)

    def event(self, key: str, digest: str, path: str, stat: FileStat) -> dg.AssetMaterialization:
        """The event that says where the bytes of `key` lie. Its data version is their digest."""
        name = Path(path).name
        return dg.AssetMaterialization(
            asset_key=self.product.asset,
            partition=key,
            description=f'"{shown(name)}" lies in {shown(str(Path(path).parent))}.',
            metadata={
                "path": dg.MetadataValue.path(path),
                "name": dg.MetadataValue.text(name),
                "size": stat.size,
                "mtime_ns": dg.MetadataValue.text(str(stat.mtime_ns)),
                "digest": dg.MetadataValue.text(digest),
                **self.inspect(Path(path)),
            },
            tags={DATA_VERSION_TAG: digest},
        )


def _reported(event: dg.AssetMaterialization | None) -> Reported | None:
    if event is None:
        return None
    said = event.metadata
    try:
        return Reported(
            str(said["path"].value), _whole(said["size"]), _whole(said["mtime_ns"]), str(said["digest"].value)
        )
    except (KeyError, TypeError, ValueError):
        return None  # an event somebody reported by hand


def _storage_id(instance: dg.DagsterInstance) -> str:
    """Tells one Dagster instance from another: with a new one, everything is to be done again."""
    identify: Callable[[], str] | None = getattr(instance.run_storage, "get_run_storage_id", None)
    return instance.root_directory if identify is None else identify()


def check_name(name: str) -> None:
    """Raise `BadInput` for a name that is not UTF-8: neither Dagster's storage nor its pages can hold it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(f'The name "{shown(name)}" is not valid UTF-8.', "Rename the file.") from error


def unchanged(path: str, size: int, mtime_ns: int) -> bool:
    """True unless the file is surely gone, or has another size or time."""
    try:
        stat = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # a disk that is away for a moment is no reason to look for other copies
    return stat.st_size == size and stat.st_mtime_ns == mtime_ns


def _readable(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "Make it readable, for example with chmod a+r."
    return "Check the disk it lies on, and copy it again."


def _whole(value: dg.MetadataValue) -> int:
    return int(str(value.value))
