import time
from collections.abc import Callable

import pytest

from resources.speech.documents import Transcript
from resources.summary.chapters import Stretch, stretches
from resources.summary.extractive import Chooser, parts
from resources.summary.length import bullets_for, points_for, terms_for
from resources.summary.sentences import Sentence, sentences
from resources.summary.similarity import ByWords
from resources.summary.vocabulary import Vocabulary

Spoken = Callable[..., Transcript]
LECTURES = [("tides_en", "en"), ("bread_ru", "ru")]


def chooser_of(transcript: Transcript) -> tuple[list[Sentence], list[Stretch], Chooser]:
    said = sentences(transcript)
    vocabulary = Vocabulary(transcript.language)
    vocabulary.learn(sentence.text for sentence in said)
    similarity = ByWords(said, vocabulary)
    chapters = stretches(said, similarity, transcript.language)
    return said, chapters, Chooser(said, vocabulary, similarity, chapters)


def summary_of(transcript: Transcript, wanted: int | None = None) -> tuple[list[Sentence], list[Sentence]]:
    said, _, chooser = chooser_of(transcript)
    return said, [said[index] for index in chooser.bullets(wanted or bullets_for(transcript.duration_s))]


def quarters(said: list[Sentence], chosen: list[Sentence]) -> set[int]:
    part_of = dict(zip((sentence.position for sentence in said), parts(said, 4), strict=True))
    return {part_of[sentence.position] for sentence in chosen}


@pytest.mark.parametrize("punctuated", [True, False])
@pytest.mark.parametrize(("name", "language"), LECTURES)
def test_beginning_middle_and_end_are_quoted_in_order(
    spoken: Spoken, lecture: Callable[[str], str], name: str, language: str, punctuated: bool
) -> None:
    transcript = spoken(lecture(name), language, punctuated=punctuated)
    said, chosen = summary_of(transcript)
    assert len(chosen) == bullets_for(transcript.duration_s)
    assert quarters(said, chosen) == {0, 1, 2, 3}
    assert [sentence.start_s for sentence in chosen] == sorted(sentence.start_s for sentence in chosen)
    assert all(sentence.text in transcript.text for sentence in chosen)


@pytest.mark.parametrize(("name", "language"), LECTURES)
def test_greetings_questions_and_asides_are_no_points(
    spoken: Spoken, lecture: Callable[[str], str], name: str, language: str
) -> None:
    _, chosen = summary_of(spoken(lecture(name), language))
    text = " ".join(sentence.text for sentence in chosen)
    for aside in (
        "Good afternoon",
        "colleague",
        "read the chapter",
        "Goodbye",
        "Добрый день",
        "бабушка",
        "Спасибо",
        "?",
    ):
        assert aside not in text


def test_the_subjects_of_the_lecture_are_in_its_summary(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    said, chapters, chooser = chooser_of(spoken(lecture("tides_en")))
    chosen = chooser.bullets(6) + [index for chapter in chapters for index in chooser.points(chapter)]
    text = " ".join(said[index].text for index in chosen)
    for subject in ("tidal force", "Moon", "spring tide", "Fundy"):
        assert subject in text


def test_what_is_said_twice_is_quoted_once(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    text = lecture("tides_en")
    _, chosen = summary_of(spoken(f"{text} {text}"), wanted=12)
    quoted = [sentence.text for sentence in chosen]
    assert len(set(quoted)) == len(quoted)


def test_the_same_transcript_has_the_same_summary(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    transcript = spoken(lecture("bread_ru"), "ru")
    assert summary_of(transcript) == summary_of(transcript)


@pytest.mark.parametrize("text", ["One sentence and nothing else.", "Word", "и", "12 34."])
def test_a_single_sentence_is_its_own_summary(spoken: Spoken, text: str) -> None:
    _, chosen = summary_of(spoken(text))
    assert [sentence.text for sentence in chosen] == [text]


def test_every_chapter_has_a_bullet_and_points_that_say_more(talked: Callable[..., Transcript]) -> None:
    _, chapters, chooser = chooser_of(talked("en", 60))
    bullets = chooser.bullets(bullets_for(3600))
    assert len(chapters) >= 5
    for chapter in chapters:
        inside = set(range(chapter.first, chapter.last))
        points = chooser.points(chapter)
        assert inside & set(bullets)
        assert 2 <= len(points) <= 5  # what length.py promises of a chapter
        assert set(points) <= inside - set(bullets)


@pytest.mark.parametrize(
    ("language", "ending"),
    [
        ("en", "Remember: the exam is on the fourteenth of May in room two hundred and twelve."),
        ("en", "Please hand in your essays to the office by Friday."),
        ("ru", "Запомните: экзамен будет четырнадцатого мая в двести двенадцатой аудитории."),
        ("ru", "К следующему разу прочитайте третью главу учебника."),
    ],
)
def test_what_must_be_remembered_is_chosen_though_it_stands_alone(
    talked: Callable[..., Transcript], language: str, ending: str
) -> None:
    said, chapters, chooser = chooser_of(talked(language, 20, ending))
    chosen = chooser.bullets(bullets_for(1200)) + chooser.points(chapters[-1])
    assert ending in [said[index].text for index in chosen]


@pytest.mark.parametrize("language", ["ka", "zh", "de", "xx"])
def test_languages_without_lists_or_blanks_are_summarized(spoken: Spoken, language: str) -> None:
    text = "მთვარე იზიდავს წყალს. 月球 的 引力 使 海水 上升。 Der Mond zieht das Wasser an. " * 12
    said, chosen = summary_of(spoken(text, language), wanted=4)
    assert len(chosen) >= 1
    assert chosen[0].position < said[-1].position


def test_three_hours_take_less_than_fifteen_seconds(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    words = lecture("tides_en").split()
    # Real sentences, but no two the same: every eleventh word is one of a thousand others.
    long = [f"term{index % 1009}" if index % 11 == 5 else words[index % len(words)] for index in range(30_000)]
    transcript = spoken(" ".join(long))
    started = time.process_time()
    said, chosen = summary_of(transcript)
    assert time.process_time() - started < 15  # the promise, for one core; it takes about two
    assert len(chosen) == bullets_for(transcript.duration_s)
    assert quarters(said, chosen) == {0, 1, 2, 3}


def test_longer_recordings_get_longer_summaries() -> None:
    assert [bullets_for(minutes * 60) for minutes in (0, 2, 10, 60, 180)] == [3, 5, 8, 16, 26]
    assert [terms_for(minutes * 60) for minutes in (0, 2, 10, 60, 180)] == [8, 8, 11, 15, 15]
    assert [points_for(minutes * 60) for minutes in (0, 2, 5, 10, 60)] == [2, 2, 3, 5, 5]
