from collections.abc import Callable

import pytest

from resources.speech.documents import Transcript
from resources.summary.documents import KeyTerm
from resources.summary.key_terms import key_terms
from resources.summary.sentences import sentences
from resources.summary.vocabulary import Vocabulary

Spoken = Callable[..., Transcript]


def terms_of(transcript: Transcript, wanted: int = 10) -> list[KeyTerm]:
    return key_terms(sentences(transcript), Vocabulary(transcript.language), wanted)


def test_phrases_and_words_of_an_english_lecture(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    terms = [term.term for term in terms_of(spoken(lecture("tides_en")))]
    assert len(terms) == 10
    assert {"tide", "Moon", "spring tide", "tidal force", "tidal bulge"} <= set(terms)
    assert not {"today", "the tide", "question", "thing"} & set(terms)


def test_phrases_and_words_of_a_russian_lecture(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    terms = [term.term for term in terms_of(spoken(lecture("bread_ru"), "ru"))]
    assert {"дрожжи", "клейковина", "хлеб", "тесто", "кристаллы крахмала"} <= set(terms)


def test_inflected_forms_are_one_term_shown_as_it_is_said_most(spoken: Spoken) -> None:
    text = "Нейронная сеть учится. Мы видим нейронную сеть. Слои есть в нейронной сети. Нейронная сеть растёт."
    found = {term.term.lower(): term for term in terms_of(spoken(text, "ru"))}
    assert len(found["нейронная сеть"].times_s) == 4


def test_names_keep_their_capital_and_words_lose_that_of_a_sentence_start(spoken: Spoken) -> None:
    text = "Gravity pulls. We know that Newton described gravity. Gravity follows the law of Newton, and DNA does not. "
    terms = {term.term for term in terms_of(spoken(text + "Copies of DNA carry on. Nobody asked Newton about DNA."))}
    assert {"gravity", "Newton", "DNA"} <= terms


def test_times_are_those_of_the_words_at_most_five_from_first_to_last(
    spoken: Spoken, lecture: Callable[[str], str]
) -> None:
    transcript = spoken(lecture("tides_en"))
    said = {word.start_s: word.text.strip(".,").casefold() for segment in transcript.segments for word in segment.words}
    for term in terms_of(transcript):
        assert 1 <= len(term.times_s) <= 5  # the promise: never a term without a time, at most five
        assert term.times_s == sorted(term.times_s)
        first = term.term.casefold().split()[0]
        assert all(said[time_s].startswith(first[:3]) for time_s in term.times_s)
    moon = next(term for term in terms_of(transcript) if term.term == "Moon")
    every = [time_s for time_s, word in said.items() if word == "moon"]
    assert (moon.times_s[0], moon.times_s[-1]) == (every[0], every[-1])


def test_a_word_known_only_from_a_listed_phrase_is_not_listed_again(spoken: Spoken) -> None:
    text = "The wind tunnel is ready. Every wind tunnel is loud. A wind tunnel needs power. A model stands in it."
    terms = [term.term for term in terms_of(spoken(text))]
    assert "wind tunnel" in terms
    assert not {"wind", "tunnel"} & set(terms)


@pytest.mark.parametrize(
    ("text", "expected"), [("Bridges carry loads.", True), ("And so it is.", False), ("12", False)]
)
def test_very_short_transcripts(spoken: Spoken, text: str, expected: bool) -> None:
    assert bool(terms_of(spoken(text))) is expected


def test_what_a_recogniser_makes_up_of_one_word_is_no_term(spoken: Spoken) -> None:
    transcript = spoken(f"The bridge is {'la' * 150}. Nobody knows {'la' * 150}. A bridge is a bridge.")
    assert terms_of(transcript)[0].term == "bridge"
    assert all(len(term.term) < 100 for term in terms_of(transcript))


def test_nothing_said_has_no_terms() -> None:
    assert key_terms([], Vocabulary("en"), 8) == []


def test_chinese_terms_are_whole_words(spoken: Spoken) -> None:
    text = "今天 我们 讨论 潮汐。 潮汐 由 月球 引起。 月球 的 引力 使 潮汐 上升。 引力 来自 月球。"
    terms = [term.term for term in terms_of(spoken(text, "zh"))]
    assert "月球" in terms


def test_words_of_scripts_with_vowel_signs_stay_whole(spoken: Spoken) -> None:
    text = "समुद्र की लहरें चंद्रमा के कारण उठती हैं। चंद्रमा समुद्र का पानी खींचता है। समुद्र में ज्वार आता है। "
    terms = {term.term for term in terms_of(spoken(text * 3, "hi"))}
    assert {"चंद्रमा", "समुद्र"} & {word for term in terms for word in term.split()}
    assert all(word in text.replace("।", " ").split() for term in terms for word in term.split())


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("ta", "தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("fr", "e\u0301tude de\u0301licate", ["e\u0301tude", "de\u0301licate"]),
        ("fa", "کتاب\u200cها را", ["کتاب\u200cها", "را"]),
        ("en", "don't re-use 3.5 l'été", ["don't", "re-use", "3", "5", "l'été"]),
        ("ja", "パソコンを使う", ["パソコン", "を", "使", "う"]),
    ],
)
def test_a_word_keeps_its_marks(language: str, text: str, words: list[str]) -> None:
    assert [token.surface for token in Vocabulary(language).tokens(text)] == words
