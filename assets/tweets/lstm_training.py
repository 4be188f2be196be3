"""From packed tweets and a recipe to a module with its batches, from a training to a checkpoint, and back to a network.

Belongs here: what training, benchmarks and tests do alike. Does not belong here: the asset (`lstm_checkpoint.py`),
layers and losses (`network.py`, `lstm_module.py`). Pure: torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assets.tweets import bpe, packing, token_rows
from assets.tweets.chunked_loss import IGNORED, cross_entropy_sum, positions_at_once
from assets.tweets.lstm_card import LstmCard
from assets.tweets.lstm_module import Completions, LstmModule
from assets.tweets.lstm_recipe import CODE_VERSION, LstmRecipe
from assets.tweets.network import TweetLSTM
from assets.tweets.row_batches import RowBatches, filling, validation_batches
from assets.tweets.schedule import perplexity
from resources.errors import BadInput
from resources.store.types import Checkpoint
from resources.training.batches import DeviceBatches
from resources.training.keeper import Training
from resources.training.loop import seeded

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Prepared:
    """All that a training starts from. `validation` has the rows validated after each round; `held_out` all of them."""

    module: LstmModule
    train: RowBatches
    validation: DeviceBatches
    held_out: tuple[Tensor, Tensor]
    recipe: LstmRecipe
    about: dict[str, Any]
    tokenizer: bytes
    tokens_per_row: float


def prepare(tokens: Mapping[str, Tensor], recipe: LstmRecipe, device: str) -> Prepared:
    """A network with its first weights, and the batches of `tokens` on `device`.

    Raises: BadInput if a split has no rows, or there are too few for the recipe's rounds.
    """
    about, tokenizer = token_rows.about_of(tokens), token_rows.tokenizer_of(tokens)
    rows, used = _part(tokens, "train", device)
    held_out = _part(tokens, "validation", device)
    seen = min(recipe.validation_rows, len(held_out[0]))
    some = (held_out[0][:seen], held_out[1][:seen])  # rows lie in an order drawn at random
    tokens_per_row = _mean(used)
    seeded(recipe.seed)
    network = TweetLSTM(about["vocabulary"], recipe.embedding, recipe.hidden, recipe.layers, recipe.dropout)
    completions = None
    if recipe.rouge_tweets:
        loaded = bpe.load(tokenizer)
        tweets = packing.unpack(held_out[0].cpu().numpy(), held_out[1].cpu().numpy())
        texts = [bpe.decode(loaded, ids.tolist()) for ids in itertools.islice(tweets, recipe.rouge_tweets)]
        completions = Completions.of(texts, loaded)
    module = LstmModule(network, recipe, tokens_per_row, _mean(some[1]), completions)
    train = RowBatches(
        rows,
        used,
        recipe.batch_size,
        seed=recipe.seed,
        rounds=recipe.rounds,
        rows_per_epoch=recipe.rows_per_epoch,
    )
    validation = validation_batches(*some, recipe.batch_size)
    return Prepared(module, train, validation, held_out, recipe, about, tokenizer, tokens_per_row)


def finish(
    prepared: Prepared,
    training: Training,
    *,
    preset: str,
    overrides: Mapping[str, Any],
    data_version: str,
    device: str,
) -> Checkpoint:
    """The checkpoint of what was trained, with its loss and perplexity over the whole validation split."""
    recipe, about = prepared.recipe, prepared.about
    network = prepared.module.network
    network.load_state_dict(
        {name.removeprefix("network."): value for name, value in training.weights.items()}, strict=True
    )
    network.to(device).eval()
    loss = nats_per_token(network, *prepared.held_out, recipe.batch_size)
    last = training.epochs[training.kept_epoch - 1]
    metrics = {"val_loss": loss, "val_perplexity": perplexity(loss), "loss": last["loss"]}
    if "val_rouge_l" in last:
        metrics["val_rouge_l"] = last["val_rouge_l"]
    card = LstmCard(
        product="tweets",
        preset=preset,
        recipe=recipe.model_dump(mode="json"),
        overrides=dict(overrides),
        data_version=data_version,
        code_version=CODE_VERSION,
        seed=recipe.seed,
        metrics=metrics,
        epochs=training.curve,
        corpus=about["corpus"],
        vocabulary=about["vocabulary"],
        embedding=recipe.embedding,
        hidden=recipe.hidden,
        layers=recipe.layers,
        row_length=about["row_length"],
        rounds=recipe.rounds,
    )
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    return Checkpoint(weights, card, {TOKENIZER: prepared.tokenizer})


def network_of(checkpoint: Checkpoint, device: str) -> TweetLSTM:
    """The checkpoint's network on `device`, ready for use."""
    card = checkpoint.card
    assert isinstance(card, LstmCard), "checkpoints of the LSTM carry its card"
    network = TweetLSTM(card.vocabulary, card.embedding, card.hidden, card.layers, dropout=0.0)
    network.load_state_dict({name: value.detach().clone() for name, value in checkpoint.weights.items()})
    return network.to(device).eval()


@torch.inference_mode()
def nats_per_token(network: TweetLSTM, rows: Tensor, used: Tensor, batch_size: int) -> float:
    """The mean negative log-likelihood over all tokens of packed rows, in float32 whatever the training was in."""
    total, chunk = 0.0, positions_at_once(network.vocabulary, rows.device)
    for batch in validation_batches(rows, used, batch_size):
        hidden, _ = network(batch["ids"])
        wanted = batch["targets"].masked_fill(filling(batch), IGNORED)
        total += float(cross_entropy_sum(hidden, wanted, network.logits, chunk))
    return total / int(used.sum())


def _part(tokens: Mapping[str, Tensor], split: str, device: str) -> tuple[Tensor, Tensor]:
    rows, used = tokens[f"{split}_rows"], tokens[f"{split}_used"]
    if not len(rows):
        raise BadInput(f"The corpus has no tweets for {split}.", "Give more tweets, and make tweet_corpus again.")
    return rows.to(device), used.to(device)


def _mean(used: Tensor) -> float:
    return float(used.cpu().double().mean())
