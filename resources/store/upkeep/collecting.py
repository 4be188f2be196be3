"""Deleting what no materialization needs any more, so that whatever the event log knows still loads.

Belongs here: which manifests and objects may go, in which order, and when to refuse. Does not belong here: what the
event log knows (`known.py`), and what lies about beside the artifacts (`leftovers.py`).

Mark first, which is slow and holds up nobody; then take the lock, look again at what has changed since, and delete.
- A writer holds the lock, shared, from its first object to its manifest. So under the lock every object of a value is
  named by a manifest or by none at all, also an old object that a writer found in the store and used again.
- A new manifest is not in the event log yet. The grace period keeps it; it need only be longer than the moment between
  the manifest and Dagster's event, but a machine may be suspended in that moment.
- Manifests go first and their folders are synced before any object goes. A collection that is cut off leaves objects
  that nobody names, for the next one to find, and never a manifest that is known and lacks an object.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from resources.errors import ScriptoriumError
from resources.store import durable, filesystem, lock
from resources.store.upkeep import leftovers
from resources.store.upkeep.leftovers import Part, part
from resources.store.upkeep.references import Owner, References, objects, owner_by_path, references

DAY_S = 86_400.0
_NOTHING = Part(0, 0, ())


class ForeignEventLog(ScriptoriumError):
    """The event log and the store do not belong together, so nothing can be told about what is needed."""


@dataclass(frozen=True)
class Known:
    """What the event log says about manifests, by their paths relative to the root.

    `keep`: those that must stay, with whose they are. `newest`: of those, the latest of each asset partition.
    `named`: every one that any event names, also those that may go because newer versions are enough.
    """

    keep: Mapping[str, Owner]
    newest: frozenset[str]
    named: frozenset[str]


@dataclass(frozen=True)
class Ages:
    """After how many days something may go: since it was written, set aside (`bad`) or used (`cache`)."""

    grace: float = 7
    scratch: float = 7
    bad: float = 180
    cache: float = 90


@dataclass(frozen=True)
class Collection:
    """What was removed, or would be (`dry_run`). `unreadable`: the manifests for whose sake no object was touched."""

    dry_run: bool
    manifests: Part
    objects: Part
    temporary: Part
    scratch: Part
    bad: Part
    cache: Part
    unreadable: dict[str, str]

    @property
    def parts(self) -> dict[str, Part]:
        """Each kind by its name."""
        names = ("manifests", "objects", "temporary", "scratch", "bad", "cache")
        return {name: getattr(self, name) for name in names}

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts.values())


def collect(
    root: Path,
    mark: Callable[[], Known],
    ages: Ages | None = None,
    *,
    cache: Path | None = None,
    hub: bool = True,
    dry_run: bool = True,
    trust_event_log: bool = False,
    now: float | None = None,
) -> Collection:
    """Remove what nobody needs, or only say what would be removed (`dry_run`).

    `mark` asks the event log. It is called twice: before the lock is taken, and while it is held, when it should be
    quick. `hub` says whether models of a hub could be fetched again. `now` is the time that ages are counted from, in
    seconds since the epoch; the present if None.
    Raises: ForeignEventLog, UnreadableStore, before anything is removed; OSError if something can't be removed.
    """
    ages, now = ages or Ages(), time.time() if now is None else now
    sweep = _Sweep(root, now - ages.grace * DAY_S, trust_event_log)
    if root.is_dir():
        sweep.look(mark())
        if not dry_run:
            with lock.collecting(root):
                sweep.look(mark())
                sweep.delete()
    return Collection(
        dry_run=dry_run,
        manifests=part(sweep.manifests.items()),
        objects=part(sweep.objects.items()),
        temporary=leftovers.temporary_files(root, now=now, dry_run=dry_run),
        scratch=leftovers.scratches(root, before=now - ages.scratch * DAY_S, dry_run=dry_run),
        bad=leftovers.set_aside(root, before=now - ages.bad * DAY_S, dry_run=dry_run),
        cache=leftovers.cached(cache, before=now - ages.cache * DAY_S, dry_run=dry_run, hub=hub)
        if cache and cache.is_dir()
        else _NOTHING,
        unreadable=sweep.unreadable,
    )


class _Sweep:
    """What may go: paths of manifests and digests of objects, each with its size."""

    def __init__(self, root: Path, before: float, trust_event_log: bool) -> None:
        self._root, self._before, self._trust = root, before, trust_event_log
        self._found: References | None = None
        self._listed: set[str] | None = None
        self.manifests: dict[str, int] = {}
        self.objects: dict[str, int] = {}
        self.unreadable: dict[str, str] = {}

    def look(self, known: Known) -> None:
        """Compare the store with what is known. A second look reads only manifests that have come since."""
        found = self._found = references(self._root, self._found)
        present = found.entries.keys() | found.damaged.keys()
        if not self._trust:
            _compare(present, known)
        self.manifests = self._old({path: self._root / path for path in present - known.keep.keys()})
        staying = present - self.manifests.keys()
        self.unreadable = {path: _problem(path, found.damaged[path], known) for path in found.damaged.keys() & staying}
        named = {digest for path in staying & found.entries.keys() for _, digest, _ in found.entries[path].files}
        if self._listed is None:  # slow for many objects; a newer one is not old enough anyway
            self._listed = {digest for digest, _ in objects(self._root)}
        unnamed = set() if self.unreadable else self._listed - named
        self.objects = self._old({digest: self._object(digest) for digest in unnamed})
        if self.objects and not self._trust:
            _compare_newest(present, known)

    def delete(self) -> None:
        """Manifests, durably; then objects. Call it with the lock held."""
        for path in self.manifests:
            _unlink(self._root / path)
        for folder in sorted({(self._root / path).parent for path in self.manifests}):
            durable.sync_folder(folder)
        for digest in self.objects:
            _unlink(self._object(digest))

    def _object(self, digest: str) -> Path:
        return self._root / "objects" / digest[:2] / digest

    def _old(self, paths: Mapping[str, Path]) -> dict[str, int]:
        """Those of the named files that were written before the grace period, with their sizes."""
        found = {}
        for name, path in paths.items():
            with suppress(FileNotFoundError):  # set aside a moment ago
                status = path.lstat()
                if status.st_mtime < self._before:
                    found[name] = status.st_size
        return found


def _unlink(path: Path) -> None:
    with suppress(FileNotFoundError):  # damaged, and set aside by a reader just now
        filesystem.current.unlink(path)


def _compare(present: set[str], known: Known) -> None:
    strangers = len(present - known.named)
    if 2 * strangers > len(present):
        raise ForeignEventLog(
            f"Dagster's event log knows {len(present) - strangers} of the {len(present)} manifests in the store, so"
            " nothing was collected.",
            "Check that DAGSTER_HOME is the one this store was filled with. If the runs were deleted on purpose, launch"
            " the job collect_garbage with trust_event_log: true.",
        )


def _compare_newest(present: set[str], known: Known) -> None:
    gone = len(known.newest - present)
    if 2 * gone > len(known.newest):
        raise ForeignEventLog(
            f"Of {len(known.newest)} latest materializations in Dagster's event log, the store lacks the manifests of"
            f" {gone}, so nothing was collected: their objects could not be told from garbage.",
            "If the folder assets/ of the store was lost, bring it back from a backup. If not, launch the job"
            " collect_garbage with trust_event_log: true.",
        )


def _problem(path: str, how: str, known: Known) -> str:
    """What is wrong with a manifest that must stay, and what to do about it."""
    owner = known.keep.get(path) or owner_by_path(path)
    return (
        f"The manifest of {owner}, run {owner.run}, is damaged: {how}. It can't be told which objects it needs, so none"
        f" is deleted. Bring {path} back from a backup; or materialize {owner} again if this is its latest version, and"
        " then delete that file."
    )
