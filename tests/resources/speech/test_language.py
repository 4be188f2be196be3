"""Who votes, and the vote of the real `base` model."""

from pathlib import Path

import numpy as np
import pytest

from resources.errors import BadInput
from resources.speech.embedded import embedded_folder
from resources.speech.language import VOTERS, check_known, listen, spread, voters
from resources.speech.recogniser import load_model
from resources.speech.windows import RATE, Span, samples_of


def _spans(*times: tuple[float, float]) -> list[Span]:
    return [Span(round(start * RATE), round(end * RATE)) for start, end in times]


def test_the_fullest_window_of_each_third_votes() -> None:
    windows = _spans((0, 5), (10, 39), (50, 70), (80, 82), (90, 119), (200, 230), (300, 301), (400, 425), (500, 520))
    assert voters(windows, windows, 600 * RATE) == [windows[1], windows[5], windows[7]]


def test_stretches_vote_where_windows_are_few_and_the_sound_where_nobody_speaks() -> None:
    windows, stretches = _spans((0, 28)), _spans((0, 3), (4, 9), (10, 12), (13, 20), (21, 28))
    chosen = voters(windows, stretches, 30 * RATE)
    assert len(chosen) == VOTERS
    assert set(chosen) <= set(stretches)
    assert voters([], [], 100 * RATE) == _spans((0, 30), (60, 90), (90, 100))
    assert voters([], [], RATE) == _spans((0, 1))


def test_what_is_chosen_is_spread_over_the_recording() -> None:
    assert spread(range(10), 3) == [1, 5, 8]
    assert spread(range(2), 3) == [0, 1]


def test_the_majority_of_the_recording_wins_and_a_mixture_is_uncertain(
    repo: Path, cache: Path, tmp_path: Path, samples, spoken_sound: np.ndarray
) -> None:
    model = load_model(embedded_folder("base", cache), "cpu", 0)
    with samples_of(repo / "samples" / "lecture_ru.mp3", tmp_path) as found:
        russian = found.read(Span(0, 20 * RATE))
    mixed = samples(np.concatenate([spoken_sound, russian, russian]))
    spans = _spans((0, 20), (20, 40), (40, 60))
    assert listen(model, mixed, spans[1:]) == ("ru", pytest.approx(0.99, abs=0.03))
    language, probability = listen(model, mixed, spans)
    assert language == "ru", "an English introduction does not decide"
    assert probability < 0.7, "and the doubt shows"
    check_known(model, "base", "ru", "set")
    with pytest.raises(BadInput, match=r"does not know the language 'xx'.*Move the recording.*knows.* ru,"):
        check_known(model, "base", "xx", "folder")
