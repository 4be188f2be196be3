"""The comparison of an LSTM with transformers on the same tweets.

Belongs here: the asset, its config, what is recorded of it. Does not belong here: questions and figures
(`comparing.py`), pictures (`comparison_pictures.py`), the report's text and pages (`report.py`).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from blake3 import blake3
from pydantic import Field

from assets.tweets import current
from assets.tweets.prefixes import EXTRA_WORDS, SHARE
from assets.tweets.source import GROUP, OWNERS
from resources.errors import failures
from resources.progress import Progress
from resources.store.io_manager import ArtifactStore
from resources.store.types import Document, Table
from resources.training.results import learned_from, publish_files
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    from assets.tweets.comparing import Asked, Samples
    from assets.tweets.comparison_document import CompletionComparison, Settings

CODE_VERSION = "1"
FOLDER = "tweets/comparison"
TWEETS, CPU_TWEETS = 5000, 300
"""Test tweets by default. With 5000 an interval of ROUGE-L is about 0.003 to each side; a CPU would take hours."""
_COUNTED = 200_000
"""Train tweets whose tokens and words the unigram baseline counts, at most."""


class ComparisonConfig(dg.Config):
    """Which models are compared, on how many tweets, and how they complete them."""

    models: list[str] = Field(
        default_factory=list,
        description="Such as `lstm/small`, `transformer/zero_shot`; empty: all that learned from the current corpus.",
    )
    tweets: int | None = Field(
        default=None,
        ge=10,
        description=(
            f"Tweets of the test split, and as many of validation, which decide on the best model; empty: {TWEETS:,} on"
            f" a GPU, {CPU_TWEETS} on a CPU."
        ),
    )
    seed: int = Field(default=0, ge=0, description="Draws the tweets and the bootstrap's samples.")
    extra_words: int = Field(
        default=EXTRA_WORDS, ge=0, le=50, description="A completion may have so many words more than its reference."
    )
    temperature: float = Field(default=0.8, ge=0.01, le=5, description="Of sampling: below 1 prefers what is likely.")
    top_p: float = Field(default=0.9, gt=0, le=1, description="Sampling draws from so much of the probability.")
    sampling_seed: int = Field(default=0, ge=0, description="What is drawn in sampling follows from it.")


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[dg.AssetKey("lstm_checkpoint"), dg.AssetKey("transformer_checkpoint")],
    group_name=GROUP,
    kinds={"python", "torch"},
    owners=OWNERS,
    pool="gpu",
    code_version=CODE_VERSION,
    dagster_type=Document,
    description=(
        "LSTMs and transformers, as they were released and fine-tuned, asked alike: the same beginnings of test tweets,"
        " greedy and sampling; ROUGE, distinct n-grams, bits per character, the next word, with bootstrap intervals."
        " The best is chosen on validation tweets. The report, as Markdown and PDF, is in"
        f" `library/{FOLDER}/`."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "beats_unigram",
            asset="completion_comparison",
            description=(
                "Every trained model needs fewer bits per character than the unigram baseline. A warning if not."
            ),
        )
    ],
)
def completion_comparison(
    context: dg.AssetExecutionContext,
    config: ComparisonConfig,
    tweet_corpus: Table,
    store: ArtifactStore,
    trainer: Trainer,
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.tweets import comparing, report
        from assets.tweets.comparison_document import Settings

        device = trainer.device()
        corpus = learned_from(context, "tweets", tweet_corpus, asset="tweet_corpus")
        models, passed = current.of_corpus(context.instance, store, corpus, config.models)
        for line in passed:
            context.log.warning(f"{line}; it is not compared.")
        texts, split = tweet_corpus.frame["text"].tolist(), tweet_corpus.frame["split"].tolist()
        count = config.tweets or (CPU_TWEETS if device == "cpu" else TWEETS)
        samples = comparing.samples(texts, split, count, config.seed)
        settings = Settings(
            tweets=len(samples.test),
            validation_tweets=len(samples.validation),
            seed=config.seed,
            share=SHARE,
            extra_words=config.extra_words,
            temperature=config.temperature,
            top_p=config.top_p,
            sampling_seed=config.sampling_seed,
        )
        asked = [_asked(context, store, model, samples, settings, corpus, device) for model in models]
        comparison = comparing.compared(
            samples,
            asked,
            _unigram(store, models, texts, split),
            corpus=corpus,
            settings=settings,
            passed_over=passed,
        )
        context.log.info(comparison.verdict)
        # Of the newest model, so that comparing the same ones again gives the same file.
        created = datetime.fromtimestamp(max(model.record.timestamp for model in models), UTC)
        made = report.made(comparison, Path(trainer.cache), created)
        place = publish_files(store, FOLDER, made.files)
    return dg.MaterializeResult(
        value=comparison,
        metadata={
            "verdict": dg.MetadataValue.md(comparison.verdict),
            "table": dg.MetadataValue.md(report.figures_table(comparison)),
            "completions": dg.MetadataValue.md(report.examples_table(comparison)),
            **{name: dg.MetadataValue.md(picture) for name, picture in made.inline().items()},
            current.BEST: comparison.best,
            current.BEST_CHECKPOINT: comparison.best_checkpoint,
            "tweets": settings.tweets,
            "characters": comparison.characters,
            **_numbers(comparison),
            "corpus": corpus,
            "pages": made.pages,
            "folder": dg.MetadataValue.path(place),
            "device": device,
        },
        check_results=[_beats_unigram(comparison)],
    )


def _asked(
    context: dg.AssetExecutionContext,
    store: ArtifactStore,
    model: current.Model,
    samples: "Samples",
    settings: "Settings",
    corpus: str,
    device: str,
) -> "Asked":
    """One model's answers; those that an earlier try of this comparison got are not asked for again."""
    from assets.tweets import comparing, language_models

    checkpoint = current.load(store, model)
    card = current.card_of(checkpoint)
    inputs = "\n".join([CODE_VERSION, corpus, settings.model_dump_json(), device])
    scratch = store.scratch("completion_comparison", None, blake3(inputs.encode()).hexdigest())
    kept = f"{model.digest}.json"
    before = scratch.get(kept)
    if before is not None:
        answers = comparing.Answers.model_validate_json(before)
    else:
        progress = Progress(context.log, f"asking {model.name}", samples.questions, "answers")
        answers = comparing.ask(language_models.of_checkpoint(checkpoint, device), samples, settings, progress.update)
        scratch.put(kept, answers.model_dump_json().encode())
    base = getattr(card, "base", None)
    return comparing.Asked(model.name, model.digest, card.baseline, base, card.epochs, answers)


def _unigram(store: ArtifactStore, models: list[current.Model], texts: list[str], split: list[int]) -> Any:
    """The baseline, in tokens of the first LSTM's tokenizer."""
    import numpy as np

    from assets.tweets import bpe, unigram
    from assets.tweets.lstm_training import TOKENIZER
    from resources.text.tweets import TRAIN

    lstm = next(model for model in models if model.kind == "lstm")
    tokenizer = bpe.load(current.load(store, lstm).files.path(TOKENIZER).read_bytes())
    places = np.flatnonzero(np.asarray(split) == TRAIN)
    if len(places) > _COUNTED:
        places = np.random.default_rng(0).choice(places, _COUNTED, replace=False)
    return unigram.Unigram(tokenizer, [texts[int(place)] for place in places])


def _numbers(comparison: "CompletionComparison") -> dict[str, float]:
    """Numbers by stable names, such as `lstm_small_bits_per_character`, to plot over time."""
    said: dict[str, float] = {}
    for one in [*comparison.systems, comparison.unigram]:
        name = one.name.replace("/", "_")
        said[f"{name}_val_bits_per_character"] = round(one.validation_bits_per_character.value, 6)
        said[f"{name}_bits_per_character"] = round(one.bits_per_character.value, 6)
        said[f"{name}_perplexity"] = round(one.perplexity, 4)
        said[f"{name}_next_word_top_1"] = round(one.next_word_top_1.value, 6)
        said[f"{name}_next_word_top_3"] = round(one.next_word_top_3.value, 6)
        for mode in one.modes:
            said[f"{name}_{mode.mode}_rouge_l"] = round(mode.rouge_l.value, 6)
            said[f"{name}_{mode.mode}_distinct_2"] = round(mode.distinct_2, 6)
    return said


def _beats_unigram(comparison: "CompletionComparison") -> dg.AssetCheckResult:
    bits = comparison.unigram.bits_per_character.value
    worse = [one.name for one in comparison.systems if not one.baseline and one.bits_per_character.value >= bits]
    said = f"No better than guessing by frequency: {', '.join(worse)}." if worse else "Every trained model does."
    return dg.AssetCheckResult(
        check_name="beats_unigram",
        passed=not worse,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"unigram_bits_per_character": round(bits, 6)},
    )
