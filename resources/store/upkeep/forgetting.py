"""A partition deleted from the store and the library: what is there of it, and removing it.

Belongs here: manifests, objects, partial results, what was set aside, temporary files, the published folder.
Does not belong here: what Dagster keeps (`commands/erasing.py`), and collecting garbage (`collecting.py`).
Objects go before the manifests that name them, so that a deletion that was cut off finds them again. With them go all
objects that no manifest names: a run that was killed leaves such, and nobody can tell whose they are. But they may be
those of a manifest that is lost or damaged: while one is, that is known to be needed, no object goes.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from resources import traces
from resources.store import durable
from resources.store.manifests import component
from resources.store.upkeep.references import objects, references
from resources.store.upkeep.verifying import CHECKED, CHECKPOINT

_RECORD = ".published.json"  # written by `library.py`
_YOUNG_S = 60.0
"""A temporary file is locked by its writer once it is open; `durable.sweep` trusts that after a minute."""


@dataclass(frozen=True)
class Holdings:
    """What is there of a partition. Sizes are in bytes, digests those of objects.

    `unknown` are the manifests of others that are damaged, or needed and not there, with what is wrong with each: while
    there are any, nobody knows whose an object is, and none goes. `names` are those of files in manifests of others.
    """

    manifests: list[str] = field(default_factory=list)
    objects: dict[str, int] = field(default_factory=dict)
    unnamed: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    aside: list[Path] = field(default_factory=list)
    scratch: list[Path] = field(default_factory=list)
    published: Path | None = None
    foreign: list[str] = field(default_factory=list)
    names: frozenset[str] = frozenset()

    @property
    def bytes(self) -> int:
        return sum(self.objects.values()) + sum(self.unnamed.values())


def find(root: Path, published: Path, partition: str, needed: Iterable[str] = ()) -> Holdings:
    """What the store under `root` holds of `partition`, whatever the asset.

    `published` is its folder in the library. `needed` are the paths, relative to the root, of manifests that Dagster
    still names.
    """
    known, name = references(root), component(partition)

    def is_its_own(path: str) -> bool:
        return PurePosixPath(path).parts[2] == name

    by_digest = known.by_digest()
    sizes = {digest: status.st_size for digest, status in objects(root)}
    others = {digest for digest, paths in by_digest.items() if not all(map(is_its_own, paths))}
    mine = {digest for digest, paths in by_digest.items() if any(map(is_its_own, paths))}
    aside = [path for path in _listed(root / "bad") if path.name.partition("-")[0] not in others]
    unknown = {path: why for path, why in known.damaged.items() if not is_its_own(path)}
    lost = {path for path in needed if not is_its_own(path)} - known.entries.keys() - known.damaged.keys()
    unknown |= dict.fromkeys(sorted(lost), "it is not there")
    there = published if published.is_symlink() or published.exists() else None
    return Holdings(
        manifests=[path for path in (*known.entries, *known.damaged) if is_its_own(path)],
        objects={digest: size for digest, size in sizes.items() if digest in mine - others},
        unnamed={digest: size for digest, size in sizes.items() if digest not in mine | others},
        shared={digest: size for digest, size in sizes.items() if digest in mine & others},
        unknown=unknown,
        aside=aside,
        scratch=[folder for folder in (root / "scratch").glob("*/*") if folder.name == name],
        published=there,
        foreign=[] if there is None or there.is_symlink() else _foreign(there),
        names=frozenset(name for path, e in known.entries.items() if not is_its_own(path) for name, _, _ in e.files),
    )


def delete(root: Path, holdings: Holdings, partition: str) -> None:
    """Delete what was found. Nobody may write to the store meanwhile: hold `lock.collecting`. Raises: OSError."""
    if holdings.published is not None:
        _remove(holdings.published)
    for folder in holdings.scratch:
        _remove(folder)
        with suppress(OSError):  # other partitions' partial results lie there
            folder.parent.rmdir()
    if not holdings.unknown:
        gone = [*holdings.objects, *holdings.unnamed]
        for digest in gone:
            (root / "objects" / digest[:2] / digest).unlink(missing_ok=True)
        for path in holdings.aside:
            _remove(path)
        _sync({root / "objects" / digest[:2] for digest in gone} | {root / "bad"})
        _forget_verified(root, [*gone, *(path.name.partition("-")[0] for path in holdings.aside)])
    for folder in (root / "assets").glob("*/*"):
        if folder.name == component(partition):
            _remove(folder)


def sweep_temporary(
    folders: Iterable[Path], waiting: Callable[[], object] = lambda: None, within_s: float = _YOUNG_S + 5
) -> None:
    """Delete the temporary files of dead writers, and wait for those so young that their writers may yet lock them.

    `waiting` is called once, before it waits.
    """
    end, told = time.monotonic() + within_s, False
    for folder in folders:
        if not folder.is_dir():
            continue
        durable.sweep(folder)
        while any(map(_is_abandoned, _listed(folder))) and time.monotonic() < end:
            if not told:
                waiting()
                told = True
            time.sleep(1)
            durable.sweep(folder)


def _is_abandoned(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # gone meanwhile, or another user's
        return False
    try:
        return durable.lock(descriptor)
    finally:
        os.close(descriptor)


def _foreign(folder: Path) -> list[str]:
    """Names of files in a published folder that a person put there."""
    ours = {_RECORD}
    with suppress(OSError, ValueError, KeyError, TypeError):
        ours |= set(json.loads((folder / _RECORD).read_bytes())["published"])
    found = (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return sorted(name for path in found if (name := path.relative_to(folder).as_posix()) not in ours)


def _forget_verified(root: Path, digests: list[str]) -> None:
    """Delete the rows of these objects from what is remembered of them; a cache that can't be read goes as a whole."""
    for database, table in ((root / "verified.sqlite", "verified"), (root / CHECKPOINT, CHECKED)):
        if not database.exists():
            continue
        try:
            with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
                connection.executemany(f"delete from {table} where digest = ?", [(digest,) for digest in digests])
            traces.wash(database)
        except sqlite3.Error:
            database.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, durably."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    durable.sync_folder(path.parent)


def _sync(folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder.is_dir():
            durable.sync_folder(folder)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
