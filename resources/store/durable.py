"""Files written so that a crash leaves what was there before or what was meant, never anything between.

Belongs here: temporary files, fsync, rename, create-only, copying with a digest, a full disk.
Does not belong here: what the files hold and where they lie (`blobs.py`, `manifests.py`, `scratch.py`, `library.py`).

The order of every write is the same: temporary file in the same file system, fsync of the file, rename or link, fsync
of the folder. A temporary file is locked while its writer lives, so that `sweep` can tell what a killed process left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from resources.errors import DiskFull

CHUNK = 1 << 20
READ_ONLY = 0o444
READ_WRITE = 0o666
_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file (btrfs, xfs, bcachefs)
_SWEEP_AFTER_S = 60.0

_known_folders: set[Path] = set()


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into `DiskFull`, naming `folder`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        why = "The quota is used up" if error.errno == errno.EDQUOT else "The disk is full"
        raise DiskFull(
            f"{why}: no room left to write in {folder}.", "Free some space on that disk, then run this again."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, within: Path) -> None:
    """Create `folder` and its missing parents up to `within`, durably; `within` itself is made if it is missing.

    A folder met for the first time is synced even if it exists: whoever made it may not have come to that yet.
    """
    if folder in _known_folders and folder.is_dir():
        return
    if folder == within:
        folder.mkdir(parents=True, exist_ok=True)
    else:
        make_folder(folder.parent, within)
        folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
    _known_folders.add(folder)


@contextmanager
def temporary(folder: Path, mode: int = READ_ONLY) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in `folder` to write to, and its path; it is gone after the block unless it was renamed.

    The kernel takes the umask off `mode`, and the open file stays writable even if `mode` is read-only.
    """
    path = folder / uuid.uuid4().hex
    with room(folder):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                lock(file.fileno())
                yield file, path
        finally:
            with suppress(FileNotFoundError):
                path.unlink()


def finish(file: BinaryIO) -> None:
    """Flush `file` to the disk; call it before the rename."""
    file.flush()
    os.fsync(file.fileno())


def replace(temporary_path: Path, final: Path) -> None:
    """Put a finished temporary file in its place, over what is there, durably."""
    os.replace(temporary_path, final)  # noqa: PTH105 (the tests trace the os functions)
    sync_folder(final.parent)


def create_only(temporary_path: Path, final: Path) -> None:
    """Put a finished temporary file in its place, durably; FileExistsError if there is one already."""
    try:
        os.link(temporary_path, final)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        # A file system without hard links: reserve the name, then rename over the reservation.
        os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, READ_ONLY))
        os.replace(temporary_path, final)  # noqa: PTH105
    sync_folder(final.parent)


def copy_hashed(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    """Copy all of `source` to `target` in chunks; return the BLAKE3 digest (hex) and size of what was copied."""
    digest, size = blake3(), 0
    buffer = memoryview(bytearray(CHUNK))
    while count := source.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(buffer[:count])
        target.write(buffer[:count])
        size += count
    return digest.hexdigest(), size


def hash_open(source: BinaryIO) -> str:
    """The BLAKE3 digest (hex) of the rest of an open file."""
    digest = blake3()
    buffer = memoryview(bytearray(CHUNK))
    while count := source.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(buffer[:count])
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """The BLAKE3 digest (hex) of a file."""
    with path.open("rb") as source:
        return hash_open(source)


def reflink(source: BinaryIO, target: BinaryIO) -> bool:
    """Let the empty file `target` share the blocks of `source`; False where the file system can't."""
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        return False
    return True


def lock(descriptor: int, wait: bool = False) -> bool:
    """Take an exclusive lock that ends with the process; False if another holds it or it can't be had here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sweep(folder: Path) -> int:
    """Delete temporary files whose writers are dead (unlocked, a minute old); return how many."""
    swept = 0
    for path in folder.iterdir():
        try:
            if time.time() - path.stat().st_mtime < _SWEEP_AFTER_S:
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if lock(descriptor):
                    path.unlink()
                    swept += 1
            finally:
                os.close(descriptor)
        except OSError:  # gone meanwhile, or another user's: not ours to sweep
            continue
    return swept
