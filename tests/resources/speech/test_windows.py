import wave
from pathlib import Path

import numpy as np
import pytest

from resources.background import Stopped
from resources.errors import BadInput
from resources.speech.windows import MAX_SILENCE_S, RATE, Span, group, samples_of


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
        assert len(samples) == pytest.approx(2 * RATE, abs=20)
        sound = samples.read(Span(1000, 2000))
        assert (sound.dtype, len(sound)) == (np.float32, 1000)
        assert np.abs(sound).max() == pytest.approx(8000 / 32768, rel=0.02)
        assert len(samples.read(Span(len(samples) - 10, len(samples) + 10))) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["tone.wav"], "nothing is left behind"
    with samples_of(repo / "samples" / "lecture.mp4", tmp_path) as samples:
        assert len(samples) / RATE == pytest.approx(114.4, abs=0.2)


def test_what_is_read_is_what_was_recorded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-30000, 30000, 3 * RATE).astype(np.int16)
    with samples_of(_wav(tmp_path / "noise.wav", noise), tmp_path) as samples:
        assert np.array_equal(samples.read(Span(RATE, 2 * RATE)) * 32768, noise[RATE : 2 * RATE])


def test_decoding_can_be_stopped(repo: Path, tmp_path: Path) -> None:
    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped), samples_of(repo / "samples" / "lecture.mp4", tmp_path, stop):
        pass


@pytest.mark.parametrize("content", [b"", b"not a sound"], ids=["empty", "text"])
def test_what_is_no_sound_is_named(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(content)
    with pytest.raises(BadInput, match=r"broken\.flac.*export it anew"), samples_of(broken, tmp_path):
        pass


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
