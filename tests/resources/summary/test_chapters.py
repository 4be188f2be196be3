import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from resources.speech.documents import Transcript
from resources.summary.chapters import Stretch, stretches
from resources.summary.length import SHORTEST_CHAPTER_S, chapters_for
from resources.summary.sentences import Sentence, sentences
from resources.summary.similarity import ByWords
from resources.summary.vocabulary import Vocabulary

Spoken = Callable[..., Transcript]
Talk = Callable[..., tuple[str, list[int]]]


def chapters_of(transcript: Transcript) -> tuple[list[Sentence], list[Stretch]]:
    said = sentences(transcript)
    return said, stretches(said, ByWords(said, Vocabulary(transcript.language)), transcript.language)


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("minutes", [[5, 7, 4, 6], [3, 9, 5, 4, 8, 6]])
def test_chapters_start_where_the_subject_changes(
    spoken: Spoken, talk: Talk, language: str, minutes: list[float]
) -> None:
    text, starts = talk(language, minutes)
    _, found = chapters_of(spoken(text, language))
    firsts = [stretch.first for stretch in found]
    # A block of seventy words is some six sentences; a boundary off by half of one is felt by nobody.
    missed = [start for start in starts if min(abs(start - first) for first in firsts) > 3]
    assert not missed


def test_where_one_lecture_follows_another_a_chapter_starts(
    spoken: Spoken, lecture: Callable[[str], str], repo_text: Callable[[str], str]
) -> None:
    tides, bridge = lecture("tides_en"), repo_text("samples/lecture.txt")
    said, found = chapters_of(spoken(f"{tides} {bridge}"))
    opening = next(index for index, sentence in enumerate(said) if sentence.text.startswith("Today we look"))
    # One sentence of goodbye on the one side, one of greeting on the other.
    assert min(abs(stretch.first - opening) for stretch in found) <= 2


def test_a_long_pause_decides_between_gaps_that_are_alike(spoken: Spoken, talk: Talk) -> None:
    said = sentences(spoken(talk("en", [10])[0]))
    similarity = ByWords(said, Vocabulary("en"))

    def firsts(pause: int) -> list[int]:
        later = [replace(one, start_s=one.start_s + 8, end_s=one.end_s + 8) for one in said[pause:]]
        return [stretch.first for stretch in stretches([*said[:pause], *later], similarity, "en")]

    silent = [stretch.first for stretch in stretches(said, similarity, "en")]
    for pause in (35, 85, 95):  # places with room for a chapter on either side
        assert pause not in silent
        assert pause in firsts(pause)


@pytest.mark.parametrize(("minutes", "least", "most"), [(2, 1, 1), (10, 2, 4), (60, 8, 12), (180, 15, 24)])
def test_longer_recordings_have_more_chapters_and_none_is_short(
    talked: Callable[..., Transcript], spoken: Spoken, talk: Talk, minutes: int, least: int, most: int
) -> None:
    transcript = talked("en", minutes) if minutes >= 10 else spoken(talk("en", [minutes])[0])
    said, found = chapters_of(transcript)
    assert least <= len(found) <= most
    assert [stretch.first for stretch in found] == [0, *(stretch.last for stretch in found[:-1])]
    assert found[-1].last == len(said)
    if minutes > 2:
        assert min(stretch.speech_s for stretch in found) >= SHORTEST_CHAPTER_S - 1e-6


def test_nothing_said_has_no_chapters_and_one_word_has_one(spoken: Spoken) -> None:
    assert chapters_of(spoken(""))[1] == []
    assert [(stretch.first, stretch.last) for stretch in chapters_of(spoken("Word"))[1]] == [(0, 1)]


def test_time_grows_with_length_and_not_with_its_square(talked: Callable[..., Transcript]) -> None:
    took = []
    for minutes in (60, 240):
        said = sentences(talked("en", minutes))
        similarity = ByWords(said, Vocabulary("en"))
        started = time.process_time()
        stretches(said, similarity, "en")
        took.append(time.process_time() - started)
    assert took[1] < 8 * took[0]  # four times as long: 16 times the time if it grew with the square


def test_the_number_aimed_at() -> None:
    assert [chapters_for(minutes * 60) for minutes in (0, 2, 10, 60, 180)] == [1, 1, 3, 10, 20]
