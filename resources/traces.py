"""Finding what still names a thing in a folder full of files, and making SQLite forget what was deleted from it.

Belongs here: searching bytes and rows, blanking lines of a text, rewriting a database. Pure: no Dagster.
Does not belong here: what is looked for, and what is deleted (`dagster_project/commands/forget.py`).
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

_CHUNK = 8 << 20
_MAGIC = b"SQLite format 3\0"
_NESTED = 3
"""So deep is JSON put into JSON strings: an event in a record in a column, say."""


_SETTLED_S = 2.0
"""A file that was written to a moment ago may be written to again without its times telling."""

Row = Mapping[str, object]


class Trace(NamedTuple):
    """A place that still names what was looked for, or that could not be searched. `where` says where in it.

    Not `sure`: only a doubtful text was found there.
    """

    path: Path
    where: str
    sure: bool = True


class _Needles(NamedTuple):
    sure: list[bytes]
    doubtful: list[bytes]

    def grade(self, content: bytes) -> int:
        """2 if a text is in it that tells for sure, 1 if only a doubtful one is, else 0."""
        return 2 if _holds(content, self.sure) else int(_holds(content, self.doubtful))


def spellings(text: str) -> set[bytes]:
    """`text` as it may lie on a disk: in UTF-8, and as JSON writes it, also where that JSON is a string in JSON."""
    found, plain, ascii_ = {os.fsencode(text)}, text, text
    for _ in range(_NESTED):
        plain, ascii_ = json.dumps(plain, ensure_ascii=False)[1:-1], json.dumps(ascii_)[1:-1]
        found |= {os.fsencode(plain), ascii_.encode("ascii")}
    return found


def search(
    roots: Iterable[Path],
    texts: Iterable[str],
    skip: Iterable[Path],
    *,
    doubtful: Iterable[str] = (),
    allowed: Mapping[Path, Callable[[Row], bool]] | None = None,
    clean: dict[Path, tuple[int, ...]] | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[list[Trace], int, int]:
    """Look for `texts` in every file below `roots`: its path, its bytes, and if it is an SQLite file, its rows.

    Links are not followed, and what is in `skip` (files or folders) is left out. Returns what was found, and how many
    files and bytes were searched. A file that can't be read counts as found: nobody knows what is in it.
    `doubtful` texts are looked for, too, but may mean something else. `allowed` says of an SQLite file which rows may
    hold anything; of such a file only the rows are searched. `clean` is filled with the files in which nothing was
    found, and those that are in it already, unchanged, are not read again. `watch` is told bytes done and in all.
    """
    needles, allowed = _Needles(_needles(texts), _needles(doubtful)), allowed or {}
    clean = {} if clean is None else clean
    skipped = {*skip, *(path.with_name(path.name + suffix) for path in allowed for suffix in ("-wal", "-shm"))}
    found, size = list[Trace](), 0
    paths = list(_walk(roots, skipped))
    total = sum(_size(path) for path, _ in paths) if watch else 0
    files = 0
    for path, name in paths:
        try:
            before = _state(path)
            if clean.get(path) == before:
                count, hits = before[1], list[Trace]()
            else:
                count, hits, is_database = _search_file(path, needles, allowed.get(path))
                if not hits and not is_database and time.time() - before[3] / 1e9 > _SETTLED_S:
                    clean[path] = before
        except FileNotFoundError:
            continue
        except (OSError, sqlite3.Error) as error:
            count, hits = 0, [Trace(path, f"it can't be searched ({error})")]
        found += hits
        files, size = files + 1, size + count
        if grade := needles.grade(name):
            found.append(Trace(path, "its name", grade == 2))
        if watch is not None:
            watch(min(size, total - 1), total)  # sizes change meanwhile, and the end comes but once
    if watch is not None:
        watch(total, total)
    return found, files, size


def _needles(texts: Iterable[str]) -> list[bytes]:
    return sorted({spelling for text in texts if text for spelling in spellings(text)})


def _state(path: Path) -> tuple[int, int, int, int]:
    """What changes with every write: inode, size in bytes, mtime and ctime in ns."""
    status = path.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def is_named(path: Path, texts: Iterable[str]) -> bool:
    """Whether a file, or a row of it if it is an SQLite file, holds one of `texts`. Raises OSError, sqlite3.Error."""
    try:
        return bool(_search_file(path, _Needles(_needles(texts), []), None)[1])
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


def _search_file(path: Path, needles: _Needles, allowed: Callable[[Row], bool] | None) -> tuple[int, list[Trace], bool]:
    """The bytes read, what was found, and whether it is an SQLite file."""
    if path.is_symlink():
        grade = needles.grade(os.fsencode(path.readlink()))
        return 0, [Trace(path, "where it leads", grade == 2)] if grade else [], False
    if not path.is_file():
        return 0, [], False
    longest = max(map(len, (*needles.sure, *needles.doubtful)), default=1)
    overlap, tail, size, is_database, grade = longest - 1, b"", 0, False, 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CHUNK):
            is_database = is_database or (size == 0 and block.startswith(_MAGIC))
            size += len(block)
            if grade < 2:
                grade = max(grade, needles.grade(tail + block))
            tail = (tail + block)[-overlap:] if overlap else b""
    found = list(_search_rows(path, needles, allowed)) if is_database else []
    if grade > max((1 + trace.sure for trace in found), default=0) and not (is_database and allowed):
        found.append(Trace(path, "its bytes", grade == 2))
    return size, found, is_database


def _search_rows(path: Path, needles: _Needles, allowed: Callable[[Row], bool] | None) -> Iterator[Trace]:
    """A long value lies in pieces in the file, and a short one may be split between two pages."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            rows = database.execute(f'select * from "{table}"')
            names = [column[0] for column in rows.description]
            found: dict[str, int] = {}
            for row in rows:
                grade = max((needles.grade(_as_bytes(value)) for value in row), default=0)
                if grade and not (allowed and allowed(dict(zip(names, row, strict=True)))):
                    run = row[names.index("run_id")] if "run_id" in names else None
                    place = f" (run {run})" if run else ""
                    found[place] = max(grade, found.get(place, 0))
            yield from (Trace(path, f"table {table}{place}", found[place] == 2) for place in sorted(found))


def _as_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value if isinstance(value, bytes) else b""


def _holds(content: bytes, needles: Iterable[bytes]) -> bool:
    return any(needle in content for needle in needles)


def naming(texts: Iterable[str]) -> Callable[[bytes], bool]:
    """Tells of a line whether it holds one of `texts`."""
    needles = _needles(texts)
    return lambda line: _holds(line, needles)


def blank_lines(log: Path, is_meant: Callable[[bytes], bool]) -> int:
    """Overwrite those lines of a text with blanks that are meant; return how many.

    In place, so that a line that another process appends meanwhile is not lost. Raises OSError.
    """
    blanked, offset = 0, 0
    try:
        file = log.open("r+b")
    except FileNotFoundError:
        return 0
    with file:
        for line in file.read().splitlines(keepends=True):
            if is_meant(line):
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
