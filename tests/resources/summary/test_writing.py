"""The map and the reduce, with a writer whose answers are given by rule: what is asked, kept, judged and merged."""

import logging
import re
from collections.abc import Callable, Sequence

import pytest

from resources.speech.documents import Transcript
from resources.summary.chapters import Stretch, stretches
from resources.summary.sentences import sentences
from resources.summary.similarity import ByWords
from resources.summary.support import Support
from resources.summary.vocabulary import Vocabulary
from resources.summary.writer import Answer, WriterFailed
from resources.summary.writing import Written, cut, write

Spoken = Callable[..., Transcript]
LOG = logging.getLogger(__name__)


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("room", [7, 50, 400, 10_000])
def test_parts_hold_every_sentence_and_no_more_than_fits(
    spoken: Spoken, lecture: Callable[[str], str], room: int
) -> None:
    said = sentences(spoken(lecture("tides_en")))
    half = len(said) // 2
    chapters = [Stretch(0, half, 100.0), Stretch(half, len(said), 100.0)]
    parts = cut(said, chapters, words, room)
    assert all(words(part.text) <= room for part in parts)
    together = " ".join(part.text for part in parts)
    position = 0
    for word in " ".join(sentence.text for sentence in said).split():  # all there, in order
        position = together.index(word, position)
    assert {index for part in parts for index in range(part.first, part.last)} == set(range(len(said)))
    assert {part.chapter for part in parts} == {0, 1}
    assert all(part.last <= half for part in parts if part.chapter == 0)  # a part ends where its chapter does
    if room == 10_000:
        assert len(parts) == 2
        spoken_again = sum(words(part.text) for part in parts) - sum(sentence.words for sentence in said)
        assert 0 < spoken_again <= 0.05 * room  # a part begins with the end of the one before


def test_a_paragraph_without_blanks_is_cut_to_what_fits(spoken: Spoken) -> None:
    text = "月亮的引力使海水上升" * 100
    said = sentences(spoken(text, "zh"))
    parts = cut(said, [Stretch(0, len(said), 100.0)], len, 300)
    assert all(len(part.text) <= 300 for part in parts)
    assert sum(part.text.count("月") for part in parts) >= 100


class Kept(dict[str, bytes]):
    """Answers in memory, with the scratch's two methods."""

    def put(self, name: str, content: bytes) -> None:
        self[name] = content


class Copying:
    """Answers with sentences of what it is given, `batch` requests at a time; `spoil` may change an answer."""

    name, where, instructed = "copying", "this test", True

    def __init__(self, room: int = 600, batch: int = 3, spoil: Callable[[str, str], str] = lambda _, a: a) -> None:
        self.room, self.batch, self._spoil = room, batch, spoil
        self.asked: list[str] = []
        self.dies_after = 10**6

    def count(self, text: str) -> int:
        return len(text.split())

    def frame(self, request: str) -> str:
        return request

    def ask(self, requests: Sequence[str], longest: int, *, again: bool = False) -> list[Answer]:
        assert len(requests) <= self.batch
        if len(self.asked) + len(requests) > self.dies_after:
            raise KeyboardInterrupt
        self.asked += requests
        return [Answer(self._spoil(request, self._answer(request)), False) for request in requests]

    def _answer(self, request: str) -> str:
        text = request.split("\n\n", 1)[1]
        count = int(re.search(r"(?:list the|into the) (\d+)", request)[1])  # type: ignore[index]
        if text.startswith("- "):
            return "\n".join(text.splitlines()[:count])
        said = re.split(r"(?<=[.])\s+", text)
        chosen = said[-1 :: -max(1, len(said) // count)][:count]
        return "\n".join(["Title: Nothing of the kind", *(f"- {sentence}" for sentence in reversed(chosen))])


def written(transcript: Transcript, writer: Copying, kept: Kept | None = None, wanted: int = 12) -> Written:
    said = sentences(transcript)
    vocabulary = Vocabulary(transcript.language)
    chapters = stretches(said, ByWords(said, vocabulary), transcript.language)
    support = Support(said, vocabulary)
    return write(said, chapters, support, writer, "English", wanted, LOG, kept)


def test_every_part_is_asked_for_once_and_both_requests_name_the_language(talked: Callable[..., Transcript]) -> None:
    writer = Copying()
    made = written(talked("en", 60), writer)
    maps = [request for request in writer.asked if request.startswith("Below is part")]
    reduces = [request for request in writer.asked if request.startswith("Below are notes")]
    assert [int(re.findall(r"part (\d+) of", request)[0]) for request in maps] == list(range(1, len(maps) + 1))
    assert reduces
    assert all(request.count("English") >= 2 for request in writer.asked)
    assert 4 <= len(made.bullets) <= 12  # 12 are wanted, and each of the four groups that are merged has one
    assert len(made.points) > len(made.bullets)
    assert (made.dropped, all(bullet.supported for bullet in made.bullets + made.points)) == ([], True)


def test_after_a_kill_only_what_is_missing_is_asked_for(talked: Callable[..., Transcript]) -> None:
    transcript = talked("en", 60)
    whole = written(transcript, Copying())
    kept, killed = Kept(), Copying()
    killed.dies_after = 7
    with pytest.raises(KeyboardInterrupt):
        written(transcript, killed, kept)
    again = Copying()
    assert written(transcript, again, kept) == whole
    assert not set(again.asked) & set(killed.asked)


def test_a_part_without_an_answer_is_an_error_that_names_it(talked: Callable[..., Transcript]) -> None:
    writer = Copying(spoil=lambda request, answer: "" if "part 4 of" in request else answer)
    with pytest.raises(WriterFailed, match=r"no points for part 4 of \d+ of the transcript"):
        written(talked("en", 30), writer)


def test_inventions_are_dropped_and_listed_and_are_never_merged(talked: Callable[..., Transcript]) -> None:
    lie = "The committee elected a chairwoman in Helsinki."

    def spoil(request: str, answer: str) -> str:
        return f"{answer.splitlines()[0]}\n- {lie}\n" + "\n".join(answer.splitlines()[2:])

    writer = Copying(spoil=spoil)
    made = written(talked("en", 30), writer)
    assert lie in [bullet.text for bullet in made.dropped]
    assert lie not in [bullet.text for bullet in made.bullets + made.points]
    assert not any(lie in request for request in writer.asked)


def test_a_part_about_which_everything_is_made_up_is_asked_for_again_and_left_out(
    talked: Callable[..., Transcript],
) -> None:
    def spoil(request: str, answer: str) -> str:
        return "- Elephants rehearse pantomime." if "part 2 of" in request else answer

    writer = Copying(spoil=spoil)
    made = written(talked("en", 30), writer)
    assert sum("part 2 of" in request for request in writer.asked) == 2
    assert [bullet.text for bullet in made.dropped] == ["Elephants rehearse pantomime."]


def test_where_merging_makes_things_up_the_points_themselves_stand(talked: Callable[..., Transcript]) -> None:
    def spoil(request: str, answer: str) -> str:
        return "- Elephants rehearse pantomime." if request.startswith("Below are notes") else answer

    made = written(talked("en", 60), Copying(spoil=spoil))
    assert 4 <= len(made.bullets) <= 12  # 12 are wanted, and each of the four groups that are merged has one
    assert {bullet.text for bullet in made.bullets} <= {bullet.text for bullet in made.points}
