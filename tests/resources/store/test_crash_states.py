"""Every state a power cut may leave, at every step of a write: the old value or the new one, never other bytes.

A recorder notes the calls by which a value is written. Each prefix of them is then replayed on a model of a disk that
keeps only what was synced: data that was not is dropped, torn or zeroed; names that were not are there or not, in any
combination. Each such state is laid out in a folder and opened with the real code. Calls taken out of the recording
show that the checks can fail.
"""

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from resources.store import filesystem, manifests
from resources.store.artifacts import Artifacts, Expected
from resources.store.blobs import Blobs
from resources.store.filesystem import FileSystem
from resources.store.library import Library
from resources.store.scratch import Scratch, open_scratch
from resources.store.types import Files
from resources.store.upkeep.collecting import Known, collect
from resources.store.upkeep.references import Owner

FOLDER = -1
Step = tuple[Any, ...]  # a call and what it was called with: paths relative to the home, files by number
Promise = Callable[[Path], None]  # told to somebody: must hold in a home, whatever happened since
Tree = dict[str, bytes | None]  # path -> content; None for a folder

TORN: dict[str, Callable[[bytes], bytes]] = {
    "dropped": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "zeroes": lambda data: bytes(len(data)),
    "reordered": lambda data: bytes(len(data) // 2) + data[len(data) // 2 :],
    "whole": lambda data: data,
}


class Killed(BaseException):
    """Stands for a writer's end; what it would do while an exception rises is done on a dead disk."""


class Recorder(FileSystem):
    """The real calls, each noted once it has succeeded. `kill` ends the writer before the call it says yes to."""

    def __init__(self, home: Path, kill: Callable[[Step], bool] = lambda step: False) -> None:
        self.steps: list[Step] = []
        self._home, self._kill, self._numbers = home, kill, itertools.count()
        self._files: dict[int, int] = {}
        self._turn = threading.Lock()  # so that the order noted is the order done

    def _note(self, *step: Any) -> None:
        self.steps.append(tuple(str(part.relative_to(self._home)) if isinstance(part, Path) else part for part in step))

    def create(self, path: Path, mode: int) -> int:
        with self._turn:
            descriptor = super().create(path, mode)
            self._files[descriptor] = next(self._numbers)
            self._note("create", path, self._files[descriptor])
        return descriptor

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        with self._turn:
            count = super().write(descriptor, content)
            self._note("write", self._files[descriptor], bytes(content[:count]))
        return count

    def clone(self, source: int, target: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "the modelled disk can't share blocks")

    def sync(self, descriptor: int) -> None:
        with self._turn:
            super().sync(descriptor)
            self._note("sync", self._files[descriptor])

    def sync_folder(self, folder: Path) -> None:
        if self._kill(("sync_folder", str(folder.relative_to(self._home)))):
            raise Killed
        with self._turn:
            super().sync_folder(folder)
            self._note("sync_folder", folder)

    def replace(self, source: Path, target: Path) -> None:
        with self._turn:
            super().replace(source, target)
            self._note("replace", source, target)

    def link(self, source: Path, target: Path) -> None:
        with self._turn:
            super().link(source, target)
            self._note("link", source, target)

    def unlink(self, path: Path) -> None:
        with self._turn:
            super().unlink(path)
            self._note("unlink", path)

    def mkdir(self, folder: Path) -> None:
        with self._turn:
            super().mkdir(folder)
            self._note("mkdir", folder)


class NoHardLinks(Recorder):
    """As on exFAT and some network disks."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


class Disk:
    """What is durable, and what is only in memory: `pending` names in their order, and the unsynced ends of files."""

    def __init__(self, base: Tree, unsynced_names: frozenset[str] = frozenset()) -> None:
        self.names: dict[str, int] = {}
        self.synced: dict[int, bytes] = {}
        self.unsynced: dict[int, bytes] = {}
        self.pending: list[tuple[str, int | None]] = []
        for number, (path, content) in enumerate(base.items(), start=1_000_000):
            self.synced[number] = content or b""
            if path in unsynced_names:
                self.pending.append((path, number))
            else:
                self.names[path] = FOLDER if content is None else number

    def run(self, step: Step) -> None:
        match step:
            case ("create", path, number):
                self.pending.append((path, number))
                self.synced[number] = b""
            case ("write", number, content):
                self.unsynced[number] = self.unsynced.get(number, b"") + content
            case ("sync", number):
                self.synced[number] += self.unsynced.pop(number, b"")
            case ("sync_folder", folder):
                for path, what in self.pending:
                    if _parent(path) == folder:
                        _name(self.names, path, what)
                self.pending = [(path, what) for path, what in self.pending if _parent(path) != folder]
            case ("replace", source, target):
                self.pending += [(target, self._number(source)), (source, None)]
            case ("link", source, target):
                self.pending.append((target, self._number(source)))
            case ("unlink", path):
                self.pending.append((path, None))
            case ("mkdir", path):
                self.pending.append((path, FOLDER))
            case _:
                raise AssertionError(step)

    def after_a_crash(self) -> Iterator[Tree]:
        """Every tree that may be found. Temporary files, which nobody reads, are all there or all gone."""
        for kept, torn in itertools.product(self._kept(), TORN.values() if self.unsynced else [TORN["whole"]]):
            names = dict(self.names)
            for path, what in kept:
                _name(names, path, what)
            yield {
                path: None if what == FOLDER else self.synced[what] + torn(self.unsynced.get(what, b""))
                for path, what in names.items()
                if all(str(folder) in names for folder in Path(path).parents if str(folder) != ".")
            }

    def _kept(self) -> Iterator[list[tuple[str, int | None]]]:
        """The subsets of the pending names that may have reached the disk: all subsets of up to 8, else many."""
        fates = sorted({_fate(path, number) for number, (path, _) in enumerate(self.pending)})
        sizes = range(len(fates) + 1) if len(fates) <= 8 else (0, 1, len(fates) - 1, len(fates))
        prefixes = [tuple(fates[:count]) for count in range(len(fates))] if len(fates) > 8 else []
        for chosen in itertools.chain(prefixes, *(itertools.combinations(fates, size) for size in sizes)):
            yield [entry for number, entry in enumerate(self.pending) if _fate(entry[0], number) in chosen]

    def _number(self, path: str) -> int:
        names = dict(self.names)
        for name, what in self.pending:
            _name(names, name, what)
        return names[path]


def _fate(path: str, number: int) -> int:
    return -1 if is_temporary(path) else number


def _parent(path: str) -> str:
    return str(Path(path).parent)


def _name(names: dict[str, int], path: str, what: int | None) -> None:
    if what is None:
        names.pop(path, None)
    else:
        names[path] = what


def is_temporary(path: str) -> bool:
    return Path(path).parent.name in ("tmp", ".tmp")


@dataclass
class Recording:
    """A home before, the calls, and who was told what when: a promise made is a step of the recording too."""

    home: Path
    recorder: Recorder
    base: Tree = field(default_factory=dict)
    meant: dict[str, dict[str, bytes]] = field(default_factory=dict)  # run -> what a manifest of it must hold
    before: dict[str, Promise] = field(default_factory=dict)
    unsynced_names: frozenset[str] = frozenset()  # of the base: given by a writer who then died

    def start(self) -> None:
        """All that was done so far is on the disk; the recording begins."""
        self.base = {
            str(path.relative_to(self.home)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.home.rglob("*"))
            if not path.name.startswith("verified.sqlite")
        }
        self.before = {step[1]: step[2] for step in self.recorder.steps if step[0] == "promise"}
        self.recorder.steps.clear()

    def promise(self, name: str, promise: Promise) -> None:
        self.recorder.steps.append(("promise", name, promise))

    def store(self, run: str, files: Mapping[str, bytes | Path], attempt: int = 0) -> None:
        """Store a value and, as the IO manager does, tell where it is only when that has returned."""
        whole = {name: what if isinstance(what, bytes) else what.read_bytes() for name, what in files.items()}
        self.meant[run] = whole
        path = Artifacts(self.home / "store").store(Files(files), "a", "k", run, attempt).path
        self.promise(path, lambda home: loads(home, path, run, whole))

    def without(self, *left_out: Step) -> "Recording":
        """This recording as if these calls had been forgotten."""
        other = replace(self, recorder=Recorder(self.home))
        other.recorder.steps = [step for step in self.recorder.steps if step not in left_out]
        assert len(other.recorder.steps) < len(self.recorder.steps)
        return other


def loads(home: Path, path: str, run: str, expected: dict[str, bytes]) -> None:
    value, _ = Artifacts(home / "store").load(path, Expected("a", "k", run, None))
    assert isinstance(value, Files)
    assert {name: value.path(name).read_bytes() for name in value} == expected


def lay_out(tree: Tree, home: Path) -> None:
    home.mkdir()
    for path in sorted(tree):
        content = tree[path]
        if content is None:
            (home / path).mkdir()
        else:
            (home / path).write_bytes(content)


def check(home: Path, promises: Mapping[str, Promise], meant: Mapping[str, dict[str, bytes]]) -> None:
    """Open a home with the real code: what was promised holds, what else is there is whole, and storing works."""
    artifacts = Artifacts(home / "store")
    for promise in promises.values():
        promise(home)
    for path in manifests.stored(artifacts.root):
        run = manifests.read(artifacts.root, path).run
        loads(home, path, run, meant[run])
    for blob in (artifacts.root / "objects").glob("*/*"):
        assert blake3(blob.read_bytes()).hexdigest() == blob.name
    for run, files in (*list(meant.items())[-1:], ("after", {"x": b"made after the crash"})):
        stored = artifacts.store(Files(files), "a", "k", f"{run} again", 0)
        loads(home, stored.path, f"{run} again", files)


def crash_everywhere(recording: Recording, folder: Path, check: Callable[..., None] = check) -> tuple[int, str]:
    """Check every state after a crash before, between and after all calls; how many, and the first that is wrong."""
    disk, promises, seen = Disk(recording.base, recording.unsynced_names), dict(recording.before), 0
    known: set[int] = set()
    for number, step in enumerate([None, *recording.recorder.steps]):
        if step is not None and step[0] == "promise":
            promises[step[1]] = step[2]
            known.clear()  # the same state is to be looked at again: more is promised
        elif step is not None:
            disk.run(step)
        for tree in disk.after_a_crash():
            if (shape := hash(frozenset(tree.items()))) in known:
                continue
            known.add(shape)
            seen += 1
            home = folder / f"crash-{number}-{seen}"
            lay_out(tree, home)
            try:
                check(home, promises, recording.meant)
            except Exception as error:
                return seen, f"after {number} calls, the last of them {step}: {error!r}"
            finally:
                shutil.rmtree(home)
    return seen, ""


@pytest.fixture
def record(home: Path) -> Callable[..., Recording]:
    def begin(kind: type[Recorder] = Recorder, **options: Any) -> Recording:
        (home / "home").mkdir()
        return Recording(home / "home", kind(home / "home", **options))

    return begin


Record = Callable[..., Recording]
OLD = {"one": b"old " * 50, "two": b"second old " * 50}


def test_the_first_value_of_a_new_store(record: Record, home: Path) -> None:
    recording = record()
    with filesystem.using(recording.recorder):
        recording.store("first", {"one": b"from memory " * 50})
    seen, wrong = crash_everywhere(recording, home)
    assert not wrong
    assert seen > 20


@pytest.mark.parametrize("kind", [Recorder, NoHardLinks])
def test_a_value_over_an_old_one(kind: type[Recorder], record: Record, home: Path, tmp_path: Path) -> None:
    """From memory and from a path; one file shared with the old value."""
    source = tmp_path / "source"
    source.write_bytes(b"from a path " * 50)
    recording = record(kind)
    with filesystem.using(recording.recorder):
        recording.store("old", OLD)
        recording.start()
        recording.store("new", {"memory": b"from memory " * 50, "path": source, "same": OLD["one"]})

    def and_reserved_names(home: Path, promises: Mapping[str, Promise], meant: Mapping[str, dict[str, bytes]]) -> None:
        """Without hard links an empty manifest reserves the name: nobody was told of it, and it reads as damaged."""
        for path in list(manifests.stored(home / "store")):
            if not (home / "store" / path).stat().st_size:
                assert kind is NoHardLinks
                assert path not in promises
                assert Artifacts(home / "store").missing(path) == [path]
                (home / "store" / path).unlink()
        check(home, promises, meant)

    seen, wrong = crash_everywhere(recording, home, and_reserved_names)
    assert not wrong
    assert seen > 20


def test_chunks(record: Record, home: Path) -> None:
    chunks: list[bytes | memoryview] = [b"first " * 50, b"", memoryview(bytearray(b"second " * 50))]
    whole = b"".join(bytes(chunk) for chunk in chunks)
    digest = blake3(whole).hexdigest()

    def is_there(home: Path) -> None:
        assert Blobs(home / "store").read(digest, len(whole)) == whole

    recording = record()
    with filesystem.using(recording.recorder):
        recording.store("old", OLD)
        recording.start()
        assert Blobs(recording.home / "store").add(chunks).digest == digest
        recording.promise("blob", is_there)
    seen, wrong = crash_everywhere(recording, home)
    assert not wrong
    assert seen > 10


def test_a_run_that_comes_twice_with_the_same_attempt(record: Record, home: Path) -> None:
    recording = record()
    with filesystem.using(recording.recorder):
        recording.store("run", OLD, attempt=3)
        recording.start()
        recording.store("run", OLD, attempt=3)
    assert {Path(step[1]).name for step in recording.recorder.steps if step[0] == "promise"} == {"run-4.json"}
    seen, wrong = crash_everywhere(recording, home)
    assert not wrong
    assert seen > 8


def test_a_damaged_object_is_replaced(record: Record, home: Path) -> None:
    recording = record()
    with filesystem.using(recording.recorder):
        recording.store("old", OLD)
        for path in (recording.home / "store/objects").glob("*/*"):
            path.chmod(0o644)
            path.write_bytes(b"other bytes")
        recording.start()
        recording.before.clear()
        recording.store("new", OLD)

    def never_other_bytes(home: Path, promises: Mapping[str, Promise], meant: Mapping[str, dict[str, bytes]]) -> None:
        """What the old manifest names is damaged or gone until it is made again, and is never handed out as it is."""
        artifacts = Artifacts(home / "store")
        for path in manifests.stored(artifacts.root):
            if path in promises or not artifacts.missing(path, thorough=True):
                loads(home, path, manifests.read(artifacts.root, path).run, OLD)
        artifacts.store(Files(OLD), "a", "k", "new", 0)
        check(home, promises, {**meant, "new": OLD})

    seen, wrong = crash_everywhere(recording, home, never_other_bytes)
    assert not wrong
    assert seen > 20


def test_the_same_content_of_a_writer_who_died_before_syncing_the_folder(record: Record, home: Path) -> None:
    recording = record(kill=lambda step: step[1].startswith("store/objects/") and not survived)
    survived: list[bool] = []
    with filesystem.using(recording.recorder):
        with pytest.raises(Killed):
            recording.store("dead", {"one": b"same " * 50})
        recording.start()
        (name,) = [path for path in recording.base if path.count("/") == 3 and path.startswith("store/objects")]
        recording.unsynced_names = frozenset({name})
        survived.append(True)
        recording.store("alive", {"one": b"same " * 50})
    recording.meant.pop("dead")
    assert not crash_everywhere(recording, home)[1]
    assert crash_everywhere(recording.without(("sync_folder", _parent(name))), home)[1]


@pytest.mark.parametrize("attempt", range(5))
def test_two_writers_at_once(attempt: int, record: Record, home: Path) -> None:
    """Two threads store the same file, and one of their own each, for the same partition; another turn each time."""
    recording, ready = record(), threading.Barrier(2)

    def work(run: str) -> None:
        ready.wait()
        recording.store(run, {"same": b"same " * 50, "own": run.encode() * 50}, attempt)

    with filesystem.using(recording.recorder):
        recording.store("old", OLD)
        recording.start()
        threads = [threading.Thread(target=work, args=(run,)) for run in ("first", "second")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len([step for step in recording.recorder.steps if step[0] == "promise"]) == 2
    seen, wrong = crash_everywhere(recording, home)
    assert not wrong
    assert seen > 20


def test_a_scratch_item_over_an_old_one(record: Record, home: Path) -> None:
    def item(home: Path) -> Scratch:
        return open_scratch(home / "store", "a", "k", "d" * 64)

    def holds(*allowed: bytes) -> Promise:
        def promise(home: Path) -> None:
            assert item(home).get("window") in allowed

        return promise

    recording = record()
    with filesystem.using(recording.recorder):
        item(recording.home).put("window", b"old " * 50)
        recording.start()
        recording.promise("item", holds(b"old " * 50, b"new " * 50))
        item(recording.home).put("window", b"new " * 50)
        recording.promise("item", holds(b"new " * 50))
    assert not crash_everywhere(recording, home)[1]
    item_folder = next(step[1] for step in recording.recorder.steps if step[0] == "sync_folder" and "items" in step[1])
    assert crash_everywhere(recording.without(("sync_folder", item_folder)), home)[1]


def test_the_library_over_an_old_edition(record: Record, home: Path, tmp_path: Path) -> None:
    editions: dict[str, dict[str, bytes]] = {
        "old": {"notes.md": b"old notes " * 30, "notes.pdf": b"old pdf " * 30, "slide.jpg": b"slide"},
        "new": {"notes.md": b"new notes " * 30, "notes.pdf": b"new pdf " * 30, "added.txt": b"added"},
    }

    def publish(home: Path, edition: str) -> None:
        for name, content in editions[edition].items():
            (tmp_path / edition).mkdir(exist_ok=True)
            (tmp_path / edition / name).write_bytes(content)
        files = {name: tmp_path / edition / name for name in editions[edition]}
        Library(home / "library", home / "store/tmp").publish("r", files)

    def holds(*allowed: str) -> Promise:
        def promise(home: Path) -> None:
            there = {path.name: path.read_bytes() for path in (home / "library/r").glob("[a-z]*")}
            for name, content in there.items():
                assert content in [editions[edition].get(name) for edition in allowed]
            for name in set.intersection(*(set(editions[edition]) for edition in allowed)):
                assert name in there

        return promise

    recording = record()
    with filesystem.using(recording.recorder):
        publish(recording.home, "old")
        recording.start()
        recording.promise("edition", holds("old", "new"))
        publish(recording.home, "new")
        recording.promise("edition", holds("new"))

    def check_library(home: Path, promises: Mapping[str, Promise], meant: Mapping[str, dict[str, bytes]]) -> None:
        for promise in promises.values():
            promise(home)
        for edition in ("old", "new"):  # back and again, and no file is left that nobody removes
            publish(home, edition)
            assert {path.name for path in (home / "library/r").glob("[a-z]*")} == set(editions[edition])
        Library(home / "library", home / "store/tmp").publish("r", {})
        assert list((home / "library/r").glob("[a-z]*")) == []

    seen, wrong = crash_everywhere(recording, home, check_library)
    assert not wrong
    assert seen > 20
    assert crash_everywhere(recording.without(("sync_folder", "library/r")), home, check_library)[1]


def test_a_collection(record: Record, home: Path) -> None:
    """What is known loads in every state; what is not goes manifest first, so that no manifest lacks its objects."""
    recording = record()
    with filesystem.using(recording.recorder):
        recording.store("known", OLD)
        recording.store("garbage", {"one": OLD["one"], "own": b"garbage " * 50})
        recording.store("other", {"own": b"other garbage " * 50})
        old = 30 * 86_400
        for path in (recording.home / "store").rglob("*"):
            if path.is_file():
                os.utime(path, (path.stat().st_mtime - old,) * 2)
        recording.start()
        kept = next(path for path in recording.before if "known" in path)
        recording.before = {kept: recording.before[kept]}
        known = Known({kept: Owner("a", "k", "known")}, frozenset([kept]), frozenset([kept]))
        done = collect(recording.home / "store", lambda: known, dry_run=False, trust_event_log=True)
    assert (done.manifests.count, done.objects.count) == (2, 2)
    seen, wrong = crash_everywhere(recording, home)
    assert not wrong
    assert seen > 5
    folder = next(step for step in recording.recorder.steps if step[0] == "sync_folder" and "assets" in step[1])
    assert crash_everywhere(recording.without(folder), home)[1]


def test_every_sync_is_needed(record: Record, home: Path) -> None:
    """Leave out the sync of any one file or folder, or do it too late, and a crash is found that loses something."""
    recording = record()
    with filesystem.using(recording.recorder):
        recording.store("first", {"one": b"from memory " * 50})
    syncs = sorted({step for step in recording.recorder.steps if step[0] in ("sync", "sync_folder")})
    folders = [step[1] for step in syncs if step[0] == "sync_folder"]
    assert len(syncs) - len(folders) == 2
    assert len(folders) == 7
    assert {".", "store", "store/objects", "store/assets", "store/assets/a", "store/assets/a/k"} < set(folders)
    for sync in syncs:
        assert crash_everywhere(recording.without(sync), home)[1], f"{sync} could be left out"
    late = recording.without(*(step for step in syncs if step[0] == "sync"))
    late.recorder.steps[-1:-1] = [step for step in syncs if step[0] == "sync"]  # just before anybody is told
    assert crash_everywhere(late, home)[1]


def test_the_recorder_is_the_real_file_system(home: Path) -> None:
    """What is replayed is what was done: after the last call the model and the folder hold the same."""
    (home / "home").mkdir()
    recording = Recording(home / "home", Recorder(home / "home"))
    with filesystem.using(recording.recorder):
        recording.store("first", OLD)
        recording.store("second", {**OLD, "three": b"3"})
    disk = Disk({})
    for step in recording.recorder.steps:
        if step[0] != "promise":
            disk.run(step)
    (whole,) = [tree for tree in disk.after_a_crash() if not any(is_temporary(path) for path in tree)][-1:]
    there = {
        str(path.relative_to(recording.home)): path.read_bytes() if path.is_file() else None
        for path in recording.home.rglob("*")
        if path.name != "lock" and not path.name.startswith("verified.sqlite")
    }
    assert whole == there
