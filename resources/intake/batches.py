"""Batches: files that are worked on together, such as a folder of images, or CSV files that make one dataset.

Belongs here: making a batch of files, finding its run, taking files in by name, and handing them to who works on them.
Does not belong here: a batch's key and event (`batch_events.py`), all that is known of an inbox (`known_batches.py`),
when it is looked at (`sensors/batches.py`), and what is in the files.
"""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, overload

import dagster as dg

from resources.errors import BadInput, MissingOriginal
from resources.intake.batch_events import Batch, Batches, BatchFile, batch_event, batch_key, latest
from resources.intake.files import Claim, Found, scan
from resources.intake.identity import KEY_HEX, FileChanged, FileStat, digest_some, shown
from resources.intake.intake import RUN_KEY_TAG, SENSOR_TAG, check_name
from resources.progress import Progress

T = TypeVar("T")

_STARTING_S = 60.0
"""So long a run that someone else has created may take to start before it no longer counts."""
_TOGETHER = 50
"""So many keys are asked about in one question to Dagster's storage."""


class TakenBatch(NamedTuple):
    """A batch taken in by name. `event` is to be reported if given; `is_new`: no run with this `run_key` exists yet."""

    key: str | None
    event: dg.AssetMaterialization | None
    is_new: bool
    run_key: str


class _HasInstance(Protocol):
    @property
    def instance(self) -> dg.DagsterInstance: ...


def make_batch(
    instance: dg.DagsterInstance, batches: Batches, files: Sequence[BatchFile], folder: str = ""
) -> tuple[Batch, Batch | None]:
    """The batch of these files, and what was last reported under its key (its asset, without partitions).

    The same contents always get the same key, and the run key stands in the event; so after a crash at any point the
    same run is asked for again. Contents that come back after others were there get a run key of their own.
    """
    ordered = tuple(sorted(files, key=lambda file: file.name))
    digest = batches.digest(ordered)
    if batches.partitions is None:
        before = latest(instance, batches.asset, None)
        same = before is not None and before.digest == digest
        run_key = before.run_key if before is not None and same else _free_run_key(instance, batches, digest)
        return Batch(None, digest, run_key, folder, ordered), before
    for length in range(KEY_HEX, len(digest) + 1, 8):
        key = batch_key(ordered, length)
        before = latest(instance, batches.asset, key)
        if before is None or before.digest == digest:
            return Batch(key, digest, key, folder, ordered), before
    raise AssertionError("two batches with one BLAKE3 digest")


def _free_run_key(instance: dg.DagsterInstance, batches: Batches, digest: str) -> str:
    """The digest; with a number where a run has it already, for Dagster starts no second run with the same key."""
    first = 1
    while True:
        keys = [digest if n == 1 else f"{digest}~{n}" for n in range(first, first + _TOGETHER)]
        taken = run_states(instance, batches.job, keys)
        for key in keys:
            if key not in taken:
                return key
        first += _TOGETHER


def run_states(instance: dg.DagsterInstance, job: str, run_keys: Sequence[str]) -> dict[str, str]:
    """`exists` or `starting` for the run keys of which Dagster has a run of this job.

    A run counts once it is past NOT_STARTED: before that the daemon may have died with it, and asking again makes the
    daemon launch that very run. One that another process created is given a minute.
    """
    states: dict[str, str] = {}
    for start in range(0, len(run_keys), _TOGETHER):
        wanted = dg.RunsFilter(job_name=job, tags={RUN_KEY_TAG: list(run_keys[start : start + _TOGETHER])})
        for record in instance.get_run_records(wanted):
            tags = record.dagster_run.tags
            if record.dagster_run.status != dg.DagsterRunStatus.NOT_STARTED:
                states[tags[RUN_KEY_TAG]] = "exists"
            elif SENSOR_TAG not in tags and time.time() - record.create_timestamp.timestamp() < _STARTING_S:
                states.setdefault(tags[RUN_KEY_TAG], "starting")
    return states


# Reading it back


@overload
def files_of(
    context: _HasInstance, asset: str, partition: str | None, missing: Literal["raise"] = "raise"
) -> list[BatchFile]: ...
@overload
def files_of(
    context: _HasInstance, asset: str, partition: str | None, missing: Literal["leave"]
) -> tuple[list[BatchFile], list[BatchFile]]: ...
def files_of(
    context: _HasInstance, asset: str, partition: str | None, missing: Literal["raise", "leave"] = "raise"
) -> list[BatchFile] | tuple[list[BatchFile], list[BatchFile]]:
    """The files of the newest batch of `asset`, each with the bytes it was taken in with.

    They come in an order that follows from what the data version tells apart: by name in a partition, by content in an
    asset without partitions. Raises `MissingOriginal` where a file is gone or has other bytes, or nothing was taken in
    yet; with `missing="leave"` those files are left out and returned as a second list.
    """
    batch = latest(context.instance, asset, partition)
    if batch is None:
        raise MissingOriginal(
            f"No files were taken in for {asset}{f', partition {partition}' if partition else ''} yet.",
            "Put files into its folder of the inbox, or name them at the command line.",
        )
    ordered = batch.files if partition else sorted(batch.files, key=lambda file: (file.digest, file.name))
    whole = [file for file in ordered if is_whole(file)]
    others = [file for file in ordered if file not in set(whole)]
    if missing == "leave":
        return whole, others
    if others:
        told = [f'"{shown(str(f.path))}" {"has changed" if f.path.exists() else "is gone"}' for f in others[:5]]
        more = f" and {len(others) - 5:,} more" if len(others) > 5 else ""
        raise MissingOriginal(
            f"{len(others):,} of {len(ordered):,} files are not what they were: {'; '.join(told)}{more}.",
            "Put them back as they were; or take in the files as they are now, by the inbox or by name.",
        )
    return whole


def read_each(
    context: dg.AssetExecutionContext, asset: str, read: Callable[[str, bytes], tuple[T, Sequence[str]]]
) -> tuple[list[T], list[str]]:
    """What `read` makes of the name and the bytes of each file of this step's partition of `asset`, by name; and what
    is left out, a line each: what `read` says beside it, and files that are gone, have other bytes, can't be read, or
    of which it raises `BadInput`.

    Raises `MissingOriginal` where nothing was taken in yet.
    """
    whole, others = files_of(context, asset, context.partition_key, missing="leave")
    problems = [f"{file.name}: is gone, or holds something else than when it was taken in" for file in others]
    made = []
    for file in whole:
        try:
            content, odd = read(file.name, file.path.read_bytes())
        except OSError as error:
            problems.append(f"{file.name}: can't be read ({error.strerror})")
        except BadInput as error:
            problems.append(f"{file.name}: {error}")
        else:
            made.append(content)
            problems += odd
    return made, problems


def is_whole(file: BatchFile) -> bool:
    """Whether the file still holds its bytes: it has its size and time, or else its digest."""
    try:
        stat = file.path.stat()
        if not modes.S_ISREG(stat.st_mode) or stat.st_size != file.size:
            return False
        if stat.st_mtime_ns == file.mtime_ns:
            return True
        return digest_some(str(file.path), FileStat.of(stat))[0] == file.digest
    except (OSError, FileChanged):
        return False


# Taking in by name


def take_in(
    instance: dg.DagsterInstance,
    batches: Batches,
    paths: Sequence[Path],
    log: Any = None,
    exclude: Sequence[Path] = (),
) -> TakenBatch:
    """Make one batch of files and folders lying anywhere. Of a folder the files of this sort, subfolders included,
    but for the folders `exclude`.

    The caller adds the partition `key`, reports `event` if there is one, and starts a run of the job, tagged
    `dagster/run_key`. Progress goes to `log`, if given. Raises `BadInput`.
    """
    named = list(_named(batches, paths, exclude))
    if not named:
        raise BadInput("There are no files of the right sort in what was named.", _sorts(batches))
    if len(named) > batches.most:
        raise BadInput(f"{len(named):,} files are more than one batch holds.", f"Name at most {batches.most:,}.")
    files, done = [], 0.0
    progress = Progress(log, "reading files", len(named), "files") if log else None
    for path, name in named:
        files.append(_read(path, name))
        done += 1
        if progress is not None:
            progress.update(done)
    batch, before = make_batch(instance, batches, files)
    there = before is not None and before.digest == batch.digest and all(is_whole(file) for file in before.files)
    is_new = batch.run_key not in run_states(instance, batches.job, [batch.run_key])
    return TakenBatch(batch.key, None if there else batch_event(batches, batch), is_new, batch.run_key)


def found_in(root: str, batches: Batches, exclude: Sequence[Path] = ()) -> list[Found]:
    """The files of this sort under `root` (an absolute real path), by path, without the folders `exclude`.

    Raises `OSError` if `root` can't be listed.
    """
    return sorted(file for file in scan(root, batches.names, exclude) if file.claim is Claim.YES)


def _named(batches: Batches, paths: Sequence[Path], exclude: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each file once, with a name of its own; a folder's files are named as they would be if it lay in the inbox."""
    found: dict[Path, str] = {}
    for given in paths:
        path = Path(os.path.normpath(Path.cwd() / given))
        if not path.exists():
            raise BadInput(f'There is no file or folder "{shown(str(path))}".', "Check the path.")
        if not path.is_dir():
            found.setdefault(path, path.name)
            continue
        root = os.path.realpath(path)
        try:
            inside = found_in(root, batches, exclude)
        except OSError as error:
            raise BadInput(f'"{shown(str(path))}" can\'t be listed ({error.strerror}).', "Make it readable.") from error
        for file in inside:
            if file.problem is not None:
                raise BadInput(f'"{shown(file.path)}": {file.problem.message}', file.problem.remedy)
            found.setdefault(Path(file.path), f"{path.name}/{os.path.relpath(file.path, root)}")
    if len(set(found.values())) < len(found):
        above = os.path.commonpath([path.parent for path in found])
        found = {path: os.path.relpath(path, above) for path in found}
    yield from found.items()


def _sorts(batches: Batches) -> str:
    return f"Name files or folders with files of these sorts: {', '.join(sorted(batches.names.taken))}."


def _read(path: Path, name: str) -> BatchFile:
    check_name(str(path))
    try:
        stat = FileStat.of(path.stat())
        if not path.is_file():
            raise BadInput(f'"{shown(name)}" is no regular file.', "Name a regular file.")
        digest, _ = digest_some(str(path), stat)
    except FileChanged as error:
        raise BadInput(f'"{shown(name)}" changed while it was read.', "Wait until it is complete.") from error
    except OSError as error:
        raise BadInput(f'"{shown(name)}" can\'t be read ({error.strerror}).', "Make it readable: chmod a+r.") from error
    assert digest is not None  # no allowance was given: it was read to its end
    return BatchFile(path, name, stat.size, stat.mtime_ns, digest)
