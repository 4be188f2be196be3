"""The inbox watcher, once for every product: a sensor that takes in the files of a folder.

Belongs here: when a file is looked at, how much one tick does, and what a tick says. Does not belong here: what a file
is (`resources/intake/recordings.py`), its key and event (`resources/intake/intake.py`), rules on names
(`resources/intake/files.py`), how a refusal is told (`refusals.py`).

A tick asks Dagster for whatever it does not have yet, and believes it has something only when it sees it there: a key
stays open until its event and a run with its run key exist, a refusal until its observation does. So nothing is lost
when a tick's result is, and nothing is done twice when the ledger is. There is no cursor: files waiting to settle are
rows of the ledger, so that their number is not bounded and no tick row grows with them.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from resources.errors import BadInput, ScriptoriumError
from resources.intake.files import Claim, Found, Problem, scan
from resources.intake.identity import FileChanged, FileStat, begun, digest_some, shown, shown_name
from resources.intake.intake import Intake, Product, check_name, unchanged
from resources.intake.ledger import SETTLING, FileRow, LedgerUnavailable, Original
from sensors.refusals import due_reports

FILE_TAG = "scriptorium/file"
_TRIES = 5
"""So often an error that may pass is met before the file is refused."""
_RETRY_S = 10.0
"""The first wait between two tries; each is twice the one before, five minutes in all."""
_TOGETHER = 50
"""So many keys are asked about in one question to Dagster's storage."""


@dataclass(frozen=True)
class Limits:
    """How much one tick does. `disk` is a folder on the disk that must have `min_free_bytes` left."""

    disk: Path
    settle_seconds: float = 10.0
    min_free_bytes: int = 10**9
    bytes_per_tick: int = 2 * 10**9
    seconds_per_tick: float = 10.0  # the daemon gives up on a tick after 60
    new_per_tick: int = 50


def unreadable(folder: Path, error: OSError) -> dg.SkipReason:
    """What a tick says of an inbox that can't be listed."""
    return dg.SkipReason(f"The inbox {folder} can't be read ({error.strerror}). Make the folder, or make it readable.")


def short_of_room(limits: Limits, root: str) -> dg.SkipReason | None:
    """What a tick says while the disk is too full to take anything in; None while there is room."""
    free = shutil.disk_usage(limits.disk if limits.disk.exists() else root).free
    if free >= limits.min_free_bytes:
        return None
    return dg.SkipReason(
        f"The disk of {limits.disk} has {free / 1e9:.2f} GB left and nothing is taken in below"
        f" {limits.min_free_bytes / 1e9:.2f} GB. Free some space; the files wait."
    )


def inbox_sensor(
    *,
    name: str,
    product: Product,
    folder: Path,
    ledger: Path,
    failures: Path,
    limits: Limits,
    description: str,
    job_name: str,
    exclude: Sequence[Path] = (),
) -> dg.SensorDefinition:
    """A sensor, RUNNING by default, that takes in the files of `folder` and asks for a run of the job for each.

    `ledger` is the SQLite cache, `failures` the log that refusals are written to; `exclude` are folders in `folder`
    that belong to another inbox.
    """

    # The daemon looks every 5 s; an interval of 5 would make that 5 and 10 by turns.
    @dg.sensor(
        name=name,
        job_name=job_name,
        minimum_interval_seconds=3,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        root = os.path.realpath(folder)
        try:
            found = list(scan(root, product.names, exclude))
        except OSError as error:
            return unreadable(folder, error)
        if (full := short_of_room(limits, root)) is not None:
            return full
        try:
            with Intake(product, context.instance, ledger, name) as intake:
                if intake.ledger.set_aside:
                    context.log.warning(
                        f"{ledger} was damaged: set aside as {intake.ledger.set_aside.name}, made anew."
                    )
                return _Tick(context, intake, root, limits, failures).result(found)
        except LedgerUnavailable as error:
            return dg.SkipReason(str(error))

    return watch


@dataclass
class _Tick:
    """One look at the inbox."""

    context: dg.SensorEvaluationContext
    intake: Intake
    root: str
    limits: Limits
    failures: Path
    events: list[dg.AssetMaterialization | dg.AssetObservation] = field(default_factory=list)
    runs: list[dg.RunRequest] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    known: int = 0
    waiting: list[str] = field(default_factory=list)
    reading: str = ""
    held: bool = False

    def __post_init__(self) -> None:
        self.now = time.time()
        self.deadline = time.monotonic() + self.limits.seconds_per_tick
        self.ledger = self.intake.ledger

    def result(self, found: list[Found]) -> dg.SensorResult:
        settled = self._sort(found, self.ledger.files(self.root))
        self._look_for_moved()
        # First what earlier ticks found out and Dagster may still lack, then new files: small ones first.
        for batch in _batches(self.ledger.unanswered()):
            if not self._room():
                break
            self.intake.look_up([original.key for original in batch])
            for original in batch:
                if self._room():
                    self._ask(original)
        self._identify(sorted(settled, key=lambda file: file.stat.size))
        self._report_refusals()
        return self._answer()

    def _sort(self, found: list[Found], rows: dict[str, FileRow]) -> list[Found]:
        """Compare what lies there with the ledger, and bring it up to date. Returns the files that have settled."""
        settled, first_seen = [], []
        for file in found:
            row = rows.pop(file.path, None)
            if row is not None and row.knows(file.stat):
                self.known += 1
            elif row is not None and row.state == SETTLING and row.stat == file.stat and row.since <= self.now:
                if self._settled(row, file.stat):
                    settled.append(file)
                else:
                    self.waiting.append(file.path)
            else:
                first_seen.append(file)
        if rows:
            self.ledger.forget(rows)  # gone since the last look
        if first_seen:
            self.ledger.settling(((file.path, file.stat) for file in first_seen), self.now)
            if self.limits.settle_seconds == 0:
                settled += first_seen
            else:
                self.waiting += [file.path for file in first_seen]
        return settled

    def _settled(self, row: FileRow, stat: FileStat) -> bool:
        """True for a file seen before with this stat, and long enough unchanged by our clock or the file system's.

        The file system's (ctime: set by every write, and by nobody's wish, unlike mtime) saves waiting for files that
        lay there before the first look; a second look keeps a file server whose clock is behind from fooling us.
        """
        if row.tries:
            return self.now - row.since >= _RETRY_S * 2**row.tries
        unchanged_s = max(self.now - row.since, self.now - stat.ctime_ns / 1e9)
        return unchanged_s >= self.limits.settle_seconds

    def _look_for_moved(self) -> None:
        """Open the keys whose recorded file is gone or has changed while another copy lies in the inbox."""
        inside = self.root + os.sep
        moved = [
            stray.key
            for stray in self.ledger.strays(self.root)
            if stray.path.startswith(inside) or not unchanged(stray.path, stray.size, stray.mtime_ns)
        ]
        if moved:
            self.ledger.reopen(moved)

    def _room(self) -> bool:
        """True while this tick may ask for more runs and has time left."""
        if len(self.runs) >= self.limits.new_per_tick:
            self.held = True
            return False
        return time.monotonic() < self.deadline

    def _identify(self, files: Iterable[Found]) -> None:
        """Look into files and hash them, within the tick's budget of bytes and seconds."""
        files = list(files)
        left = self.limits.bytes_per_tick
        # A file that is already read in part keeps half the budget, however many small ones come in.
        kept = left // 2 if any(begun(file.path, file.stat) for file in files) else 0
        new: list[Original] = []
        for file in files:
            if not self._room():
                self.waiting.append(file.path)
                continue
            part = begun(file.path, file.stat)
            allowance = left if part else left - kept
            if allowance <= 0 and not part:
                self.waiting.append(file.path)
                continue
            digest, read = self._read(file, allowance, part)
            left -= read
            if digest is not None and digest in self.intake.forgotten:
                self.ledger.ignore(file.path, file.stat)  # without a word: a tick is kept for months, and names files
            elif digest is not None:
                key = self.intake.key_for(Path(file.path).name, digest)
                self.ledger.take(file.path, file.stat, key, digest)
                new.append(Original(key, digest, file.path, file.stat.size, file.stat.mtime_ns))
            if len(new) + len(self.runs) >= self.limits.new_per_tick:
                self._ask_new(new)
                new = []
        self._ask_new(new)

    def _read(self, file: Found, allowance: int, part: int) -> tuple[str | None, int]:
        """Look into one file and hash it; whatever is wrong with it ends here.

        Returns its digest, or None where it is refused or not read to its end, and the bytes read.
        """
        try:
            if file.problem is not None:
                raise BadInput(*file.problem)
            if not part:
                check_name(file.path)
                os.close(os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
                self.intake.inspect(Path(file.path))
            digest, read = digest_some(file.path, file.stat, allowance, self.deadline)
            if digest is None:
                share = begun(file.path, file.stat) / file.stat.size
                self.reading = f'"{shown_name(file.path)}" is being read, {share:.0%} done'
            return digest, read
        except FileNotFoundError:
            self.ledger.forget([file.path])
        except FileChanged:
            self.ledger.settling([(file.path, file.stat)], self.now)
        except BadInput as error:
            self._refuse(file, Problem(error.message, error.remedy))
        except PermissionError:
            self._refuse(file, Problem("It can't be read by the user who runs Scriptorium.", "Run chmod a+r on it."))
        except (ImportError, sqlite3.Error):
            raise  # nothing to do with this file
        except Exception as error:
            self._try_later(file, error)
        return None, 0

    def _ask_new(self, originals: Sequence[Original]) -> None:
        """Ask for files looked into in this tick; however late it is, for that takes next to no time."""
        self.intake.look_up([original.key for original in originals])
        for original in originals:
            self._ask(original)

    def _ask(self, original: Original) -> None:
        """Ask for what Dagster lacks of this key; close it if that is nothing."""
        key = original.key
        if key in self.asked or len(self.runs) >= self.limits.new_per_tick:
            return
        self.asked.add(key)
        if original.digest in self.intake.forgotten:
            self.ledger.close(key)  # forgotten meanwhile; `scriptorium forget` deletes what is known of it
            return
        copies = self.ledger.copies(key, self.root)
        if not copies:
            self.ledger.close(key)  # its file is gone; should it come back, it is opened again
            return
        path, stat = next((copy for copy in copies if copy[0] == original.path), copies[0])
        try:
            due = self.intake.due(key, original.digest, path, stat)
        except (OSError, ScriptoriumError) as error:
            # It has changed since it was looked into; the next tick sees it as a changed file, or misses it.
            self.context.log.warning(f'"{shown_name(path)}" can\'t be read any more: {shown(str(error))}')
            return
        name = shown_name(path)
        if due.event is not None:
            self.events.append(due.event)
            self.ledger.reported(key, path, stat.size, stat.mtime_ns, close=False)
        elif not due.run and not due.later and due.reported is not None:
            self.ledger.reported(key, due.reported.path, due.reported.size, due.reported.mtime_ns, close=True)
        if due.run:
            self.context.log.info(f'taking in "{name}" as {key}')
            self.runs.append(dg.RunRequest(run_key=key, partition_key=key, tags={FILE_TAG: name}))
        elif due.event is not None:
            self.context.log.info(f'{key} now lies at "{shown(path)}"; no new run')

    def _try_later(self, file: Found, error: Exception) -> None:
        name = shown_name(file.path)
        self.context.log.warning(f'"{name}" could not be read now, it is tried again: {shown(repr(error))}')
        if self.ledger.failed_try(file.path, self.now) >= _TRIES:
            reason = f"It could not be read in {_TRIES} attempts ({type(error).__name__}: {shown(str(error))})."
            self._refuse(file, Problem(reason, "Check the disk it lies on, and copy it again."))

    def _refuse(self, file: Found, problem: Problem) -> None:
        if file.claim is Claim.YES:
            self.ledger.refuse(file.path, file.stat, problem.message, problem.remedy)
            return
        self.ledger.ignore(file.path, file.stat)
        self.context.log.info(f'"{shown_name(file.path)}" is left alone: {shown(problem.message)}')

    def _report_refusals(self) -> None:
        reports = due_reports(self.context, self.intake, self.failures, self.limits.new_per_tick)
        self.events += reports
        self.held = self.held or len(reports) >= self.limits.new_per_tick

    def _answer(self) -> dg.SensorResult:
        said = [f"{self.known:,} files known"]
        if self.waiting:
            names = ", ".join(f'"{shown_name(path, 60)}"' for path in self.waiting[:3])
            more = f" and {len(self.waiting) - 3:,} more" if len(self.waiting) > 3 else ""
            said.append(f"waiting: {names}{more}")
        if self.reading:
            said.append(self.reading)
        if self.held:
            said.append(f"{self.limits.new_per_tick} are enough for one tick, the rest follows")
        summary = "; ".join(said) + "."
        if self.held or self.reading:
            self.context.log.info(summary)
        keys = [request.run_key for request in self.runs if request.run_key is not None]
        return dg.SensorResult(
            run_requests=self.runs,
            skip_reason=None if self.runs else dg.SkipReason(summary),
            dynamic_partitions_requests=[self.intake.product.partitions_def.build_add_request(keys)] if keys else [],
            asset_events=self.events,
        )


def _batches(originals: list[Original]) -> Iterator[list[Original]]:
    for start in range(0, len(originals), _TOGETHER):
        yield originals[start : start + _TOGETHER]
