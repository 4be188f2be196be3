"""A store, a Dagster instance in a temporary folder, and small ways to run assets against them."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.store import manifests, records
from resources.store.artifacts import Artifacts, Expected
from resources.store.filesystem import FileSystem
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.records import Record
from resources.store.types import File


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder in memory where there is one: these tests sync thousands of times, each some ms on a busy disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance with its tables in files, so that other processes could open it."""
    (home / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(home / "dagster"), {"telemetry": {"enabled": False}}) as instance:
        yield instance


@pytest.fixture
def root(home: Path) -> Path:
    return home / "store"


@pytest.fixture
def store(home: Path, root: Path) -> ArtifactStore:
    return ArtifactStore(root=str(root), library=str(home / "library"))


@pytest.fixture
def artifacts(root: Path) -> Artifacts:
    return Artifacts(root)


@pytest.fixture
def resources(store: ArtifactStore) -> dict[str, Any]:
    return {"store": store, "io_manager": ArtifactIOManager(store=store)}


@pytest.fixture
def materialize(instance: dg.DagsterInstance, resources: dict[str, Any]) -> Callable[..., dg.ExecuteInProcessResult]:
    """`dg.materialize` on this instance and store; a failed run is a result, not an exception."""

    def run(assets: list[Any], **options: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(assets, instance=instance, resources=resources, raise_on_error=False, **options)

    return run


@pytest.fixture
def latest(instance: dg.DagsterInstance) -> Callable[..., Record]:
    """The newest record of an asset."""

    def find(asset: str, partition: str | None = None) -> Record:
        record = records.latest(instance, dg.AssetKey(asset), partition)
        assert record is not None
        return record

    return find


@pytest.fixture
def blobs(root: Path) -> Callable[[], list[Path]]:
    """Every object in the store."""
    return lambda: sorted(path for path in (root / "objects").rglob("*") if path.is_file())


@pytest.fixture
def failure_of() -> Callable[[dg.ExecuteInProcessResult], tuple[str, str]]:
    """The kind of error and the whole message of the one step that failed."""

    def read(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
        assert not result.success
        (event,) = [event for event in result.all_events if event.is_step_failure]
        failure = event.step_failure_data.user_failure_data
        assert failure is not None, event.step_failure_data.error
        return failure.metadata["error"].value, failure.description

    return read


CALLS = [name for name in vars(FileSystem) if not name.startswith("_")]


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


@pytest.fixture
def steps() -> type[Steps]:
    """`steps(before)`: a file system that calls `before(number, name, arguments)` ahead of each call."""
    return Steps


@pytest.fixture
def child() -> Callable[[Callable[[], object]], Callable[[], int]]:
    """`child(work)` runs `work` in a forked process. What it returns waits and says how that ended: 0, 1 for an
    exception, or minus the signal."""

    def fork(work: Callable[[], object]) -> Callable[[], int]:
        pid = os.fork()
        if pid == 0:
            try:
                work()
            except BaseException:
                os._exit(1)
            os._exit(0)
        return lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return fork


@pytest.fixture
def load() -> Callable[[Artifacts, str], bytes]:
    """`load(artifacts, manifest)`: the bytes of a file that the run `run` stored as asset `a`, partition `k`."""

    def read(artifacts: Artifacts, path: str) -> bytes:
        value, _ = artifacts.load(path, Expected("a", "k", "run", None))
        assert isinstance(value, File)
        return value.only.read_bytes()

    return read


@pytest.fixture
def check_everything() -> Callable[[Artifacts], int]:
    """Every manifest that is there is whole, and so is all it names; how many there are."""

    def check(artifacts: Artifacts) -> int:
        paths = list(manifests.stored(artifacts.root))
        for path in paths:
            assert artifacts.missing(path, thorough=True) == []
        return len(paths)

    return check
