"""Collection under faults: damage, a foreign event log or death at any moment cost nothing that is known."""

import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resources.store.filesystem import FileSystem, using
from resources.store.manifests import UnreadableStore
from resources.store.scratch import open_scratch
from resources.store.upkeep import leftovers
from resources.store.upkeep.collecting import ForeignEventLog, Known, collect
from resources.store.upkeep.references import references

Put = Callable[..., str]
Age = Callable[..., None]
Log = Callable[..., Known]
Loaded = Callable[..., object]
Objects = Callable[[], list[Path]]


def test_no_object_goes_while_a_manifest_that_stays_is_damaged(
    root: Path, put: Put, age: Age, blobs: Objects, known: Log, loaded: Loaded
) -> None:
    damaged, sound, unknown = put("one", "r1", "notes", "k~1"), put("two", "r2"), put("three", "r3")
    content = (root / damaged).read_bytes()
    (root / damaged).chmod(0o644)
    (root / damaged).write_bytes(content[:-9])
    age()
    log = known(damaged, sound)
    for dry_run in (True, False):
        done = collect(root, lambda: log, dry_run=dry_run)
        assert done.objects.count == 0
        assert done.manifests.names == (unknown,)  # costs nothing: its object goes the next time
        ((path, problem),) = done.unreadable.items()
        assert path == damaged
        assert "back from a backup" in problem
    assert len(blobs()) == 3
    (root / damaged).write_bytes(content)  # the backup
    assert collect(root, lambda: log, dry_run=False).objects.count == 1
    assert loaded(damaged, "r1", "notes", "k~1") == "one"


def test_a_damaged_manifest_nobody_knows_goes_like_any_other(root: Path, put: Put, age: Age, known: Log) -> None:
    kept, damaged = put("one", "r1"), put("two", "r2")
    (root / damaged).chmod(0o644)
    (root / damaged).write_bytes(b"{")
    assert collect(root, lambda: known(kept), dry_run=False).unreadable.keys() == {damaged}  # young: it may be needed
    age()
    done = collect(root, lambda: known(kept), dry_run=False)
    assert done.manifests.names == (damaged,)
    assert done.objects.count == 1
    assert not done.unreadable


def test_an_event_log_that_does_not_fit_the_store_is_refused(
    root: Path, put: Put, age: Age, blobs: Objects, known: Log
) -> None:
    paths = [put(f"text {i}", f"r{i}") for i in range(5)]
    age()
    for log in (known(), known("assets/other/@all/r-0.json"), known(*paths[:2])):
        for dry_run in (True, False):
            with pytest.raises(ForeignEventLog, match="trust_event_log: true"):
                collect(root, lambda log=log: log, dry_run=dry_run)  # type: ignore[misc]
    assert len(blobs()) == 5
    assert collect(root, lambda: known(*paths[:3]), dry_run=False).manifests.count == 2
    assert collect(root, known, dry_run=False, trust_event_log=True).objects.count == 3
    assert not blobs()


def test_a_lost_assets_folder_does_not_cost_the_objects(
    root: Path, put: Put, age: Age, blobs: Objects, known: Log
) -> None:
    paths = [put(f"text {i}", f"r{i}") for i in range(3)]
    age()
    (root / "assets").rename(root / "elsewhere")
    with pytest.raises(ForeignEventLog, match="from a backup"):
        collect(root, lambda: known(*paths), dry_run=False)
    assert len(blobs()) == 3
    (root / "elsewhere").rename(root / "assets")
    assert collect(root, lambda: known(*paths), dry_run=False).bytes == 0


class Killed(FileSystem):
    """Ends its process with SIGKILL in place of the n-th call that deletes a name or syncs a folder."""

    def __init__(self, n: int) -> None:
        self.left = n

    def unlink(self, path: Path) -> None:
        self._count()
        super().unlink(path)

    def sync_folder(self, folder: Path) -> None:
        self._count()
        super().sync_folder(folder)

    def _count(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def test_killed_at_any_moment_it_leaves_a_store_in_which_all_that_is_known_loads(
    root: Path, put: Put, age: Age, blobs: Objects, known: Log, loaded: Loaded
) -> None:
    chance, garbage, killed = random.Random(7), 20, 0
    kept = {put(f"kept {i}", f"k{i}"): f"k{i}" for i in range(3)}
    for turn in range(60):
        for i in range(garbage):
            put(f"garbage {turn} {i}", f"g{turn}-{i}")
        age()
        pid = os.fork()
        if not pid:
            try:
                with using(Killed(chance.randint(1, 2 * garbage + 1))):
                    collect(root, lambda: known(*kept), dry_run=False, trust_event_log=True)
            finally:
                os._exit(0)
        killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        # No manifest is left, known or not, without its object: manifests went first.
        assert references(root).by_digest().keys() <= {path.name for path in blobs()}
        for path, run in kept.items():
            assert loaded(path, run) == f"kept {run[1:]}"
    assert killed == 60
    collect(root, lambda: known(*kept), dry_run=False, trust_event_log=True)
    assert len(blobs()) == 3


class Noted(FileSystem):
    """Notes which folder each name was deleted from, and which folders were synced."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.calls: list[tuple[str, str]] = []

    def unlink(self, path: Path) -> None:
        self.calls.append(("unlink", path.relative_to(self._root).parts[0]))
        super().unlink(path)

    def sync_folder(self, folder: Path) -> None:
        self.calls.append(("sync", folder.relative_to(self._root).parts[0]))
        super().sync_folder(folder)


def test_manifests_are_gone_for_good_before_the_first_object_goes(root: Path, put: Put, age: Age, known: Log) -> None:
    for i in range(2):
        put(f"text {i}", f"r{i}", f"asset{i}")
    age()
    noted = Noted(root)
    with using(noted):
        collect(root, known, dry_run=False, trust_event_log=True)
    manifest, synced, gone = ("unlink", "assets"), ("sync", "assets"), ("unlink", "objects")
    assert noted.calls == [manifest, manifest, synced, synced, gone, gone]


def test_a_folder_that_can_not_be_listed_ends_it_before_anything_goes(
    root: Path, put: Put, age: Age, monkeypatch: pytest.MonkeyPatch, known: Log
) -> None:
    path = put("known", "r1")
    put("garbage", "r2", asset="b")
    age()
    before = sorted(root.rglob("*"))
    scandir = os.scandir

    def refusing(where: Any) -> Any:
        if str(where).endswith("assets/a"):
            raise PermissionError(13, "Permission denied", str(where))
        return scandir(where)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UnreadableStore, match=r"assets/a can't be listed \(Permission denied\)"):
        collect(root, lambda: known(path), dry_run=False, trust_event_log=True)
    monkeypatch.undo()
    assert sorted(root.rglob("*")) == before


def test_what_vanishes_while_it_is_looked_at_is_no_error(root: Path) -> None:
    stop = threading.Event()
    failed: list[Exception] = []

    def churn() -> None:
        try:
            while not stop.is_set():
                scratch = open_scratch(root, "a", "k", "d")
                scratch.put("item", b"x")
                scratch.delete()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(1500):
            leftovers.scratches(root, before=0, dry_run=True)
            leftovers.tree_bytes(root / "scratch")
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert failed == []
