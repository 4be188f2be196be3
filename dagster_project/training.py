"""The training products as the commands and the wiring know them: names, presets, and which preset is the default.

Belongs here: what follows from a product's presets.yaml. Does not belong here: its assets (`assets/<product>/`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg

from assets.cifar10.card import Cifar10Card
from assets.cifar10.recipe import Cifar10Recipe
from assets.housing.card import HousingCard
from assets.housing.recipe import HousingRecipe
from assets.sentiment import choosing as sentiment_choosing
from assets.sentiment.card import SentimentCard
from assets.sentiment.recipe import SentimentRecipe
from assets.tweets import current
from assets.tweets.comparison_document import CompletionComparison
from assets.tweets.lstm_card import LstmCard
from assets.tweets.lstm_recipe import LstmRecipe
from assets.tweets.transformer_card import TransformerCard
from assets.tweets.transformer_recipe import TransformerRecipe
from dagster_project import partitions
from dagster_project.settings import PROJECT_ROOT, Settings
from resources.errors import BadInput
from resources.intake.batch_events import Batches
from resources.training import choosing, presets
from resources.training.documents import Card
from resources.training.recipe import Recipe
from sensors.sentiment import SENTIMENT_QUESTIONS
from sensors.training import CIFAR10_IMAGES, HOUSING_FILES, HOUSING_QUESTIONS
from sensors.tweets import TWEET_PROMPTS


@dataclass(frozen=True)
class Presets:
    """A file of presets in `assets/<product>/`, what its entries are made into, and the card that goes with that.

    `card` lies beside the weights; the store can read it once it is imported, and so a run that only loads a checkpoint
    relies on this list.
    """

    product: str
    recipe: type[Recipe]
    card: type[Card]
    file: str = "presets.yaml"

    @property
    def path(self) -> Path:
        return PROJECT_ROOT / "assets" / self.product / self.file

    def read(self) -> dict[str, Recipe]:
        """Every preset by name. Raises: BadPreset, naming file and line."""
        return presets.read(self.path, self.recipe)

    def baselines(self) -> list[str]:
        return [name for name, recipe in self.read().items() if recipe.is_baseline]

    def default(self, machine: Literal["cpu", "gpu"]) -> str:
        """The preset to train where none is named. Raises: BadInput if the file names none for this machine."""
        for name, recipe in self.read().items():
            if machine in recipe.default_on:
                return name
        raise BadInput(
            f"{self.file} of {self.product} has no preset for a {machine}.",
            f"Name one with --preset, or give one `default_on: [{machine}]`.",
        )

    def sweep(self, settings: Settings, preset: str | None = None) -> list[str]:
        """What `scriptorium train` trains: the baselines, then `preset`, or the default of this machine.

        Raises: BadInput if there is no such preset.
        """
        known = self.read()
        if preset is not None and preset not in known:
            raise BadInput(f"{self.product} has no preset {preset!r}.", f"There are: {', '.join(known)}.")
        chosen = preset or self.default(machine(settings))
        return list(dict.fromkeys([*self.baselines(), chosen]))


@dataclass(frozen=True)
class TrainingProduct:
    """A product of one dataset and of checkpoints by preset, of which one is champion.

    `questions` are the files its predictions are about, `data` those its dataset is made of, if any. `sources` are
    words for data that is no path.
    """

    presets: Presets
    presets_def: dg.PartitionsDefinition[str]
    batches_def: dg.DynamicPartitionsDefinition
    questions: Batches
    data: Batches | None = None
    sources: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.presets.product

    def source(self, data: str) -> dict[str, Any]:
        """The dataset's config that takes the data from `data`: a path, or one of the words in `sources`."""
        if data in self.sources or self.data is None:
            return {"source": data}
        return {"paths": [data]}


PRODUCTS: Sequence[TrainingProduct] = (
    TrainingProduct(
        Presets("cifar10", Cifar10Recipe, Cifar10Card),
        partitions.cifar10_presets,
        partitions.cifar10_batches,
        CIFAR10_IMAGES,
        sources=("official",),
    ),
    TrainingProduct(
        Presets("housing", HousingRecipe, HousingCard),
        partitions.housing_presets,
        partitions.housing_batches,
        HOUSING_QUESTIONS,
        HOUSING_FILES,
        sources=("inbox", "builtin"),
    ),
)

LSTM = Presets("tweets", LstmRecipe, LstmCard, "lstm_presets.yaml")
TRANSFORMER = Presets("tweets", TransformerRecipe, TransformerCard, "transformer_presets.yaml")
SENTIMENT = Presets("sentiment", SentimentRecipe, SentimentCard)

DOCUMENTS = (CompletionComparison,)
"""Documents other than cards and those of resources, here for the reason that cards are."""

NAMES = (*(product.name for product in PRODUCTS), SENTIMENT.product, LSTM.product)
"""What `scriptorium train` and `scriptorium infer` know."""


@dataclass(frozen=True)
class Asked:
    """What `scriptorium infer` asks: by which files, and `find`, which raises BadInput for a checkpoint there is not.

    `best` is the name of the checkpoint that is asked where none is named.
    """

    questions: Batches
    find: Callable[[dg.DagsterInstance, str], object]
    best: str = choosing.CHAMPION


def asked(name: str) -> Asked:
    """What is asked of the product called `name`. Raises: BadInput, listing those there are."""
    if name == SENTIMENT.product:
        return Asked(SENTIMENT_QUESTIONS, sentiment_choosing.find)
    if name == LSTM.product:
        return Asked(TWEET_PROMPTS, current.find, current.AUTO)
    product = find(name)
    return Asked(product.questions, lambda instance, checkpoint: choosing.find(instance, name, checkpoint))


def tweet_trainings(settings: Settings, chosen: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What is trained for a comparison, as (job, preset): an LSTM, the transformer as it is, the same fine-tuned.

    `chosen` are presets instead of the defaults of this machine, at most one of each kind.
    Raises: BadInput for another name, or two of a kind.
    """
    kinds = ((LSTM, "tweets_train_lstm"), (TRANSFORMER, "tweets_train_transformer"))
    known = {name: kind.file for kind, _ in kinds for name in kind.read()}
    for name in chosen:
        if name not in known:
            raise BadInput(f"tweets has no preset {name!r}.", f"There are: {', '.join(known)}.")
    found = []
    for kind, job in kinds:
        named = [name for name in chosen if known[name] == kind.file]
        if len(named) > 1:
            raise BadInput(f"{' and '.join(named)} are both of {kind.file}.", "Name one of each kind.")
        found += [(job, name) for name in kind.sweep(settings, named[0] if named else None)]
    return found


def find(name: str) -> TrainingProduct:
    """The product called `name`. Raises: BadInput, listing those there are."""
    for product in PRODUCTS:
        if product.name == name:
            return product
    raise BadInput(f"There is no training product {name!r}.", f"Choose one of: {', '.join(NAMES)}.")


def machine(settings: Settings) -> Literal["cpu", "gpu"]:
    """Whether trainings of this process would run on a GPU. Raises: MissingDevice."""
    from resources.device import Torch, choose

    return "cpu" if choose(settings.device, Torch()).name == "cpu" else "gpu"
