"""Subtitles: cues that can be read in time, and two formats that read back."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.speech.documents import Transcript, Word
from resources.speech.subtitles import (
    LINE,
    LINES,
    LONGEST_S,
    SHORTEST_S,
    Cue,
    cues_of,
    read_srt,
    read_vtt,
    srt,
    vtt,
    width,
)

Worded = Callable[..., Transcript]


def _word(start_s: float, end_s: float, text: str) -> Word:
    return Word(start_s=start_s, end_s=end_s, text=text, probability=1)


@pytest.mark.parametrize("name", ["tides_en", "bread_ru"])
def test_a_lecture_reads_well(lecture: Callable[[str], str], spoken: Callable[..., Transcript], name: str) -> None:
    text = lecture(name)
    transcript = spoken(text, language=name[-2:])
    cues = cues_of(transcript)
    assert " ".join(" ".join(cue.lines) for cue in cues) == " ".join(transcript.text.split())
    assert all(len(cue.lines) <= LINES and all(width(line) <= LINE for line in cue.lines) for cue in cues)
    assert all(SHORTEST_S <= cue.end_s - cue.start_s <= LONGEST_S for cue in cues)
    assert all(earlier.end_s <= later.start_s for earlier, later in pairwise(cues))
    sentences = text.count(".") + text.count("?") + text.count("!")
    ending = sum(cue.lines[-1].endswith((".", "?", "!", "»")) for cue in cues)
    assert ending >= 0.7 * sentences, "most sentences end where a cue ends"


def test_a_cue_stays_long_enough_to_read_where_there_is_room(worded: Worded) -> None:
    (cue,) = cues_of(worded([_word(2, 2.2, "Incomprehensibilities")], duration_s=10))
    assert (cue.start_s, cue.end_s) == (2, pytest.approx(2 + 21 / 17, abs=0.001))
    (cue,) = cues_of(worded([_word(2, 2.2, "Incomprehensibilities")], duration_s=2.2))
    assert (cue.start_s, cue.end_s) == (1.2, 2.2)


def test_a_word_longer_than_a_line_is_divided(worded: Worded) -> None:
    address = "https://example.org/" + "x" * 100
    cues = cues_of(worded([_word(0, 6, address)], duration_s=10))
    assert "".join("".join(cue.lines) for cue in cues) == address
    assert all(width(line) <= LINE for cue in cues for line in cue.lines)


def test_wide_characters_fill_a_line_twice_as_fast(worded: Worded) -> None:
    words = [_word(i * 0.2, i * 0.2 + 0.2, "水") for i in range(100)]
    lines = [line for cue in cues_of(worded(words, language="ja")) for line in cue.lines]
    assert "".join(lines) == "水" * 100
    assert max(map(len, lines)) <= LINE / 2


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=60)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 9000), texts), max_size=60), st.sampled_from(["en", "zh"])
)
def test_whatever_the_transcript_cues_keep_their_rules_and_both_formats_read_back(
    worded: Worded, said: list[tuple[int, int, str]], language: str
) -> None:
    words, now = [], 0
    for pause, length, text in said:
        words.append(_word((now + pause) / 1000, (now + pause + length) / 1000, text))
        now += pause + length
    duration_s = max(now / 1000, 1.0)
    cues = cues_of(worded(words, language=language, duration_s=duration_s))
    separator = " " if language == "en" else ""
    written = separator.join(separator.join(cue.lines) for cue in cues).replace(" ", "")
    assert written.replace("-->", "->") == "".join(word.text for word in words).replace(" ", "").replace("-->", "->")
    assert all(0 <= cue.start_s < cue.end_s <= duration_s for cue in cues)
    assert all(cue.end_s - cue.start_s <= LONGEST_S + 0.001 for cue in cues)
    assert all(earlier.end_s <= later.start_s for earlier, later in pairwise(cues))
    assert all(len(cue.lines) <= LINES and all(width(line) <= LINE for line in cue.lines) for cue in cues)
    assert read_vtt(vtt(cues)) == cues
    assert read_srt(srt(cues)) == cues


@pytest.mark.parametrize("texts", [("A", "-->", "B"), ("A", "--", ">B")])
def test_what_players_take_for_times_is_in_no_cue(worded: Worded, texts: tuple[str, ...]) -> None:
    words = [_word(number, number + 1, text) for number, text in enumerate(texts)]
    cues = cues_of(worded(words, language="zh", duration_s=5.0))
    assert [cue.lines for cue in cues] == [("A->B",)]
    assert read_srt(srt(cues)) == read_vtt(vtt(cues)) == cues


def test_the_formats_are_written_as_players_expect_them() -> None:
    cues = [Cue(3661.5, 3663.25, ("Ice & <water>", "-- melt.")), Cue(3664, 3665, ("Да.",))]
    assert srt(cues) == (
        "1\n01:01:01,500 --> 01:01:03,250\nIce & <water>\n-- melt.\n\n2\n01:01:04,000 --> 01:01:05,000\nДа.\n"
    )
    assert vtt(cues) == (
        "WEBVTT\n\n01:01:01.500 --> 01:01:03.250\nIce &amp; &lt;water&gt;\n-- melt.\n"
        "\n01:01:04.000 --> 01:01:05.000\nДа.\n"
    )


@pytest.mark.parametrize(
    "text", ["1\nnonsense\nHello\n", "1\n00:00:01,000 --> 00:00:02,000\n", "1\n00:00:01 --> 00:00:02\nHi\n"]
)
def test_what_is_no_subtitle_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no subtitle cue"):
        read_srt(text)
    with pytest.raises(ValueError, match="begins with WEBVTT"):
        read_vtt(text)
