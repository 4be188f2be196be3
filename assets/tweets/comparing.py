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


@dataclass(frozen=True)
class Samples:
    """Tweets of two splits, cut: those of `validation` choose the best model, those of `test` give its figures."""

    test: list[Half]
    validation: list[Half]

    @property
    def questions(self) -> int:
        """How many answers `ask` waits for: four to each test tweet, one to each validation tweet."""
        return len(self.test) * (2 + len(MODES)) + len(self.validation)


class Answers(BaseModel):
    """One model's answers, tweet by tweet: −log p of the continuation in nats, its number of tokens, completions by
    mode, and the likeliest next words; of validation tweets −log p alone.
    """

    validation_nats: list[float]
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


def samples(texts: Sequence[str], split: Sequence[int], count: int, seed: int) -> Samples:
    """Up to `count` tweets of test and of validation that can be cut, drawn by the seed, in the order in which they
    were drawn.

    Raises: BadInput if there is none of one of them.
    """
    parts = np.asarray(split)
    return Samples(*(_sample(texts, parts, part, count, seed) for part in (tweets.TEST, tweets.VALIDATION)))


def _sample(texts: Sequence[str], parts: np.ndarray, part: int, count: int, seed: int) -> list[Half]:
    places = np.flatnonzero(parts == part)
    halves: list[Half] = []
    for place in np.random.default_rng([seed, _STREAM]).permutation(places):
        if len(halves) == count:
            break
        if (cut := prefixes.cut(texts[int(place)])) is not None:
            halves.append(cut)
    if not halves:
        raise BadInput(
            f"The corpus has no tweets of {prefixes.FEWEST_WORDS} words or more for {tweets.PARTS[part]}.",
            "Give more tweets, and make tweet_corpus again.",
        )
    return halves


def ask(
    model: LanguageModel,
    of: Samples,
    settings: Settings,
    told: Callable[[int], object] = lambda done: None,
) -> Answers:
    """Put all questions to one model. `told` gets how many of `of.questions` are answered."""
    count, before_test = len(of.test), len(of.validation)
    chosen_by = model.nll(model.rows(of.validation), told)
    nll = model.nll(model.rows(of.test), _after(before_test, told))
    given = [before for before, _ in of.test]
    words = next_words(model, given, _TOP, told=_after(before_test + count, told))
    most = [len(after.split()) + settings.extra_words for _, after in of.test]
    completions = {}
    for number, mode in enumerate(MODES):
        drawn = Sampling(settings.temperature, settings.top_p, settings.sampling_seed)
        sampling = drawn if mode == "sampling" else None
        answered = before_test + count * (2 + number)
        completions[mode] = model.complete(given, most, sampling, told=_after(answered, told))
    return Answers(
        validation_nats=[math.fsum(each) for each in chosen_by],
        nats=[math.fsum(each) for each in nll],
        tokens=[len(each) for each in nll],
        completions=completions,
        words=[[word for word, _ in each] for each in words],
    )


def _after(before: int, told: Callable[[int], object]) -> Callable[[int], object]:
    """Tells of answers that come after `before` others."""
    return lambda done: told(before + done)


def compared(
    of: Samples,
    asked: Sequence[Asked],
    unigram: Unigram,
    *,
    corpus: str,
    settings: Settings,
    passed_over: Sequence[str] = (),
) -> CompletionComparison:
    """All figures of two models or more, and the verdict.

    The best is the one with the fewest bits per character on the validation tweets. So the test tweets have no part in
    the choice, and what they say of it is no better than chance made it.
    """
    halves = of.test
    boot, of_choice = Bootstrap(len(halves), seed=settings.seed), Bootstrap(len(of.validation), seed=settings.seed)
    characters, choice_characters = ([float(len(after)) for _, after in each] for each in (halves, of.validation))
    wanted = [after.split()[0] for _, after in halves]
    references = [after for _, after in halves]
    rouges = {
        (each.name, mode): prefixes.rouge(references, each.answers.completions[mode])
        for each in asked
        for mode in MODES
    }

    def mode_of(each: Asked, mode: str) -> Mode:
        scores, texts = rouges[each.name, mode], each.answers.completions[mode]
        return Mode(
            mode=mode,
            rouge_1=boot.mean(scores["rouge1"]),
            rouge_2=boot.mean(scores["rouge2"]),
            rouge_l=boot.mean(scores["rougeL"]),
            distinct_1=distinct(texts, 1),
            distinct_2=distinct(texts, 2),
            words=sum(len(text.split()) for text in texts) / len(texts),
        )

    def system_of(each: Asked, kind: str) -> System:
        answers = each.answers
        return System(
            name=each.name,
            checkpoint=each.checkpoint,
            kind=kind,
            baseline=each.baseline,
            base=each.base,
            validation_bits_per_character=of_choice.ratio(_bits(answers.validation_nats), choice_characters),
            bits_per_character=boot.ratio(_bits(answers.nats), characters),
            perplexity=math.exp(math.fsum(answers.nats) / sum(answers.tokens)),
            tokens=sum(answers.tokens),
            next_word_top_1=boot.mean(hits(answers.words, wanted, 1)),
            next_word_top_3=boot.mean(hits(answers.words, wanted, _TOP)),
            modes=tuple(mode_of(each, mode) for mode in MODES) if answers.completions else (),
            epochs=each.epochs,
        )

    systems = tuple(system_of(each, each.name.partition("/")[0]) for each in asked)
    best = min(range(len(asked)), key=lambda at: systems[at].validation_bits_per_character.value)
    behind = _behind(asked, asked[best], characters, boot)
    baseline = system_of(_of_unigram(unigram, of), UNIGRAM)
    return CompletionComparison(
        corpus=corpus,
        settings=settings,
        characters=int(sum(characters)),
        systems=systems,
        unigram=baseline,
        best=asked[best].name,
        best_checkpoint=asked[best].checkpoint,
        behind=behind,
        verdict=_verdict(systems[best], baseline, behind, settings),
        examples=_examples(halves, {each.name: each.answers.completions for each in asked}),
        passed_over=tuple(passed_over),
    )


def _bits(nats: Sequence[float]) -> list[float]:
    return [each / math.log(2) for each in nats]


def _of_unigram(unigram: Unigram, of: Samples) -> Asked:
    references, chosen_by = ([after for _, after in halves] for halves in (of.test, of.validation))
    answers = Answers(
        validation_nats=unigram.nats(chosen_by),
        nats=unigram.nats(references),
        tokens=unigram.tokens(references),
        completions={},
        words=[unigram.next_words(_TOP)] * len(references),
    )
    return Asked(UNIGRAM, "", True, None, (), answers)


def _behind(asked: Sequence[Asked], best: Asked, characters: Sequence[float], boot: Bootstrap) -> tuple[Behind, ...]:
    """The other models, those with the fewest bits first. The intervals hold for all of them at once (Bonferroni's
    correction); that the best is among them was decided on other tweets.
    """
    others = [each for each in asked if each is not best]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(others))
    found = []
    for each in others:
        bits = boot.difference(_bits(each.answers.nats), _bits(best.answers.nats), characters, confidence)
        found.append(Behind(name=each.name, bits=bits, apart=bits.low > 0 or bits.high < 0))
    return tuple(sorted(found, key=lambda one: one.bits.value))


def _verdict(best: System, unigram: System, behind: Sequence[Behind], settings: Settings) -> str:
    """What a person reads first."""
    chosen, bits = best.validation_bits_per_character, best.bits_per_character
    frequency = unigram.validation_bits_per_character
    what = " as it was released, without any training on the corpus," if best.baseline else ""
    said = [
        f"{best.name}{what} predicts tweets best: it is chosen for the fewest bits per character of what follows,"
        f" {chosen.value:.3f}, on {settings.validation_tweets:,} validation tweets. On {settings.tweets:,} test tweets"
        f" it needs {bits.value:.3f} ({bits.low:.3f} to {bits.high:.3f})."
    ]
    if frequency.value <= chosen.value:
        said.append(f"Yet guessing by frequency alone needs no more, {frequency.value:.3f}: it has not learned enough.")
    ahead = [one for one in behind if one.apart and one.bits.value < 0]
    clear = [one for one in behind if one.apart and one.bits.value > 0]
    close = [one for one in behind if not one.apart]
    if clear:
        said.append(f"{_needs(clear)}: beyond chance, by a paired bootstrap over these tweets.")
    if close:
        said.append(f"{_needs(close)}: so little that chance explains it, and these tweets can't tell the two apart.")
    if ahead:
        said.append(f"{_needs(ahead)}, beyond chance; but test tweets choose no model, and more validation tweets may.")
    return " ".join(said)


def _needs(others: Sequence[Behind]) -> str:
    """How many bits more or fewer than the best each of them needs, with the interval."""
    said = []
    for one in others:
        less = one.bits.value < 0
        low, high = (-one.bits.high, -one.bits.low) if less else (one.bits.low, one.bits.high)
        said.append(
            f"{one.name} needs {abs(one.bits.value):.3f} {'fewer' if less else 'more'} ({low:.3f} to {high:.3f})"
        )
    return "; ".join(said)


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
