"""`scriptorium train` and `scriptorium infer`, as a person runs them: from nothing to predictions, nothing twice."""

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.store import records

pytestmark = [pytest.mark.train, pytest.mark.timeout(420)]

BASELINES = {
    "housing": ["gaussian_process", "gradient_boosting", "least_squares", "mean"],
    "cifar10": ["majority", "nearest_mean"],
}


def _trained(house: Any, product: str) -> dict[str, list[str]]:
    """Data versions of every checkpoint by preset, newest first."""
    asset = dg.AssetKey(f"{product}_checkpoint")
    with house.instance() as instance:
        presets = instance.get_materialized_partitions(asset)
        return {key: [str(r.digest) for r in records.versions(instance, asset, key)] for key in presets}


@pytest.fixture(scope="module")
def housing(
    tmp_path_factory: pytest.TempPathFactory, new_house: Any, repo: Path
) -> tuple[Any, subprocess.CompletedProcess[str]]:
    """A home in which the housing product was trained from nothing, on few houses, which takes less."""
    folder = tmp_path_factory.mktemp("housing")
    house = new_house(folder)
    maker = str(repo / "samples/housing/make_housing.py")
    subprocess.run([sys.executable, maker, str(folder / "houses"), "--rows", "120"], check=True, capture_output=True)
    return house, house.scriptorium("train", "housing", "--preset", "tiny", "--data", str(folder / "houses"))


def test_from_nothing_to_a_champion(housing: Any) -> None:
    house, done = housing
    assert done.returncode == 0, done.stderr
    verdict = Path(done.stdout.strip())
    assert verdict == house.home / "library" / "housing" / "champion" / "champion.md"
    assert sorted(_trained(house, "housing")) == sorted([*BASELINES["housing"], "tiny"])
    said = verdict.read_text()
    assert all(name in said for name in [*BASELINES["housing"], "tiny"])


def test_the_same_again_trains_nothing(housing: Any) -> None:
    house, _ = housing
    before = _trained(house, "housing")
    done = house.scriptorium("train", "housing", "--preset", "tiny")
    assert done.returncode == 0, done.stderr
    assert "housing_dataset: is there" in done.stderr
    assert done.stderr.count("is trained and evaluated") == 5
    assert _trained(house, "housing") == before


def test_again_trains_the_preset_and_no_other(housing: Any) -> None:
    house, _ = housing
    before = _trained(house, "housing")
    done = house.scriptorium("train", "housing", "--preset", "tiny", "--again")
    assert done.returncode == 0, done.stderr
    after = _trained(house, "housing")
    assert len(after["tiny"]) == len(before["tiny"]) + 1
    assert after["tiny"][0] == before["tiny"][0], "the same data, recipe and seed give the same checkpoint on a CPU"
    assert {key: after[key] for key in BASELINES["housing"]} == {key: before[key] for key in BASELINES["housing"]}


@pytest.mark.parametrize("kind", ["champion", "preset", "digest"])
def test_predictions_by_any_name_of_a_checkpoint(housing: Any, repo: Path, kind: str) -> None:
    house, _ = housing
    name = {"champion": "champion", "preset": "tiny", "digest": _trained(house, "housing")["tiny"][0][:10]}[kind]
    done = house.scriptorium("infer", "housing", "--checkpoint", name, str(repo / "samples/housing/new_houses.csv"))
    assert done.returncode == 0, done.stderr
    [path] = [Path(line) for line in done.stdout.splitlines() if line.endswith("predictions.csv")]
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    asked = list(csv.reader((repo / "samples/housing/new_houses.csv").open(encoding="utf-8")))
    assert len(rows) == len(asked) - 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "bostonn"), "Choose one of: cifar10, housing"),
        (("train", "housing", "--preset", "huge"), "There are: "),
        (("train", "cifar10", "--data", "no/such/archive.tar.gz"), "Check --data"),
        (("infer", "housing", "--checkpoint", "huge", "samples/housing/new_houses.csv"), "no checkpoint 'huge'"),
        (("infer", "housing", "no/such.csv"), "Check the path"),
        (("infer", "cifar10", "samples"), "scriptorium train cifar10"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(housing: Any, arguments: tuple[str, ...], said: str) -> None:
    house, _ = housing
    done = house.scriptorium(*arguments)
    assert done.returncode == 1
    assert said in re.sub(r"\s+", " ", done.stderr)
    assert "Traceback" not in done.stderr


def test_from_an_archive_in_the_official_format_to_predictions(tmp_path: Path, repo: Path, house: Any) -> None:
    archive, images = tmp_path / "cifar-10-python.tar.gz", tmp_path / "images"
    maker = [sys.executable, str(repo / "samples/cifar10/make_cifar10.py"), str(archive), "--train", "2000"]
    subprocess.run([*maker, "--test", "500", "--images", str(images), "24"], check=True, capture_output=True)
    done = house.scriptorium("train", "cifar10", "--preset", "tiny", "--data", str(archive))
    assert done.returncode == 0, done.stderr
    assert sorted(_trained(house, "cifar10")) == ["majority", "nearest_mean", "tiny"]
    champion = (house.home / "library" / "cifar10" / "champion" / "champion.md").read_text()
    assert "tiny" in champion
    predicted = house.scriptorium("infer", "cifar10", str(images))
    assert predicted.returncode == 0, predicted.stderr
    names = [Path(line).name for line in predicted.stdout.splitlines()]
    assert {"predictions.csv", "gallery.png", "skipped.csv"} <= set(names)
    again = house.scriptorium("train", "cifar10", "--preset", "tiny", "--data", str(archive))
    assert "cifar10_dataset: is there" in again.stderr
    assert again.stderr.count("is trained and evaluated") == 3


def test_data_that_was_refused_is_not_trained_on(tmp_path: Path, house: Any) -> None:
    """A dataset is stored before its check refuses it; asked again, it is refused again, in the check's words."""
    from PIL import Image

    for number, name in enumerate(("cats", "dogs", "owls")):
        (folder := tmp_path / "pictures" / name).mkdir(parents=True)
        for shade in range(12):
            Image.new("RGB", (32, 32), (80 * number, 20 * shade, 9 * number * shade % 255)).save(
                folder / f"{shade}.png"
            )
    for _ in range(2):
        done = house.scriptorium("train", "cifar10", "--preset", "majority", "--data", str(tmp_path / "pictures"))
        assert done.returncode == 1
        assert "its check counts_per_class failed" in re.sub(r"\s+", " ", done.stderr)
    with house.instance() as instance:
        assert not instance.get_materialized_partitions(dg.AssetKey("cifar10_checkpoint"))


def test_a_bad_table_in_the_inbox_is_not_passed_over_the_second_time(house: Any) -> None:
    inbox = house.home / "inbox" / "housing"
    inbox.mkdir(parents=True)
    (inbox / "bad.csv").write_text("CRIM,MEDV\nnothing,here\n")
    for _ in range(2):
        done = house.scriptorium("train", "housing", "--preset", "mean")
        assert done.returncode == 1
        assert "bad.csv" in done.stderr
