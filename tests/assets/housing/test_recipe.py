"""Every preset goes through the real parser."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.housing.recipe import HousingRecipe
from resources.training import presets


def test_every_preset_is_what_it_should_be(repo: Path) -> None:
    read = presets.read(repo / "assets/housing/presets.yaml", HousingRecipe)
    baselines = {"mean", "least_squares", "gradient_boosting", "gaussian_process"}
    assert {name for name, recipe in read.items() if recipe.is_baseline} == baselines
    assert all(read[name].model == name for name in baselines)
    assert read["ensemble"].default_on == ("cpu", "gpu")
    assert read["tiny"].members * read["tiny"].epochs * sum(read["tiny"].hidden) < 2000, "seconds on a CPU"


@pytest.mark.parametrize(
    "wrong",
    [{"compile": True}, {"model": "forest"}, {"hidden": []}, {"hidden": [0]}, {"dropout": 1.0}, {"tree": 1}],
)
def test_wrong_fields_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        HousingRecipe.model_validate({"description": "wrong", "model": "ensemble", **wrong})
