"""A full disk or a failing one leaves the old value or the new one, and the error says which disk it is."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.errors import CorruptArtifact, DiskFull
from resources.store import filesystem
from resources.store.artifacts import Artifacts, Expected
from resources.store.filesystem import FileSystem
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.library import Library
from resources.store.scratch import open_scratch
from resources.store.types import File, Text

Load = Callable[[Artifacts, str], bytes]
Check = Callable[[Artifacts], int]
Steps = Callable[[Callable[[int, str, tuple[Any, ...]], None]], FileSystem]
FailingAt = Callable[[int, int, list[str]], FileSystem]
READS = ("open", "read_into", "read_all")
EXPECTED = Expected("a", "k", "run", None)


@pytest.fixture
def failing_at(steps: Steps) -> FailingAt:
    """A file system whose call of this number fails with this code; the call's name is put into `hit`.

    Removing a file does not (else nothing could remove the temporary one), and reading is no matter of space.
    """

    def make(number: int, code: int, hit: list[str]) -> FileSystem:
        def fail(count: int, name: str, arguments: tuple[Any, ...]) -> None:
            if count == number:
                hit.append(name)
                if name != "unlink" and not (name in READS and code != errno.EIO):
                    raise OSError(code, os.strerror(code))

        return steps(fail)

    return make


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_at_any_step_of_a_write(
    code: int, artifacts: Artifacts, tmp_path: Path, failing_at: FailingAt, load: Load, check_everything: Check
) -> None:
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
def test_an_error_at_any_step_of_a_scratch_item(first: bool, code: int, home: Path, failing_at: FailingAt) -> None:
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
def test_an_error_at_any_step_of_publishing(
    code: int, artifacts: Artifacts, home: Path, tmp_path: Path, failing_at: FailingAt
) -> None:
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


def test_writes_that_are_taken_in_parts(
    artifacts: Artifacts, tmp_path: Path, load: Load, check_everything: Check
) -> None:
    source, content = tmp_path / "source", os.urandom(10_000)
    source.write_bytes(content)
    for value in (File("x", content[1:]), File("x", source)):
        with filesystem.using(ShortWrites()):
            stored = artifacts.store(value, "a", "k", "run", 0)
        assert stored.moved > 0
        assert load(artifacts, stored.path) in (content, content[1:])
        assert check_everything(artifacts) > 0


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
    small_disk: Path,
    instance: dg.DagsterInstance,
    failure_of: Callable[..., tuple[str, str]],
    tmp_path: Path,
    check_everything: Check,
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
