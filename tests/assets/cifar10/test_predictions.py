"""A batch of files becomes a CSV file and a gallery; what is no image is listed, and nothing in a name does harm."""

import csv
import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from assets.cifar10 import answers  # noqa: E402
from assets.cifar10.predicting import predict  # noqa: E402
from assets.cifar10.predictions import cifar10_predictions  # noqa: E402
from assets.cifar10.recipe import Cifar10Recipe  # noqa: E402
from assets.cifar10.training import finish, part, prepare  # noqa: E402
from dagster_project.partitions import cifar10_presets  # noqa: E402
from resources.intake.batch_events import Batches  # noqa: E402
from resources.intake.batches import take_in  # noqa: E402
from resources.intake.files import Names  # noqa: E402
from resources.store.io_manager import ArtifactIOManager, ArtifactStore  # noqa: E402
from resources.store.types import Checkpoint  # noqa: E402
from resources.training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.train

IMAGES = Batches(
    "cifar10_images", "cifar10_batches", Names(frozenset({".png", ".jpg"}), frozenset()), "cifar10_predict"
)


@pytest.fixture(scope="module")
def checkpoint(bands: Mapping[str, Any]) -> Checkpoint:
    """Nearest class means, which suffice to tell where the bright band lies."""
    recipe = Cifar10Recipe(description="A test.", network="nearest_mean")
    prepared = prepare(bands, recipe, "cpu")
    return finish(prepared, None, preset="nearest_mean", overrides={}, data_version="d", device="cpu")


class Home:
    """An instance with a champion, to which batches of files are given."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, checkpoint: Checkpoint) -> None:
        self.folder, self.instance = folder, instance
        store = ArtifactStore(root=str(folder / "store"), library=str(folder / "library"))
        trainer = Trainer(store=store, device_setting="cpu", cache=str(folder / "cache"))
        self.resources = {"store": store, "io_manager": ArtifactIOManager(store=store), "trainer": trainer}

        @dg.asset(dagster_type=Checkpoint)  # type: ignore[call-overload]
        def cifar10_champion() -> dg.MaterializeResult:
            return dg.MaterializeResult(value=checkpoint, metadata={"checkpoint": "c0ffee" * 10})

        self.champion = cifar10_champion
        dg.materialize([cifar10_champion], instance=instance, resources=self.resources)

    def take_in(self, *paths: Path) -> str:
        taken = take_in(self.instance, IMAGES, paths)
        assert taken.key is not None
        self.instance.add_dynamic_partitions("cifar10_batches", [taken.key])
        if taken.event is not None:
            self.instance.report_runless_asset_event(taken.event)
        return taken.key

    def predict(self, key: str, checkpoint: str = "champion") -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [cifar10_predictions],
            partition_key=key,
            instance=self.instance,
            resources=self.resources,
            run_config={"ops": {"cifar10_predictions": {"config": {"checkpoint": checkpoint}}}},
            raise_on_error=False,
        )

    def library(self, key: str) -> Path:
        return self.folder / "library/cifar10/predictions" / key


@pytest.fixture
def home(checkpoint: Checkpoint) -> Iterator[Home]:
    memory = Path("/dev/shm")  # the store syncs each file, which takes some ms on a busy disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        (folder / "dagster").mkdir()
        settings = {"telemetry": {"enabled": False}}
        with dg.DagsterInstance.local_temp(str(folder / "dagster"), settings) as instance:
            yield Home(folder, instance, checkpoint)


@pytest.fixture(scope="module")
def photos(bands: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's test images as PNG files that are named after their class."""
    folder, names = tmp_path_factory.mktemp("images") / "photos", bytes(bands["class_names"].tolist()).decode().split()
    folder.mkdir()
    test = part(bands, "test", "cpu")
    for i, (pixels, label) in enumerate(zip(test.images, test.labels.tolist(), strict=True)):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{names[label]}_{i:03d}.png")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (made,) = result.asset_materializations_for_node("cifar10_predictions")
    return {name: value.value for name, value in made.metadata.items()}


def test_a_folder_of_images(home: Home, photos: Path, bands: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    key = home.take_in(photos)
    result = home.predict(key)
    assert result.success
    found = rows(home.library(key) / "predictions.csv")
    assert list(found[0]) == [
        *("file", "class", "probability", "second_class", "second_probability"),
        *("p_top", "p_upper", "p_lower", "p_bottom"),
    ]
    assert [row["file"] for row in found] == sorted(f"photos/{path.name}" for path in photos.iterdir())
    right = sum(row["file"].startswith(f"photos/{row['class']}_") for row in found)
    assert right / len(found) > 0.95  # all but a few: the bands are bright
    by_number = sorted(found, key=lambda row: row["file"][-7:])
    expected = predict(checkpoint, part(bands, "test", "cpu").images, "cpu").numpy()
    shown = np.array([[float(row[f"p_{name}"]) for name in ("top", "upper", "lower", "bottom")] for row in by_number])
    np.testing.assert_allclose(shown, expected, atol=1e-5)  # written with six digits; rows are in another order
    for row in found:
        assert float(row["probability"]) == max(float(row[name]) for name in row if name.startswith("p_"))
        assert float(row["second_probability"]) <= float(row["probability"])
        assert row["second_class"] != row["class"]
    assert sorted(path.name for path in home.library(key).glob("[!.]*")) == ["gallery.png", "predictions.csv"]
    about = metadata(result)
    assert (about["images"], about["skipped"], about["predicted_by"]) == (120, 0, "nearest_mean")
    assert len(about["gallery"]) < 90_000  # every event stores it
    assert about["images_per_s"] > 0
    assert about["checkpoint"] == "c0ffee" * 10  # not the digest of the champion, whose lineage differs
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    again = home.predict(key)
    for name, path in result.output_for_node("cifar10_predictions").items():
        assert again.output_for_node("cifar10_predictions")[name] == path, f"{name} has the same bytes again"


def test_odd_files_are_listed_and_the_rest_is_predicted(home: Home, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("good.png", "gone.png", "changed.png"):
        (folder / name).write_bytes(sorted(photos.iterdir())[0].read_bytes())
    (folder / "text.png").write_text("This is a text.")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:-200])
    key = home.take_in(folder)
    (folder / "gone.png").unlink()
    (folder / "changed.png").write_bytes(b"something else")
    result = home.predict(key)
    assert result.success
    assert [row["file"] for row in rows(home.library(key) / "predictions.csv")] == ["mixed/good.png"]
    skipped = {row["file"]: row["reason"] for row in rows(home.library(key) / "skipped.csv")}
    assert skipped.pop("mixed/cut.png").startswith("it is cut off or damaged")
    assert skipped == {
        "mixed/changed.png": "it has changed since it was taken in",
        "mixed/gone.png": "it is gone",
        "mixed/text.png": "it is no picture of a known format",
    }
    assert "`mixed/text.png`: it is no picture" in metadata(result)["skipped_files"]
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN


def test_without_one_image_the_run_fails_and_says_why(home: Home, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("This is a text.")
    key = home.take_in(tmp_path / "text.png")
    result = home.predict(key)
    event = next(event for event in result.all_events if event.is_step_failure)
    data = event.step_failure_data.user_failure_data
    assert data is not None, event.step_failure_data.error
    assert '"text.png": it is no picture of a known format' in (data.description or "")
    assert data.metadata["error"].value == "BadInput"
    assert not home.library(key).exists()


def test_another_checkpoint_leaves_the_champions_predictions(home: Home, photos: Path, checkpoint: Checkpoint) -> None:
    key = home.take_in(photos)
    champions = metadata(home.predict(key))["folder"]
    assert champions == str(home.library(key).absolute())
    before = (home.library(key) / "predictions.csv").read_bytes()

    @dg.asset(name="cifar10_checkpoint", partitions_def=cifar10_presets, dagster_type=Checkpoint)  # type: ignore[call-overload]
    def other() -> dg.MaterializeResult:
        weights = {name: tensor * 0.5 for name, tensor in checkpoint.weights.items()}
        return dg.MaterializeResult(value=Checkpoint(weights, checkpoint.card))

    dg.materialize([other], instance=home.instance, resources=home.resources, partition_key="nearest_mean")
    result = home.predict(key, checkpoint="nearest_mean")
    assert result.success
    about = metadata(result)
    assert Path(about["folder"]) == home.library(f"{key}~nearest_mean-{about['checkpoint'][:8]}").absolute()
    assert (Path(about["folder"]) / "predictions.csv").read_bytes() != before
    assert (home.library(key) / "predictions.csv").read_bytes() == before


def test_an_unknown_checkpoint_is_named(home: Home, photos: Path) -> None:
    result = home.predict(home.take_in(photos), checkpoint="resnet9000")
    event = next(event for event in result.all_events if event.is_step_failure)
    data = event.step_failure_data.user_failure_data
    assert data is not None, event.step_failure_data.error
    assert "resnet9000" in (data.description or "")


def test_names_do_no_harm_in_a_spreadsheet() -> None:
    names = [
        "=cmd|' /C calc'!A0.png",
        "+1.png",
        "-1.png",
        "@SUM(A1).png",
        "\t=1.png",
        'a,"b".png',
        "a\r\nb.png",
        "ö\udcff.png",
    ]
    content = answers.predictions_csv(names, ("=cat", "dog"), np.full((len(names), 2), 0.5, np.float32))
    text = content.decode("utf-8")
    assert text.count("\r\n") == len(names) + 1
    assert not re.search("[^\r]\n", text)
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r"]
    assert "'=cmd|' /C calc'!A0.png" in cells
    assert 'a,"b".png' in cells
    assert answers.skipped_csv([("=1", "-x")]).decode() == "file,reason\r\n'=1,'-x\r\n"


def test_the_gallery_shows_the_least_certain_first() -> None:
    best = np.random.default_rng(0).permutation(np.linspace(0.5, 1, 200))
    picked = answers._picked(best)
    assert len(picked) == len(set(picked)) == 60
    assert best[picked].tolist() == sorted(best[picked])
    assert picked[:30] == np.argsort(best)[:30].tolist()
    assert picked[-1] == best.argmax()
    assert answers._picked(best[:7]) == np.argsort(best[:7]).tolist()


def test_the_frame_tells_how_certain_a_prediction_is() -> None:
    images = np.zeros((3, 3, 32, 32), np.uint8)
    shares = np.array([[0.45, 0.3, 0.25], [0.7, 0.2, 0.1], [0.95, 0.05, 0.0]], np.float32)
    picture = answers.gallery(["a", "b", "c"], images, ("x", "y", "z"), shares)
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    for colour in answers._COLOURS:
        assert tuple(bytes.fromhex(colour[1:])) in colours
    assert [answers.percent(share) for share in (1.0, 0.9998, 0.456)] == ["100%", "99%", "46%"]
