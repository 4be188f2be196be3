"""What lies about beside the artifacts: temporary files, partial results, damaged objects set aside, cached models.

Belongs here: finding what nobody has used for long, and removing it. Does not belong here: manifests and objects
(`collecting.py`). No lock is needed: nothing here is part of an artifact.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from resources.store import durable, filesystem
from resources.store.scratch import Scratch

SHOWN = 50
_ASIDE = ".collected-"  # an entry of the cache on its way out; one that a killed process left goes the next time
_WRITING_S = 3600.0  # a younger temporary file may not be locked yet
_SHARED = "huggingface"  # holds one folder per model, each used and collected for itself


@dataclass(frozen=True)
class Part:
    """What was removed of one kind, or would be: how many, how many bytes, and the first 50 names."""

    count: int
    bytes: int
    names: tuple[str, ...]


def part(found: Iterable[tuple[str, int]]) -> Part:
    """Sum up (name, bytes) pairs."""
    pairs = sorted(found)
    return Part(len(pairs), sum(size for _, size in pairs), tuple(name for name, _ in pairs[:SHOWN]))


def temporary_files(root: Path, *, now: float, dry_run: bool) -> Part:
    """Temporary files whose writers are dead."""
    found = []
    for path in _listed(root / "tmp"):
        with suppress(OSError):  # gone meanwhile
            status = path.lstat()
            if now - status.st_mtime < _WRITING_S or not _is_abandoned(path):
                continue
            if not dry_run:
                filesystem.current.unlink(path)
            found.append((path.name, status.st_size))
    return part(found)


def scratches(root: Path, *, before: float, dry_run: bool) -> Part:
    """Partial results to which nothing was written since `before` (seconds since the epoch)."""
    found = []
    for folder in _below(root / "scratch", 3):
        newest, size = _last_written(folder)
        if newest >= before:
            continue
        if not dry_run:
            Scratch(root, folder).delete()
            if folder.exists():  # a living process works there
                continue
        found.append((folder.relative_to(root / "scratch").as_posix(), size))
    return part(found)


def set_aside(root: Path, *, before: float, dry_run: bool) -> Part:
    """Damaged objects that were set aside before `before` (seconds since the epoch)."""
    found = []
    for path in _listed(root / "bad"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if max(status.st_mtime, status.st_ctime) >= before:  # moving it there changed its ctime
                continue
            size = tree_bytes(path)
            if not dry_run:
                _remove(path)
            found.append((path.name, size))
    return part(found)


def cached(cache: Path, *, before: float, dry_run: bool, hub: bool = True) -> Part:
    """Entries of the cache of which no file was read or written since `before` (seconds since the epoch).

    An entry (a joined model, the cut fonts, one downloaded model) goes as a whole, by one rename, so that nobody finds
    half of it; it is made or fetched again when it is next needed. Where the disk keeps no access times (`noatime`),
    it can't be told what is used, and only what an earlier collection left behind goes. Without `hub`, what came from
    one stays: it could not be fetched again.
    """
    found = []
    for path in _entries(cache):
        if not hub and path.parent.name == _SHARED:
            continue
        left_behind = path.name.startswith(_ASIDE)
        if not left_behind and (not keeps_access_times(cache) or _last_used(path) >= before):
            continue
        size = tree_bytes(path)
        if not dry_run:
            aside = path if left_behind else cache / f"{_ASIDE}{uuid.uuid4().hex}"
            with suppress(FileNotFoundError):
                if not left_behind:
                    filesystem.current.replace(path, aside)
                _remove(aside)
        found.append((path.relative_to(cache).as_posix(), size))
    return part(found)


def keeps_access_times(folder: Path) -> bool:
    """Whether the file system notes when a file was read; `relatime`, the default, does so once a day."""
    return not os.statvfs(folder).f_flag & os.ST_NOATIME


def tree_bytes(path: Path) -> int:
    """Size of a file, or of all files in a folder; links count nothing, what vanishes meanwhile neither."""
    return sum(status.st_size for status in _files(path))


def _entries(cache: Path) -> Iterator[Path]:
    for path in _listed(cache):
        if path.name == _SHARED and path.is_dir() and not path.is_symlink():
            yield from (model for model in _listed(path) if model.name.startswith(("models--", "datasets--")))
        else:
            yield path


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """What lies so many levels below a folder; what vanishes meanwhile is left out."""
    if not depth:
        yield folder
    elif folder.is_dir() and not folder.is_symlink():
        for path in _listed(folder):
            yield from _below(path, depth - 1)


def _tree(folder: Path) -> Iterator[Path]:
    """All that lies in a folder, at any depth; what vanishes meanwhile is left out."""
    for where, folders, files in os.walk(folder):
        yield from (Path(where, name) for name in (*folders, *files))


def _is_abandoned(path: Path) -> bool:
    """Whether no living process has the temporary file locked; its name is never used again."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return durable.lock(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        filesystem.current.remove_tree(path)
    else:
        filesystem.current.unlink(path)


def _last_written(folder: Path) -> tuple[float, int]:
    """When anything in a folder was last written, itself included, and the bytes of its files."""
    newest, size = 0.0, 0
    for path in (folder, *_tree(folder)):
        try:
            status = path.lstat()
        except FileNotFoundError:  # a living process is at work
            return time.time(), size
        newest = max(newest, status.st_mtime)
        size += 0 if path.is_dir() else status.st_size
    return newest, size


def _last_used(path: Path) -> float:
    """When a file in `path` was last read or written. Folders don't count: listing them counts as reading."""
    times = [max(status.st_atime, status.st_mtime) for status in _files(path)]
    return max(times, default=path.lstat().st_mtime if path.exists() else time.time())


def _files(path: Path) -> Iterator[os.stat_result]:
    below = _tree(path) if path.is_dir() and not path.is_symlink() else [path]
    for file in below:
        with suppress(FileNotFoundError):
            if not file.is_symlink() and not file.is_dir():
                yield file.lstat()
