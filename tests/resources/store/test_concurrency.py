"""Writers and readers of the same content and the same partition do not hurt each other."""

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from resources.store.artifacts import Artifacts, Expected
from resources.store.types import File, Files
from resources.store.upkeep.collecting import Collection, Known, collect
from resources.store.upkeep.references import Owner

PROCESSES = 3


def in_parallel(work: Callable[[int], None]) -> None:
    """Run `work(0)`, `work(1)`, ... in forked processes; all must end well."""
    pids = []
    for number in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            try:
                work(number)
            except BaseException as error:
                os.write(2, f"process {number}: {error!r}\n".encode())
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * PROCESSES


def test_the_same_content_under_the_same_name(root: Path) -> None:
    content = os.urandom(300_000)

    def work(number: int) -> None:
        artifacts = Artifacts(root)
        for round_number in range(20):
            value = Files({"same": content, "shared": f"{round_number}".encode(), "own": f"{number}".encode()})
            stored = artifacts.store(value, "a", "k", "run", 0)
            back, _ = artifacts.load(stored.path, Expected("a", "k", "run", stored.manifest.data_version))
            assert isinstance(back, Files)
            assert back.path("own").read_bytes() == f"{number}".encode()
            assert back.path("same").read_bytes() == content

    in_parallel(work)
    manifests = list((root / "assets").rglob("*.json"))
    assert len(manifests) == PROCESSES * 20
    assert len([path for path in (root / "objects").rglob("*") if path.is_file()]) == 1 + 20
    assert list((root / "tmp").iterdir()) == []
    assert not (root / "bad").exists()


def test_writers_replace_a_damaged_object_while_others_read_it(root: Path) -> None:
    content = os.urandom(200_000)
    artifacts = Artifacts(root)
    stored = artifacts.store(File("x", content), "a", "k", "run", 0)
    path = artifacts.object_path(stored.manifest.files[0].digest)
    assert path is not None

    def work(number: int) -> None:
        own = Artifacts(root)
        for attempt in range(15):
            if number == 0:  # a disk that goes bad again and again
                damaged = root / f"damaged-{attempt}"
                damaged.write_bytes(content[:-1] + b"!")
                damaged.rename(path)
            again = own.store(File("x", content), "a", "k", f"run-{number}", attempt)
            assert own.object_path(again.manifest.files[0].digest) in (path, None)

    in_parallel(work)
    last = artifacts.store(File("x", content), "a", "k", "last", 0)
    value, _ = artifacts.load(last.path, Expected("a", "k", "last", None))
    assert isinstance(value, File)
    assert value.only.read_bytes() == content


def collect_all_but(root: Path, *paths: str) -> Collection:
    """Collect what is old and is not one of these manifests."""
    known = Known({path: Owner("a", "k", "kept") for path in paths}, frozenset(paths), frozenset(paths))
    return collect(root, lambda: known, dry_run=False, trust_event_log=True)


def make_old(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (time.time() - 30 * 86_400,) * 2)


def test_readers_and_writers_while_garbage_is_collected(root: Path) -> None:
    """What is known always loads; who stores again what is just being collected has stored it."""
    artifacts, content = Artifacts(root), os.urandom(200_000)
    kept = artifacts.store(Files({"kept": content, "shared": b"shared"}), "a", "k", "kept", 0).path
    collected = root / "collected"

    def collector() -> None:
        own, objects, manifests = Artifacts(root), 0, 0
        for number in range(40):
            garbage = own.store(Files({"garbage": b"garbage", "shared": b"shared"}), "a", "k", "garbage", number)
            there = [own.object_path(file.digest) for file in garbage.manifest.files]
            make_old(root / garbage.path, *[path for path in there if path is not None])
            done = collect_all_but(root, kept)
            objects, manifests = objects + done.objects.count, manifests + done.manifests.count
        collected.write_text(f"{objects} {manifests}")

    def reader() -> None:
        own = Artifacts(root)
        while not collected.exists():
            value, _ = own.load(kept, Expected("a", "k", "kept", None))
            assert isinstance(value, Files)
            assert value.path("kept").read_bytes() == content
            assert own.missing(kept, thorough=True) == []

    def writer() -> None:
        own, number = Artifacts(root), 0
        while not collected.exists():
            number += 1
            stored = own.store(File("x", b"garbage"), "a", "k", "written", number)
            value, _ = own.load(stored.path, Expected("a", "k", "written", None))
            assert isinstance(value, File)
            assert value.only.read_bytes() == b"garbage"
            make_old(root / stored.path)  # nobody needs it any more

    in_parallel(lambda number: (collector, reader, writer)[number]())
    objects, manifests = (int(count) for count in collected.read_text().split())
    assert manifests >= 40
    assert objects > 0


def test_a_file_that_is_open_or_mapped_stays_whole_when_it_is_collected(root: Path) -> None:
    artifacts, content = Artifacts(root), os.urandom(200_000)
    stored = artifacts.store(File("x", content), "a", "k", "run", 0)
    value, _ = artifacts.load(stored.path, Expected("a", "k", "run", None))
    assert isinstance(value, File)
    with value.only.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        make_old(root / stored.path, value.only)
        assert collect_all_but(root).objects.count == 1
        assert not value.only.exists()
        assert opened.read() == content
        assert mapped[:] == content
