"""A dataset for networks that is learnt in a second, and the assets that learn from it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest


@pytest.fixture(scope="session")
def bands() -> dict[str, Any]:
    """A dataset learnt in a second: four classes, told apart by where a bright band lies; 480, 120 and 120 images."""
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(720) % 4
    images = torch.randint(0, 120, (720, 3, 32, 32), generator=generator)
    for label in range(4):
        images[labels == label, :, 8 * label : 8 * label + 8] += 100
    split = torch.zeros(720, dtype=torch.uint8)
    split[480:600], split[600:] = 1, 2
    names = "top\nupper\nlower\nbottom"
    return {
        "images": images.to(torch.uint8),
        "labels": labels,
        "split": split,
        "class_names": torch.tensor(list(names.encode()), dtype=torch.uint8),
    }


@pytest.fixture
def chain(bands: dict[str, Any]) -> Iterator["Chain"]:
    """The product's assets on a real instance and store, over a dataset that is learnt in a second."""
    memory = Path("/dev/shm")  # the store syncs each file, which takes some ms on a busy disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        (folder := Path(name) / "dagster").mkdir()
        with dg.DagsterInstance.local_temp(str(folder), {"telemetry": {"enabled": False}}) as instance:
            yield Chain(instance, Path(name), bands)


class Chain:
    """Runs assets and reads what they left."""

    def __init__(self, instance: dg.DagsterInstance, home: Path, bands: dict[str, Any]) -> None:
        from resources.store.io_manager import ArtifactIOManager, ArtifactStore
        from resources.tracking import Tracking
        from resources.training.trainer import Trainer

        self.instance, self.home, self.bands = instance, home, dict(bands)
        self.store = ArtifactStore(root=str(home / "store"), library=str(home / "library"))
        self.resources = {
            "store": self.store,
            "io_manager": ArtifactIOManager(store=self.store),
            "trainer": Trainer(store=self.store, device_setting="cpu", cache=str(home / "cache")),
            # What MLflow is told is tested where it is told (tests/resources); its database alone takes 10 s to make.
            "tracking": Tracking(uri=f"sqlite:///{home}/mlflow.db", artifacts=str(home / "mlflow"), enabled=False),
        }

    def run(self, *names: str, preset: str | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        """Materialize the assets of these names; a failed run is a result. `config` changes the preset."""
        from assets.cifar10.champion import cifar10_champion
        from assets.cifar10.checkpoint import cifar10_checkpoint
        from assets.cifar10.evaluation import cifar10_evaluation
        from resources.store.types import Tensors

        bands = self.bands

        @dg.asset(dagster_type=Tensors, name="cifar10_dataset")
        def dataset() -> Tensors:
            return Tensors(bands)

        self.last = dg.materialize(
            [dataset, cifar10_checkpoint, cifar10_evaluation, cifar10_champion],
            selection=[f"cifar10_{name}" for name in names],
            partition_key=preset,
            instance=self.instance,
            resources=self.resources,
            run_config={"ops": {"cifar10_checkpoint": {"config": config}}} if config else None,
            raise_on_error=False,
        )
        return self.last

    def value(self, name: str, preset: str | None = None) -> Any:
        """The stored value of an asset."""
        from resources.store import records

        record = records.latest(self.instance, dg.AssetKey(f"cifar10_{name}"), preset)
        assert record is not None
        return self.store.load(record, "cpu")

    def metadata(self, name: str) -> dict[str, Any]:
        """What the UI shows of its latest materialization."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(f"cifar10_{name}"))
        assert event is not None
        assert event.asset_materialization is not None
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}

    def version(self, name: str, preset: str | None = None) -> str:
        """The data version of its latest materialization."""
        from resources.store import records

        record = records.latest(self.instance, dg.AssetKey(f"cifar10_{name}"), preset)
        assert record is not None
        return str(record.digest)

    def checks(self, name: str) -> dict[str, bool]:
        """The checks of an asset in the latest run, and whether each passed."""
        evaluations = self.last.get_asset_check_evaluations()
        return {each.check_name: each.passed for each in evaluations if each.asset_key.path == [f"cifar10_{name}"]}
