from collections.abc import Callable

import pytest

from resources.speech.documents import Transcript
from resources.summary.chapters import Stretch, stretches
from resources.summary.sentences import sentences
from resources.summary.similarity import ByWords
from resources.summary.titles import clean, titles
from resources.summary.vocabulary import Vocabulary

Spoken = Callable[..., Transcript]
Talk = Callable[..., tuple[str, list[int]]]


def titles_of(transcript: Transcript, *proposed: str) -> list[str]:
    said = sentences(transcript)
    vocabulary = Vocabulary(transcript.language)
    return titles(said, stretches(said, ByWords(said, vocabulary), transcript.language), vocabulary, proposed)


@pytest.mark.parametrize(("language", "joint"), [("en", " and "), ("ru", " и ")])
def test_titles_are_made_of_the_chapters_own_words_and_differ(
    spoken: Spoken, talk: Talk, language: str, joint: str
) -> None:
    text, _ = talk(language, [5, 7, 4, 6])
    found = titles_of(spoken(text, language))
    assert len({title.casefold() for title in found}) == len(found) >= 4
    assert all(title[0].isupper() and joint in title and len(title) <= 60 for title in found)


def test_a_lecture_is_named_after_its_subject(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    together = " ".join(titles_of(spoken(lecture("tides_en"))) + titles_of(spoken(lecture("bread_ru"), "ru")))
    for subject in ("idal", "дрожжи"):
        assert subject in together.lower()


def test_without_words_that_are_said_twice_the_first_words_are_the_title(spoken: Spoken) -> None:
    assert titles_of(spoken("Whoever climbs here sees far.")) == ["Whoever climbs here sees far"]
    long = "Whoever climbs the narrow wooden staircase behind this lighthouse sees seven islands, four ports, one reef."
    [title] = titles_of(spoken(long))
    assert title == "Whoever climbs the narrow wooden staircase behind this…"


def test_many_chapters_about_the_same_have_titles_of_their_own(spoken: Spoken) -> None:
    said = sentences(spoken("The tide turns. The tide falls. " * 6))
    chapters = [Stretch(at, at + 4, 5.0) for at in range(0, 12, 4)]
    found = titles(said, chapters, Vocabulary("en"))
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("proposed", "taken"),
    [("The pull of the Moon", True), ("Railways of Argentina", False), ("Moon railways", False), ("", False)],
)
def test_a_models_title_is_taken_if_the_chapter_says_so(
    spoken: Spoken, lecture: Callable[[str], str], proposed: str, taken: bool
) -> None:
    said = sentences(spoken(lecture("tides_en")))
    [title] = titles(said, [Stretch(0, len(said), 300.0)], Vocabulary("en"), [proposed])
    assert (title == proposed) is taken
    assert title


@pytest.mark.parametrize(
    ("written", "expected"),
    [('**"Tides."**', "Tides"), ("«Приливы»", "Приливы"), ("x", ""), ("word " * 20, ""), ("`a_b` and c:", "ab and c")],
)
def test_a_models_title_is_cleaned(written: str, expected: str) -> None:
    assert clean(written) == expected


def test_where_nothing_but_full_stops_is_said_there_is_a_title(spoken: Spoken) -> None:
    said = sentences(spoken("... ... ..."))
    assert titles(said, [Stretch(0, len(said), 1.0)], Vocabulary("en")) == ["…"]


def test_full_stops_at_the_end_of_a_chapter_are_no_title(spoken: Spoken) -> None:
    said = sentences(spoken("So. ... So. ... So. ..."))
    assert [sentence.text for sentence in said] == ["So.", "..."] * 3
    chapters = [Stretch(at, at + 2, 1.0) for at in (0, 2, 4)]
    assert titles(said, chapters, Vocabulary("en")) == ["So", "So (2)", "So (3)"]
