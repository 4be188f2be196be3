"""A store, a Dagster instance in a temporary folder, and small ways to run assets against them."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.store import records
from resources.store.artifacts import Artifacts
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.records import Record


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
