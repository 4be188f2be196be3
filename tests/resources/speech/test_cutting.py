from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.speech.cutting import LONGEST_S, PAUSE_S, Heard, in_order, joined, segments_of


def _heard(text: str, start_s: float, end_s: float, **figures: float) -> Heard:
    known = {"probability": 0.9, "avg_logprob": -0.2, "no_speech_prob": 0.0, "compression_ratio": 1.5} | figures
    return Heard(start_s, end_s, text, **known)


def _said(text: str, step_s: float = 0.4) -> list[Heard]:
    return [_heard(f" {word}", i * step_s, (i + 0.8) * step_s) for i, word in enumerate(text.split())]


def _texts(heard: list[Heard], language: str = "en") -> list[str]:
    return [segment.text for segment in segments_of(heard, 1000.0, language)]


def test_sentences_become_segments() -> None:
    assert _texts(_said("Snow falls. Does it melt? It does! «Да.» End…")) == [
        "Snow falls.",
        "Does it melt?",
        "It does!",
        "«Да.»",
        "End…",
    ]


@pytest.mark.parametrize(
    "text", ["Вода, т. е. лёд, тает.", "Read J. Smith on ice.", "Use salt, e.g. sea salt, on ice."]
)
def test_a_full_stop_within_a_sentence_does_not_cut(text: str) -> None:
    assert _texts(_said(text)) == [text]


def test_a_pause_cuts_and_a_breath_does_not() -> None:
    first, second = _heard(" ice", 0, 1), _heard(" melts", 1 + PAUSE_S, 3)
    assert _texts([first, second]) == ["ice", "melts"]
    assert _texts([first, _heard(" melts", 1 + PAUSE_S / 2, 3)]) == ["ice melts"]


def test_speech_without_full_stops_is_cut_after_a_comma() -> None:
    words = [f"word{i}" for i in range(60)]
    words[28] += ","
    segments = segments_of(_said(" ".join(words)), 1000.0, "en")
    assert segments[0].text.endswith("word28,") or segments[1].text.endswith("word28,")
    assert all(segment.end_s - segment.start_s <= LONGEST_S for segment in segments)
    assert " ".join(segment.text for segment in segments) == " ".join(words)


def test_pieces_without_a_blank_belong_to_the_word_before() -> None:
    pieces = [_heard(" well", 0, 1, probability=1.0), _heard("-known", 1, 2, probability=0.5), _heard("%", 2, 2.1)]
    (word,) = joined(pieces)
    assert (word.text, word.start_s, word.end_s) == (" well-known%", 0, 2.1)
    assert word.probability == pytest.approx(0.8)


def test_languages_without_blanks_keep_their_pieces() -> None:
    pieces = [_heard("氷", 0, 1), _heard("は", 1, 2), _heard("水。", 2, 3), _heard("火", 3, 4)]
    assert _texts(pieces, "ja") == ["氷は水。", "火"]


def test_a_segment_across_windows_has_the_worst_figures() -> None:
    good = _heard(" one", 0, 1)
    bad = _heard(" two.", 1, 2, avg_logprob=-1.5, no_speech_prob=0.7, compression_ratio=3.0)
    (segment,) = segments_of([good, bad], 10.0, "en")
    assert (segment.avg_logprob, segment.no_speech_prob, segment.compression_ratio) == (-1.5, 0.7, 3.0)


def test_nothing_heard_is_no_segments() -> None:
    assert segments_of([], 10.0, "en") == []
    assert segments_of([_heard("  ", 0, 1)], 10.0, "en") == []


moments = st.floats(-5, 70, allow_nan=False)
words = st.builds(
    lambda start, length, text: _heard(text, start, start + length),
    moments,
    st.floats(-1, 5),
    st.sampled_from([" a", " b.", "c", " ", "", " d?", " E", "-", " «f».", "…"]),
)


@given(st.lists(words, max_size=60), st.floats(0, 60), st.sampled_from(["en", "ja"]))
def test_whatever_is_heard_times_are_in_order_and_no_word_is_lost(
    heard: list[Heard], duration_s: float, language: str
) -> None:
    segments = segments_of(heard, duration_s, language)
    said = [word for segment in segments for word in segment.words]
    assert all(0 <= word.start_s <= word.end_s <= duration_s for word in said)
    assert all(earlier.end_s <= later.start_s for earlier, later in pairwise(said))
    assert all(s.text.strip() and (s.start_s, s.end_s) == (s.words[0].start_s, s.words[-1].end_s) for s in segments)
    letters = "".join(word.text for word in heard).replace(" ", "")
    assert "".join(segment.text for segment in segments).replace(" ", "") == letters


def test_one_wrong_time_does_not_move_what_was_right() -> None:
    ordered = in_order([_heard(" a", 1, 2), _heard(" b", 1.5, 3), _heard(" c", 3, 4)], 10.0)
    assert [(word.start_s, word.end_s) for word in ordered] == [(1, 2), (2, 3), (3, 4)]
