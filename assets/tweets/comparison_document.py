"""The stored comparison of completions: what it holds.

Belongs here: its fields. Does not belong here: how they are computed (`comparing.py`), how they are printed
(`report.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from resources.store.types import Document


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Part):
    """A number and the interval it lies in with 95 % confidence, or with that of all comparisons together."""

    value: float
    low: float
    high: float


class Settings(_Part):
    """What was asked of every model alike: a sample of the test split and one of the validation split, and how tweets
    are completed.

    `share` of a tweet's words, rounded down, are given. A completion ends at `extra_words` words more than the
    reference has.
    """

    tweets: int
    validation_tweets: int
    seed: int
    share: float
    extra_words: int
    temperature: float
    top_p: float
    sampling_seed: int


class Mode(_Part):
    """Completions of one model in one mode. ROUGE is F1, from 0 to 1."""

    mode: str
    rouge_1: Figure
    rouge_2: Figure
    rouge_l: Figure
    distinct_1: float
    distinct_2: float
    words: float


class System(_Part):
    """One model. `checkpoint` is its data version (empty for the unigram baseline), `base` the pretrained model.

    `bits_per_character` is over continuations with the space before them; `validation_bits_per_character`, by which the
    best is chosen, is the same of validation tweets. `perplexity` is per token of the model's own tokenizer, and not
    comparable between tokenizers.
    `next_word_top_1` and `_3`: how often the next word is the likeliest one, or among the three likeliest. `epochs` are
    those of its training.
    """

    name: str
    checkpoint: str
    kind: str
    baseline: bool
    base: str | None
    validation_bits_per_character: Figure
    bits_per_character: Figure
    perplexity: float
    tokens: int
    next_word_top_1: Figure
    next_word_top_3: Figure
    modes: tuple[Mode, ...]
    epochs: tuple[dict[str, float], ...]


class Behind(_Part):
    """How many bits per character more than the best model `name` needs, on the same test tweets (fewer, if below 0);
    `apart` if the interval, which holds for all these comparisons together, leaves out 0.
    """

    name: str
    bits: Figure
    apart: bool


class Example(_Part):
    """A prompt, what really followed, and completions by model and mode."""

    prompt: str
    reference: str
    completions: dict[str, dict[str, str]]


class CompletionComparison(Document):
    """Language models of one corpus, compared on the same tweets of its test split.

    `corpus` is the data version of tweet_corpus. `systems` has the models in the order in which they were compared,
    `unigram` the baseline. `best` needs the fewest bits per character of the validation tweets; `behind` are the
    others. `passed_over` says which checkpoints were left out and why. `characters` is the number of those to be
    predicted.
    """

    corpus: str
    settings: Settings
    characters: int
    systems: tuple[System, ...]
    unigram: System
    best: str
    best_checkpoint: str
    behind: tuple[Behind, ...]
    verdict: str
    examples: tuple[Example, ...]
    passed_over: tuple[str, ...]
