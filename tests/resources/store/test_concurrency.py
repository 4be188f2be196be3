"""Writers and readers of the same content and the same partition do not hurt each other."""

import os
from collections.abc import Callable
from pathlib import Path

from resources.store.artifacts import Artifacts, Expected
from resources.store.types import File, Files

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
