"""An LSTM against a transformer, as it was released and fine-tuned, on real tweets where there are some.

    python benchmarks/tweets_comparison.py FOLDER [--minutes M] [--steps N] [--compare N] [--tweets N] [--lstm PRESET]
        [--epochs N] [--base NAME] [--report FOLDER]

FOLDER holds CSV or text files of tweets, as `tweet_corpus` reads them (Sentiment140, or a part of it). The LSTM's
preset is trained as `tweets_real.py` does it; the transformer (`auto`: distilgpt2 if it can be had, else the packaged
model) is compared as it is and after at most `--steps` steps of fine-tuning, which end after the round in which
`--minutes` passed. All three complete the same `--compare` test tweets; intervals are 95 %, by bootstrap. The report
is written to `--report`, if given: it holds texts of the tweets, cleaned.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from tweets_real import PRESETS, corpus_of, lstm, of_split, tokens_of

from assets.tweets import bpe, comparing, report, token_rows
from assets.tweets import transformer_training as steps
from assets.tweets.comparing import Asked
from assets.tweets.comparison_document import CompletionComparison, Settings
from assets.tweets.language_models import TransformerLanguageModel, of_checkpoint
from assets.tweets.lstm_recipe import LstmRecipe
from assets.tweets.prefixes import SHARE
from assets.tweets.transformer_recipe import TransformerRecipe
from assets.tweets.unigram import Unigram
from resources.store.types import Checkpoint
from resources.text import causal
from resources.training import presets
from resources.training.loop import fit
from resources.training.plan import Plan

BATCH, ROUND = 16, 10
"""Tweets of a step on a CPU, and steps of a round; a GPU takes eight times as many tweets."""
CHECKED = 50


def told(numbers: dict[str, float]) -> None:
    print("  " + " ".join(f"{name} {value:.4g}" for name, value in numbers.items()), flush=True)


def transformers(
    corpus: Any, found: causal.Found, given: argparse.Namespace, device: str
) -> tuple[dict[str, Checkpoint], float]:
    """Zero-shot and fine-tuned, and how far batched perplexity is from that of tweets one by one, relatively."""
    gpu = device != "cpu"
    common = {"description": "of a benchmark", "base": found.name, "validation_tweets": 200, "rouge_tweets": 0}
    zero_shot = TransformerRecipe.model_validate({**common, "method": "zero_shot"})
    batch = BATCH * (8 if gpu else 1)
    fine_tuned = TransformerRecipe.model_validate({
        **common, "method": "fine_tuned", "train_tweets": min(given.steps * batch, len(of_split(corpus, 0))),
        "rounds": max(1, given.steps // ROUND), "batch_size": batch,
        "learning_rate": 1e-4 if gpu else 3e-5, "warm_up": 0.1, "schedule": "linear",
        "gradient_clip": 1.0, "freeze": "none" if gpu else "embeddings",
        "validation_tweets": 100, "time_limit_s": given.minutes * 60, "keep": "best",
    })  # fmt: skip
    made = {}
    prepared = steps.prepare(corpus.texts, corpus.splits, zero_shot, found, device)
    error = perplexity_error(prepared.language_model, of_split(corpus, 2)[:CHECKED])
    made["transformer/zero_shot"] = steps.finish(
        prepared, None, preset="zero_shot", overrides={}, corpus="benchmark", device=device
    )
    del prepared
    prepared = steps.prepare(corpus.texts, corpus.splits, fine_tuned, found, device)
    assert prepared.module is not None
    assert prepared.train is not None
    plan = Plan.of(fine_tuned.counted_in_rounds(), device)
    training = fit(prepared.module, prepared.train, prepared.held_out, plan, on_epoch=told)
    print(
        f"fine-tuned {found.name}: {len(training.epochs) * len(prepared.train)} steps of {batch} tweets in"
        f" {training.wall_s:.0f} s, {training.samples_per_s:.1f} tweets/s"
        f"{f'; stopped because {training.stopped}' if training.stopped else ''}"
    )
    made["transformer/fine_tuned"] = steps.finish(
        prepared, training, preset="fine_tuned", overrides={}, corpus="benchmark", device=device
    )
    return made, error


def perplexity_error(model: TransformerLanguageModel, texts: list[str]) -> float:
    batched = [value for row in model.tweet_nll(texts) for value in row]
    single = [value for text in texts for row in model.tweet_nll([text]) for value in row]
    one, other = (math.exp(sum(values) / len(values)) for values in (batched, single))
    return abs(one / other - 1)


def compared(
    corpus: Any, made: dict[str, Checkpoint], tokenizer: bytes, count: int, device: str
) -> CompletionComparison:
    samples = comparing.samples(corpus.texts, corpus.splits, count, 0)
    settings = Settings(
        tweets=len(samples.test), validation_tweets=len(samples.validation), seed=0, share=SHARE, extra_words=3,
        temperature=0.8, top_p=0.9, sampling_seed=0,
    )  # fmt: skip
    asked = []
    for name, checkpoint in made.items():
        begun = time.perf_counter()
        answers = comparing.ask(of_checkpoint(checkpoint, device), samples, settings)
        print(f"asked {name} in {time.perf_counter() - begun:.0f} s", flush=True)
        card: Any = checkpoint.card
        base = getattr(card, "base", None)
        asked.append(Asked(name, name, card.baseline, base, card.epochs, answers))
    train = of_split(corpus, 0)[:200_000]
    return comparing.compared(
        samples, asked, Unigram(bpe.load(tokenizer), train), corpus="benchmark", settings=settings
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0, help="of fine-tuning, at most")
    parser.add_argument("--steps", type=int, default=300, help="of fine-tuning, at most")
    parser.add_argument("--compare", type=int, default=1000, help="test tweets")
    parser.add_argument("--tweets", type=int, help="a sample of so many")
    parser.add_argument("--lstm", default="small", help="its preset")
    parser.add_argument("--epochs", type=int, help="of the LSTM, other than the preset's")
    parser.add_argument("--base", default="auto")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scriptorium-bench")
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{device}, load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads")
    found = causal.find(given.base, str(given.cache), offline=False)
    print(f"{found.name}: {found.said}")
    corpus = corpus_of(given.folder, given.tweets)
    tokens = tokens_of(corpus)
    overrides = {} if given.epochs is None else {"epochs": given.epochs}
    recipe = presets.overridden(presets.read(PRESETS, LstmRecipe)[given.lstm], overrides)
    network, _ = lstm(tokens, recipe, given.lstm, device)
    pretrained, error = transformers(corpus, found, given, device)
    made = {f"lstm/{given.lstm}": network, **pretrained}
    comparison = compared(corpus, made, token_rows.tokenizer_of(tokens), given.compare, device)
    print(report.figures_table(comparison).replace("\\", ""))
    print(comparison.verdict)
    if given.report is not None:
        given.report.mkdir(parents=True, exist_ok=True)
        for name, content in report.made(comparison, given.cache, datetime.now(UTC)).files.items():
            (given.report / name).write_bytes(content)
    bits = {one.name: one.bits_per_character.value for one in [*comparison.systems, comparison.unigram]}
    gain = bits["transformer/zero_shot"] - bits["transformer/fine_tuned"]
    ahead = bits["unigram"] - bits[f"lstm/{given.lstm}"]
    # A trained model that is no better than what it started from, or than counting, has learned nothing.
    print(f"fine_tuning_gains_bits_per_character {gain:.3f} 0 {'ok' if gain > 0 else 'short'}")
    print(f"lstm_ahead_of_unigram_bits_per_character {ahead:.3f} 0 {'ok' if ahead > 0 else 'short'}")
    print(f"perplexity_batched_off_one_by_one {error:.1e} 0.0001 {'ok' if error <= 1e-4 else 'short'}")


if __name__ == "__main__":
    main()
