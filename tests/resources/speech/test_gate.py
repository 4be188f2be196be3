"""What is left out and what is not, on words as a recogniser gives them."""

import pytest

from resources.speech.cutting import Heard
from resources.speech.gate import REASONS, loops, sift, suspicious
from resources.speech.phrases import COURTESIES, CREDITS, key


def _said(text: str, start_s: float = 0.0, step_s: float = 0.4, **figures: float) -> list[Heard]:
    known = {"probability": 0.9, "avg_logprob": -0.3, "no_speech_prob": 0.05, "compression_ratio": 1.4} | figures
    return [
        Heard(start_s + i * step_s, start_s + (i + 0.8) * step_s, f" {word}", **known)
        for i, word in enumerate(text.split())
    ]


def _speech(start_s: float, end_s: float) -> float:
    return 1.0


def _silence(start_s: float, end_s: float) -> float:
    return 0.0


def _kept(*passages: list[Heard], voiced=_speech, spaced: bool = True) -> str:
    return "".join(word.text for word in sift(passages, spaced, voiced).kept).strip()


def _reasons(*passages: list[Heard], voiced=_speech, spaced: bool = True) -> list[str]:
    reasons = [item.reason for item in sift(passages, spaced, voiced).dropped]
    assert set(reasons) <= set(REASONS)
    return reasons


LECTURE = "The deck spreads the load. The hangers lift it, and the cable carries it to the towers."


def test_healthy_speech_stays_and_is_not_decoded_again() -> None:
    assert _kept(_said(LECTURE)) == LECTURE
    assert suspicious([_said(LECTURE)], True, _speech) == ()


@pytest.mark.parametrize(
    ("figures", "signs"),
    [
        ({"compression_ratio": 2.5}, ("repetitive",)),
        ({"avg_logprob": -1.1, "probability": 0.4}, ("improbable",)),
        ({"no_speech_prob": 0.99}, ()),
    ],
    ids=["repetitive", "improbable", "no-speech-alone"],
)
def test_one_sign_is_reason_to_decode_again_but_not_to_leave_words_out(figures, signs) -> None:
    passage = _said(LECTURE, **figures)
    assert suspicious([passage], True, _speech) == signs
    assert _kept(passage) == LECTURE, "a low probability alone is printed grey"


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"no_speech_prob": 0.7, "avg_logprob": -1.2}, "not_speech"),
        ({"avg_logprob": -1.5, "probability": 0.2}, "hopeless"),
    ],
)
def test_what_the_model_itself_does_not_believe_is_left_out(figures, reason: str) -> None:
    invented = _said("I don't think I can do that, you know.", 20, **figures)
    assert _reasons(_said(LECTURE), invented) == [reason]
    assert _kept(_said(LECTURE), invented) == LECTURE


@pytest.mark.parametrize("phrase", ["Thank you.", "Thanks for watching!", "Продолжение следует...", "Vielen Dank."])
def test_a_courtesy_needs_a_second_sign_against_it(phrase: str) -> None:
    assert _kept(_said(LECTURE), _said(phrase, 20)) == f"{LECTURE} {phrase}"
    assert _reasons(_said(phrase, 20, probability=0.45)) == ["stock_phrase"]
    assert _reasons(_said(phrase, 20, no_speech_prob=0.9)) == ["stock_phrase"]
    assert _reasons(_said(phrase, 20), voiced=_silence) == ["stock_phrase"]


@pytest.mark.parametrize("credit", ["Субтитры сделал DimaTorzok", "Subtitles by the Amara.org community"])
def test_the_credits_of_subtitlers_are_never_speech(credit: str) -> None:
    assert _kept(_said(LECTURE), _said(credit, 20, probability=0.99)) == LECTURE


@pytest.mark.parametrize(
    "sentence",
    [
        "Thank you so much for watching, and we will see you in the next video.",
        "Спасибо за просмотр и до новых встреч!",
    ],
    ids=["english", "russian"],
)
def test_stock_phrases_in_a_row_are_one(sentence: str) -> None:
    assert _kept(_said(LECTURE), _said(sentence, 20, probability=0.45)) == LECTURE
    assert sentence in _kept(_said(LECTURE), _said(sentence, 20, probability=0.9))


@pytest.mark.parametrize(
    "sentence",
    [
        "Thank you for watching the children while I was away.",
        "He said that Субтитры сделал DimaTorzok appears in silence.",
        "Спасибо за просмотр этой главы вместе со мной.",
    ],
)
def test_a_sentence_that_contains_a_stock_phrase_is_speech(sentence: str) -> None:
    assert _kept(_said(sentence, probability=0.45, no_speech_prob=0.9)) == sentence


def test_phrases_compare_without_case_and_punctuation() -> None:
    assert key("Ещё,  раз — «СПАСИБО»!") == "ещеразспасибо".replace("ё", "е")
    assert COURTESIES.isdisjoint(CREDITS)
    assert "" not in COURTESIES | CREDITS


@pytest.mark.parametrize(
    ("phrase", "times"),
    [("no", 8), ("of course", 6), ("I see it", 5), ("We will go to the next slide.", 4), ("и так далее", 5)],
)
def test_a_loop_keeps_its_first_round(phrase: str, times: int) -> None:
    enough, fewer = (_said(" ".join([phrase] * count)) for count in (times, times - 1))
    assert _kept(enough) == phrase
    assert set(_reasons(enough)) == {"loop"}
    assert loops(fewer) == []


def test_a_loop_is_found_across_segments_and_the_words_around_it_stay() -> None:
    line = "And then we have the next one."
    around = [
        _said("First of all, welcome.", 0),
        *(_said(line, 10 * i) for i in range(1, 6)),
        _said("Goodbye now.", 70),
    ]
    assert _kept(*around) == f"First of all, welcome. {line} Goodbye now."


def test_few_distinct_words_and_endless_words_are_loops() -> None:
    assert _reasons(_said("one two three one three two two one three " * 4)) == ["loop"]
    assert _reasons(_said("Well, " + "a" * 200)) == ["loop"]
    refrain = "row row row your boat gently down the stream merrily merrily merrily merrily life is but a dream "
    assert _reasons(_said(refrain * 3)) == [], "three rounds are sung"


@pytest.mark.parametrize(("step_s", "reasons"), [(0.15, []), (0.1, ["rate"])])
def test_nobody_speaks_ten_words_a_second(step_s: float, reasons: list[str]) -> None:
    assert _reasons(_said("This is a sentence that is much too fast.", step_s=step_s)) == reasons


def test_letters_count_where_there_are_no_blanks() -> None:
    fast = [
        Heard(i * 0.1, i * 0.1 + 0.08, letter, 0.9, -0.3, 0.05, 1.4)
        for i, letter in enumerate("請不要忘記明天早上開會")
    ]
    assert _reasons(fast, spaced=False) == [], "ten characters a second are fast, and spoken"


def test_improbable_words_without_sound_are_left_out() -> None:
    quiet = _said("Nobody has said this.", probability=0.4)
    assert _reasons(quiet, voiced=_silence) == ["unheard"]
    assert _reasons(quiet) == []
    assert _reasons(_said(". . . !")) == ["no_words"]


def test_what_was_left_out_tells_when_and_what() -> None:
    (dropped,) = sift([_said(LECTURE), _said("Thank you.", 20, probability=0.2)], True, _speech).dropped
    assert (dropped.text, dropped.start_s, dropped.end_s) == ("Thank you.", 20, pytest.approx(20.72))
    assert sift([], True, _speech).trust == 0
    assert sift([_said("Two words", probability=0.5)], True, _speech).trust == pytest.approx(1.0)
