"""What Dagster knows of the batches of one inbox, read from its event log once and then kept up to date.

Belongs here: the batches, an index of their files, and which of them lack a run. Does not belong here: what lies in
the folder now (`sensors/batches.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg

from resources.intake.batch_events import Batch, Batches, BatchFile, batch_of
from resources.intake.batches import run_states
from resources.intake.identity import FileStat
from resources.intake.intake import unchanged

_PAGE = 20
"""So many events are read at a time: one of 5,000 files takes about 5 MB of memory while it is read."""


class KnownBatches:
    """The batches of `folder`. A cache: everything in it comes from Dagster's events and runs.

    A batch given by name at the command line counts once it has a run; until then it is its caller's affair.
    """

    def __init__(self, batches: Batches, folder: str) -> None:
        self._of, self._folder = batches, folder
        self._source: object = None
        self._forget()

    def _forget(self) -> None:
        self._position = 0
        self._latest: dict[str | None, Batch] = {}
        self.own: Batch | None = None
        """The newest batch that this inbox reported."""
        self._with_run: set[str] = set()
        self._starting: set[str] = set()
        self._index()

    def _index(self) -> None:
        self._by_path: dict[str, BatchFile] = {}
        self._by_digest: dict[str, list[tuple[Batch, int]]] = defaultdict(list)
        for batch in self._latest.values():
            if batch.folder == self._folder or batch.run_key in self._with_run:
                for place, file in enumerate(batch.files):
                    self._by_path[str(file.path)] = file
                    self._by_digest[file.digest].append((batch, place))

    def __len__(self) -> int:
        return len(self._by_path)

    @property
    def latest(self) -> Batch | None:
        """The newest batch of an asset without partitions, wherever it came from."""
        return self._latest.get(None)

    def update(self, instance: dg.DagsterInstance) -> None:
        """Read what was reported since the last time; all of it where the events were wiped or the home is another."""
        asset = dg.AssetKey(self._of.asset)
        records = instance.get_asset_records([asset])
        entry = records[0].asset_entry if records else None
        last = (entry.last_materialization_storage_id if entry else None) or 0
        source = _storage_id(instance)
        if source != self._source or last < self._position:
            self._forget()
            self._source = source
        changed = self._read_events(instance, asset)
        if self._read_runs(instance) or changed:
            self._index()

    def _read_events(self, instance: dg.DagsterInstance, asset: dg.AssetKey) -> bool:
        changed, more = False, True
        while more:
            page = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=asset, after_storage_id=self._position), limit=_PAGE, ascending=True
            )
            for record in page.records:
                self._position = record.storage_id
                batch = batch_of(record.asset_materialization)
                if batch is None or (batch.key is None) != (self._of.partitions is None):
                    continue  # reported by hand
                self._latest[batch.key] = batch
                if batch.folder == self._folder:
                    self.own = batch
                changed = True
            more = page.has_more
        return changed

    def _read_runs(self, instance: dg.DagsterInstance) -> bool:
        """Look for runs of the batches that have none yet; true if any was found."""
        asked = [batch for batch in self._batches() if batch.run_key not in self._with_run]
        states = run_states(instance, self._of.job, [batch.run_key for batch in asked])
        found = {key for key, state in states.items() if state == "exists"}
        missing = [batch for batch in asked if batch.run_key not in states]
        if missing and self._of.finished:
            found |= self._made(instance, self._of.finished, missing)
        self._starting = {key for key, state in states.items() if state == "starting"}
        self._with_run |= found
        return bool(found)

    def _batches(self) -> list[Batch]:
        batches = list(self._latest.values())
        if self.own is not None and self._of.partitions is None and self.own is not self.latest:
            batches.append(self.own)
        return batches

    def _made(self, instance: dg.DagsterInstance, finished: str, missing: list[Batch]) -> set[str]:
        """The run keys of those that are worked off, though their runs have been deleted since."""
        if self._of.partitions is not None:
            made = instance.get_materialized_partitions(dg.AssetKey(finished))
            return {batch.run_key for batch in missing if batch.key in made}
        event = instance.get_latest_materialization_event(dg.AssetKey(finished))
        made_of = event.asset_materialization if event is not None else None
        version = (made_of.tags or {}).get(f"dagster/input_data_version/{self._of.asset}") if made_of else None
        return {batch.run_key for batch in missing if batch.digest == version}

    def open(self) -> list[Batch]:
        """The batches that this inbox reported and that have no run, nor one about to start."""
        mine = [self.own] if self._of.partitions is None and self.own else self._latest.values()
        return [
            batch
            for batch in mine
            if batch.folder == self._folder and batch.run_key not in self._with_run | self._starting
        ]

    # Files

    def digest(self, path: str, stat: FileStat) -> str | None:
        """The digest of the file that lies at `path` with this size and time, if it belongs to a batch."""
        file = self._by_path.get(path)
        known = file is not None and (file.size, file.mtime_ns) == (stat.size, stat.mtime_ns)
        return file.digest if file is not None and known else None

    def holds(self, digest: str) -> bool:
        """Whether a file with these bytes belongs to a batch."""
        return digest in self._by_digest

    def moved(self, copies: Mapping[str, tuple[FileStat, str]]) -> list[Batch]:
        """The batches whose recorded files are gone or touched, with these copies (stat, digest by path) in place."""
        changed: dict[str | None, Batch] = {}
        for path, (stat, digest) in copies.items():
            for batch, place in self._by_digest.get(digest, []):
                now, file = changed.get(batch.key, batch), batch.files[place]
                old = str(file.path)
                if old != path:
                    lies_there = copies[old][1] == digest if old in copies else unchanged(old, file.size, file.mtime_ns)
                    if lies_there or now.files[place] is not file:
                        continue
                moved = replace(file, path=Path(path), mtime_ns=stat.mtime_ns)
                files = (*now.files[:place], moved, *now.files[place + 1 :])
                changed[batch.key] = replace(now, folder=self._folder, files=files)
        return list(changed.values())


def _storage_id(instance: dg.DagsterInstance) -> str:
    """Tells one Dagster instance from another."""
    identify: Callable[[], str] | None = getattr(instance.run_storage, "get_run_storage_id", None)
    return instance.root_directory if identify is None else identify()
