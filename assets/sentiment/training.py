"""From a dataset and a recipe to a trained classifier.

Belongs here: what is loaded before a training and what is made of it afterwards. Does not belong here: the loop
(`resources/training/loop.py`), the loss (`module.py`), the asset (`checkpoint.py`). Pure: torch and transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from assets.sentiment import network, predicting, scoring
from assets.sentiment.batches import LengthBatches
from assets.sentiment.card import TOKENIZER, SentimentCard, StartedFrom
from assets.sentiment.module import SentimentModule
from assets.sentiment.recipe import PRODUCT, SentimentRecipe
from assets.sentiment.tokenizing import about_of, tokenizer_of
from resources.errors import BadInput
from resources.store.types import Checkpoint, Tensors
from resources.text.pretrained import AUTO, Encoder
from resources.text.tweets import PARTS
from resources.training.classification import fitted_temperature
from resources.training.keeper import Training
from resources.training.loop import seeded

_AT_ONCE = 256  # validation tweets of one step


@dataclass(frozen=True)
class Prepared:
    """All that a training needs. `counts` are tweets by part and class, `head` is whose head the model began with."""

    module: SentimentModule
    train: LengthBatches
    validation: LengthBatches
    counts: Mapping[str, Mapping[str, int]]
    head: network.Head

    @property
    def padding_share(self) -> float:
        """Of the tokens in the first epoch's batches, the share that only fills them up."""
        return self.train.padding_share()

    @property
    def trained_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters() if parameter.requires_grad)


def check(recipe: SentimentRecipe, about: Mapping[str, Any]) -> None:
    """Whether a dataset is tokenized as this recipe wants it, with both classes in every part that decides.

    Raises: BadInput if not.
    """
    again = "Set it in the preset and make sentiment_dataset of this file again."
    if recipe.base not in (AUTO, about["base"]):
        raise BadInput(f"The dataset is tokenized for {about['base']}, not for {recipe.base}.", again)
    if recipe.max_length < about["max_length"]:
        raise BadInput(f"The dataset's tweets have up to {about['max_length']} tokens, not {recipe.max_length}.", again)
    for part in PARTS[:2]:
        counts = about["per_part"][part]
        if 0 in counts.values():
            said = " and ".join(f"{count:,} {label}" for label, count in counts.items())
            raise BadInput(f"The {part} part has {said} tweets.", "Give a file with more tweets of both classes.")


def fresh(encoder: Encoder, recipe: SentimentRecipe, about: Mapping[str, Any]) -> tuple[Any, network.Head]:
    """The base's classifier, and whether its head came with it.

    Raises: BadInput if the encoder's files are others than those the dataset was tokenized by.
    """
    if encoder.digest != about["base_digest"]:
        raise BadInput(
            f"The files of {encoder.name} are others than when the dataset was made.",
            "Make sentiment_dataset of this file again.",
        )
    seeded(recipe.seed)
    return network.load_base(encoder, base_labels=recipe.base_labels, head=recipe.head)


def continued(checkpoint: Checkpoint, dataset: Tensors) -> tuple[Any, network.Head]:
    """The classifier of another file's checkpoint, to be trained on.

    Raises: BadInput if it has another base or tokenizer than the dataset, or learned from tweets divided by another
    seed, which may be among those that are to judge it now.
    """
    card, about = checkpoint.card, about_of(dataset)
    assert isinstance(card, SentimentCard), "a sentiment checkpoint has a sentiment card"
    if (card.base, card.base_digest) != (about["base"], about["base_digest"]):
        raise BadInput(
            f"The checkpoint of {card.file} is of the base {card.base}, the dataset is tokenized for {about['base']}.",
            "Make sentiment_dataset of this file again with a preset of that base, or start from `base`.",
        )
    if card.split_seed != about["seed"]:
        raise BadInput(
            f"The tweets of {card.file} were divided by the seed {card.split_seed}, those of this dataset by"
            f" {about['seed']}: what the checkpoint has learned from could be among what it would be judged by.",
            f"Make sentiment_dataset of this file again with `seed` {card.split_seed}, or start from `base`.",
        )
    model, tokenizer = network.of_checkpoint(checkpoint, "cpu")
    if tokenizer.to_str().encode() != network.pretrained.loaded(tokenizer_of(dataset)).to_str().encode():
        raise BadInput(f"The checkpoint of {card.file} has another tokenizer than the dataset.", "Start from `base`.")
    return model, card.base_head


def prepare(model: Any, head: network.Head, dataset: Tensors, recipe: SentimentRecipe, device: str) -> Prepared:
    """Model, batches and counts, the batches on `device`."""
    counts = about_of(dataset)["per_part"]
    of_class = tuple(counts["train"][label] for label in network.LABELS)
    seeded(recipe.seed)  # what LoRA's matrices are drawn from
    module = SentimentModule(model, recipe, (of_class[0], of_class[1]))
    train, validation = (_part(dataset, part, device) for part in PARTS[:2])
    return Prepared(
        module=module,
        train=LengthBatches(
            *train, recipe.batch_size, shuffle=True, seed=recipe.seed, samples=recipe.samples_per_epoch
        ),
        validation=LengthBatches(*validation, _AT_ONCE),
        counts=counts,
        head=head,
    )


def finish(
    prepared: Prepared,
    training: Training,
    dataset: Tensors,
    recipe: SentimentRecipe,
    *,
    file: str,
    overrides: dict[str, Any],
    data_version: str,
    code_version: str,
    started_from: StartedFrom | None,
    device: str,
) -> tuple[Checkpoint, Tensor]:
    """The checkpoint: plain weights, the temperature fitted on validation, and all that predictions need; and how it
    does on validation, int64 (classes, classes), true class by row.
    """
    about = about_of(dataset)
    model = prepared.module.plain(training.weights)
    config, weights = network.config_of(model), {name: each.clone() for name, each in model.state_dict().items()}
    ids, lengths, labels = _part(dataset, PARTS[1], device)
    logits = predicting.network_logits(model.to(device).eval(), ids, lengths, device)
    temperature = fitted_temperature(logits, labels.long())
    scores = scoring.scored(logits, labels.long(), temperature)
    card = SentimentCard(
        product=PRODUCT,
        preset=about["preset"],
        recipe=recipe.model_dump(mode="json"),
        overrides=overrides,
        data_version=data_version,
        code_version=code_version,
        seed=recipe.seed,
        metrics={f"val_{name}": value for name, value in scores.metrics.items()},
        epochs=training.curve,
        file=file,
        base=about["base"],
        base_digest=about["base_digest"],
        base_head=prepared.head,
        config=config,
        labels=network.LABELS,
        max_length=about["max_length"],
        pad_id=about["pad_id"],
        temperature=temperature,
        split_seed=about["seed"],
        started_from=started_from,
    )
    return Checkpoint(weights, card, {TOKENIZER: tokenizer_of(dataset)}), scores.confusion


def _part(dataset: Tensors, part: str, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """ids, lengths and labels of one part, in the dataset's order, on `device`."""
    rows = (dataset["split"] == PARTS.index(part)).nonzero().squeeze(1)
    ids, lengths, labels = (dataset[name].index_select(0, rows).to(device) for name in ("ids", "lengths", "labels"))
    return ids, lengths, labels
