"""Finding what still names a thing in a folder full of files, and making SQLite forget what was deleted from it.

Belongs here: searching bytes and rows, blanking lines of a text, rewriting a database. Pure: no Dagster.
Does not belong here: what is looked for, and what is deleted (`dagster_project/commands/forget.py`).
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

_CHUNK = 8 << 20
_MAGIC = b"SQLite format 3\0"
_NESTED = 3
"""So deep is JSON put into JSON strings: an event in a record in a column, say."""


class Trace(NamedTuple):
    """A place that still names what was looked for, or that could not be searched. `where` says where in it."""

    path: Path
    where: str


def spellings(text: str) -> set[bytes]:
    """`text` as it may lie on a disk: in UTF-8, and as JSON writes it, also where that JSON is a string in JSON."""
    found, plain, ascii_ = {os.fsencode(text)}, text, text
    for _ in range(_NESTED):
        plain, ascii_ = json.dumps(plain, ensure_ascii=False)[1:-1], json.dumps(ascii_)[1:-1]
        found |= {os.fsencode(plain), ascii_.encode("ascii")}
    return found


def search(roots: Iterable[Path], texts: Iterable[str], skip: Iterable[Path]) -> tuple[list[Trace], int, int]:
    """Look for `texts` in every file below `roots`: its path, its bytes, and if it is an SQLite file, its rows.

    Links are not followed, and what is in `skip` (files or folders) is left out. Returns what was found, and how many
    files and bytes were searched. A file that can't be read counts as found: nobody knows what is in it.
    """
    needles = sorted({spelling for text in texts if text for spelling in spellings(text)})
    found, files, size = [], 0, 0
    for path, name in _walk(roots, set(skip)):
        try:
            count, traces = _search_file(path, needles)
        except FileNotFoundError:
            continue
        except (OSError, sqlite3.Error) as error:
            count, traces = 0, [Trace(path, f"it can't be searched ({error})")]
        found += traces
        files, size = files + 1, size + count
        if _holds(name, needles):
            found.append(Trace(path, "its name"))
    return found, files, size


def is_named(path: Path, texts: Iterable[str]) -> bool:
    """Whether a file, or a row of it if it is an SQLite file, holds one of `texts`. Raises OSError, sqlite3.Error."""
    try:
        return bool(_search_file(path, sorted({spelling for text in texts for spelling in spellings(text)}))[1])
    except FileNotFoundError:
        return False


def _walk(roots: Iterable[Path], skipped: set[Path]) -> Iterator[tuple[Path, bytes]]:
    """All files and links, and the folders that are empty, each once, with its path as seen from its root."""
    seen = set[Path]()
    for root in roots:
        for place, folders, files in os.walk(root):
            here = Path(place)
            links = [name for name in folders if (here / name).is_symlink()]
            folders[:] = [name for name in folders if here / name not in skipped]
            for path in [here / name for name in (*files, *links)] or ([] if folders else [here]):
                if path not in skipped and path not in seen:
                    seen.add(path)
                    yield path, os.fsencode(path.relative_to(root))


def _search_file(path: Path, needles: Sequence[bytes]) -> tuple[int, list[Trace]]:
    if path.is_symlink():
        return 0, [Trace(path, "where it leads")] if _holds(os.fsencode(path.readlink()), needles) else []
    if not path.is_file():
        return 0, []
    overlap, tail, size, is_database, hit = max(map(len, needles), default=1) - 1, b"", 0, False, False
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CHUNK):
            is_database = is_database or (size == 0 and block.startswith(_MAGIC))
            size += len(block)
            hit = hit or _holds(tail + block, needles)
            tail = (tail + block)[-overlap:] if overlap else b""
    rows = list(_search_rows(path, needles)) if is_database else []
    return size, rows or ([Trace(path, "its bytes")] if hit else [])


def _search_rows(path: Path, needles: Sequence[bytes]) -> Iterator[Trace]:
    """A long value lies in pieces in the file, and a short one may be split between two pages."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            rows = database.execute(f'select * from "{table}"')
            names = [column[0] for column in rows.description]
            found: set[str] = set()
            for row in rows:
                if any(_holds(_as_bytes(value), needles) for value in row):
                    run = row[names.index("run_id")] if "run_id" in names else None
                    found.add(f" (run {run})" if run else "")
            yield from (Trace(path, f"table {table}{run}") for run in sorted(found))


def _as_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value if isinstance(value, bytes) else b""


def _holds(content: bytes, needles: Sequence[bytes]) -> bool:
    return any(needle in content for needle in needles)


def blank_lines(log: Path, needles: Iterable[bytes]) -> int:
    """Overwrite the lines of a text that hold one of `needles` with blanks; return how many.

    In place, so that a line that another process appends meanwhile is not lost. Raises OSError.
    """
    wanted, blanked, offset = sorted(needles), 0, 0
    try:
        file = log.open("r+b")
    except FileNotFoundError:
        return 0
    with file:
        for line in file.read().splitlines(keepends=True):
            if _holds(line, wanted):
                file.seek(offset)
                file.write(b" " * len(line.rstrip(b"\r\n")))
                blanked += 1
            offset += len(line)
        file.flush()
        os.fsync(file.fileno())
    return blanked


def wash(database: Path, within_s: float = 30.0) -> bool:
    """Write an SQLite file anew and empty its log, so that nothing deleted is left in it; False if others hinder that.

    Other processes may have it open; only one that reads or writes in it all the time is in the way. Raises
    sqlite3.Error if the file is none of SQLite's, or the disk is full.
    """
    end = time.monotonic() + within_s
    with closing(sqlite3.connect(database, timeout=within_s, isolation_level=None)) as connection:
        connection.execute("pragma secure_delete = on")
        while True:
            try:
                connection.execute("vacuum")
                busy = connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                busy = 1
            if not busy:
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
