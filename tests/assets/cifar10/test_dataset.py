"""The dataset asset: from an archive to tensors, with what a person and the next asset need to know."""

import functools
import hashlib
import http.server
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from assets.cifar10 import source
from assets.cifar10.dataset import cifar10_dataset
from assets.cifar10.training import class_names
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Tensors, Text
from resources.training.trainer import Trainer

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def archive(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.tar.gz"
    script = [sys.executable, str(repo / "samples/cifar10/make_cifar10.py"), str(path)]
    subprocess.run([*script, "--train", "500", "--test", "100"], check=True, capture_output=True)
    return path


@pytest.fixture
def home() -> Iterator[Path]:
    memory = Path("/dev/shm")  # the store syncs each file, which takes some ms on a busy disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@dg.asset
def learner(cifar10_dataset: Tensors) -> Text:
    """Stands for whatever comes after the dataset."""
    return Text(" ".join(class_names(cifar10_dataset)))


class Made:
    """One run of the dataset and what comes after it."""

    def __init__(self, home: Path, config: dict[str, Any]) -> None:
        store = ArtifactStore(root=str(home / "store"), library=str(home / "library"))
        trainer = Trainer(store=store, device_setting="cpu", cache=str(home / "cache"))
        (home / "dagster").mkdir()
        with dg.DagsterInstance.local_temp(str(home / "dagster"), {"telemetry": {"enabled": False}}) as instance:
            self.result = dg.materialize(
                [cifar10_dataset, learner],
                instance=instance,
                resources={"store": store, "io_manager": ArtifactIOManager(store=store), "trainer": trainer},
                run_config={"ops": {"cifar10_dataset": {"config": config}}},
                raise_on_error=False,
            )

    @property
    def metadata(self) -> dict[str, Any]:
        (made,) = self.result.asset_materializations_for_node("cifar10_dataset")
        return {name: value.value for name, value in made.metadata.items()}

    @property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        return {check.check_name: check for check in self.result.get_asset_check_evaluations()}

    @property
    def failure(self) -> str:
        event = next(event for event in self.result.all_events if event.is_step_failure)
        data = event.step_failure_data.user_failure_data
        assert data is not None, event.step_failure_data.error
        return str(data.description)


def test_from_an_archive_to_tensors(archive: Path, home: Path) -> None:
    made = Made(home, {"source": str(archive), "validation_share": 0.2})
    assert made.result.success
    tensors = made.result.output_for_node("cifar10_dataset")
    assert {name: (str(t.dtype), tuple(t.shape)) for name, t in tensors.items() if name != "class_names"} == {
        "images": ("torch.uint8", (600, 3, 32, 32)),
        "labels": ("torch.int64", (600,)),
        "split": ("torch.uint8", (600,)),
    }
    assert made.result.output_for_node("learner") == " ".join(class_names(tensors))
    for part, each in enumerate((40, 10, 10)):
        assert np.bincount(tensors["labels"][tensors["split"] == part]).tolist() == [each] * 10
    metadata = made.metadata
    assert [metadata[f"images_{name}"] for name in ("train", "validation", "test")] == [400, 100, 100]
    assert metadata["source_digest"] == f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    assert "| disc | 40 | 10 | 10 |" in metadata["counts"]
    assert metadata["warnings"] == "none"
    assert len(metadata["contact_sheet"]) < 90_000  # every event stores it
    assert re.match(r"!\[images\]\(data:image/jpeg;base64,", metadata["contact_sheet"])
    assert all(check.passed for check in made.checks.values())
    assert set(made.checks) == {"counts_per_class", "no_image_in_two_parts"}


def images_of(folder: Path, sizes: dict[str, int], same: bool = False) -> Path:
    random = np.random.default_rng(0)
    for place, count in sizes.items():
        (folder / place).mkdir(parents=True)
        for i in range(count):
            pixels = np.zeros((32, 32, 3), np.uint8) if same else random.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / place / f"{i}.png")
    return folder


def test_fewer_classes_stop_what_comes_after(home: Path) -> None:
    images_of(home / "images", {f"{part}/{name}": 4 for part in ("train", "test") for name in "abc"})
    made = Made(home, {"source": str(home / "images")})
    assert not made.result.success
    assert made.checks["counts_per_class"].severity == dg.AssetCheckSeverity.ERROR
    assert "3 classes instead of 10" in (made.checks["counts_per_class"].description or "")
    assert not made.result.asset_materializations_for_node("learner")


def test_uneven_classes_and_copies_are_warnings(home: Path) -> None:
    sizes = {f"{part}/{name}": 4 + (name == "j") for part in ("train", "test") for name in "abcdefghij"}
    images_of(home / "images", sizes)
    for part in ("train", "test"):
        (home / f"images/{part}/a/0.png").write_bytes((home / "images/train/a/1.png").read_bytes())
    made = Made(home, {"source": str(home / "images")})
    assert made.result.success
    assert not made.checks["counts_per_class"].passed
    assert made.checks["counts_per_class"].severity == dg.AssetCheckSeverity.WARN
    assert not made.checks["no_image_in_two_parts"].passed
    assert made.metadata["test_images_also_in_train"] == 1
    assert "different sizes" in made.metadata["warnings"]
    assert "1 test images are also" in made.metadata["warnings"]


def test_the_official_archive_is_fetched_into_the_cache_once(
    archive: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample stands for it, on a server of this test."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form: str, *given: object) -> None:
            asked.append(form % given)

    handler = functools.partial(Handler, directory=str(archive.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        content = archive.read_bytes()
        monkeypatch.setattr(source, "URL", f"http://127.0.0.1:{server.server_port}/{archive.name}")
        monkeypatch.setattr(source, "SIZE", len(content))
        monkeypatch.setattr(source, "SHA256", hashlib.sha256(content).hexdigest())
        monkeypatch.setattr(source, "MD5", hashlib.md5(content).hexdigest())
        made = Made(home, {})
        server.shutdown()
        thread.join()
    assert len(asked) == 1
    assert (home / "cache/cifar10" / archive.name).read_bytes() == content
    assert made.metadata["is_cifar10"] is True
    # Ten classes, but not those 5,000 and 1,000 images each that the archive is known to hold.
    assert "not every class has 5,000" in (made.checks["counts_per_class"].description or "")
    assert not made.result.success


def test_a_path_that_is_not_there_is_named(home: Path) -> None:
    made = Made(home, {"source": "/nowhere/cifar.tar.gz"})
    assert made.failure == "There is nothing at /nowhere/cifar.tar.gz. Check the path."
