"""Completion on real tweets where there are some: how good an LSTM of a preset becomes, and in what time.

    python benchmarks/tweets_real.py FOLDER [--preset small] [--tweets N] [--epochs N]

FOLDER holds CSV or text files of tweets, as `tweet_corpus` reads them (Sentiment140, or a part of it). They are
cleaned, split, tokenized and packed as the assets do it, and the preset is trained on the device that is there.
Printed are perplexity by split (per token of 8,192, the end mark included, over packed rows) and, comparable between
tokenizers, bits per character of the test tweets, each read on its own, its end not counted.

Nothing of the tweets themselves is printed or kept. There is no aim: what is reached depends on the corpus.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from assets.tweets import bpe, reading, token_rows
from assets.tweets.language_models import LstmLanguageModel, Row
from assets.tweets.lstm_recipe import LstmRecipe
from assets.tweets.lstm_training import finish, nats_per_token, network_of, prepare
from resources.store.types import Checkpoint
from resources.training import presets
from resources.training.loop import fit
from resources.training.plan import Plan

PRESETS = Path(__file__).resolve().parent.parent / "assets" / "tweets" / "lstm_presets.yaml"
VOCABULARY, ROW_LENGTH = 8192, 64


def corpus_of(folder: Path, limit: int | None) -> reading.Corpus:
    """All tweets of the folder's files, or a sample of them."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".csv", ".tsv", ".txt")]
    texts = (text for path in files for text in reading.texts_of(path.name, path.read_bytes()).texts)
    return reading.corpus_of(texts, limit=limit)


def of_split(corpus: reading.Corpus, split: int) -> list[str]:
    """The texts of train (0), validation (1) or test (2)."""
    return [text for text, own in zip(corpus.texts, corpus.splits.tolist(), strict=True) if own == split]


def tokens_of(corpus: reading.Corpus) -> dict[str, Any]:
    """The tensors of `tweet_tokens`."""
    train = of_split(corpus, 0)
    return token_rows.make(
        corpus.texts, corpus.splits, bpe.learn(train, VOCABULARY), corpus="benchmark", row_length=ROW_LENGTH
    )


def lstm(tokens: dict[str, Any], recipe: LstmRecipe, preset: str, device: str) -> tuple[Checkpoint, float]:
    """The trained checkpoint, and real tokens learned from a second. A line is printed for each round."""
    prepared = prepare(tokens, recipe, device)

    def told(numbers: dict[str, float]) -> None:
        shown = " ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        print(f"  {shown}", flush=True)

    plan = Plan.of(recipe.counted_in_rounds(), device)
    training = fit(prepared.module, prepared.train, prepared.validation, plan, on_epoch=told)
    checkpoint = finish(prepared, training, preset=preset, overrides={}, data_version="benchmark", device=device)
    return checkpoint, training.samples_per_s * prepared.tokens_per_row


def lstm_figures(checkpoint: Checkpoint, tokens: dict[str, Any], test: Sequence[str], device: str) -> dict[str, float]:
    """Perplexities by split, and bits per character of the test tweets."""
    network = network_of(checkpoint, device)
    figures = {}
    for split in ("validation", "test"):
        rows, used = (tokens[f"{split}_{part}"].to(device) for part in ("rows", "used"))
        figures[f"{split}_perplexity"] = math.exp(nats_per_token(network, rows, used, 64))
    model = LstmLanguageModel(network, bpe.load(token_rows.tokenizer_of(tokens)))
    nats = sum(sum(each) for each in model.nll([Row(ids, 0) for ids in model.encode(test)]))
    figures["test_bits_per_character"] = nats / math.log(2) / sum(map(len, test))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--tweets", type=int, help="a sample of so many")
    parser.add_argument("--epochs", type=int, help="other than the preset's")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    begun = time.perf_counter()
    corpus = corpus_of(given.folder, given.tweets)
    tokens = tokens_of(corpus)
    about = token_rows.about_of(tokens)["splits"]
    print(
        f"{corpus.read:,} rows, {corpus.duplicates:,} repeated, {len(corpus.texts):,} tweets,"
        f" {about['train']['tokens']:,} train tokens, waste {about['train']['waste']:.2%}, prepared in"
        f" {time.perf_counter() - begun:.0f} s; load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads"
    )
    overrides = {} if given.epochs is None else {"epochs": given.epochs}
    recipe = presets.overridden(presets.read(PRESETS, LstmRecipe)[given.preset], overrides)
    begun = time.perf_counter()
    checkpoint, rate = lstm(tokens, recipe, given.preset, device)
    took = time.perf_counter() - begun
    figures = lstm_figures(checkpoint, tokens, of_split(corpus, 2), device)
    said = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    parameters = sum(weight.numel() for weight in checkpoint.weights.values())
    print(
        f"lstm/{given.preset} ({parameters / 1e6:.1f} million parameters, {recipe.epochs} epochs) on {device}: {said};"
        f" trained in {took:.0f} s at {rate:,.0f} tokens/s; n = {about['test']['tweets']:,} test tweets"
    )


if __name__ == "__main__":
    main()
