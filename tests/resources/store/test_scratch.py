"""Partial results are found again by a retry, by nobody else, and are gone once the value is stored."""

import errno
import os
import signal
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.store import filesystem
from resources.store.filesystem import FileSystem
from resources.store.io_manager import ArtifactStore
from resources.store.scratch import Scratch, open_scratch
from resources.store.types import File, Text
from resources.store.upkeep.leftovers import scratches

Materialize = Callable[..., dg.ExecuteInProcessResult]
Child = Callable[[Callable[[], object]], Callable[[], int]]
DIGEST = "d" * 64


def files(root: Path) -> list[Path]:
    return [path for path in (root / "scratch").rglob("*") if path.is_file()]


def test_items_are_found_again(root: Path) -> None:
    open_scratch(root, "transcript", "k~1", DIGEST).put("window-1", b"one")
    again = open_scratch(root, "transcript", "k~1", DIGEST)
    assert again.get("window-1") == b"one"
    assert again.get("window-2") is None
    again.put("window-1", b"")
    assert again.get("window-1") == b""
    for other in (("transcript", "k~1", "e" * 64), ("transcript", "k~2", DIGEST), ("summary", "k~1", DIGEST)):
        assert open_scratch(root, *other).get("window-1") is None
    assert open_scratch(root, "transcript", None, DIGEST).get("window-1") is None
    again.delete()
    assert again.get("window-1") is None
    assert list((root / "scratch").iterdir()) == []


def test_a_damaged_item_is_absent_and_logged(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    scratch = open_scratch(root, "a", "k", DIGEST)
    scratch.put("item", b"content")
    (path,) = files(root)
    for damaged in (b"", path.read_bytes()[:-1], path.read_bytes() + b"x", b"\0" + path.read_bytes()[1:]):
        path.write_bytes(damaged)
        caplog.clear()
        assert scratch.get("item") is None
        assert str(path) in caplog.text
    scratch.put("item", b"again")
    assert scratch.get("item") == b"again"


def test_an_item_that_the_disk_can_not_read_is_absent_and_logged(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    class BadSector(FileSystem):
        def read_all(self, file: FileIO) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    scratch = open_scratch(root, "a", "k", DIGEST)
    scratch.put("item", b"content")
    with filesystem.using(BadSector()):
        assert scratch.get("item") is None
    assert str(files(root)[0]) in caplog.text
    assert scratch.get("item") == b"content"


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "", ".hidden", "x\n", "..", "é"])
def test_names_are_not_trusted(name: str, root: Path) -> None:
    scratch = open_scratch(root, "a", "../../k", "../d")
    assert scratch.folder.resolve().is_relative_to(root / "scratch")
    with pytest.raises(ValueError, match="safe file name"):
        scratch.put(name, b"x")
    with pytest.raises(ValueError, match="safe file name"):
        scratch.get(name)


def test_the_folder_for_big_files_is_private_and_goes_with_the_process(root: Path) -> None:
    first, second = (open_scratch(root, "a", "k", DIGEST) for _ in range(2))
    assert first.path == first.path != second.path
    (first.path / "big").write_bytes(b"1")
    (second.path / "big").write_bytes(b"2")
    first.put("item", b"x")
    kept = second.path
    first.delete()
    assert (kept / "big").read_bytes() == b"2"
    assert second.get("item") is None
    second.put("item", b"y")
    second.delete()
    assert not (root / "scratch" / "a").exists()


def test_what_a_killed_process_left_is_cleared(root: Path, child: Child) -> None:
    def work() -> None:
        scratch = open_scratch(root, "a", "k", DIGEST)
        scratch.put("item", b"x")
        (scratch.path / "half-a-recording").write_bytes(b"x" * 1000)
        os.kill(os.getpid(), signal.SIGKILL)

    assert child(work)() == -signal.SIGKILL
    assert len(files(root)) == 2
    retry = open_scratch(root, "a", "k", DIGEST)
    assert list(retry.path.iterdir()) == []
    assert [path.name for path in files(root)] == ["item"]
    assert retry.get("item") == b"x"


def test_old_scratches_are_collected(root: Path) -> None:
    old, new = open_scratch(root, "a", "old", DIGEST), open_scratch(root, "a", "new", DIGEST)
    for scratch in (old, new):
        scratch.put("item", b"x")
    for path in (old.folder, *old.folder.rglob("*")):
        os.utime(path, (time.time() - 8 * 86_400,) * 2)
    assert scratches(root, before=time.time() - 7 * 86_400, dry_run=False).names == (f"a/old/{DIGEST}",)
    assert old.get("item") is None
    assert new.get("item") == b"x"


def test_a_retry_finds_it_and_success_deletes_it(materialize: Materialize, store: ArtifactStore, root: Path) -> None:
    seen: list[Any] = []

    @dg.asset
    def source() -> Text:
        return Text("x")

    @dg.asset
    def slow(context: dg.AssetExecutionContext, source: Text, store: dg.ResourceParam[ArtifactStore]) -> File:
        scratch = store.scratch("slow", None, DIGEST)
        seen.append((context.run_id, scratch.get("part")))
        scratch.put("part", b"half")
        if len(seen) == 1:
            raise RuntimeError("killed half way")
        big = scratch.path / "slow.bin"
        big.write_bytes(b"whole")
        return File("slow.bin", big)

    other = store.scratch("slow", None, "e" * 64)
    other.put("part", b"of another config")
    assert not materialize([source, slow]).success
    assert len(files(root)) == 2
    assert materialize([source, slow]).success
    assert [part for _, part in seen] == [None, b"half"]
    assert seen[0][0] != seen[1][0]
    assert [path.relative_to(root / "scratch").parts[2] for path in files(root)] == ["e" * 64]
    assert scratches(root, before=time.time() + 1, dry_run=False).count == 1
    assert files(root) == []


def test_a_value_that_can_not_be_stored_keeps_its_scratch(materialize: Materialize, root: Path) -> None:
    @dg.asset
    def slow(store: dg.ResourceParam[ArtifactStore]) -> dg.MaterializeResult:
        store.scratch("slow", None, DIGEST).put("part", b"half")
        return dg.MaterializeResult(value=object())

    assert not materialize([slow]).success
    assert len(files(root)) == 1


def test_many_processes_on_one_scratch(root: Path, child: Child) -> None:
    def work() -> None:
        for number in range(50):
            scratch: Scratch = open_scratch(root, "a", "k", DIGEST)
            scratch.put("item", b"x" * 1000)
            assert scratch.get("item") in (None, b"x" * 1000)
            (scratch.path / "big").write_bytes(b"x")
            if number % 3 == 0:
                scratch.delete()

    ended = [child(work) for _ in range(3)]
    assert [wait() for wait in ended] == [0, 0, 0]
