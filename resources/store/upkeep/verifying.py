"""Reading every object again, a part each night, so that damage is found while it can still be mended.

Belongs here: which objects are due, the checkpoint, what is wrong and whom it concerns. Does not belong here: reading
and setting aside one object (`blobs.py`).

The checkpoint is an SQLite file in the store's root. Deleted, every object counts as never checked, and that is all.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resources.progress import Logger, Progress
from resources.store.blobs import Blobs, DamagedBlob, MissingBlob
from resources.store.upkeep.collecting import DAY_S, Known
from resources.store.upkeep.references import Owner, References, objects, owner_by_path, references

CHECKPOINT, CHECKED = "checked.sqlite", "checked"
DAMAGED_OBJECT, MISSING_OBJECT = "damaged object", "missing object"
DAMAGED_MANIFEST, MISSING_MANIFEST = "damaged manifest", "missing manifest"
_SAVE_AFTER, _SAVE_AFTER_S = 100, 5.0


class WarningLogger(Logger, Protocol):
    """What findings are written to as well."""

    def warning(self, msg: str) -> object: ...


@dataclass(frozen=True)
class Use:
    """A manifest that a problem concerns. `latest`: the newest materialization of its asset's partition is lost."""

    manifest: str
    owner: Owner
    latest: bool


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: an object (`name` is its digest) or a manifest (`name` is its path)."""

    what: str
    name: str
    detail: str
    uses: tuple[Use, ...]

    @property
    def matters(self) -> bool:
        """Whether somebody must act: the damage is new, or a latest materialization can't be loaded.

        An earlier version that was lost stays lost, whatever is materialized; it is no news each night.
        """
        return self.what == DAMAGED_OBJECT or any(use.latest for use in self.uses)


@dataclass(frozen=True)
class Verification:
    """What one run of `verify` read, out of all `objects`; `due` objects are left for the next run."""

    objects: int
    checked: int
    bytes: int
    seconds: float
    due: int
    problems: tuple[Problem, ...]


def verify(
    root: Path,
    log: WarningLogger,
    *,
    every_days: float = 30,
    budget_bytes: int | None = None,
    budget_s: float | None = None,
    known: Known | None = None,
    now: float | None = None,
) -> Verification:
    """Read the objects that were not checked for `every_days`, those checked longest ago first, up to the budget.

    At least one due object is read, however small the budget. Damaged ones are set aside. Objects that are gone, and
    manifests that are gone or damaged, are found at once and in every run. `known` tells which manifests are of latest
    materializations; without it all count as such. `now` in seconds since the epoch, the present if None.
    Raises: OSError if the store can't be listed.
    """
    start, now = time.monotonic(), time.time() if now is None else now
    if not root.is_dir():
        return Verification(0, 0, 0, 0.0, 0, ())
    found = references(root)  # first: an object is there before the manifest that names it
    if known is not None and found.entries and not known.named & found.entries.keys():
        log.warning("Dagster's event log knows none of these manifests, so each counts as needed. Check DAGSTER_HOME.")
        known = None
    sizes = {digest: status.st_size for digest, status in objects(root)}
    checked = _Checked(root / CHECKPOINT, sizes.keys(), log)
    due = sorted(
        (digest for digest in sizes if not now - every_days * DAY_S < checked.at(digest) <= now),
        key=lambda digest: (checked.at(digest), digest),
    )
    total = sum(sizes[digest] for digest in due)
    limit, deadline = budget_bytes or total, start + (budget_s or float("inf"))
    progress = Progress(log, "Verifying", min(total, limit) / 1e6, "MB")
    blobs, bad = Blobs(root), {}
    done = read = 0
    try:
        for digest in due:
            if done and (read >= limit or time.monotonic() >= deadline):
                break
            if problem := _check(blobs, digest):
                bad[digest] = problem
                log.warning(f"Object {digest} {problem}")
            else:
                checked.note(digest, now)
            done, read = done + 1, read + sizes[digest]
            progress.update(min(read, limit) / 1e6)
    finally:  # also when the run is terminated
        checked.save()
    return Verification(
        objects=len(sizes),
        checked=done,
        bytes=read,
        seconds=time.monotonic() - start,
        due=len(due) - done,
        problems=tuple(_problems(root, references(root, found), bad, known)),
    )


def _check(blobs: Blobs, digest: str) -> str | None:
    """What is wrong with an object; None if nothing is, or if it is no longer there."""
    try:
        blobs.verify(digest, None, thorough=True)
    except MissingBlob:
        return None
    except DamagedBlob as damaged:
        aside = f", set aside as {damaged.set_aside}" if damaged.set_aside else ""
        return f"holds {damaged.found}{aside}"
    except OSError as error:
        return f"can't be read ({error.strerror})"
    return None


def _problems(root: Path, found: References, bad: dict[str, str], known: Known | None) -> Iterable[Problem]:
    def use(path: str, owner: Owner) -> Use:
        return Use(path, owner, known is None or path in known.newest)

    by_digest = found.by_digest()
    there = Blobs(root)
    gone = {digest: "is gone" for digest in by_digest if digest not in bad and not there.path(digest).exists()}
    for what, which in ((DAMAGED_OBJECT, bad), (MISSING_OBJECT, gone)):
        for digest, detail in sorted(which.items()):
            uses = [use(path, found.entries[path].owner) for path in sorted(by_digest.get(digest, ()))]
            still = tuple(u for u in uses if (root / u.manifest).exists())  # the others were collected meanwhile
            if still or what == DAMAGED_OBJECT:
                yield Problem(what, digest, detail, still)
    for path, detail in sorted(found.damaged.items()):
        owner = known.keep.get(path) if known else None
        yield Problem(DAMAGED_MANIFEST, path, detail, (use(path, owner or owner_by_path(path)),))
    for path in sorted(known.newest - found.entries.keys() - found.damaged.keys() if known else ()):
        owner = known.keep.get(path) if known else None
        yield Problem(MISSING_MANIFEST, path, "is gone", (use(path, owner or owner_by_path(path)),))


class _Checked:
    """When each object was last found to be sound, in seconds since the epoch; kept in an SQLite file."""

    def __init__(self, path: Path, present: Iterable[str], log: WarningLogger) -> None:
        self._path, self._log = path, log
        self._last_save = time.monotonic()
        self._new: dict[str, float] = {}
        self._times = self._load()
        self._gone = list(self._times.keys() - set(present))

    def at(self, digest: str) -> float:
        """When it was last checked; before all times if never."""
        return self._times.get(digest, float("-inf"))

    def note(self, digest: str, at: float) -> None:
        """Remember that an object is sound. Saved every 100 objects or 5 seconds."""
        self._new[digest] = at
        if len(self._new) >= _SAVE_AFTER or time.monotonic() - self._last_save >= _SAVE_AFTER_S:
            self.save()

    def save(self) -> None:
        """Make what was noted durable. A disk that won't take it costs reading again, and is only warned of."""
        try:
            with closing(self._connect()) as database, database:
                database.executemany("insert or replace into checked values (?, ?)", self._new.items())
                database.executemany("delete from checked where digest = ?", [(digest,) for digest in self._gone])
        except sqlite3.Error as error:
            self._log.warning(f"{self._path} can't be written ({error}): what was verified will be read again.")
        self._new, self._gone, self._last_save = {}, [], time.monotonic()

    def _load(self) -> dict[str, float]:
        try:
            with closing(self._connect()) as database:
                return dict(database.execute("select digest, at from checked"))
        except sqlite3.OperationalError as error:  # locked for long, or no right to read it
            self._log.warning(f"{self._path} can't be read ({error}): every object counts as never checked.")
        except sqlite3.Error:  # damaged: it is a cache, so start over
            with suppress(OSError):
                self._path.unlink()
        return {}

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=30)
        try:
            database.execute("create table if not exists checked (digest text primary key, at real) without rowid")
        except sqlite3.Error:
            database.close()
            raise
        return database
