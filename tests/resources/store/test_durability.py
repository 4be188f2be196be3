"""A crash, a full disk or a failing one leaves the old value or the new one, at every step of a write."""

import errno
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.errors import CorruptArtifact, DiskFull
from resources.store import filesystem, manifests
from resources.store.artifacts import Artifacts, Expected
from resources.store.filesystem import FileSystem
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.library import Library
from resources.store.records import Record
from resources.store.scratch import open_scratch
from resources.store.types import File, Files, Text

CALLS = [name for name in vars(FileSystem) if not name.startswith("_")]
READS = ("open", "read_into", "read_all")
EXPECTED = Expected("a", "k", "run", None)


class Steps(FileSystem):
    """The real calls; `before(number, name, arguments)` may kill or raise, or see what is coming."""

    def __init__(self, before: Callable[[int, str, tuple[Any, ...]], None]) -> None:
        self.count, self.before = 0, before

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name not in CALLS:
            return call

        def watched(*arguments: Any) -> Any:
            self.count += 1
            self.before(self.count, name, arguments)
            return call(*arguments)

        return watched


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
    paths = list(manifests.stored(artifacts.root))
    for path in paths:
        assert artifacts.missing(path, thorough=True) == []
    return len(paths)


def test_the_order_of_a_write(artifacts: Artifacts) -> None:
    """File synced, then renamed, then its folder synced (new parents too), for each file; only then the manifest."""
    trace: list[tuple[str, ...]] = []

    def note(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        file = [Path(f"/proc/self/fd/{arguments[0]}").readlink()] if name == "sync" else arguments
        trace.append((name, *(str(part).removeprefix(f"{artifacts.root}/") for part in file if isinstance(part, Path))))

    source = artifacts.root / "source"
    source.write_bytes(b"from a path")
    with filesystem.using(Steps(note)):
        stored = artifacts.store(Files({"one": b"from memory", "two": source}), "a", "k", "run", 0)
    link = trace.index(next(step for step in trace if step[0] == "link"))
    manifest_temporary, manifest = trace[link][1:]
    assert manifest == stored.path
    assert trace.index(("sync", manifest_temporary)) < link
    assert trace.index(("sync_folder", "assets/a/k"), link) > link
    for file in stored.manifest.files:
        final = f"objects/{file.digest[:2]}/{file.digest}"
        rename = next(number for number, step in enumerate(trace) if step[0] == "replace" and step[2] == final)
        assert trace.index(("sync", trace[rename][1])) < rename
        assert rename < trace.index(("sync_folder", f"objects/{file.digest[:2]}"), rename) < link
    for number, step in enumerate(trace):
        if step[0] == "mkdir" and step[1].startswith(("objects", "assets")):
            parent = str(Path(step[1]).parent)
            assert (
                number < trace.index(("sync_folder", parent if parent != "." else str(artifacts.root)), number) < link
            )


def test_a_folder_made_again_by_another_process_is_synced_again(artifacts: Artifacts) -> None:
    synced: list[Path] = []

    def note(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "sync_folder":
            synced.append(arguments[0])

    folder = artifacts.root / "assets" / "a" / "k"
    artifacts.store(File("x", b"old"), "a", "k", "run", 0)
    for again, expected in ((False, [folder]), (True, [folder.parent, folder])):
        if again:
            folder.rename(folder.with_name("elsewhere"))
            folder.mkdir()
        synced.clear()
        with filesystem.using(Steps(note)):
            artifacts.store(File("x", b"old"), "a", "k", "run", 1)
        assert [path for path in synced if path.is_relative_to(folder.parent)] == expected


@pytest.mark.root
@pytest.mark.strace
def test_the_order_of_a_write_by_the_kernels_account(tmp_path: Path, repo: Path) -> None:
    """The same from outside: the system calls of a process that stores a file, as strace sees them."""
    root, log = tmp_path / "store", tmp_path / "trace"
    code = f"""
from pathlib import Path
from resources.store.artifacts import Artifacts
from resources.store.scratch import Scratch, open_scratch
from resources.store.types import File
Artifacts(Path({str(root)!r})).store(File("x", b"content" * 1000), "a", "k", "run", 0)
"""
    calls = "write,fsync,fdatasync,rename,renameat,renameat2,link,linkat"
    subprocess.run(
        ["strace", "-f", "-y", "-s", "0", "-o", log, "-e", f"trace={calls}", sys.executable, "-c", code],
        cwd=repo,
        check=True,
        timeout=120,
    )
    trace = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    (blob,) = (root / "objects").glob("*/*")
    (manifest,) = (root / "assets").glob("*/*/*.json")
    at = 0
    for final, verb in ((blob, "rename"), (manifest, "link")):
        (named,) = [
            n for n, call in enumerate(trace) if call.startswith(verb) and f'"{final}"' in call and " = 0" in call
        ]
        temporary = re.findall(r'"([^"]+)"', trace[named])[0]
        written = [n for n, call in enumerate(trace) if call.startswith("write(") and f"<{temporary}>" in call]
        synced = [n for n, call in enumerate(trace) if call.startswith("fsync(") and f"<{temporary}>" in call]
        folder = [n for n, call in enumerate(trace) if call.startswith("fsync(") and f"<{final.parent}>" in call]
        assert at < written[0]
        assert written[-1] < synced[0] < named < folder[-1]
        at = folder[-1]  # the manifest is begun when the object is safe


@pytest.mark.parametrize("kind", ["bytes", "path"])
def test_killed_before_any_step_of_a_write(kind: str, artifacts: Artifacts, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"new")
    old = artifacts.store(File("x", b"old"), "a", "k", "run", 0)
    for number in range(1, 200):

        def work(at: int = number) -> None:
            def kill(count: int, name: str, arguments: tuple[Any, ...]) -> None:
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            value = File("x", f"new {at}".encode() if kind == "bytes" else source)
            with filesystem.using(Steps(kill)):
                artifacts.store(value, "a", "k", "run", at)

        ended = child(work)
        assert load(artifacts, old.path) == b"old"
        check_everything(artifacts)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert 10 < number < 199  # a write has more than ten calls, and the loop came to the end of it
    new = artifacts.store(File("x", source), "a", "k", "run", 500)
    assert load(artifacts, new.path) == b"new"


def failing_at(number: int, code: int, hit: list[str]) -> Steps:
    """A file system whose call of this number fails with this code; the call's name is put into `hit`.

    Removing a file does not (else nothing could remove the temporary one), and reading is no matter of space.
    """

    def fail(count: int, name: str, arguments: tuple[Any, ...]) -> None:
        if count == number:
            hit.append(name)
            if name != "unlink" and not (name in READS and code != errno.EIO):
                raise OSError(code, os.strerror(code))

    return Steps(fail)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_at_any_step_of_a_write(code: int, artifacts: Artifacts, tmp_path: Path) -> None:
    source, met = tmp_path / "source", set()
    old = artifacts.store(File("x", b"old"), "a", "k", "run", 0)
    for number in range(1, 200):
        source.write_bytes(f"new {number}".encode())
        hit: list[str] = []
        error: Exception | None = None
        with filesystem.using(failing_at(number, code, hit)):
            try:
                new = artifacts.store(File("x", source), "a", "k", "run", number)
            except (DiskFull, OSError) as raised:
                error = raised
        assert load(artifacts, old.path) == b"old"
        check_everything(artifacts)
        assert list(artifacts.tmp.iterdir()) == []
        if not hit:
            assert error is None
            break
        met.update(hit)
        if error is None:  # it could do without that call
            assert hit[0] in ("unlink", *READS)
            assert load(artifacts, new.path) == source.read_bytes()
        elif code == errno.EIO:
            assert isinstance(error, OSError)
            assert error.errno == errno.EIO
        else:
            assert isinstance(error, DiskFull)
            assert str(artifacts.root) in str(error)
            assert "Free some space" in str(error)
    assert met >= {"create", "write", "sync", "sync_folder", "replace", "link", "mkdir", "open", "read_into"}
    assert artifacts.missing(new.path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("first", [True, False])
def test_an_error_at_any_step_of_a_scratch_item(first: bool, code: int, home: Path) -> None:
    """In a new store, where folders are made too, and over an old item."""
    for number in range(1, 50):
        scratch, hit = open_scratch(home / f"{number}", "a", "k", "d" * 64), list[str]()
        if not first:
            scratch.put("item", b"old")
        error: Exception | None = None
        with filesystem.using(failing_at(number, code, hit)):
            try:
                scratch.put("item", b"new")
            except (DiskFull, OSError) as raised:
                error = raised
        assert scratch.get("item") in (None if first else b"old", b"new")
        assert list((home / f"{number}").glob("tmp/*")) == []
        if not hit:
            break
        if hit != ["unlink"]:
            assert isinstance(error, OSError if code == errno.EIO else DiskFull)
        scratch.put("item", b"again")
        assert scratch.get("item") == b"again"
    assert error is None
    assert (12 if first else 4) < number < 49  # it has so many calls (folders too if new), and the loop came to the end
    assert scratch.get("item") == b"new"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_at_any_step_of_publishing(code: int, artifacts: Artifacts, home: Path, tmp_path: Path) -> None:
    library, source = Library(home / "library", artifacts.tmp), tmp_path / "notes.md"
    source.write_bytes(b"old")
    library.publish("r", {"notes.md": source, "notes.txt": source})
    for number in range(1, 100):
        source.write_bytes(f"new {number}".encode())
        hit: list[str] = []
        error: Exception | None = None
        with filesystem.using(failing_at(number, code, hit)):
            try:
                library.publish("r", {"notes.md": source})
            except (DiskFull, OSError) as raised:
                error = raised
        there = (home / "library/r/notes.md").read_bytes()
        assert there in (b"old", *(f"new {earlier}".encode() for earlier in range(1, number + 1)))
        assert list(artifacts.tmp.iterdir()) == []
        if not hit:
            break
        if error is not None and code != errno.EIO:
            assert isinstance(error, DiskFull)
    assert 8 < number < 99  # publishing a file has more than eight calls, and the loop came to the end of them
    assert error is None
    assert there == source.read_bytes()
    assert [path.name for path in (home / "library/r").glob("[a-z]*")] == ["notes.md"]


class BadSector(FileSystem):
    """A disk that can't open a file, or can't read it from the first byte or a later one on."""

    def __init__(self, path: Path, opens: bool, offset: int) -> None:
        self.path, self.opens, self.offset = path, opens, offset

    def open(self, path: Path) -> FileIO:
        self._fail(path == self.path and not self.opens and path.exists())
        return super().open(path)

    def read_into(self, file: FileIO, buffer: memoryview) -> int:
        self._fail(file.name == str(self.path) and file.tell() >= self.offset)
        return super().read_into(file, buffer)

    def read_all(self, file: FileIO) -> bytes:
        self._fail(file.name == str(self.path))
        return super().read_all(file)

    def _fail(self, now: bool) -> None:
        if now:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize(("opens", "offset"), [(False, 0), (True, 0), (True, 4_000_000)])
@pytest.mark.parametrize("kind", [File, Text])
@pytest.mark.parametrize("of", ["object", "manifest"])
def test_what_the_disk_can_not_read_is_named(of: str, kind: type, opens: bool, offset: int, root: Path) -> None:
    artifacts, content = Artifacts(root), b"x" * 9_000_000
    value = File("x", content) if kind is File else Text(content.decode())
    stored = artifacts.store(value, "a", "k", "run", 0)
    (blob,) = (root / "objects").glob("*/*")
    path = blob if of == "object" else root / stored.path
    with filesystem.using(BadSector(path, opens, offset)):
        with pytest.raises(CorruptArtifact, match=r"Input/output error.*Materialize") as caught:
            artifacts.load(stored.path, EXPECTED)
        assert path.name in str(caught.value)
        again = artifacts.store(value, "a", "k", "run", 1)
    assert artifacts.missing(again.path, thorough=True) == []


class ShortWrites(FileSystem):
    """A kernel that takes less than it is given, as it may."""

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        return super().write(descriptor, content[: max(1, len(content) // 3)])


def test_writes_that_are_taken_in_parts(artifacts: Artifacts, tmp_path: Path) -> None:
    source, content = tmp_path / "source", os.urandom(10_000)
    source.write_bytes(content)
    for value in (File("x", content[1:]), File("x", source)):
        with filesystem.using(ShortWrites()):
            stored = artifacts.store(value, "a", "k", "run", 0)
        assert stored.moved > 0
        assert load(artifacts, stored.path) in (content, content[1:])
        assert check_everything(artifacts) > 0


def test_killed_at_random_two_hundred_times(artifacts: Artifacts, tmp_path: Path) -> None:
    """A writer tells what it has finished, as the IO manager tells Dagster; all of it stays as it was told.

    It stores new content and content that is there already, from memory and from a path, and a scratch item each time.
    """

    def content(cycle: int, attempt: int) -> bytes:
        return f"{cycle if attempt % 3 else 'the same'}-{attempt}.".encode() * 20_000

    source, seed, told = tmp_path / "source", random.Random(7), list[tuple[int, int, str]]()
    for cycle in range(200):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                for attempt in range(10_000):
                    whole = content(cycle, attempt)
                    source.write_bytes(whole)
                    value = File("x", whole if attempt % 2 else source)
                    path = artifacts.store(value, "a", "k", "run", 10_000 * cycle + attempt).path
                    os.write(writing, f"{attempt} {path}\n".encode())
                    open_scratch(artifacts.root, "a", "k", "d" * 64).put("item", whole)
            finally:
                os._exit(1)
        os.close(writing)
        time.sleep(seed.uniform(0.001, 0.05))
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        with os.fdopen(reading) as lines:
            finished = [line.split() for line in lines]
        told += [(cycle, int(attempt), path) for attempt, path in finished]
        item = open_scratch(artifacts.root, "a", "k", "d" * 64).get("item")
        if finished:
            attempt = int(finished[-1][0])
            assert load(artifacts, finished[-1][1]) == content(cycle, attempt)
            if attempt:
                assert item in (content(cycle, attempt - 1), content(cycle, attempt))
    assert len(told) > 200
    for cycle, attempt, path in told:
        assert load(artifacts, path) == content(cycle, attempt)
    assert check_everything(artifacts) >= len(told)
    assert list(artifacts.tmp.iterdir()) != []  # some were hit while they wrote
    for left in artifacts.tmp.iterdir():
        os.utime(left, (0, 0))
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
