"""The sound of a recording on the recording's own clock, whatever it comes in and whatever is wrong with it."""

import logging
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resources.errors import BadInput, DiskFull
from resources.media.sound import RATE, Sound, extract

Make = Callable[..., Path]
LOG = logging.getLogger("test")


def pitch(samples: np.ndarray) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * RATE / len(samples))


def heard(samples: np.ndarray, start: float, end: float) -> bool:
    """Whether there is sound all the time between two moments; an AssertionError if only in parts."""
    part = np.abs(samples[round(start * RATE) : round(end * RATE)].astype(int))
    blocks = part[: len(part) // 800 * 800].reshape(-1, 800).max(1) > 500
    assert blocks.all() or not blocks.any()
    return bool(blocks.all())


@pytest.fixture
def run(tmp_path: Path, decoded: Callable[[Path], np.ndarray]) -> Callable[[Path], tuple[Sound, np.ndarray]]:
    def extracted(path: Path) -> tuple[Sound, np.ndarray]:
        sound = extract(path, tmp_path / "out.flac", LOG)
        samples = decoded(tmp_path / "out.flac")
        assert len(samples) == round(sound.duration_s * RATE)
        return sound, samples

    return extracted


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.m4a", "aac", 44_100, "stereo"),
        ("a.mp4", "aac", 48_000, "5.1"),
        ("a.mov", "alac", 48_000, "stereo"),
        ("a.3gp", "libopencore_amrnb", 8_000, "mono"),
        ("a.amr", "libopencore_amrnb", 8_000, "mono"),
        ("a.mp3", "libmp3lame", 44_100, "stereo"),
        ("a.aac", "aac", 32_000, "mono"),
        ("a.ac3", "ac3", 48_000, "stereo"),
        ("a.ogg", "libopus", 48_000, "mono"),
        ("a.opus", "libopus", 24_000, "stereo"),
        ("a.oga", "flac", 16_000, "mono"),
        ("a.webm", "libopus", 48_000, "stereo"),
        ("a.mkv", "pcm_s24le", 96_000, "stereo"),
        ("a.flac", "flac", 44_100, "3.0"),
        ("a.wav", "pcm_s16le", 11_025, "mono"),
        ("a.wav", "pcm_f32le", 22_050, "quad"),
        ("a.wav", "pcm_u8", 8_000, "mono"),
        ("a.aiff", "pcm_s16be", 44_100, "stereo"),
        ("a.caf", "pcm_s16le", 44_100, "stereo"),
        ("a.au", "pcm_mulaw", 8_000, "mono"),
        ("a.wma", "wmav2", 44_100, "stereo"),
        ("a.avi", "libmp3lame", 44_100, "stereo"),
        ("a.ts", "mp2", 48_000, "stereo"),
        ("a.wav", "adpcm_ima_wav", 22_050, "mono"),
    ],
)
def test_containers_and_codecs(make: Make, run: Any, tone: Any, name: str, codec: str, rate: int, layout: str) -> None:
    sound, samples = run(make(name, tone(codec=codec, rate=rate, layout=layout, seconds=4)))
    assert sound.duration_s == pytest.approx(4, abs=0.15)
    assert sound.expected_s == pytest.approx(sound.duration_s, abs=0.15)
    assert sound.lost_s < 0.15
    assert sound.damaged_packets == 0
    assert pitch(samples[RATE : 3 * RATE]) == pytest.approx(440, abs=2)
    assert heard(samples, 0.2, 3.8)


def test_same_input_same_bytes(repo: Path, tmp_path: Path) -> None:
    digests = set()
    for name in ("first.flac", "second.flac"):
        extract(repo / "samples/lecture.mp4", tmp_path / name, LOG)
        digests.add(sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_best_stream(make: Make, run: Any, tone: Any) -> None:
    comment = tone(300, layout="stereo", disposition="comment")
    _, samples = run(make("two.mkv", comment, tone(600, layout="mono"), tone(900, layout="stereo")))
    assert pitch(samples[RATE : 3 * RATE]) == pytest.approx(900, abs=2)
    _, samples = run(make("default.mkv", tone(600, layout="mono", disposition="default"), tone(900)))
    assert pitch(samples[RATE : 3 * RATE]) == pytest.approx(600, abs=2)


def test_late_sound_keeps_its_time(make: Make, run: Any, tone: Any, video: Any, drawn: Any) -> None:
    path = make("late.mp4", video(lambda _: drawn[0], 6), tone(start=2, seconds=4))
    sound, samples = run(path)
    assert sound.duration_s == pytest.approx(6, abs=0.15)
    assert sound.silence_s == pytest.approx(2, abs=0.1)
    assert not heard(samples, 0, 1.9)
    assert heard(samples, 2.1, 5.9)
    assert sound.lost_s < 0.15


def test_clock_starts_at_the_first_timestamp(make: Make, run: Any, tone: Any, video: Any, drawn: Any) -> None:
    """A transport stream's clock may start anywhere: what counts is the file's own start."""
    path = make("tv.ts", video(lambda _: drawn[0], 4), tone(codec="mp2"), options={"output_ts_offset": "5000"})
    sound, samples = run(path)
    assert sound.duration_s == pytest.approx(4, abs=0.3)
    assert heard(samples, 0.3, 3.8)


@pytest.mark.parametrize("name", ["gap.mkv", "gap.mp4"])
def test_gap_becomes_silence(make: Make, run: Any, tone: Any, name: str) -> None:
    sound, samples = run(make(name, tone(gap=(2, 5), seconds=8)))
    assert sound.duration_s == pytest.approx(8, abs=0.15)
    assert sound.silence_s == pytest.approx(3, abs=0.15)
    assert sound.lost_s < 0.15, "a pause is no loss"
    assert heard(samples, 0.2, 1.9)
    assert not heard(samples, 2.1, 4.9)
    assert heard(samples, 5.1, 7.8)


def test_rate_changes_on_the_way(make: Make, run: Any, tone: Any, tmp_path: Path) -> None:
    first = make("first.aac", tone(440, rate=48_000, layout="stereo", seconds=3)).read_bytes()
    second = make("second.aac", tone(880, rate=24_000, layout="mono", seconds=3)).read_bytes()
    (tmp_path / "both.aac").write_bytes(first + second)
    sound, samples = run(tmp_path / "both.aac")
    assert sound.duration_s == pytest.approx(6, abs=0.3)
    assert pitch(samples[RATE : 2 * RATE]) == pytest.approx(440, abs=3)
    assert pitch(samples[4 * RATE : 5 * RATE]) == pytest.approx(880, abs=3)


def test_clock_that_starts_anew(make: Make, run: Any, tone: Any, tmp_path: Path) -> None:
    part = make("part.ts", tone(codec="mp2", seconds=5)).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    sound, samples = run(tmp_path / "joined.ts")
    assert sound.duration_s == pytest.approx(10, abs=0.3)
    assert heard(samples, 0.3, 4.5)
    assert heard(samples, 5.5, 9.5)


@pytest.mark.parametrize("fill", ["zeros", "noise"])
def test_damaged_half_is_counted_as_lost(make: Make, run: Any, tone: Any, fill: str) -> None:
    path = make("half.mp4", tone(seconds=20))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    middle, end = start + (content.index(b"moov") - 4 - start) // 2, content.index(b"moov") - 4
    noise = np.random.default_rng(3).integers(0, 256, end - middle, dtype=np.uint8).tobytes()
    content[middle:end] = bytes(end - middle) if fill == "zeros" else noise
    path.write_bytes(content)
    sound, samples = run(path)
    assert sound.expected_s == pytest.approx(20, abs=0.1)
    assert sound.damaged_packets > 50
    assert sound.lost_s > 5
    assert heard(samples, 0.2, 9)


def test_hole_in_the_middle_keeps_later_times(make: Make, run: Any, tone: Any) -> None:
    path = make("hole.mp4", tone(seconds=20))
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    hole = slice(start + (end - start) * 2 // 5, start + (end - start) * 3 // 5)
    content[hole] = bytes(hole.stop - hole.start)
    path.write_bytes(content)
    sound, samples = run(path)
    assert sound.duration_s == pytest.approx(20, abs=0.1)
    assert sound.lost_s == pytest.approx(4, abs=0.5)
    assert not heard(samples, 8.3, 11.7)
    assert heard(samples, 12.3, 19.8)


def test_mp3_cut_off_is_lost_sound(make: Make, run: Any, tone: Any) -> None:
    """An MP3 has no size field, but a table of contents that tells its length."""
    path = make("half.mp3", tone(codec="libmp3lame", seconds=20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sound, _ = run(path)
    assert sound.container_s == pytest.approx(20, abs=0.2)
    assert sound.lost_s == pytest.approx(10, abs=0.5)


def test_nothing_can_be_decoded(make: Make, tone: Any, tmp_path: Path) -> None:
    path = make("dead.mp4", tone(seconds=5))
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r'Nothing of the sound of "dead.mp4" can be decoded'):
        extract(path, tmp_path / "out.flac", LOG)


def test_a_fifth_of_a_second(make: Make, run: Any, tone: Any) -> None:
    sound, _ = run(make("short.wav", tone(codec="pcm_s16le", seconds=0.2)))
    assert sound.duration_s == pytest.approx(0.2, abs=0.01)


@pytest.mark.root
def test_full_disk(repo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    try:
        with pytest.raises(DiskFull, match="The disk is full"):
            extract(repo / "samples/lecture.mp4", folder / "out.flac", LOG)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_memory_does_not_grow_with_length(make: Make, tone: Any, repo: Path, tmp_path: Path) -> None:
    code = (
        "import logging, resource, sys; from pathlib import Path; from resources.media.sound import extract\n"
        "extract(Path(sys.argv[1]), Path(sys.argv[2]), logging.getLogger())\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peak = {}
    for minutes in (1, 40):
        path = make(f"{minutes}.wav", tone(codec="pcm_s16le", rate=8_000, layout="mono", seconds=60 * minutes))
        command = [sys.executable, "-c", code, str(path), str(tmp_path / "out.flac")]
        peak[minutes] = int(subprocess.run(command, cwd=repo, check=True, capture_output=True, text=True).stdout)
    assert peak[40] - peak[1] < 20_000, f"kB at the peak: {peak}"
