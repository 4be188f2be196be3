"""The comparison: the same tweets for all, figures by hand, the verdict, the report."""

import io
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdf
import pytest

pytest.importorskip("torch")
pytest.importorskip("rouge_score")
pytest.importorskip("matplotlib")

from assets.tweets import bpe, comparing, report
from assets.tweets.comparing import Answers, Asked, Samples
from assets.tweets.comparison_document import CompletionComparison, Settings
from assets.tweets.prefixes import cut
from assets.tweets.unigram import Unigram
from resources.errors import BadInput

pytestmark = pytest.mark.train
CREATED = datetime(2026, 1, 2, tzinfo=UTC)
EPOCHS = ({"epoch": 1.0, "loss": 3.0, "val_loss": 3.1, "val_perplexity": 22.2, "val_rouge_l": 0.05, "lr": 0.1},)


def settings(count: int) -> Settings:
    return Settings(
        tweets=count, validation_tweets=30, seed=0, share=0.75, extra_words=3, temperature=0.8, top_p=0.9,
        sampling_seed=0,
    )  # fmt: skip


def answers(of: Samples, bits: float, texts: list[str], words: list[str], validation: float | None = None) -> Answers:
    """Each continuation at `bits` per character (of validation tweets at others), in tokens of two characters."""
    halves = of.test
    return Answers(
        validation_nats=[len(after) * (validation or bits) * math.log(2) for _, after in of.validation],
        nats=[len(after) * bits * math.log(2) for _, after in halves],
        tokens=[max(1, len(after) // 2) for _, after in halves],
        completions={"greedy": texts, "sampling": [text[::-1] for text in texts]},
        words=[words] * len(halves),
    )


@pytest.fixture(scope="module")
def samples(corpus: Any) -> Samples:
    of = comparing.samples(corpus.texts, corpus.splits, 50, seed=0)
    return Samples(of.test, of.validation[:30])


@pytest.fixture(scope="module")
def unigram(corpus: Any, tokenizer_json: bytes) -> Unigram:
    train = [text for text, split in zip(corpus.texts, corpus.splits, strict=True) if split == 0]
    return Unigram(bpe.load(tokenizer_json), train)


@pytest.fixture(scope="module")
def made(samples: Samples, unigram: Unigram) -> CompletionComparison:
    right = [after for _, after in samples.test]
    asked = [
        Asked("lstm/a", "a" * 64, False, None, EPOCHS, answers(samples, 2.0, [" xyzzy qwfp"] * 50, ["x", "y", "z"])),
        Asked("transformer/b", "b" * 64, True, "gpt", (), answers(samples, 3.0, right, ["x"])),
        Asked("transformer/c", "c" * 64, False, "gpt", EPOCHS, answers(samples, 1.5, right, [])),
    ]
    return comparing.compared(
        samples, asked, unigram, corpus="d" * 64, settings=settings(50), passed_over=["lstm/old: gone"]
    )


def test_samples_are_of_test_and_validation_and_follow_from_their_seed(corpus: Any) -> None:
    one, same, other = (comparing.samples(corpus.texts, corpus.splits, 60, seed) for seed in (1, 1, 2))
    assert one == same
    assert one.test != other.test
    less, whole = (comparing.samples(corpus.texts, corpus.splits, count, 1) for count in (30, 10_000))
    parts = ((2, one.test, less.test, whole.test), (1, one.validation, less.validation, whole.validation))
    for part, some, fewer, every in parts:
        texts = {text for text, split in zip(corpus.texts, corpus.splits, strict=True) if split == part}
        assert {before + after for before, after in some} <= texts
        assert some[:30] == fewer  # a smaller sample is its beginning
        assert len(every) == sum(cut(text) is not None for text in texts)
    for lacking, name in ((2, "test"), (1, "validation")):
        with pytest.raises(BadInput, match=f"for {name}"):
            comparing.samples(corpus.texts, [0 if split == lacking else split for split in corpus.splits], 5, 1)


def test_figures_by_hand(made: CompletionComparison, samples: Samples) -> None:
    halves = samples.test
    lstm, plain, best = made.systems
    assert made.characters == sum(len(after) for _, after in halves)
    assert [one.bits_per_character.value for one in made.systems] == pytest.approx([2.0, 3.0, 1.5])
    assert plain.validation_bits_per_character.value == pytest.approx(3.0)
    nats = sum(len(after) * 2.0 * math.log(2) for _, after in halves)
    assert lstm.perplexity == pytest.approx(math.exp(nats / lstm.tokens))
    assert lstm.modes[0].rouge_l.value == 0.0
    greedy, backwards = best.modes
    full = sum(any(char.isascii() and char.isalnum() for char in after) for _, after in halves) / len(halves)
    assert greedy.rouge_l.value == pytest.approx(full)  # of texts without a letter ROUGE finds nothing
    assert backwards.rouge_l.value < 0.2  # reversed letters are hardly ever the same words
    assert greedy.words == pytest.approx(sum(len(after.split()) for _, after in halves) / 50)
    assert lstm.next_word_top_1.value == 0.0


def test_the_verdict_names_the_best_and_how_sure_that_is(made: CompletionComparison) -> None:
    assert (made.best, made.best_checkpoint) == ("transformer/c", "c" * 64)
    assert [(one.name, one.apart) for one in made.behind] == [("lstm/a", True), ("transformer/b", True)]
    assert made.behind[0].bits.value == pytest.approx(0.5)
    assert made.verdict.startswith("transformer/c predicts tweets best: it is chosen for the fewest bits per character")
    assert "on 30 validation tweets. On 50 test tweets it needs 1.500 (1.500 to 1.500)." in made.verdict
    assert "lstm/a needs 0.500 more (0.500 to 0.500)" in made.verdict
    assert "frequency" not in made.verdict
    assert "beyond chance" in made.verdict


def test_models_that_chance_may_tell_apart_are_said_to_be_close(samples: Samples, unigram: Unigram) -> None:
    one = answers(samples, 2.0, [" x"] * 50, [])
    other = one.model_copy(update={"nats": [n * (1.3 if at % 2 else 0.71) for at, n in enumerate(one.nats)]})
    asked = [Asked("lstm/a", "a", False, None, (), one), Asked("transformer/b", "b", False, None, (), other)]
    made = comparing.compared(samples, asked, unigram, corpus="d", settings=settings(50))
    assert not made.behind[0].apart
    assert "chance explains it" in made.verdict


def test_the_best_is_chosen_on_validation_whatever_the_test_tweets_say(samples: Samples, unigram: Unigram) -> None:
    asked = [
        Asked("lstm/a", "a", False, None, (), answers(samples, 1.5, [" x"] * 50, [], validation=2.5)),
        Asked("transformer/b", "b", False, None, (), answers(samples, 2.0, [" x"] * 50, [], validation=1.75)),
    ]
    made = comparing.compared(samples, asked, unigram, corpus="d", settings=settings(50))
    assert (made.best, made.best_checkpoint) == ("transformer/b", "b")
    [other] = made.behind
    assert (other.name, other.apart) == ("lstm/a", True)
    assert other.bits.value == pytest.approx(-0.5)
    assert "1.750, on 30 validation tweets" in made.verdict
    assert "frequency" not in made.verdict
    assert "lstm/a needs 0.500 fewer (0.500 to 0.500), beyond chance; but test tweets choose no model" in made.verdict


def test_a_best_model_that_is_no_better_than_guessing_by_frequency_is_said_to_be_so(
    samples: Samples, unigram: Unigram
) -> None:
    asked = [
        Asked(name, "a", False, None, (), answers(samples, 9.0, [" x"] * 50, []))
        for name in ("lstm/a", "transformer/b")
    ]
    made = comparing.compared(samples, asked, unigram, corpus="d", settings=settings(50))
    assert made.unigram.validation_bits_per_character.value < 9
    assert "Yet guessing by frequency alone needs no more" in made.verdict


def test_a_unigram_model_is_a_distribution(unigram: Unigram, tokenizer_json: bytes) -> None:
    tokenizer = bpe.load(tokenizer_json)
    shares = [math.exp(-float(nats)) for nats in unigram._nats]
    assert sum(shares) == pytest.approx(1.0)
    assert shares[bpe.END] == 0.0
    [ids] = bpe.encode(tokenizer, [" so it is"])
    assert unigram.nats([" so it is"])[0] == pytest.approx(-sum(math.log(shares[token]) for token in ids))
    assert unigram.tokens([" so it is"]) == [len(ids)]


def test_frequent_words_are_the_most_frequent_ones(tokenizer_json: bytes) -> None:
    made = Unigram(bpe.load(tokenizer_json), ["x is a b", "y is a c", "z is d", "x"])
    assert made.next_words(3) == ["is", "a", "b"]


def test_the_report_has_it_all(made: CompletionComparison, cache: Path) -> None:
    done = report.made(made, cache, CREATED)
    pictures = {"bits_per_character.png", "rouge_l.png", "next_word.png"}
    curves = {"curves_lstm_a.png", "curves_transformer_c.png"}  # what was not trained has no curves
    assert set(done.files) == {"comparison.md", "comparison.pdf", *pictures, *curves}
    text = " ".join(
        "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(done.files["comparison.pdf"])).pages).split()
    )
    markdown = done.files["comparison.md"].decode()
    assert "1.500 [1.500, 1.500]" in text
    assert "lstm/old: gone" in text
    assert "not comparable" in text
    squeezed = text.replace(" ", "")
    for number, example in enumerate(made.examples, start=1):
        assert f"{number}. {example.prompt}".replace(" ", "") in squeezed
        assert f"**{number}. " in markdown
    assert len(made.examples) == 20
    assert markdown.count("| model | greedy | sampling |") == 20
    assert all(f"]({name})" in markdown for name in pictures | curves)
    assert all(len(picture) < 100_000 for picture in done.inline().values())
    assert report.made(made, cache, CREATED).files == done.files


def test_a_report_says_which_kind_of_transformer_is_lacking(made: CompletionComparison) -> None:
    def said(*at: int) -> str:
        return " ".join(report._facts(made.model_copy(update={"systems": tuple(made.systems[i] for i in at)})))

    assert "No transformer" not in said(0, 1, 2)
    assert "No transformer is compared as it was released" in said(0, 2)
    assert "No transformer is compared after fine-tuning" in said(0, 1)


def test_answers_come_back_from_where_they_are_kept(samples: Samples) -> None:
    given = answers(samples, 2.0, [" x"] * 50, ["y"])
    assert Answers.model_validate_json(given.model_dump_json()) == given
