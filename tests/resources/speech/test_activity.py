"""Where speech is: the real net on real sound once, and what follows from its figures on figures made here."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.speech.activity import (
    FRAME,
    covered,
    heard_speech,
    kept,
    parts,
    probabilities,
    stretches,
    voiced,
)
from resources.speech.windows import RATE, WINDOW_S, Span

SECOND = RATE / FRAME


def _nothing() -> None:
    return None


def _figures(*levels: tuple[float, float]) -> np.ndarray:
    """Seconds and the probability during them."""
    return np.concatenate([np.full(round(s * SECOND), round(p * 255), np.uint8) for s, p in levels])


def _seconds(spans: list[Span]) -> list[tuple[float, float]]:
    return [(round(span.start / RATE, 1), round(span.end / RATE, 1)) for span in spans]


def test_silence_noise_and_music_are_no_speech(samples, music) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 20 * RATE)
    for sound in (np.zeros(20 * RATE), noise, music(20)):
        found = probabilities(samples(sound), _nothing)
        assert len(found) == 20 * RATE / FRAME
        assert stretches(found, 0.3, 0, len(sound)) == []


def test_speech_is_found_alike_within_and_across_blocks(samples, spoken_sound: np.ndarray) -> None:
    shift = 290 * RATE // FRAME * FRAME  # the first block ends within the speech
    alone = probabilities(samples(spoken_sound), _nothing)
    later = probabilities(samples(np.concatenate([np.zeros(shift), spoken_sound])), _nothing)[shift // FRAME :]
    there, shifted = (stretches(found, 0.5, 0, len(spoken_sound)) for found in (alone, later))
    assert sum(span.seconds for span in there) > 15
    assert _seconds(there) == _seconds(shifted)
    border = round(10 * SECOND)
    difference = np.abs(alone.astype(int) - later)[border - 30 : border + 30]
    assert difference.max() < 0.1 * 255, "the net's memory is warm where a block begins"


def test_speech_goes_on_through_a_dip_and_is_padded() -> None:
    found = _figures((5, 0.01), (2, 0.9), (1, 0.4), (2, 0.9), (5, 0.01), (3, 0.34), (5, 0.0))
    total = len(found) * FRAME
    assert _seconds(stretches(found, 0.5, 0, total)) == [(4.6, 10.4)]
    assert _seconds(stretches(found, 0.3, 0, total)) == [(4.6, 10.4), (14.5, 18.4)]
    inside, wanted = kept(found, stretches(found, 0.5, 0, total), 0)
    assert inside / wanted == pytest.approx(5 / 8, abs=0.01)


def test_words_cover_the_speech_and_not_the_silence_around_it() -> None:
    found = _figures((5, 0.01), (10, 0.9), (5, 0.01))
    spans = stretches(found, 0.5, 0, len(found) * FRAME)
    under, spoken = covered(found, spans, [(5.2, 9.8)], 0.5, 0)
    assert under / spoken == pytest.approx(0.5, abs=0.02)
    assert covered(found, spans, [(5.0, 15.0)], 0.5, 0) == (spoken, spoken)
    share = heard_speech(found)
    assert (share(6, 7), share(0, 4)) == (1, 0)
    assert share(4, 6) == pytest.approx(0.5, abs=0.03)
    assert share(1000, 1001) == 0


def test_a_recording_is_cut_where_it_is_quietest() -> None:
    found = _figures((50, 0.9), (3, 0.01), (4, 0.9), (2, 0.2), (60, 0.9), (80, 0.0))
    cut = parts(found, 60)
    assert [first for first, _ in cut[1:]] == [behind for _, behind in cut[:-1]]
    assert (cut[0][0], cut[-1][1]) == (0, len(found))
    assert cut[0][1] / SECOND == pytest.approx(51, abs=1.5)
    assert parts(found, 1000) == [(0, len(found))]


figures = st.lists(st.tuples(st.floats(0.05, 40), st.sampled_from([0.0, 0.2, 0.31, 0.45, 0.6, 1.0])), min_size=1)


@settings(max_examples=60, deadline=None)
@given(figures, st.floats(0.05, 3), st.sampled_from([0.3, 0.5]), st.integers(0, FRAME - 1))
def test_whatever_the_figures_stretches_keep_their_rules(levels, window_min, threshold, missing) -> None:
    found = _figures(*levels)
    if len(found) == 0:
        return
    total = len(found) * FRAME - missing
    cut = parts(found, window_min * 60)
    assert [first for first, _ in cut] == [0, *(behind for _, behind in cut[:-1])]
    assert cut[-1][1] == len(found)
    assert all(0 < behind - first <= max(2, window_min * 60 * SECOND) for first, behind in cut)
    spans = [span for first, behind in cut for span in stretches(found[first:behind], threshold, first, total)]
    assert all(0 <= span.start < span.end <= total and span.seconds <= WINDOW_S for span in spans)
    assert all(earlier.end <= later.start for earlier, later in pairwise(spans))
    heard = np.zeros(total, dtype=bool)
    for span in spans:
        heard[span.start : span.end] = True
    spoken = np.concatenate([voiced(found[first:behind], threshold) for first, behind in cut])
    assert heard[np.repeat(spoken, FRAME)[:total]].all(), "all speech is listened to"
