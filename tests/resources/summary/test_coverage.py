from collections.abc import Callable

import pytest

from resources.speech.documents import Transcript
from resources.summary.chapters import Stretch, stretches
from resources.summary.coverage import at_time, ends, left_out, quarters
from resources.summary.documents import Bullet
from resources.summary.extractive import Chooser
from resources.summary.sentences import Sentence, sentences
from resources.summary.similarity import ByWords
from resources.summary.vocabulary import Vocabulary

Spoken = Callable[..., Transcript]
MUST = "Please hand in your essays to the office by Friday."


def made(transcript: Transcript) -> tuple[list[Sentence], Vocabulary, list[Stretch], Chooser]:
    said = sentences(transcript)
    vocabulary = Vocabulary(transcript.language)
    similarity = ByWords(said, vocabulary)
    chapters = stretches(said, similarity, transcript.language)
    return said, vocabulary, chapters, Chooser(said, vocabulary, similarity, chapters)


def added_to(transcript: Transcript, told: list[Bullet]) -> list[Sentence]:
    said, vocabulary, chapters, chooser = made(transcript)
    return [said[index] for index in left_out(said, vocabulary, chapters, chooser, told)]


def test_a_summary_of_the_beginning_only_gets_the_rest(talked: Callable[..., Transcript]) -> None:
    transcript = talked("en", 60)
    said, _, chapters, _ = made(transcript)
    told = [Bullet(time_s=sentence.start_s, text=sentence.text) for sentence in said[:10]]
    times = [bullet.time_s for bullet in told]
    assert quarters(times, said) == [10, 0, 0, 0]
    assert ends(times, said[0].start_s, said[-1].end_s) == (True, False)
    added = added_to(transcript, told)
    times += [sentence.start_s for sentence in added]
    assert min(quarters(times, said)) >= 1
    assert ends(times, said[0].start_s, said[-1].end_s) == (True, True)
    held = {at_time(said, time_s) for time_s in times}
    assert all(held & set(range(chapter.first, chapter.last)) for chapter in chapters)


def test_what_is_represented_gets_nothing_added(talked: Callable[..., Transcript]) -> None:
    transcript = talked("en", 20)
    said = made(transcript)[0]
    assert added_to(transcript, [Bullet(time_s=one.start_s, text=one.text) for one in said[::5]]) == []


@pytest.mark.parametrize(
    ("telling", "added"), [("The lecture ends.", True), ("Essays are due by Friday at the office.", False)]
)
def test_what_must_be_done_is_added_unless_it_is_told(
    talked: Callable[..., Transcript], telling: str, added: bool
) -> None:
    transcript = talked("en", 20, MUST)
    said = made(transcript)[0]
    told = [Bullet(time_s=one.start_s, text=one.text) for one in said[::5]]
    told.append(Bullet(time_s=said[-1].start_s, text=telling))
    assert (MUST in [sentence.text for sentence in added_to(transcript, told)]) is added


def test_one_sentence_and_none(spoken: Spoken) -> None:
    assert [sentence.text for sentence in added_to(spoken("Bridges carry loads."), [])] == ["Bridges carry loads."]
    assert left_out([], Vocabulary("en"), [], made(spoken("A word."))[3], []) == []
