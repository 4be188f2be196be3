"""Every preset goes through the real parser, and so do wrong fields."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.sentiment.recipe import SentimentRecipe
from resources.training import launchpad, presets


@pytest.fixture
def file(repo: Path) -> Path:
    return repo / "assets/sentiment/presets.yaml"


def test_every_preset_is_what_it_should_be(file: Path) -> None:
    read = presets.read(file, SentimentRecipe)
    assert set(read) == {"small", "full", "lora", "tiny"}
    assert [name for name, recipe in read.items() if "cpu" in recipe.default_on] == ["small"]
    assert [name for name, recipe in read.items() if "gpu" in recipe.default_on] == ["full"]
    assert all(recipe.keep == "best" for recipe in read.values())
    assert [name for name, recipe in read.items() if recipe.lora_rank] == ["lora"]
    tweets = {name: (recipe.samples_per_epoch or 10**9) * recipe.epochs for name, recipe in read.items()}
    assert tweets["tiny"] <= 2_000, "about a minute on a CPU"
    assert tweets["small"] <= 30_000, "a file of any size takes no longer on a CPU"
    assert read["tiny"].base != "auto", "first tries never wait for a hub"


def test_the_documentation_lists_each_preset_with_its_machine(file: Path, repo: Path) -> None:
    section = (repo / "docs/tweets.md").read_text().split("assets/sentiment/presets.yaml")[1].split("`base: auto`")[0]
    listed = re.findall(r"^\| `(\w+)` \|.*\| (\w*) ?\|$", section, re.MULTILINE)
    read = presets.read(file, SentimentRecipe)
    assert listed == [(name, ", ".join(recipe.default_on).upper()) for name, recipe in read.items()]


def test_every_line_of_a_preset_says_why(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if line.startswith("  ")]
    assert len(lines) > 30
    assert [line for line in lines if "   # " not in line and "  # " not in line] == []


def test_the_launchpad_takes_every_field() -> None:
    overrides = launchpad.overrides_of(SentimentRecipe)
    given = {"base_labels": ["positive", "negative"], "freeze": "body", "lora_rank": 0, "samples_per_epoch": 10}
    assert launchpad.given(overrides(**given)) == given
    assert set(SentimentRecipe.model_fields) - {"description", "default_on"} == set(overrides.model_fields)


@pytest.mark.parametrize(
    "wrong",
    [
        {"freeze": "head"},
        {"lora_rank": 4, "freeze": "body"},
        {"base_labels": ["negative", "neutral"]},
        {"base_labels": ["negative", "negative", "positive"]},
        {"base_labels": ["negative", "good"]},
        {"max_length": 4},
        {"warm_up": 1.0},
        {"samples_per_epoch": 0},
        {"dropout": 0.1},
    ],
    ids=str,
)
def test_wrong_fields_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SentimentRecipe.model_validate({"description": "wrong", **wrong})
