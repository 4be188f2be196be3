"""The comparison of language models: what each of them is asked, and the figures made of its answers.

Belongs here: the sample of tweets, the questions, the document. Does not belong here: asking one model
(`language_models.py`, `next_word.py`), single figures (`metrics.py`), the asset (`comparison.py`). Pure: torch, NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from assets.tweets import prefixes
from assets.tweets.comparison_document import Behind, CompletionComparison, Example, Mode, Settings, System
from assets.tweets.language_models import LanguageModel
from assets.tweets.lstm_generation import Sampling
from assets.tweets.metrics import CONFIDENCE, Bootstrap, distinct, hits
from assets.tweets.next_word import next_words
from assets.tweets.unigram import NAME as UNIGRAM
from assets.tweets.unigram import Unigram
from resources.errors import BadInput
from resources.text import tweets

MODES = ("greedy", "sampling")
EXAMPLES = 20
_TOP = 3
_STREAM = 3  # of the seed: the sample has nothing to do with what was drawn for training

Half = tuple[str, str]
"""A prefix, and its continuation with the space before it."""


class Answers(BaseModel):
    """One model's answers, tweet by tweet: −log p of the continuation in nats, its number of tokens, completions by
    mode, and the likeliest next words.
    """

    nats: list[float]
    tokens: list[int]
    completions: dict[str, list[str]]
    words: list[list[str]]


@dataclass(frozen=True)
class Asked:
    """A model and its answers. `checkpoint` is its data version; `epochs` are those of its card."""

    name: str
    checkpoint: str
    baseline: bool
    base: str | None
    epochs: tuple[dict[str, float], ...]
    answers: Answers


def sample(texts: Sequence[str], split: Sequence[int], count: int, seed: int) -> list[Half]:
    """Up to `count` tweets of the test split that can be cut, drawn by the seed, in the order in which they were drawn.

    Raises: BadInput if there is none.
    """
    places = np.flatnonzero(np.asarray(split) == tweets.TEST)
    halves: list[Half] = []
    for place in np.random.default_rng([seed, _STREAM]).permutation(places):
        if len(halves) == count:
            break
        if (cut := prefixes.cut(texts[int(place)])) is not None:
            halves.append(cut)
    if not halves:
        raise BadInput(
            f"The corpus has no tweets of {prefixes.FEWEST_WORDS} words or more for test.",
            "Give more tweets, and make tweet_corpus again.",
        )
    return halves


def ask(
    model: LanguageModel,
    halves: Sequence[Half],
    settings: Settings,
    told: Callable[[int], object] = lambda done: None,
) -> Answers:
    """Put all questions to one model. `told` gets how many of `questions(len(halves))` are answered."""
    count = len(halves)
    rows = model.rows(halves)
    nll = model.nll(rows, told)
    given = [before for before, _ in halves]
    words = next_words(model, given, _TOP, told=_after(count, told))
    most = [len(after.split()) + settings.extra_words for _, after in halves]
    completions = {}
    for number, mode in enumerate(MODES):
        drawn = Sampling(settings.temperature, settings.top_p, settings.sampling_seed)
        sampling = drawn if mode == "sampling" else None
        completions[mode] = model.complete(given, most, sampling, told=_after(count * (2 + number), told))
    return Answers(
        nats=[math.fsum(each) for each in nll],
        tokens=[len(each) for each in nll],
        completions=completions,
        words=[[word for word, _ in each] for each in words],
    )


def _after(before: int, told: Callable[[int], object]) -> Callable[[int], object]:
    """Tells of answers that come after `before` others."""
    return lambda done: told(before + done)


def questions(count: int) -> int:
    """How many answers `ask` waits for: four to each tweet."""
    return count * (2 + len(MODES))


def compared(
    halves: Sequence[Half],
    asked: Sequence[Asked],
    unigram: Unigram,
    *,
    corpus: str,
    settings: Settings,
    passed_over: Sequence[str] = (),
) -> CompletionComparison:
    """All figures of two models or more, and the verdict."""
    boot = Bootstrap(len(halves), seed=settings.seed)
    characters = [float(len(after)) for _, after in halves]
    wanted = [after.split()[0] for _, after in halves]
    references = [after for _, after in halves]
    rouges = {
        (each.name, mode): prefixes.rouge(references, each.answers.completions[mode])
        for each in asked
        for mode in MODES
    }
    first = asked[0]

    def mode_of(each: Asked, mode: str) -> Mode:
        scores, texts = rouges[each.name, mode], each.answers.completions[mode]
        gain = None
        if each is not first:
            gain = boot.difference(scores["rougeL"], rouges[first.name, mode]["rougeL"], [1.0] * len(halves))
        return Mode(
            mode=mode,
            rouge_1=boot.mean(scores["rouge1"]),
            rouge_2=boot.mean(scores["rouge2"]),
            rouge_l=boot.mean(scores["rougeL"]),
            rouge_l_gain=gain,
            distinct_1=distinct(texts, 1),
            distinct_2=distinct(texts, 2),
            words=sum(len(text.split()) for text in texts) / len(texts),
        )

    def system_of(each: Asked, kind: str) -> System:
        answers = each.answers
        gain = None if each is first else boot.difference(_bits(first.answers), _bits(answers), characters)
        return System(
            name=each.name,
            checkpoint=each.checkpoint,
            kind=kind,
            baseline=each.baseline,
            base=each.base,
            bits_per_character=boot.ratio(_bits(answers), characters),
            bits_gain=gain,
            perplexity=math.exp(math.fsum(answers.nats) / sum(answers.tokens)),
            tokens=sum(answers.tokens),
            next_word_top_1=boot.mean(hits(answers.words, wanted, 1)),
            next_word_top_3=boot.mean(hits(answers.words, wanted, _TOP)),
            modes=tuple(mode_of(each, mode) for mode in MODES) if answers.completions else (),
            epochs=each.epochs,
        )

    systems = tuple(system_of(each, each.name.partition("/")[0]) for each in asked)
    best = min(range(len(asked)), key=lambda at: systems[at].bits_per_character.value)
    behind = _behind(asked, asked[best], characters, boot)
    return CompletionComparison(
        corpus=corpus,
        settings=settings,
        characters=int(sum(characters)),
        systems=systems,
        unigram=system_of(_of_unigram(unigram, references), UNIGRAM),
        best=asked[best].name,
        best_checkpoint=asked[best].checkpoint,
        behind=behind,
        verdict=_verdict(systems[best], behind, len(halves)),
        examples=_examples(halves, {each.name: each.answers.completions for each in asked}),
        passed_over=tuple(passed_over),
    )


def _bits(answers: Answers) -> list[float]:
    return [nats / math.log(2) for nats in answers.nats]


def _of_unigram(unigram: Unigram, references: Sequence[str]) -> Asked:
    nats, tokens = unigram.nats(references), unigram.tokens(references)
    words = [unigram.next_words(_TOP)] * len(references)
    return Asked(UNIGRAM, "", True, None, (), Answers(nats=nats, tokens=tokens, completions={}, words=words))


def _behind(asked: Sequence[Asked], best: Asked, characters: Sequence[float], boot: Bootstrap) -> tuple[Behind, ...]:
    """The other models, the nearest first. The intervals hold for all of them at once (Bonferroni's correction)."""
    others = [each for each in asked if each is not best]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(others))
    found = []
    for each in others:
        bits = boot.difference(_bits(each.answers), _bits(best.answers), characters, confidence)
        found.append(Behind(name=each.name, bits=bits, apart=bits.low > 0))
    return tuple(sorted(found, key=lambda one: one.bits.value))


def _verdict(best: System, behind: Sequence[Behind], count: int) -> str:
    """What a person reads first."""
    bits = best.bits_per_character
    what = " as it was released, without any training on the corpus," if best.baseline else ""
    said = [
        f"{best.name}{what} predicts tweets best: {bits.value:.3f} bits per character of what follows"
        f" ({bits.low:.3f} to {bits.high:.3f}), on {count:,} test tweets."
    ]
    clear = [one for one in behind if one.apart]
    close = [one for one in behind if not one.apart]
    if clear:
        each = "; ".join(
            f"{one.name} needs {one.bits.value:.3f} more ({one.bits.low:.3f} to {one.bits.high:.3f})" for one in clear
        )
        said.append(f"{each}: beyond chance, by a paired bootstrap over tweets.")
    if close:
        each = "; ".join(
            f"{one.name} needs {one.bits.value:.3f} more ({one.bits.low:.3f} to {one.bits.high:.3f})" for one in close
        )
        said.append(f"{each}: so few that chance explains it, and these tweets can't tell the two apart.")
    return " ".join(said)


def _examples(halves: Sequence[Half], completions: Mapping[str, Mapping[str, Sequence[str]]]) -> tuple[Example, ...]:
    """The first tweets of the sample, which is in random order."""
    return tuple(
        Example(
            prompt=before,
            reference=after.strip(),
            completions={
                name: {mode: texts[at].strip() for mode, texts in modes.items()} for name, modes in completions.items()
            },
        )
        for at, (before, after) in enumerate(halves[:EXAMPLES])
    )
