"""The ledger's SQLite file: its tables, how it is opened, and what is done with a damaged one.

Belongs here: these. Pure: no Dagster. Does not belong here: what is asked of the tables (`ledger.py`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

_VERSION = 1
_TABLES = """
create table owner (id text not null);
create table files (
    asset text not null, path blob not null,
    size integer not null, mtime_ns integer not null, ctime_ns integer not null, inode integer not null,
    state text not null, since real not null, tries integer not null default 0,
    key text, problem text, remedy text, open integer not null default 0,
    primary key (asset, path)
) without rowid;
create index files_by_key on files (asset, key) where key is not null;
create index files_open on files (asset) where open = 1;
create table originals (
    asset text not null, key text not null, digest text not null,
    path blob not null, size integer not null, mtime_ns integer not null,
    open integer not null default 1,
    primary key (asset, key)
) without rowid;
create index originals_by_digest on originals (asset, digest);
create index originals_open on originals (asset) where open = 1;
"""


def connect(path: Path, owner: str) -> sqlite3.Connection:
    """Open the ledger at `path`, made or emptied where it is of another version or another `owner`.

    Raises: sqlite3.Error, of which `damaged` says what it means.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        # Write-ahead logging, as in Dagster's own databases: a commit costs no fsync, readers do not block.
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.execute("pragma secure_delete = on")  # the name of a file that is gone shall not stay in free pages
        if db.execute("pragma user_version").fetchone()[0] != _VERSION:
            _build(db)
        row = db.execute("select id from owner").fetchone()
        if row is None or row[0] != owner:
            with transaction(db):
                for table in ("owner", "files", "originals"):
                    db.execute(f"delete from {table}")
                db.execute("insert into owner values (?)", (owner,))
    except BaseException:
        db.close()
        raise
    return db


def _build(db: sqlite3.Connection) -> None:
    with transaction(db):
        if db.execute("pragma user_version").fetchone()[0] == _VERSION:
            return  # another process was faster
        for (table,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
            db.execute(f'drop table "{table}"')
        for statement in _TABLES.strip().rstrip(";").split(";\n"):
            db.execute(statement)
        db.execute(f"pragma user_version = {_VERSION}")


def move_away(path: Path) -> Path:
    """Set a damaged ledger aside, under a name that says so; where it is now."""
    moved = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(moved)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return moved


def damaged(error: sqlite3.Error) -> bool:
    """True for a broken file or missing tables; false for what passes: locked, full, not writable."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary result code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("rollback")
        raise
    db.execute("commit")
