"""Any order of storing, loading, damaging, collecting, dying and starting again, with two writers at any step.

Hypothesis draws the orders. Beside the store, a plain model knows what was told to Dagster and what was damaged: what
was told loads exactly, unless it was damaged; then the error is of a named kind, until the value is made again.
"""

import os
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from blake3 import blake3
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from resources.errors import CorruptArtifact, MissingArtifact
from resources.store import durable, filesystem, manifests
from resources.store.artifacts import Artifacts, Expected
from resources.store.filesystem import FileSystem
from resources.store.types import File
from resources.store.upkeep.collecting import Known, collect
from resources.store.upkeep.references import Owner

DAY_S = 86_400
CONTENTS = [b"", b"one", b"two " * 5_000]  # so few that they meet
which = st.integers(0, len(CONTENTS) - 1)
partitions = st.sampled_from([None, "k"])
numbers = st.integers(0, 1_000)


def digest(content: bytes) -> str:
    return blake3(content).hexdigest()


class Killed(BaseException):
    """Ends a writer; every call it still tries to make raises it again, as if there were nobody to make it."""


class Writer(threading.Thread):
    """Stores a value, but stops before its call of a given number, until it may go on or is killed."""

    def __init__(self, root: Path, content: bytes, partition: str | None, attempt: int, stop_before: int) -> None:
        super().__init__(daemon=True)
        self.content, self.partition = content, partition
        self.path: str | None = None
        self.overtaken = False  # the content was damaged since it began: it may have looked before that
        self._root, self._attempt, self._calls_left = root, attempt, stop_before
        self._stopped, self._go, self._dead = threading.Event(), threading.Event(), False
        self.start()
        assert self._stopped.wait(60)

    def run(self) -> None:
        try:
            value = File("x", self.content)
            self.path = Artifacts(self._root).store(value, "a", self.partition, "run", self._attempt).path
        except Killed:
            pass
        finally:
            self._stopped.set()

    def before_a_call(self) -> None:
        self._calls_left -= 1
        if self._calls_left == 0:
            self._stopped.set()
            self._go.wait()
        if self._dead:
            raise Killed

    def end(self, dead: bool) -> None:
        self._dead = dead
        self._go.set()
        self.join(60)
        assert not self.is_alive()


class Gate(FileSystem):
    """The real calls; a `Writer` may have to stop before one of its own."""

    def __getattribute__(self, name: str) -> Any:
        thread = threading.current_thread()
        if isinstance(thread, Writer):
            thread.before_a_call()
        return super().__getattribute__(name)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        memory = Path("/dev/shm")
        folder = self.stack.enter_context(tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None))
        self.stack.enter_context(filesystem.using(Gate()))
        self.root = Path(folder) / "store"
        self.artifacts = Artifacts(self.root)
        self.told: dict[str, tuple[str | None, bytes]] = {}  # what the event log would say: path -> partition, content
        self.untold: set[str] = set()  # of runs that ended between the manifest and the event, or were deleted
        self.damaged: set[str] = set()  # digests of objects and paths of manifests
        self.doubtful: set[str] = (
            set()
        )  # digests that were damaged while a writer may have relied on them, or made them again
        self.writers: list[Writer] = []
        self.attempt = 0  # the same for all, so that they take each other's names; but never a name that was deleted

    def teardown(self) -> None:
        try:
            while self.writers:
                self.finish()
            for path in list(self.told):
                self._get(path)
            for number in range(len(CONTENTS)):
                self.put(number, None)
            assert self.damaged.isdisjoint(digest(content) for content in CONTENTS)
        finally:
            for writer in self.writers:
                writer.end(dead=True)
            self.stack.close()

    @rule(number=which, partition=partitions)
    def put(self, number: int, partition: str | None) -> None:
        content = CONTENTS[number]
        path = self.artifacts.store(File("x", content), "a", partition, "run", self.attempt).path
        self._made(path, partition, content)
        self._get(path)

    @rule(number=which, partition=partitions)
    def put_without_telling(self, number: int, partition: str | None) -> None:
        content = CONTENTS[number]
        self.artifacts.store(File("x", content), "a", partition, "run", self.attempt)
        self._not_told()
        self.damaged.discard(digest(content))
        self.doubtful.discard(digest(content))

    @precondition(lambda self: len(self.writers) < 2)
    @rule(number=which, partition=partitions, stop_before=st.integers(1, 16))
    def begin(self, number: int, partition: str | None, stop_before: int) -> None:
        self.doubtful |= {digest(CONTENTS[number])} & self.damaged
        self.writers.append(Writer(self.root, CONTENTS[number], partition, self.attempt, stop_before))

    @precondition(lambda self: self.writers)
    @rule()
    def finish(self) -> None:
        writer = self.writers.pop(0)
        writer.end(dead=False)
        assert writer.path is not None
        self._made(writer.path, writer.partition, writer.content, writer.overtaken)

    @precondition(lambda self: self.writers)
    @rule()
    def kill(self) -> None:
        writer = self.writers.pop()
        writer.end(dead=True)
        self._not_told()

    @precondition(lambda self: self.told)
    @rule(number=numbers)
    def get(self, number: int) -> None:
        self._get(sorted(self.told)[number % len(self.told)])

    @rule(number=which, how=st.sampled_from(["flipped", "cut", "longer", "deleted"]))
    def damage_an_object(self, number: int, how: str) -> None:
        content = CONTENTS[number]
        path = self.root / "objects" / digest(content)[:2] / digest(content)
        if path.exists() and (content or how in ("longer", "deleted")):
            _damage(path, how)
            self.damaged.add(digest(content))
            for writer in self.writers:
                writer.overtaken |= writer.content == content

    @precondition(lambda self: self.told)
    @rule(number=numbers, how=st.sampled_from(["flipped", "cut", "deleted"]))
    def damage_a_manifest(self, number: int, how: str) -> None:
        path = sorted(self.told)[number % len(self.told)]
        if (self.root / path).exists() and not (how == "deleted" and self.writers):
            _damage(self.root / path, how)
            self.damaged.add(path)
            self.attempt += 1_000 if how == "deleted" else 0

    @rule(forget=st.booleans())
    def restart(self, forget: bool) -> None:
        if forget:
            (self.root / "verified.sqlite").unlink(missing_ok=True)
        self.artifacts = Artifacts(self.root)

    @precondition(lambda self: self.told)
    @rule(number=numbers, all_of_this_content=st.booleans())
    def delete_runs(self, number: int, all_of_this_content: bool) -> None:
        path = sorted(self.told)[number % len(self.told)]
        _, content = self.told[path]
        gone = {other for other, told in self.told.items() if all_of_this_content and told[1] == content} | {path}
        self.told = {other: told for other, told in self.told.items() if other not in gone}
        self.untold |= gone

    @precondition(lambda self: not self.writers)  # the grace period is for what is under way
    @rule()
    def a_month_passes(self) -> None:
        for path in self.root.rglob("*"):
            if path.is_file():
                status = path.stat()
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 30 * DAY_S * 10**9))

    @precondition(lambda self: not self.writers)
    @rule()
    def collect(self) -> None:
        self._collect()

    @precondition(lambda self: self.writers)
    @rule()
    def collect_beside_writers(self) -> None:
        """It waits for them, whatever they have found or written by now."""
        thread, held = threading.Thread(target=self._collect, daemon=True), self._is_locked()
        thread.start()
        thread.join(0.01)
        assert thread.is_alive() or not held
        while self.writers:
            self.finish()
        thread.join(60)
        assert not thread.is_alive()

    @precondition(lambda self: not self.writers)
    @rule(number=which, stop_before=st.integers(1, 16))
    def collect_beside_a_writer_who_uses_old_garbage_again(self, number: int, stop_before: int) -> None:
        self.told = {path: told for path, told in self.told.items() if told[1] != CONTENTS[number]}
        self.a_month_passes()
        self.begin(number, None, stop_before)
        self.collect_beside_writers()

    def _made(self, path: str, partition: str | None, content: bytes, overtaken: bool = False) -> None:
        assert path not in self.told
        self.untold.discard(path)
        self.damaged.discard(path)  # of a deleted run, and collected since
        self.told[path] = (partition, content)
        if overtaken:
            self.doubtful.add(digest(content))
        else:
            self.damaged.discard(digest(content))
            self.doubtful.discard(digest(content))

    def _not_told(self) -> None:
        self.untold |= set(manifests.stored(self.root)) - self.told.keys()

    def _is_locked(self) -> bool:
        with (self.root / "lock").open("a") as file:
            return not durable.lock(file.fileno())

    def _get(self, path: str) -> None:
        partition, content = self.told[path]
        try:
            value, _ = self.artifacts.load(
                path, Expected("a", partition, "run", manifests.data_version({"x": digest(content)}))
            )
        except (CorruptArtifact, MissingArtifact):
            assert {path, digest(content)} & (self.damaged | self.doubtful)
        else:
            assert isinstance(value, File)
            assert value.only.read_bytes() == content
            assert not {path, digest(content)} & (self.damaged - self.doubtful)

    def _collect(self) -> None:
        known = {path: Owner("a", partition, "run") for path, (partition, _) in self.told.items()}
        done = collect(
            self.root,
            lambda: Known(known, frozenset(known), frozenset(known)),
            dry_run=False,
            trust_event_log=True,
        )
        old = time.time() - 7 * DAY_S
        left = {path for path in manifests.stored(self.root) if (self.root / path).stat().st_mtime < old}
        assert left <= known.keys()
        if not done.unreadable:
            staying = [manifests.read(self.root, path) for path in manifests.stored(self.root)]
            named = {file.digest for manifest in staying for file in manifest.files}
            for blob in (self.root / "objects").glob("*/*"):
                assert blob.name in named or blob.stat().st_mtime > old
        self.untold = {path for path in self.untold if (self.root / path).exists()}


def _damage(path: Path, how: str) -> None:
    """As a failing disk or a careless hand does, in place."""
    if how == "deleted":
        path.unlink()
        return
    path.chmod(0o644)
    content = path.read_bytes()
    changed = {
        "flipped": bytes([(content[0] + 1) % 256]) + content[1:] if content else b"",
        "cut": content[: len(content) // 2],
    }
    path.write_bytes(changed.get(how, content + b"\0"))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=100, stateful_step_count=30, deadline=None, derandomize=True, database=None)
