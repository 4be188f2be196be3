"""The training products as the commands and the wiring know them: names, presets, and which preset is the default.

Belongs here: what follows from a product's presets.yaml. Does not belong here: its assets (`assets/<product>/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg

from assets.cifar10.card import Cifar10Card
from assets.cifar10.recipe import Cifar10Recipe
from assets.housing.card import HousingCard
from assets.housing.recipe import HousingRecipe
from dagster_project import partitions
from dagster_project.settings import PROJECT_ROOT, Settings
from resources.errors import BadInput
from resources.intake.batch_events import Batches
from resources.training import presets
from resources.training.documents import Card
from resources.training.recipe import Recipe
from sensors.training import CIFAR10_IMAGES, HOUSING_FILES, HOUSING_QUESTIONS


@dataclass(frozen=True)
class TrainingProduct:
    """One product. `questions` are the files its predictions are about, `data` those its dataset is made of, if any.

    `card` lies beside its weights; the store can read it once it is imported, and so a run that only loads a checkpoint
    relies on this list. `sources` are words for data that is no path.
    """

    name: str
    recipe: type[Recipe]
    card: type[Card]
    presets_def: dg.PartitionsDefinition[str]
    batches_def: dg.DynamicPartitionsDefinition
    questions: Batches
    data: Batches | None = None
    sources: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        return PROJECT_ROOT / "assets" / self.name / "presets.yaml"

    def presets(self) -> dict[str, Recipe]:
        """Every preset by name. Raises: BadPreset, naming file and line."""
        return presets.read(self.file, self.recipe)

    def source(self, data: str) -> dict[str, Any]:
        """The dataset's config that takes the data from `data`: a path, or one of the words in `sources`."""
        if data in self.sources or self.data is None:
            return {"source": data}
        return {"paths": [data]}

    def baselines(self) -> list[str]:
        return [name for name, recipe in self.presets().items() if recipe.is_baseline]

    def default(self, machine: Literal["cpu", "gpu"]) -> str:
        """The preset to train where none is named. Raises: BadInput if presets.yaml names none for this machine."""
        for name, recipe in self.presets().items():
            if machine in recipe.default_on:
                return name
        raise BadInput(
            f"{self.file.name} of {self.name} has no preset for a {machine}.",
            f"Name one with --preset, or give one `default_on: [{machine}]`.",
        )

    def sweep(self, settings: Settings, preset: str | None = None) -> list[str]:
        """What `scriptorium train` trains: the baselines, then `preset`, or the default of this machine.

        Raises: BadInput if there is no such preset.
        """
        known = self.presets()
        if preset is not None and preset not in known:
            raise BadInput(f"{self.name} has no preset {preset!r}.", f"There are: {', '.join(known)}.")
        chosen = preset or self.default(machine(settings))
        return list(dict.fromkeys([*self.baselines(), chosen]))


PRODUCTS: Sequence[TrainingProduct] = (
    TrainingProduct(
        "cifar10",
        Cifar10Recipe,
        Cifar10Card,
        partitions.cifar10_presets,
        partitions.cifar10_batches,
        CIFAR10_IMAGES,
        sources=("official",),
    ),
    TrainingProduct(
        "housing",
        HousingRecipe,
        HousingCard,
        partitions.housing_presets,
        partitions.housing_batches,
        HOUSING_QUESTIONS,
        HOUSING_FILES,
        sources=("inbox", "builtin"),
    ),
)


def find(name: str) -> TrainingProduct:
    """The product called `name`. Raises: BadInput, listing those there are."""
    for product in PRODUCTS:
        if product.name == name:
            return product
    raise BadInput(
        f"There is no training product {name!r}.", f"Choose one of: {', '.join(product.name for product in PRODUCTS)}."
    )


def machine(settings: Settings) -> Literal["cpu", "gpu"]:
    """Whether trainings of this process would run on a GPU. Raises: MissingDevice."""
    from resources.device import Torch, choose

    return "cpu" if choose(settings.device, Torch()).name == "cpu" else "gpu"
