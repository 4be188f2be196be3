"""A crash, a full disk or a failing one leaves the old value or the new one, at every step of a write."""

import errno
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.errors import DiskFull
from resources.store import durable
from resources.store.artifacts import Artifacts, Expected
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.library import Library
from resources.store.records import Record
from resources.store.types import File, Files, Text

STEPS = ("open", "write", "fsync", "replace", "link", "unlink", "mkdir")
EXPECTED = Expected("a", "k", "run", None)


class Steps:
    """Stands before the system calls a write is made of: `before(number, name, arguments)` may kill or raise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: Callable[[int, str, tuple[Any, ...]], None]) -> None:
        self.count = 0

        def watch(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def watched(*arguments: Any, **options: Any) -> Any:
                self.count += 1
                before(self.count, name, arguments)
                return call(*arguments, **options)

            return watched

        for name in STEPS:
            if name != "write":
                monkeypatch.setattr(os, name, watch(name, getattr(os, name)))
        monkeypatch.setattr(durable, "finish", watch("write", durable.finish))


def child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process and wait; how it ended: 0, 1 for an exception, or minus the signal."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def load(artifacts: Artifacts, path: str) -> bytes:
    value, _ = artifacts.load(path, EXPECTED)
    assert isinstance(value, File)
    return value.only.read_bytes()


def check_everything(artifacts: Artifacts) -> int:
    """Every manifest that is there is whole, and so is all it names; how many there are."""
    paths = [path.relative_to(artifacts.root).as_posix() for path in (artifacts.root / "assets").rglob("*.json")]
    for path in paths:
        assert artifacts.missing(path, thorough=True) == []
    return len(paths)


def test_the_order_of_a_write(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """File synced, then renamed, then its folder synced (new parents too), for each file; only then the manifest."""
    trace: list[tuple[str, ...]] = []

    def note(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        first = f"/proc/self/fd/{arguments[0]}" if name == "fsync" else None
        paths = [str(Path(first).readlink())] if first else [str(a) for a in arguments if isinstance(a, str | Path)]
        trace.append((name, *(path.removeprefix(f"{artifacts.root}/") for path in paths)))

    Steps(monkeypatch, note)
    source = artifacts.root / "source"
    source.write_bytes(b"from a path")
    stored = artifacts.store(Files({"one": b"from memory", "two": source}), "a", "k", "run", 0)
    monkeypatch.undo()
    link = trace.index(next(step for step in trace if step[0] == "link"))
    manifest_temporary, manifest = trace[link][1:]
    assert manifest == stored.path
    assert trace.index(("fsync", manifest_temporary)) < link
    assert trace.index(("fsync", "assets/a/k"), link) > link
    for file in stored.manifest.files:
        final = f"objects/{file.digest[:2]}/{file.digest}"
        rename = next(number for number, step in enumerate(trace) if step[0] == "replace" and step[2] == final)
        assert trace.index(("fsync", trace[rename][1])) < rename
        assert rename < trace.index(("fsync", f"objects/{file.digest[:2]}"), rename) < link
    for number, step in enumerate(trace):
        if step[0] == "mkdir" and step[1].startswith(("objects", "assets")):
            parent = str(Path(step[1]).parent)
            assert number < trace.index(("fsync", parent if parent != "." else str(artifacts.root)), number) < link


@pytest.mark.parametrize("kind", ["bytes", "path"])
def test_killed_before_any_step_of_a_write(
    kind: str, artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"new")
    old = artifacts.store(File("x", b"old"), "a", "k", "run", 0)
    for number in range(1, 200):

        def work(at: int = number) -> None:
            def kill(count: int, name: str, arguments: tuple[Any, ...]) -> None:
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            Steps(monkeypatch, kill)
            value = File("x", f"new {at}".encode() if kind == "bytes" else source)
            artifacts.store(value, "a", "k", "run", at)

        ended = child(work)
        assert load(artifacts, old.path) == b"old"
        check_everything(artifacts)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert 10 < number < 199
    new = artifacts.store(File("x", source), "a", "k", "run", 500)
    assert load(artifacts, new.path) == b"new"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_at_any_step_of_a_write(code: int, artifacts: Artifacts, tmp_path: Path) -> None:
    source = tmp_path / "source"
    old = artifacts.store(File("x", b"old"), "a", "k", "run", 0)
    for number in range(1, 200):
        source.write_bytes(f"new {number}".encode())
        hit: list[str] = []
        with pytest.MonkeyPatch.context() as patch:

            def fail(count: int, name: str, arguments: tuple[Any, ...], at: int = number, hit: list[str] = hit) -> None:
                if count == at:
                    hit.append(name)
                if count == at and name != "unlink":  # else nothing could remove the temporary file
                    raise OSError(code, os.strerror(code))

            Steps(patch, fail)
            error: Exception | None = None
            try:
                new = artifacts.store(Files({"x": source}), "a", "k", "run", number)
            except (DiskFull, OSError) as raised:
                error = raised
        assert load(artifacts, old.path) == b"old"
        check_everything(artifacts)
        assert list(artifacts.tmp.iterdir()) == []
        if not hit:
            assert error is None
            break
        if hit == ["unlink"]:
            continue
        if code == errno.EIO:
            assert isinstance(error, OSError)
            assert error.errno == errno.EIO
        else:
            assert isinstance(error, DiskFull)
            assert str(artifacts.root) in str(error)
            assert "Free some space" in str(error)
    assert 10 < number < 199
    assert artifacts.missing(new.path) == []


def test_killed_at_random_thirty_times(artifacts: Artifacts) -> None:
    """A writer tells what it has finished, as the IO manager tells Dagster; a reader sees that or something newer."""
    contents = [bytes([number]) * 700_000 for number in range(4)]
    finished, seed = artifacts.store(File("x", contents[0]), "a", "k", "run", 0).path, random.Random(7)
    for _ in range(30):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            for attempt in range(1, 10_000):
                path = artifacts.store(File("x", contents[attempt % 4]), "a", "k", "run", attempt).path
                os.write(writing, f"{path}\n".encode())
        os.close(writing)
        time.sleep(seed.uniform(0.001, 0.06))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(reading) as told:
            finished = [finished, *told.read().split()][-1]
        assert load(artifacts, finished) in contents
    assert check_everything(artifacts) > 30
    for path in artifacts.tmp.iterdir():
        os.utime(path, (0, 0))
    Artifacts(artifacts.root)
    assert list(artifacts.tmp.iterdir()) == []


def test_a_run_killed_between_storing_and_telling_dagster(
    instance: dg.DagsterInstance,
    resources: dict[str, Any],
    latest: Callable[..., Record],
    store: ArtifactStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = ["old"]

    @dg.asset
    def made() -> Text:
        return Text(content[0])

    def run() -> bool:
        return dg.materialize([made], instance=instance, resources=resources).success

    assert run()
    content[0] = "new"

    def killed() -> None:
        monkeypatch.setattr(dg.OutputContext, "add_output_metadata", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        run()

    assert child(killed) == -signal.SIGKILL
    assert store.load(latest("made")) == "old"
    assert check_everything(store.artifacts) == 2
    assert run()
    assert store.load(latest("made")) == "new"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.root
def test_a_full_disk_fails_the_run_by_name_and_hurts_nothing(
    small_disk: Path, instance: dg.DagsterInstance, failure_of: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    store = ArtifactStore(root=str(small_disk / "store"), library=str(tmp_path / "library"))
    big = tmp_path / "big"
    content: dict[str, Any] = {"value": Text("old")}

    @dg.asset
    def made() -> dg.MaterializeResult:
        return dg.MaterializeResult(value=content["value"])

    def run() -> dg.ExecuteInProcessResult:
        resources = {"io_manager": ArtifactIOManager(store=store)}
        return dg.materialize([made], instance=instance, resources=resources, raise_on_error=False)

    assert run().success
    assert run().success
    big.write_bytes(os.urandom(2_000_000))
    for value in (File("big.bin", big), File("big.bin", big.read_bytes())):
        content["value"] = value
        error, message = failure_of(run())
        assert error == "DiskFull"
        for part in ("made", str(small_disk), "Free some space"):
            assert part in message
        assert list(store.artifacts.tmp.iterdir()) == []
    assert check_everything(store.artifacts) == 2
    content["value"] = Text("new")
    assert run().success


@pytest.mark.root
def test_a_full_disk_under_the_library(small_disk: Path, artifacts: Artifacts, tmp_path: Path) -> None:
    library, source = Library(small_disk / "library", artifacts.tmp), tmp_path / "notes.pdf"
    source.write_bytes(b"old")
    library.publish("r", {"notes.pdf": source})
    source.write_bytes(os.urandom(2_000_000))
    with pytest.raises(DiskFull):
        library.publish("r", {"notes.pdf": source})
    assert (small_disk / "library/r/notes.pdf").read_bytes() == b"old"
    assert [path.name for path in (small_disk / "library/r").iterdir() if not path.name.startswith(".")] == [
        "notes.pdf"
    ]
    assert list((small_disk / "library/.tmp").iterdir()) == []
    source.write_bytes(b"new")
    library.publish("r", {"notes.pdf": source})
    assert (small_disk / "library/r/notes.pdf").read_bytes() == b"new"


@pytest.mark.root
def test_another_user_reads_all_and_changes_nothing() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        before = os.umask(0o022)
        try:
            artifacts = Artifacts(Path(name) / "store")
            stored = artifacts.store(File("x", b"for everybody"), "a", "k", "run", 0)
            Artifacts(artifacts.root).load(stored.path, EXPECTED)
        finally:
            os.umask(before)

        def as_nobody() -> None:
            os.setgid(65534)
            os.setuid(65534)
            own = Artifacts(artifacts.root)
            assert load(own, stored.path) == b"for everybody"
            for path in artifacts.root.rglob("*"):
                assert not os.access(path, os.W_OK), path
            with pytest.raises(PermissionError):
                own.store(File("x", b"mine"), "a", "k", "run", 1)

        assert child(as_nobody) == 0


def test_a_busy_or_locked_memory_of_verifications_is_no_error(artifacts: Artifacts) -> None:
    stored = artifacts.store(File("x", b"x"), "a", "k", "run", 0)
    load(artifacts, stored.path)
    with sqlite3.connect(artifacts.root / "verified.sqlite") as database:
        database.execute("begin exclusive")
        start = time.monotonic()
        assert load(artifacts, stored.path) == b"x"
        assert time.monotonic() - start < 20
