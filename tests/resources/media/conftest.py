"""Small recordings made for a test with PyAV: tones, drawn slides, and what goes wrong with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, FPS = 320, 180, 10
TOPICS = ("load", "wind", "cable", "tower", "rock")


@dataclass(frozen=True)
class Tone:
    """One audio track. `gap` leaves out these seconds and goes on with later timestamps."""

    hertz: float = 440.0
    seconds: float = 4.0
    start: float = 0.0
    gap: tuple[float, float] | None = None
    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    level: float = 0.5
    disposition: str = ""


@dataclass(frozen=True)
class Video:
    """One video track: `picture(seconds)` is shown at each moment."""

    picture: Callable[[float], Image.Image]
    seconds: float
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = ()
    pixel_shape: Fraction | None = None


def _sound(container: Any, stream: Any, tone: Tone) -> None:
    step = tone.rate // 10
    channels = stream.codec_context.channels
    for first in range(0, round(tone.seconds * tone.rate), step):
        at = first / tone.rate
        if tone.gap and tone.gap[0] <= at < tone.gap[1]:
            continue
        ticks = np.arange(first, min(first + step, round(tone.seconds * tone.rate)))
        wave = (np.sin(2 * np.pi * tone.hertz * ticks / tone.rate) * tone.level * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, channels)[None], format="s16", layout=tone.layout)
        frame.sample_rate, frame.time_base = tone.rate, Fraction(1, tone.rate)
        frame.pts = first + round(tone.start * tone.rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _pictures(container: Any, stream: Any, video: Video) -> None:
    for tick in range(round(video.seconds * FPS)):
        frame = av.VideoFrame.from_image(video.picture(tick / FPS))
        frame.pts, frame.time_base = tick, Fraction(1, FPS)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """`make("name.mp4", Tone(…), Video(…), title="…")` writes a recording and returns its path."""

    def write(
        name: str, *tracks: Tone | Video, format: str | None = None, options: dict[str, str] | None = None, **tags: str
    ) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            short = {"m4a": "mp4", "mkv": "matroska", "ts": "mpegts", "wma": "asf", "aac": "adts"}
            kind = format or short.get(path.suffix[1:], path.suffix[1:])
            with av.open(file, "w", format=kind, options=options or {}) as container:
                container.metadata.update(tags)
                streams = []
                for track in tracks:
                    if isinstance(track, Tone):
                        stream = container.add_stream(track.codec, rate=track.rate, layout=track.layout)
                        if track.codec == "wmav2":  # it has no default
                            stream.bit_rate = 64_000
                        if track.disposition:
                            stream.disposition = getattr(av.stream.Disposition, track.disposition)
                    else:
                        stream = container.add_stream(track.codec, rate=FPS, options=dict(track.options))
                        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, track.pix_fmt
                        if track.pixel_shape:
                            stream.codec_context.sample_aspect_ratio = track.pixel_shape
                    streams.append(stream)
                for track, stream in zip(tracks, streams, strict=True):
                    (_sound if isinstance(track, Tone) else _pictures)(container, stream, track)
        return path

    return write


@pytest.fixture
def tone() -> type[Tone]:
    return Tone


@pytest.fixture
def video() -> type[Video]:
    return Video


@pytest.fixture(scope="session")
def drawn() -> list[Image.Image]:
    """Five slides of one design with other words and bars on each."""
    slides = []
    rng = np.random.default_rng(7)
    for number in range(5):
        image = Image.new("RGB", (WIDTH, HEIGHT), "#fbfcfe")
        draw = ImageDraw.Draw(image)
        draw.text((14, 10), f"Part {number}: {TOPICS[number]}", "#102030", _font(22))
        for line in range(4):
            words = "".join(chr(97 + int(letter)) for letter in rng.integers(0, 26, 12))
            draw.text((20, 50 + 28 * line), words, "#203040", _font(16))
        for bar, height in enumerate(rng.integers(20, 110, 4)):
            draw.rectangle([190 + 30 * bar, 165 - int(height), 210 + 30 * bar, 165], "#c04030")
        slides.append(image)
    return slides


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


@pytest.fixture(scope="session")
def shown_at(drawn: list[Image.Image]) -> Callable[[Sequence[float], float], Image.Image]:
    """The slide that is shown at a moment, if slide i begins at `starts[i]`."""

    def show(starts: Sequence[float], at: float) -> Image.Image:
        return drawn[sum(at >= start for start in starts) - 1]

    return show


@pytest.fixture
def decoded() -> Callable[[Path], np.ndarray]:
    """All samples of a mono FLAC file, int16."""

    def read(path: Path) -> np.ndarray:
        with av.open(str(path)) as container:
            assert container.format.name == "flac"
            stream = container.streams.audio[0]
            assert (stream.rate, stream.layout.name, stream.format.name) == (16_000, "mono", "s16")
            return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])

    return read
