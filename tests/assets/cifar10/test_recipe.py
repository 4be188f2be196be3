"""The presets of CIFAR-10 and the bounds of their fields."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.cifar10.recipe import Cifar10Recipe
from resources.training import presets


@pytest.fixture
def entries(repo: Path) -> dict[str, Cifar10Recipe]:
    return presets.read(repo / "assets" / "cifar10" / "presets.yaml", Cifar10Recipe)


def test_the_file_has_three_networks_and_two_baselines(entries: dict[str, Cifar10Recipe]) -> None:
    assert {name: recipe.is_baseline for name, recipe in entries.items()} == {
        "resnet18": False,
        "fast": False,
        "tiny": False,
        "majority": True,
        "nearest_mean": True,
    }


def test_each_machine_has_one_preset_of_its_own(entries: dict[str, Cifar10Recipe]) -> None:
    assert [name for name, recipe in entries.items() if "gpu" in recipe.default_on] == ["fast"]
    assert [name for name, recipe in entries.items() if "cpu" in recipe.default_on] == ["tiny"]


def test_a_baseline_needs_nothing_but_its_name() -> None:
    assert Cifar10Recipe(description="A baseline.", network="nearest_mean").is_baseline


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("network", "resnet50"),
        ("translate", 17),
        ("translate", -1),
        ("cutout", 33),
        ("label_smoothing", 1.0),
        ("momentum", 1.0),
        ("momentum", 0.0),
        ("learning_rate", 0.0),
        ("warm_up", 1.0),
        ("flip", "sometimes"),
        ("colour", "red"),
    ],
)
def test_a_value_out_of_bounds_is_refused(field: str, value: object) -> None:
    fields = {"description": "A network.", "network": "tiny", field: value}
    with pytest.raises(ValidationError, match=field):
        Cifar10Recipe.model_validate(fields)
