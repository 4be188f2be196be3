"""The Launchpad shows a recipe's fields, each empty; bounds hold before any work."""

import dagster as dg
import pytest

from assets.cifar10.recipe import Cifar10Recipe
from assets.housing.recipe import HousingRecipe
from resources.training.launchpad import given, overrides_of
from resources.training.presets import overridden
from resources.training.recipe import Recipe


def _run(recipe: type[Recipe], config: dict[str, object]) -> dict[str, object] | None:
    """What somebody filled in, as the asset sees it; None if the run refused the config."""
    seen: list[dict[str, object]] = []
    overrides = overrides_of(recipe)

    @dg.asset
    def trained(config: overrides) -> None:  # type: ignore[valid-type]  # made at run time
        seen.append(given(config))

    try:
        done = dg.materialize([trained], run_config={"ops": {"trained": {"config": config}}}, raise_on_error=False)
    except dg.DagsterInvalidConfigError:
        return None
    return seen[0] if done.success else None


@pytest.mark.parametrize("recipe", [Recipe, Cifar10Recipe, HousingRecipe])
def test_nothing_filled_in_changes_nothing(recipe: type[Recipe]) -> None:
    assert _run(recipe, {}) == {}


def test_what_is_filled_in_arrives_as_the_recipe_wants_it() -> None:
    config: dict[str, object] = {"epochs": 3, "precision": "32-true", "gradient_clip": 0.5, "compile": True}
    filled = _run(Recipe, config)
    assert filled == config
    assert overridden(Recipe(description="x", seed=4), filled) == Recipe(
        description="x", seed=4, epochs=3, precision="32-true", gradient_clip=0.5, compile=True
    )


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"precision": "16"}, {"epoch": 3}, {"gradient_clip": -1.0}])
def test_a_wrong_value_fails_before_any_work(wrong: dict[str, object]) -> None:
    assert _run(Recipe, wrong) is None


def test_fields_are_described_and_say_that_empty_is_as_the_preset() -> None:
    fields = overrides_of(Recipe).model_fields
    assert "description" not in fields
    assert all(str(field.description).endswith("Empty: as the preset says.") for field in fields.values())
