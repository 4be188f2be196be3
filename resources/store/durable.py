"""Files written so that a crash leaves what was there before or what was meant, never anything between.

Belongs here: the order of calls: temporary files, fsync, rename, create-only, writing with a digest, a full disk.
Does not belong here: what the files hold and where they lie (`blobs.py`, `manifests.py`, `scratch.py`, `library.py`),
and the calls themselves (`filesystem.py`).

The order of every write is the same: temporary file in the same file system, fsync of the file, rename or link, fsync
of the folder. A temporary file is locked while its writer lives, so that `sweep` can tell what a killed process left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from resources.errors import DiskFull
from resources.store import filesystem

READ_ONLY = 0o444
READ_WRITE = 0o666
_PIECE = 4 << 20  # what is hashed in a second thread while it is written, or while the next is read
_WORTH_A_THREAD = 1 << 20
_SWEEP_AFTER_S = 60.0

_known_folders: dict[Path, tuple[int, int]] = {}  # synced by this process: which folder (device, inode) it was


class Chunks(Protocol):
    """A value's bytes, one contiguous buffer (bytes, memoryview ...) after another, never copied into one.

    A buffer may be empty or huge, and is done with when the next one is asked for.
    """

    def __iter__(self) -> Iterator[bytes | memoryview]: ...


class NewFile:
    """A file being written: `path` is its temporary name."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self.descriptor, self.path = descriptor, path

    def write(self, content: bytes | memoryview) -> None:
        """Append all of `content`."""
        left = memoryview(content)
        while left:
            left = left[filesystem.current.write(self.descriptor, left) :]


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
    filesystem.current.sync_folder(folder)


def make_folder(folder: Path, within: Path) -> None:
    """Create `folder` and its missing parents up to `within`, durably; `within` itself is made if it is missing.

    A folder met for the first time is synced even if it exists: whoever made it may not have come to that yet.
    """
    if folder in _known_folders and _known_folders[folder] == _identity(folder):
        return
    if folder != within:
        make_folder(folder.parent, within)
    elif not folder.parent.is_dir():
        make_folder(folder.parent, folder.parent)
    try:
        filesystem.current.mkdir(folder)
    except FileExistsError:
        # FileNotFoundError if another process has just removed it: those who expect that try again.
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise
    sync_folder(folder.parent)
    identity = _identity(folder)
    if identity is not None:
        _known_folders[folder] = identity


def _identity(folder: Path) -> tuple[int, int] | None:
    """Tells a folder from one that another process removed and made again; None if there is none."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def temporary(folder: Path, mode: int = READ_ONLY) -> Iterator[NewFile]:
    """A new file in `folder` to write to; it is gone after the block unless it was renamed.

    The kernel takes the umask off `mode`, and the open file stays writable even if `mode` is read-only.
    """
    path = folder / uuid.uuid4().hex
    with room(folder):
        descriptor = filesystem.current.create(path, mode)
        try:
            lock(descriptor)
            yield NewFile(descriptor, path)
        finally:
            os.close(descriptor)
            with suppress(FileNotFoundError):
                filesystem.current.unlink(path)


def finish(file: NewFile) -> None:
    """Make what was written durable; call it before the rename."""
    filesystem.current.sync(file.descriptor)


def replace(temporary_path: Path, final: Path) -> None:
    """Put a finished temporary file in its place, over what is there, durably."""
    filesystem.current.replace(temporary_path, final)
    sync_folder(final.parent)


def create_only(temporary_path: Path, final: Path) -> None:
    """Put a finished temporary file in its place, durably; FileExistsError if there is one already."""
    try:
        filesystem.current.link(temporary_path, final)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        # A file system without hard links: reserve the name, then rename over the reservation.
        os.close(filesystem.current.create(final, READ_ONLY))
        filesystem.current.replace(temporary_path, final)
    sync_folder(final.parent)


def write_hashed(chunks: Chunks, target: NewFile) -> tuple[str, int]:
    """Append all chunks to `target`; return the BLAKE3 digest (hex) and size in bytes of what was written.

    Nothing is copied. A second thread hashes each big piece while it is written: beside a disk that costs no time.
    """
    digest, size = blake3(), 0
    with ThreadPoolExecutor(1) as beside:  # the thread starts with the first piece that needs it
        for chunk in chunks:
            for piece in _pieces(chunk):
                hashed = _update(digest, piece, beside)
                target.write(piece)
                hashed.result()
                size += len(piece)
    return digest.hexdigest(), size


def copy_hashed(source: FileIO, target: NewFile) -> tuple[str, int]:
    """Append the rest of `source` to `target`; return the BLAKE3 digest (hex) and size of what was copied."""
    return write_hashed(_rest(source), target)


def hash_open(source: FileIO) -> str:
    """The BLAKE3 digest (hex) of the rest of an open file. Each piece is hashed while the next one is read."""
    digest, hashed = blake3(), None
    with ThreadPoolExecutor(1) as beside:
        for piece in _rest(source):
            if hashed is not None:
                hashed.result()
            hashed = _update(digest, piece, beside)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """The BLAKE3 digest (hex) of a file."""
    with filesystem.current.open(path) as source:
        return hash_open(source)


def read_bytes(path: Path) -> bytes:
    """All bytes of a file."""
    with filesystem.current.open(path) as source:
        return filesystem.current.read_all(source)


def _pieces(chunk: bytes | memoryview) -> Iterator[memoryview]:
    whole = memoryview(chunk)
    content = whole.cast("B") if whole.nbytes else memoryview(b"")  # an empty one can't be cast
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


def _rest(source: FileIO) -> Iterator[memoryview]:
    """The rest of an open file in pieces. Two buffers in turn, so that one may be used while the next one is read."""
    size = min(_PIECE, os.fstat(source.fileno()).st_size + 1)  # one more, so that a small file ends with the next read
    buffers = [memoryview(bytearray(size)) for _ in range(2)]
    while count := filesystem.current.read_into(source, buffers[0]):
        yield buffers[0][:count]
        buffers.reverse()


def _update(digest: blake3, piece: memoryview, beside: ThreadPoolExecutor) -> Future[blake3]:
    """Hash `piece`, in the other thread if it is big; `result()` of what is returned waits for that."""
    if len(piece) >= _WORTH_A_THREAD:
        return beside.submit(digest.update, piece)
    done: Future[blake3] = Future()
    done.set_result(digest.update(piece))
    return done


def reflink(source: FileIO, target: NewFile) -> bool:
    """Let the empty file `target` share the blocks of `source`; False where the file system can't."""
    try:
        filesystem.current.clone(source.fileno(), target.descriptor)
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
                    filesystem.current.unlink(path)
                    swept += 1
            finally:
                os.close(descriptor)
        except OSError:  # gone meanwhile, or another user's: not ours to sweep
            continue
    return swept
