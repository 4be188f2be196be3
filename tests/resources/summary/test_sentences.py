from collections.abc import Callable

import pytest

from resources.speech.documents import Transcript
from resources.summary.sentences import sentences

Spoken = Callable[..., Transcript]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One ends. Two begins! Does three? Four.", ["One ends.", "Two begins!", "Does three?", "Four."]),
        ("He met Dr. Brown and J. S. Bach. They sang.", ["He met Dr. Brown and J. S. Bach.", "They sang."]),
        ("It cost 3.5 million, i.e. Too much. Nobody paid.", ["It cost 3.5 million, i.e. Too much.", "Nobody paid."]),
        ("It was printed in 1452. Then came books.", ["It was printed in 1452.", "Then came books."]),
        (
            "«Небо голубое.» Почему? См. рис. Два на стр. Пять.",
            ["«Небо голубое.»", "Почему?", "См. рис. Два на стр. Пять."],
        ),
        ("Well... that is it. Fine", ["Well... that is it.", "Fine"]),
    ],
)
def test_sentences_end_where_a_reader_sees_an_end(
    spoken: Spoken, text: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = spoken(text)
    # Without silence after a full stop, only the writing tells.
    monkeypatch.setattr("resources.summary.sentences._CLEAR_PAUSE_S", 9.0)
    assert [sentence.text for sentence in sentences(transcript)] == expected


def test_a_long_silence_ends_a_sentence_after_an_abbreviation(spoken: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.summary.sentences._CLEAR_PAUSE_S", 0.4)  # theirs last 0.5 s
    assert len(sentences(spoken("It weighs ten tons approx. Nobody lifts it."))) == 2


@pytest.mark.parametrize("punctuated", [True, False])
@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("name", ["tides_en", "bread_ru"])
def test_no_word_is_lost_and_times_run_forward(
    spoken: Spoken, lecture: Callable[[str], str], name: str, words: bool, punctuated: bool
) -> None:
    transcript = spoken(lecture(name), punctuated=punctuated, words=words)
    found = sentences(transcript)
    assert " ".join(sentence.text for sentence in found) == transcript.text
    assert [sentence.start_s for sentence in found] == sorted(sentence.start_s for sentence in found)
    assert all(sentence.start_s <= sentence.end_s <= transcript.duration_s for sentence in found)
    assert sum(sentence.words for sentence in found) == len(transcript.text.split())
    assert max(sentence.words for sentence in found) <= 60


def test_a_sentence_starts_when_its_first_word_is_said(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    transcript = spoken(lecture("tides_en"))
    starts = {word.start_s: word.text for segment in transcript.segments for word in segment.words}
    for sentence in sentences(transcript):
        assert starts[sentence.start_s] == sentence.text.split()[0]
        last = sentence.text.split()[-1]
        assert starts[sentence.time_at(len(sentence.text) - len(last))] == last


def test_text_without_punctuation_is_cut_at_silences(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    text = lecture("bread_ru")
    said = [sentence.text for sentence in sentences(spoken(text, punctuated=False))]
    assert "закваску нужно кормить мукой и водой каждый день иначе бактерии вытесняют дрожжи" in said
    assert max(len(piece.split()) for piece in said) <= 35


def test_an_hour_without_any_silence_or_mark_is_cut_all_the_same(spoken: Spoken) -> None:
    found = sentences(spoken(" ".join(f"word{number % 97}" for number in range(9000))))
    assert max(sentence.words for sentence in found) <= 35
    assert sum(sentence.words for sentence in found) == 9000


def test_chinese_is_cut_though_it_has_no_blanks(spoken: Spoken) -> None:
    transcript = spoken("今天 我们 讨论 潮汐。 月球 的 引力 使 海水 上升。 大家 明白 吗？", "zh")
    assert len(sentences(transcript)) == 3
