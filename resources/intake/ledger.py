"""What is known about files already looked at, in one SQLite file.

It is a cache: the truth is in Dagster's runs and events. Deleted or damaged, it is made anew, and files are read again.

Belongs here: queries. Pure: no Dagster.
Does not belong here: tables, opening and repair (`ledger_file.py`), what follows from them (`intake.py`, `sensors/`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from resources.errors import ScriptoriumError
from resources.intake.identity import FileStat
from resources.intake.ledger_file import connect, damaged, move_away, transaction

SETTLING, TAKEN, REFUSED, IGNORED = "settling", "taken", "refused", "ignored"


class LedgerUnavailable(ScriptoriumError):
    """The ledger is sound but can't be used now: locked by another process, or no room to write."""

    retry = True


class FileRow(NamedTuple):
    """A file as it was when last looked at.

    `since` is when (Unix seconds) this very stat was first seen, or when it last could not be read; `tries` counts the
    latter.
    """

    stat: FileStat
    state: str
    since: float
    key: str | None
    tries: int = 0

    def knows(self, stat: FileStat) -> bool:
        """True if nothing has to be done for a file that now has this `stat`.

        A change of ctime alone (owner, mode, another link) is no new content, but may cure what was refused.
        """
        if self.state == TAKEN:
            return self.stat.size == stat.size and self.stat[1] == stat[1] and self.stat.inode == stat.inode
        return self.state != SETTLING and self.stat == stat


class Original(NamedTuple):
    """A key, the full digest behind it, and the path last reported for it."""

    key: str
    digest: str
    path: str
    size: int
    mtime_ns: int


class Refusal(NamedTuple):
    path: str
    stat: FileStat
    problem: str
    remedy: str
    logged: bool


class Ledger:
    """Rows of one external asset. `owner` names the Dagster instance: a ledger of another one is emptied.

    Use as a context manager. Raises `LedgerUnavailable` for what passes; damage is set aside on opening.
    """

    def __init__(self, path: Path, asset: str, owner: str) -> None:
        self.path, self._asset = Path(path), asset
        self.set_aside: Path | None = None
        try:
            self._db = connect(self.path, owner)
        except sqlite3.Error as error:
            if not damaged(error):
                raise self._unavailable(error) from error
            self.set_aside = move_away(self.path)
            self._db = connect(self.path, owner)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        if isinstance(error, sqlite3.Error):
            if not damaged(error):
                raise self._unavailable(error) from error
            moved = move_away(self.path)
            raise LedgerUnavailable(
                f"{self.path} is damaged ({error}).", f"It was set aside as {moved.name} and is made anew."
            ) from error

    def _unavailable(self, error: sqlite3.Error) -> LedgerUnavailable:
        return LedgerUnavailable(
            f"{self.path} can't be used now ({error}).",
            "It is tried again; if this stays, see whether the disk is full or the folder is not writable.",
        )

    # Files

    def files(self, root: str) -> dict[str, FileRow]:
        """All rows of files below `root`, by path."""
        prefix = os.fsencode(root) + b"/"
        rows = self._db.execute(
            "select path, size, mtime_ns, ctime_ns, inode, state, since, key, tries from files"
            " where asset = ? and path >= ? and path < ?",
            (self._asset, prefix, prefix[:-1] + b"0"),  # "0" follows "/"
        )
        decode = os.fsdecode
        return {decode(row[0]): FileRow(FileStat(*row[1:5]), *row[5:]) for row in rows}

    def file(self, path: str) -> FileRow | None:
        row = self._db.execute(
            "select size, mtime_ns, ctime_ns, inode, state, since, key, tries from files where asset = ? and path = ?",
            (self._asset, os.fsencode(path)),
        ).fetchone()
        return None if row is None else FileRow(FileStat(*row[0:4]), *row[4:])

    def forget(self, paths: Iterable[str]) -> None:
        with transaction(self._db):
            self._db.executemany(
                "delete from files where asset = ? and path = ?", [(self._asset, os.fsencode(path)) for path in paths]
            )

    def settling(self, files: Iterable[tuple[str, FileStat]], now: float) -> None:
        """These files were first seen with these stats at `now`."""
        with transaction(self._db):
            self._db.executemany(
                "insert or replace into files (asset, path, size, mtime_ns, ctime_ns, inode, state, since)"
                " values (?, ?, ?, ?, ?, ?, ?, ?)",
                [(self._asset, os.fsencode(path), *stat, SETTLING, now) for path, stat in files],
            )

    def failed_try(self, path: str, now: float) -> int:
        """Count one more attempt that ended in an error which may pass; returns how many there were."""
        row = self._db.execute(
            "update files set tries = tries + 1, since = ? where asset = ? and path = ? returning tries",
            (now, self._asset, os.fsencode(path)),
        ).fetchone()
        return 0 if row is None else int(row[0])

    def ignore(self, path: str, stat: FileStat) -> None:
        self._db.execute(
            "insert or replace into files (asset, path, size, mtime_ns, ctime_ns, inode, state, since)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._asset, os.fsencode(path), *stat, IGNORED, time.time()),
        )

    # Refusals: open until the report is seen in Dagster's event log

    def refuse(self, path: str, stat: FileStat, problem: str, remedy: str) -> None:
        self._db.execute(
            "insert or replace into files"
            " (asset, path, size, mtime_ns, ctime_ns, inode, state, since, problem, remedy, open)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (self._asset, os.fsencode(path), *stat, REFUSED, time.time(), problem, remedy),
        )

    def open_refusals(self) -> list[Refusal]:
        rows = self._db.execute(
            "select path, size, mtime_ns, ctime_ns, inode, problem, remedy, tries from files"
            " where asset = ? and open = 1 and state = 'refused' order by since",
            (self._asset,),
        ).fetchall()
        return [Refusal(os.fsdecode(r[0]), FileStat(*r[1:5]), r[5], r[6], r[7] > 0) for r in rows]

    def refusal_logged(self, path: str) -> None:
        """The line in failures.log is written (`tries`, not otherwise used in this state, says so)."""
        self._db.execute("update files set tries = 1 where asset = ? and path = ?", (self._asset, os.fsencode(path)))

    def close_refusal(self, path: str) -> None:
        self._db.execute("update files set open = 0 where asset = ? and path = ?", (self._asset, os.fsencode(path)))

    # Taken files and their keys: a key is open until its run and its event are seen in Dagster

    def take(self, path: str, stat: FileStat, key: str, digest: str) -> None:
        """The file at `path` holds the bytes of `key`, which stays open until Dagster knows all about it."""
        place = os.fsencode(path)
        with transaction(self._db):
            self._db.execute(
                "insert or replace into files (asset, path, size, mtime_ns, ctime_ns, inode, state, since, key)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self._asset, place, *stat, TAKEN, time.time(), key),
            )
            self._db.execute(
                "insert into originals (asset, key, digest, path, size, mtime_ns) values (?, ?, ?, ?, ?, ?)"
                " on conflict (asset, key) do update set open = 1",
                (self._asset, key, digest, place, stat.size, stat.mtime_ns),
            )

    def key_of(self, digest: str) -> str | None:
        row = self._db.execute(
            "select key from originals where asset = ? and digest = ?", (self._asset, digest)
        ).fetchone()
        return None if row is None else str(row[0])

    def digest_of(self, key: str) -> str | None:
        row = self._db.execute(
            "select digest from originals where asset = ? and key = ?", (self._asset, key)
        ).fetchone()
        return None if row is None else str(row[0])

    def unanswered(self) -> list[Original]:
        """The open keys."""
        return self._originals("open = 1")

    def strays(self, root: str) -> list[Original]:
        """Keys with a copy below `root` whose reported path is no such copy: it changed, is gone, or lies elsewhere."""
        below = "files.asset = originals.asset and files.key = originals.key and files.path >= ? and files.path < ?"
        prefix = os.fsencode(root) + b"/"
        bounds = (prefix, prefix[:-1] + b"0")
        return self._originals(
            f"not exists (select 1 from files where {below} and files.path = originals.path)"
            f" and exists (select 1 from files where {below})",
            *bounds,
            *bounds,
        )

    def _originals(self, condition: str, *values: bytes) -> list[Original]:
        rows = self._db.execute(
            f"select key, digest, path, size, mtime_ns from originals where asset = ? and {condition}",
            (self._asset, *values),
        )
        return [Original(row[0], row[1], os.fsdecode(row[2]), row[3], row[4]) for row in rows]

    def reopen(self, keys: Iterable[str]) -> None:
        with transaction(self._db):
            self._db.executemany(
                "update originals set open = 1 where asset = ? and key = ?", [(self._asset, key) for key in keys]
            )

    def reported(self, key: str, path: str, size: int, mtime_ns: int, close: bool) -> None:
        """The event of `key` names this file; `close`: its run exists too, and nothing is left to ask for."""
        self._db.execute(
            "update originals set path = ?, size = ?, mtime_ns = ?, open = ? where asset = ? and key = ?",
            (os.fsencode(path), size, mtime_ns, int(not close), self._asset, key),
        )

    def close(self, key: str) -> None:
        """Nothing is left to ask for, as far as can be done now."""
        self._db.execute("update originals set open = 0 where asset = ? and key = ?", (self._asset, key))

    def copies(self, key: str, root: str) -> list[tuple[str, FileStat]]:
        """Known files below `root` with the bytes of `key`, by path."""
        prefix = os.fsencode(root) + b"/"
        rows = self._db.execute(
            "select path, size, mtime_ns, ctime_ns, inode from files"
            " where asset = ? and key = ? and path >= ? and path < ? order by path",
            (self._asset, key, prefix, prefix[:-1] + b"0"),
        ).fetchall()
        return [(os.fsdecode(row[0]), FileStat(*row[1:5])) for row in rows]

    def places(self, key: str) -> list[str]:
        """Every path that was known for `key`, in an inbox or elsewhere."""
        rows = self._db.execute(
            "select path from files where asset = ? and key = ? union select path from originals"
            " where asset = ? and key = ? order by path",
            (self._asset, key) * 2,
        )
        return [os.fsdecode(path) for (path,) in rows]

    def drop(self, key: str, ignored: Iterable[tuple[str, FileStat]]) -> None:
        """Know nothing of `key` and its files any more, but that these files, which lie in an inbox, are left alone."""
        with transaction(self._db):
            for table in ("files", "originals"):
                self._db.execute(f"delete from {table} where asset = ? and key = ?", (self._asset, key))
            for path, stat in ignored:
                self.ignore(path, stat)
