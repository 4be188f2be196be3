import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from resources.errors import BadInput
from resources.speech.windows import MAX_SILENCE_S, RATE, WINDOW_S, Span, find_speech, group, samples_of, waveform


def _nothing() -> None:
    return None


def _wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_any_sound_becomes_16_khz_mono(repo: Path, tmp_path: Path) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(44100 * 2) / 44100)).astype(np.int16)
    with samples_of(_wav(tmp_path / "tone.wav", tone, 44100), tmp_path) as samples:
        assert samples.dtype == np.int16
        assert len(samples) == pytest.approx(2 * RATE, abs=20)
        sound = waveform(samples, Span(1000, 2000))
        assert sound.dtype == np.float32
        assert np.abs(sound).max() == pytest.approx(8000 / 32768, rel=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["tone.wav"], "nothing is left behind"
    with samples_of(repo / "samples" / "lecture.mp4", tmp_path) as samples:
        assert len(samples) / RATE == pytest.approx(114.4, abs=0.2)


@pytest.mark.parametrize("content", [b"", b"not a sound"], ids=["empty", "text"])
def test_what_is_no_sound_is_named(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(content)
    with pytest.raises(BadInput, match=r"broken\.flac.*export it anew"), samples_of(broken, tmp_path):
        pass


def test_silence_and_noise_hold_no_speech() -> None:
    noise = np.random.default_rng(0).normal(0, 300, 20 * RATE).astype(np.int16)
    assert find_speech(np.zeros(20 * RATE, np.int16), _nothing) == []
    assert find_speech(noise, _nothing) == []


def test_speech_is_found_across_blocks(repo: Path, tmp_path: Path) -> None:
    with samples_of(repo / "samples" / "lecture_ru.mp3", tmp_path) as samples:
        once = find_speech(samples, _nothing)
        long = np.tile(samples, 10)  # 11 minutes: two block ends, both within speech
    spans = find_speech(long, _nothing)
    assert all(earlier.end <= later.start for earlier, later in pairwise(spans))
    assert all(0 <= span.start < span.end <= len(long) and span.seconds <= WINDOW_S for span in spans)
    spoken = sum(span.seconds for span in once)
    assert spoken > 55
    assert sum(span.seconds for span in spans) == pytest.approx(10 * spoken, rel=0.01)


def test_neighbours_share_a_window_until_it_is_full_or_silence_is_long() -> None:
    spans = [
        Span(int(start * RATE), int(end * RATE)) for start, end in [(0, 9), (10, 19), (20, 29), (30, 39), (50, 51)]
    ]
    windows = group(spans)
    assert [(w.start / RATE, w.end / RATE) for w in windows] == [(0, 29), (30, 39), (50, 51)]
    near, far = Span(0, RATE), Span(int((1 + MAX_SILENCE_S) * RATE), int((2 + MAX_SILENCE_S) * RATE))
    assert len(group([near, far])) == 1
    assert len(group([near, Span(far.start + 1, far.end)])) == 2
    assert group([]) == []
