"""What makes a file the same file: its stat, the digest of its bytes, and the partition key made of name and digest.

Belongs here: slug, key, incremental hashing, and a file's name made fit to be shown. Pure: no Dagster.
Does not belong here: which files are looked at (`files.py`), what is remembered of them (`ledger.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, NamedTuple

READ_BYTES = 4 * 2**20
KEY_HEX = 16
"""Hex digits of the digest in a partition key; more only where 16 are taken by other bytes."""


class FileStat(NamedTuple):
    """What the file system says about a file. Bytes, and nanoseconds since 1970."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileStat:
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


class FileChanged(Exception):
    """The file is not the one that was looked at a moment ago."""


def shown(name: str, limit: int = 200) -> str:
    """`name` on one line: what can't be printed (newlines, broken UTF-8) is escaped, and it is cut after `limit`."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shown_name(path: str, limit: int = 200) -> str:
    """The last part of `path`, made fit to be shown."""
    return shown(Path(path).name, limit)


def slug(name: str) -> str:
    """The file name's stem in `a-z0-9-`, at most 60 characters; `untitled` where nothing of it can be kept."""
    from slugify import slugify

    stem = PurePath(os.fsencode(name).decode("utf-8", "ignore")).stem
    return slugify(stem, max_length=60) or "untitled"


def partition_key(name: str, digest: str, length: int = KEY_HEX) -> str:
    """`<slug of the stem>~<first hex digits of the digest>`."""
    return f"{slug(name)}~{digest[:length]}"


_begun: OrderedDict[tuple[str, FileStat], tuple[Any, int]] = OrderedDict()
"""Files hashed in part: a hasher, and how far it has read. Lost with the process, and then begun again."""
_begun_lock = threading.Lock()
_BEGUN_MAX = 16


def begun(path: str, stat: FileStat) -> int:
    """How many bytes of this very file are hashed already."""
    with _begun_lock:
        return _begun.get((path, stat), (None, 0))[1]


def digest_some(
    path: str,
    stat: FileStat,
    allowance: int | None = None,
    deadline: float | None = None,
    read: Callable[[int], None] | None = None,
) -> tuple[str | None, int]:
    """Go on with the BLAKE3 of the file, up to `allowance` bytes or `deadline` (monotonic seconds); None is no limit.

    Returns the hex digest once the whole file is read, else None, and how many bytes this call read. At least one
    block is read however little is allowed, so a file of any size is done at last. `read` is told the bytes so far.
    Raises `FileChanged` if the file is not, or no longer, the one with this `stat`; `OSError` as the system gives it.
    """
    from blake3 import blake3

    # Taken out while in use: two threads may never feed one hasher.
    with _begun_lock:
        hasher, offset = _begun.pop((path, stat), (None, 0))
    hasher = hasher or blake3()
    start = offset
    # O_NONBLOCK: a pipe put in the file's place between two looks must not block the tick.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if FileStat.of(os.fstat(descriptor)) != stat:
            raise FileChanged(path)
        os.lseek(descriptor, offset, os.SEEK_SET)
        while offset < stat.size:
            block = os.read(descriptor, READ_BYTES)
            if not block:
                raise FileChanged(path)
            hasher.update(block)
            offset += len(block)
            if read is not None:
                read(offset)
            spent = allowance is not None and offset - start >= allowance
            late = deadline is not None and time.monotonic() >= deadline
            if (spent or late) and offset < stat.size:
                break
        if FileStat.of(os.fstat(descriptor)) != stat:
            raise FileChanged(path)
    finally:
        os.close(descriptor)
    if offset < stat.size:
        with _begun_lock:
            _begun[path, stat] = hasher, offset
            while len(_begun) > _BEGUN_MAX:
                _begun.popitem(last=False)
        return None, offset - start
    return hasher.hexdigest(), offset - start
