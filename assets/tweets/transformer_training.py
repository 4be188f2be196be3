"""From a corpus and a recipe to a pretrained model with its batches, and from a training to a checkpoint.

Belongs here: what the asset, benchmarks and tests do alike. Does not belong here: the asset
(`transformer_checkpoint.py`), the loss (`transformer_module.py`), where pretrained models come from
(`resources/text/causal.py`). Pure: torch and transformers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.tweets import prefixes
from assets.tweets.language_models import TransformerLanguageModel
from assets.tweets.schedule import perplexity
from assets.tweets.transformer_batches import TokenBatches, marked
from assets.tweets.transformer_card import TransformerCard
from assets.tweets.transformer_module import TransformerModule
from assets.tweets.transformer_recipe import CODE_VERSION, TransformerRecipe
from resources.errors import BadInput
from resources.store.types import Checkpoint
from resources.text import causal, tweets
from resources.training.keeper import Training
from resources.training.loop import seeded

_DRAWN = {tweets.TRAIN: 1, tweets.VALIDATION: 2}
"""Each part's sample is drawn from a stream of its own."""


@dataclass(frozen=True)
class Prepared:
    """All that a training starts from. `validation` are the tweets that val_loss is over; `train` is None for a model
    that is not trained; `cut` counts train tweets longer than the recipe's max_tokens.
    """

    recipe: TransformerRecipe
    found: causal.Found
    language_model: TransformerLanguageModel
    tokenizer_files: dict[str, bytes]
    validation: list[str]
    module: TransformerModule | None = None
    train: TokenBatches | None = None
    held_out: TokenBatches | None = None
    cut: int = 0


def prepare(
    texts: Sequence[str],
    split: Sequence[int],
    recipe: TransformerRecipe,
    found: causal.Found,
    device: str,
    told: Callable[[int, int], object] = lambda done, total: None,
) -> Prepared:
    """The pretrained model on `device`, and batches of the corpus' cleaned `texts`, whose parts are `split`.

    `told` gets the number of tweets that are tokenised, and of all that will be.
    Raises: BadInput if a part has no tweet, or too few for the recipe's rounds; MissingModel.
    """
    parts = np.asarray(split)
    validation = _drawn(texts, parts, tweets.VALIDATION, recipe.validation_tweets, recipe.seed)
    loaded = causal.load(found, device)
    model = TransformerLanguageModel(loaded)
    files = causal.tokenizer_files(loaded.tokenizer)
    if recipe.is_baseline:
        return Prepared(recipe, found, model, files, validation)
    learn = _drawn(texts, parts, tweets.TRAIN, recipe.train_tweets, recipe.seed)
    begin, end = model.model.begin, model.model.end
    longest = min(recipe.max_tokens, model.model.context or recipe.max_tokens)
    rows, cut = marked(model.encode(learn, lambda done: told(done, len(learn))), begin, end, longest)
    seeded(recipe.seed)
    module = TransformerModule(model.model, recipe, _rouge(model, validation[: recipe.rouge_tweets]))
    try:
        train = TokenBatches(
            rows, recipe.batch_size, device, fill=end, shuffle=True, seed=recipe.seed, rounds=recipe.rounds
        )
    except ValueError as error:
        raise BadInput(
            f"{len(rows)} tweets are too few: {error}.", "Use fewer rounds or a smaller batch_size."
        ) from error
    whole, _ = marked(model.encode(validation), begin, end, longest)
    held_out = TokenBatches(whole, recipe.batch_size, device, fill=end)
    return Prepared(recipe, found, model, files, validation, module, train, held_out, cut)


def finish(
    prepared: Prepared,
    training: Training | None,
    *,
    preset: str,
    overrides: Mapping[str, Any],
    corpus: str,
    device: str,
) -> Checkpoint:
    """The checkpoint of what was trained, with its loss and perplexity on the validation tweets, in float32.

    `training` is None for zero-shot, whose weights are stored as they were released. `corpus` is the data version of
    tweet_corpus.
    """
    recipe, model = prepared.recipe, prepared.language_model
    if training is not None and prepared.module is not None:
        prepared.module.load_state_dict(training.weights)
    model.model.to(device).eval()
    values = [value for row in model.tweet_nll(prepared.validation) for value in row]
    loss = sum(values) / len(values)
    metrics = {"val_loss": loss, "val_perplexity": perplexity(loss)}
    rouge = _rouge(model, prepared.validation[: recipe.rouge_tweets])
    if rouge is not None:
        metrics["val_rouge_l"] = rouge()
    network = model.model.network
    if training is None:
        network = causal.load(prepared.found, "cpu", as_released=True).model
    else:
        metrics["loss"] = training.epochs[training.kept_epoch - 1]["loss"]
    card = TransformerCard(
        product="tweets",
        preset=preset,
        recipe=recipe.model_dump(mode="json"),
        overrides=dict(overrides),
        baseline=recipe.is_baseline,
        data_version=corpus,
        code_version=CODE_VERSION,
        seed=recipe.seed,
        metrics=metrics,
        epochs=training.curve if training else (),
        corpus=corpus,
        base=prepared.found.name,
        base_said=prepared.found.said,
        base_digest=prepared.found.digest(),
        config=json.loads(network.config.to_json_string()),
        tokenizer_files=tuple(prepared.tokenizer_files),
        begin=model.model.begin,
        end=model.model.end,
        rounds=recipe.rounds,
    )
    return Checkpoint(causal.weights_of(network), card, prepared.tokenizer_files)


def _drawn(texts: Sequence[str], parts: Any, part: int, most: int | None, seed: int) -> list[str]:
    """The tweets of one part, or `most` of them, drawn by the seed. Raises: BadInput if there is none."""
    places = np.flatnonzero(parts == part)
    if not len(places):
        raise BadInput(
            f"The corpus has no tweets for {tweets.PARTS[part]}.", "Give more tweets, and make tweet_corpus again."
        )
    if most is not None and most < len(places):
        generator = np.random.default_rng([seed, _DRAWN[part]])
        places = np.sort(generator.choice(places, most, replace=False))
    return [texts[int(place)] for place in places]


def _rouge(model: TransformerLanguageModel, texts: Sequence[str]) -> Callable[[], float] | None:
    """A function that completes these tweets greedily and returns the mean F1 of ROUGE-L; None if none can be cut."""
    halves = [cut for text in texts if (cut := prefixes.cut(text)) is not None]
    if not halves:
        return None

    def score() -> float:
        wanted = [after for _, after in halves]
        most = [len(after.split()) + prefixes.EXTRA_WORDS for after in wanted]
        made = model.complete([before for before, _ in halves], most)
        scores = prefixes.rouge(wanted, made, ["rougeL"])["rougeL"]
        return sum(scores) / len(scores)

    return score
