"""Which files were seen to hold what their digest says, so that a second process needs not read them again.

Belongs here: the memory of verifications. Does not belong here: verifying (`blobs.py`).
It is a cache: deleting it, or being unable to write it, costs re-reading and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

_TABLE = """create table if not exists verified (
    device integer, inode integer, size integer, mtime_ns integer, digest text,
    primary key (device, inode)
) without rowid"""


class Verified:
    """Remembers (device, inode, size, mtime_ns, digest) in an SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def knows(self, status: os.stat_result, digest: str) -> bool:
        """Whether this very file was verified to be `digest` and has not been written to since."""
        try:
            with closing(self._connect()) as database:
                row = database.execute(
                    "select 1 from verified"
                    " where device = ? and inode = ? and size = ? and mtime_ns = ? and digest = ?",
                    (*_identity(status), digest),
                ).fetchone()
        except sqlite3.Error as error:
            self._reset(error)
            return False
        return row is not None

    def remember(self, status: os.stat_result, digest: str) -> None:
        """Note that this file was read and is `digest`."""
        try:
            with closing(self._connect()) as database:
                database.execute("insert or replace into verified values (?, ?, ?, ?, ?)", (*_identity(status), digest))
                database.commit()
        except sqlite3.Error as error:
            self._reset(error)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=1)
        try:
            database.execute("pragma synchronous = off")  # losing the latest rows costs re-reading, nothing else
            database.execute(_TABLE)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _reset(self, error: sqlite3.Error) -> None:
        """Start over if the file itself is broken; a lock, a full disk or missing rights are left alone."""
        if not isinstance(error, sqlite3.OperationalError):
            with suppress(OSError):
                self._path.unlink()


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    # SQLite's integers are signed 64-bit; an inode number may use all 64 bits.
    return status.st_dev, status.st_ino - (1 << 63), status.st_size, status.st_mtime_ns
