"""The watcher of folders whose files are worked on together: all that has settled is one batch, and one run.

Belongs here: when files are looked at, how much one tick does, and what it says. Does not belong here: what a batch is
(`resources/intake/batch_events.py`), what Dagster knows of them (`known_batches.py`), rules on names (`files.py`).

A batch is done when a run with its run key exists; until then every tick asks for it. What is known is read from the
external asset's events. What is kept in the process (digests, when a file was first seen) can be lost at any time: then
files are read again. The cursor says since when the files that wait have not changed, and nothing else.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from resources.intake.batch_events import Batch, Batches, BatchFile, batch_event
from resources.intake.batches import found_in, is_whole, make_batch, run_states
from resources.intake.files import Found
from resources.intake.identity import FileStat, shown, shown_name
from resources.intake.known_batches import KnownBatches
from sensors.batch_files import Memory, Reader, Wait, due_reports
from sensors.inbox import FILE_TAG, Limits, short_of_room, unreadable

DRIP_S = 60.0
"""Where something changes all the time, the files that have settled are taken after so long."""

_EMPTY = json.dumps(["", 0.0, 0.0])
"""The cursor while nothing waits."""


def always(instance: dg.DagsterInstance) -> str | None:
    """The product can work at any time."""
    return None


def first_made(*assets: str, by: str) -> Callable[[dg.DagsterInstance], str | None]:
    """A sentence until one of these assets was made once; `by` is the command that makes it."""

    def ready(instance: dg.DagsterInstance) -> str | None:
        if any(instance.fetch_materializations(dg.AssetKey(asset), limit=1).records for asset in assets):
            return None
        return f"There is no {' or '.join(assets)} yet: run `{by}`. The files wait"

    return ready


def batch_sensor(
    *,
    name: str,
    batches: Batches,
    folder: Path,
    limits: Limits,
    failures: Path,
    description: str,
    exclude: Sequence[Path] = (),
    ready: Callable[[dg.DagsterInstance], str | None] = always,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.SensorDefinition:
    """A sensor, RUNNING by default, that asks for one run of the batches' job for what lies settled in `folder`.

    `exclude` are folders in it that belong to another inbox; `failures` is the log that refusals are written to. While
    `ready` returns a sentence, the tick says it and the files wait. Of `limits`, `new_per_tick` bounds the refusals.
    """
    root = os.path.realpath(folder)
    state = _State(KnownBatches(batches, root))
    own_tags, own_config = dict(tags or {}), dict(run_config or {})

    @dg.sensor(
        name=name,
        job_name=batches.job,
        minimum_interval_seconds=3,  # the daemon looks every 5 s; an interval of 5 would make that 5 and 10 by turns
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            found = found_in(root, batches, exclude)
        except OSError as error:
            return unreadable(folder, error)
        if (full := short_of_room(limits, root)) is not None:
            return full
        if not state.lock.acquire(blocking=False):
            return dg.SkipReason("The tick before is still at work.")  # the daemon gave up on it
        try:
            return _Tick(context, batches, state, root, limits, failures, ready, own_config, own_tags).result(found)
        finally:
            state.lock.release()

    return watch


@dataclass
class _State:
    """What is kept while the process lives."""

    known: KnownBatches
    memory: Memory = field(default_factory=Memory)
    same: str = ""
    """The listing of a folder that was found to hold what its newest batch holds."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class _Tick:
    """One look at the folder."""

    context: dg.SensorEvaluationContext
    batches: Batches
    state: _State
    root: str
    limits: Limits
    failures: Path
    ready: Callable[[dg.DagsterInstance], str | None]
    run_config: dict[str, Any]
    tags: dict[str, str]
    events: list[dg.AssetMaterialization | dg.AssetObservation] = field(default_factory=list)
    runs: list[dg.RunRequest] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    cursor: str = _EMPTY

    def __post_init__(self) -> None:
        self.now = time.time()
        self.known, self.memory = self.state.known, self.state.memory
        self.reader = Reader(self.context, self.memory, self.limits)

    def result(self, found: list[Found]) -> dg.SensorResult:
        self.memory.forget_all_but(found)
        self.known.update(self.context.instance)
        self.said.append(f"{len(self.known):,} files known")
        files = [file for file in found if file.path not in self.memory.refused]
        waiting = self._new(files) if self.batches.partitions else self._changed(files)
        settled = self._settled(waiting)
        open_batches = self._open(waiting)
        sentence = self.ready(self.context.instance) if waiting or open_batches else None
        if sentence is not None:
            self.said.append(sentence)
            return self._answer()
        for batch in open_batches:
            self._ask(batch)
        try:
            if settled and self.batches.partitions:
                self._take_new(settled)
            elif settled:
                self._take_all(settled)
        except Wait as reason:
            self.said.append(str(reason))
        return self._answer()

    def _open(self, waiting: list[Found]) -> list[Batch]:
        """The batches that lack a run and have a file left. Of a folder taken whole, none that is about to change."""
        if waiting and self.batches.partitions is None:
            return []
        some = self.known.open()[: self.limits.new_per_tick]
        return [batch for batch in some if any(is_whole(file) for file in batch.files)]

    # What is new

    def _new(self, files: list[Found]) -> list[Found]:
        """The files that belong to no batch yet, as far as can be told without reading them."""
        return [
            file
            for file in files
            if self.known.digest(file.path, file.stat) is None and file.path not in self.memory.copies
        ]

    def _changed(self, files: list[Found]) -> list[Found]:
        """All files, if they are not those of the newest batch; else none."""
        own = self.known.own
        before = {} if own is None else {str(file.path): (file.size, file.mtime_ns) for file in own.files}
        now = {file.path: (file.stat.size, file.stat.mtime_ns) for file in files}
        return [] if before == now or self.state.same == _listing(files) else files

    def _settled(self, waiting: list[Found]) -> list[Found]:
        """Of the files that wait, those that can be taken: all once nothing has changed for a while."""
        if not waiting:
            return []
        seen = {file.path: self.memory.seen.get(file.path, (file.stat, self.now))[1] for file in waiting}
        self.memory.seen |= {file.path: (file.stat, min(seen[file.path], self.now)) for file in waiting}
        listing, since, first = _cursor(self.context.cursor)
        now_listed = _listing(waiting)
        since = since if listing == now_listed and since <= self.now else self.now
        first = first if 0 < first <= self.now else self.now
        self.cursor = json.dumps([now_listed, since, first])
        if self.now - since >= self.limits.settle_seconds:
            return waiting
        names = ", ".join(f'"{shown_name(file.path, 60)}"' for file in waiting[:3])
        self.said.append(f"waiting: {names}{f' and {len(waiting) - 3:,} more' if len(waiting) > 3 else ''}")
        if self.now - first < DRIP_S:
            return []
        return [file for file in waiting if self.now - seen[file.path] >= self.limits.settle_seconds]

    # Taking it in

    def _take_new(self, settled: list[Found]) -> None:
        """Make a batch of the files, if anything in them is new; and tell where batches' files have gone."""
        files: list[BatchFile] = []
        copies: dict[str, tuple[FileStat, str]] = {}
        new = False
        for file in settled:
            digest = self.reader.digest(file)
            if digest is None:
                continue
            files.append(self._file(file, digest))
            new = new or not self.known.holds(digest)
            if self.known.holds(digest):
                copies[file.path] = file.stat, digest
            if len(files) >= self.batches.most:
                self.said.append(f"{self.batches.most:,} files are enough for one batch, the rest follows")
                break
        for moved in self.known.moved(copies):
            self.context.log.info(f"files of {moved.key} lie elsewhere now; no new run")
            self.events.append(batch_event(self.batches, moved))
        if new:
            batch, _ = make_batch(self.context.instance, self.batches, files, self.root)
            self._report(batch)
        else:
            self.memory.copies |= {path: (stat,) for path, (stat, _) in copies.items()}
        self._rest(settled, {str(file.path) for file in files})

    def _take_all(self, settled: list[Found]) -> None:
        """Make one batch of all files, if their contents are not those of the newest batch."""
        if len(settled) > self.batches.most:
            raise Wait(f"{len(settled):,} files are more than one batch holds ({self.batches.most:,}); remove some")
        read = [(file, self.known.digest(file.path, file.stat) or self.reader.digest(file)) for file in settled]
        if any(file.path in self.memory.tries for file, digest in read if digest is None):
            raise Wait("the others wait for the file that could not be read")
        files = [self._file(file, digest) for file, digest in read if digest is not None]
        if not files:
            raise Wait("there are no files to make a batch of")
        own, latest = self.known.own, self.known.latest
        if own is None or self.batches.digest(files) != own.digest:
            batch, _ = make_batch(self.context.instance, self.batches, files, self.root)
            self._report(batch)
        elif own is latest:
            ordered = tuple(sorted(files, key=lambda file: file.name))
            self.context.log.info("the same contents under other names or times; no new run")
            self.events.append(batch_event(self.batches, Batch(None, own.digest, own.run_key, self.root, ordered)))
        else:
            self.state.same = _listing(settled)
        self._rest(settled, {str(file.path) for file in files})

    def _file(self, file: Found, digest: str) -> BatchFile:
        name = os.path.relpath(file.path, self.root)
        return BatchFile(Path(file.path), name, file.stat.size, file.stat.mtime_ns, digest)

    def _rest(self, settled: list[Found], taken: set[str]) -> None:
        """What was settled and is not taken yet stays settled."""
        since = _cursor(self.cursor)[1]
        rest = [file for file in settled if file.path not in taken and file.path not in self.memory.refused]
        self.cursor = json.dumps([_listing(rest), since, self.now]) if rest else _EMPTY

    def _report(self, batch: Batch) -> None:
        """Report a batch and ask for its run, unless somebody at the command line has started one."""
        self.events.append(batch_event(self.batches, batch))
        if not run_states(self.context.instance, self.batches.job, [batch.run_key]):
            self._ask(batch)  # Dagster itself would only know of runs that this sensor asked for

    def _ask(self, batch: Batch) -> None:
        """Ask for the run of a batch whose event is reported already, or with this."""
        if self.batches.partitions is None and batch is self.known.own and batch is not self.known.latest:
            self.events.append(batch_event(self.batches, batch))  # a run reads the newest event
        first = shown(batch.files[0].name) + (f" and {len(batch.files) - 1:,} more" if len(batch.files) > 1 else "")
        self.context.log.info(f"taking in {first} as {batch.key or batch.run_key}")
        self.runs.append(
            dg.RunRequest(
                run_key=batch.run_key,
                partition_key=batch.key,
                run_config=self.run_config or None,
                tags={FILE_TAG: first, **self.tags},
            )
        )

    def _answer(self) -> dg.SensorResult:
        self.events += due_reports(
            self.context, self.memory, self.batches.asset, self.failures, self.limits.new_per_tick
        )
        keys = [request.partition_key for request in self.runs if request.partition_key is not None]
        partitions = self.batches.partitions_def
        return dg.SensorResult(
            run_requests=self.runs,
            skip_reason=None if self.runs else dg.SkipReason("; ".join(self.said).rstrip(".") + "."),
            dynamic_partitions_requests=[partitions.build_add_request(keys)] if partitions and keys else [],
            asset_events=self.events,
            cursor=self.cursor,
        )


def _listing(files: Sequence[Found]) -> str:
    """A digest of what lies there; ctime is left out, for it changes with owner and mode."""
    from blake3 import blake3

    lines = sorted((os.fsencode(f.path), f.stat.size, f.stat.mtime_ns, f.stat.inode) for f in files)
    return blake3(repr(lines).encode()).hexdigest()


def _cursor(text: str | None) -> tuple[str, float, float]:
    """The listing that waited at the last look, since when it is unchanged, and since when anything waits."""
    try:
        listing, since, first = json.loads(text or _EMPTY)
        return str(listing), float(since), float(first)
    except (ValueError, TypeError):
        return "", 0.0, 0.0
