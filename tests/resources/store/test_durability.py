"""A crash leaves the old value or the new one, at every step of a write."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.store import filesystem
from resources.store.artifacts import Artifacts
from resources.store.filesystem import FileSystem
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.scratch import open_scratch
from resources.store.types import File, Files, Text

Load = Callable[[Artifacts, str], bytes]
Check = Callable[[Artifacts], int]
Child = Callable[[Callable[[], object]], Callable[[], int]]
Steps = Callable[[Callable[[int, str, tuple[Any, ...]], None]], FileSystem]


def test_the_order_of_a_write(artifacts: Artifacts, steps: Steps) -> None:
    """File synced, then renamed, then its folder synced (new parents too), for each file; only then the manifest."""
    trace: list[tuple[str, ...]] = []

    def note(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        file = [Path(f"/proc/self/fd/{arguments[0]}").readlink()] if name == "sync" else arguments
        trace.append((name, *(str(part).removeprefix(f"{artifacts.root}/") for part in file if isinstance(part, Path))))

    source = artifacts.root / "source"
    source.write_bytes(b"from a path")
    with filesystem.using(steps(note)):
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


def test_a_folder_made_again_by_another_process_is_synced_again(artifacts: Artifacts, steps: Steps) -> None:
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
        with filesystem.using(steps(note)):
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
def test_killed_before_any_step_of_a_write(
    kind: str, artifacts: Artifacts, tmp_path: Path, steps: Steps, child: Child, load: Load, check_everything: Check
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"new")
    old = artifacts.store(File("x", b"old"), "a", "k", "run", 0)
    for number in range(1, 200):

        def work(at: int = number) -> None:
            def kill(count: int, name: str, arguments: tuple[Any, ...]) -> None:
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            value = File("x", f"new {at}".encode() if kind == "bytes" else source)
            with filesystem.using(steps(kill)):
                artifacts.store(value, "a", "k", "run", at)

        ended = child(work)()
        assert load(artifacts, old.path) == b"old"
        check_everything(artifacts)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert 10 < number < 199  # a write has more than ten calls, and the loop came to the end of it
    new = artifacts.store(File("x", source), "a", "k", "run", 500)
    assert load(artifacts, new.path) == b"new"


def test_killed_at_random_two_hundred_times(
    artifacts: Artifacts, tmp_path: Path, load: Load, check_everything: Check
) -> None:
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
    child: Child,
    check_everything: Check,
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

    assert child(killed)() == -signal.SIGKILL
    assert store.load(latest("made")) == "old"
    assert check_everything(store.artifacts) == 2
    assert run()
    assert store.load(latest("made")) == "new"
