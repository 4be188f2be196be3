"""The few calls by which the store changes a disk or reads it back, in one place that a test can replace.

Belongs here: those calls, each one system call (or one walk) and nothing else. Does not belong here: their order, which
is what makes a write durable (`durable.py`). Locks are not among them: they change nothing on the disk. Nor is the
memory of verifications (`verified.py`), which may be lost at any time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file (btrfs, xfs, bcachefs)


class FileSystem:
    """The real one. A test derives from it, to note the calls or to make one fail. All of them raise OSError."""

    def create(self, path: Path, mode: int) -> int:
        """Make a new file and return its descriptor, open for writing; FileExistsError if the name is taken."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        """Write some of `content`; return how many bytes were taken."""
        return os.write(descriptor, content)

    def clone(self, source: int, target: int) -> None:
        """Let the empty file `target` share the blocks of `source` (two descriptors)."""
        fcntl.ioctl(target, _FICLONE, source)

    def sync(self, descriptor: int) -> None:
        """Make what was written to a file durable."""
        os.fsync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in `folder` durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename `source` to `target`, over what is there."""
        os.replace(source, target)  # noqa: PTH105 (the bare call, as the others here)

    def link(self, source: Path, target: Path) -> None:
        """Give `source` a second name; FileExistsError if it is taken."""
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a file's name."""
        os.unlink(path)  # noqa: PTH108

    def mkdir(self, folder: Path) -> None:
        """Make one folder; FileExistsError if the name is taken."""
        os.mkdir(folder)  # noqa: PTH102

    def rmdir(self, folder: Path) -> None:
        """Remove an empty folder."""
        os.rmdir(folder)  # noqa: PTH106

    def remove_tree(self, folder: Path) -> None:
        """Remove a folder and all in it, as far as that can be done."""
        shutil.rmtree(folder, ignore_errors=True)

    def open(self, path: Path) -> FileIO:
        """Open a file to read it, without a buffer in between."""
        return open(path, "rb", buffering=0)  # noqa: PTH123

    def read_into(self, file: FileIO, buffer: memoryview) -> int:
        """Fill `buffer` as far as one read goes; return how many bytes came, 0 at the end."""
        return file.readinto(buffer)

    def read_all(self, file: FileIO) -> bytes:
        """The rest of an open file."""
        return file.readall()


current = FileSystem()


@contextmanager
def using(other: FileSystem) -> Iterator[None]:
    """Put `other` in place of the real calls, in all threads of this process, for the block. For tests."""
    global current
    before, current = current, other
    try:
        yield
    finally:
        current = before
