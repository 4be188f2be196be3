"""Sound made in a test, as the recogniser's parts read it, and transcripts of the words a test wants."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resources.background import Handle
from resources.speech.decoding import Decoder
from resources.speech.documents import Segment, Transcript, Word
from resources.speech.embedded import embedded_folder
from resources.speech.ladder import Ladder
from resources.speech.models import ModelChoice
from resources.speech.recogniser import Recogniser, load_model
from resources.speech.windows import RATE, Samples, Span, samples_of


@pytest.fixture
def samples() -> Iterator[Callable[[np.ndarray], Samples]]:
    """`samples(sound)`: 16 kHz mono from floats between -1 and 1."""
    with ExitStack() as files:

        def make(sound: np.ndarray) -> Samples:
            file = files.enter_context(tempfile.TemporaryFile())
            file.write((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
            file.flush()
            return Samples(file.fileno(), len(sound))

        yield make


@pytest.fixture(scope="session")
def spoken_sound(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The first twenty seconds of the English sample: three sentences."""
    with samples_of(repo / "samples" / "lecture.mp4", tmp_path_factory.mktemp("sound")) as found:
        return found.read(Span(0, 20 * RATE))


@pytest.fixture(scope="session")
def music() -> Callable[[float], np.ndarray]:
    """`music(seconds)`: chords that fade, and a drum on each half second."""

    def play(seconds: float) -> np.ndarray:
        time = np.arange(round(seconds * RATE)) / RATE
        chord = sum(np.sin(2 * np.pi * f * h * time) / h for f in (220, 277, 330) for h in range(1, 6))
        drum = np.random.default_rng(0).normal(size=len(time)) * np.exp(-40 * (time % 0.5))
        return 0.08 * chord * np.exp(-3 * (time % 0.5)) + 0.1 * drum

    return play


class Kept(dict[str, bytes]):
    """Windows that were decoded, for a retry."""

    def put(self, name: str, content: bytes) -> None:
        self[name] = content


def everywhere(start_s: float, end_s: float) -> float:
    """Speech wherever one looks."""
    return 1.0


@pytest.fixture
def ladder(cache: Path) -> Ladder:
    """`tiny.en` on the CPU, two windows at once; each use loads it anew."""
    choice = ModelChoice("tiny.en", "embedded", "a package", "set by name")

    def load(device: str, compute_type: str, anew: bool) -> Recogniser:
        return Recogniser(load_model(embedded_folder("tiny.en", cache), "cpu", 0), choice, device, compute_type, "")

    return Ladder(load, "cpu", 2, False, print)


@pytest.fixture
def decoder(ladder: Ladder) -> Callable[[Samples, Handle], Decoder]:
    """`decoder(samples, handle)`: for English; speech is everywhere."""
    return lambda sound, handle: Decoder(ladder, sound, "en", True, everywhere, Kept(), "x", handle)


@pytest.fixture(scope="session")
def worded() -> Callable[..., Transcript]:
    """`worded([word, ...], ..., language="en", speakers=["A", ...], duration_s=9.0)`: a segment of each list of words;
    without a duration the recording ends with the last word."""

    def make(
        *segments: list[Word],
        language: str = "en",
        speakers: Sequence[str | None] = (),
        duration_s: float | None = None,
    ) -> Transcript:
        return Transcript(
            language=language,
            language_probability=0.98,
            duration_s=segments[-1][-1].end_s if duration_s is None else duration_s,
            segments=[
                Segment(
                    start_s=words[0].start_s,
                    end_s=words[-1].end_s,
                    text=" ".join(word.text for word in words),
                    words=words,
                    avg_logprob=-0.2,
                    no_speech_prob=0.0,
                    compression_ratio=1.5,
                    speaker=speaker,
                )
                for words, speaker in zip_longest(segments, speakers)
                if words
            ],
            model="tiny.en",
            model_source="package",
            device="cpu",
            compute_type="int8",
            reason="set by name",
            settings={},
        )

    return make


@pytest.fixture(scope="session")
def said(worded: Callable[..., Transcript]) -> Callable[..., Transcript]:
    """`said((0.0, "It begins."), (2.8, "So?"), **options)`: sentences that start at the given second, half a second a
    word; the options are those of `worded`."""

    def make(*sentences: tuple[float, str], **options: Any) -> Transcript:
        segments = [
            [
                Word(start_s=start_s + n / 2, end_s=start_s + n / 2 + 0.4, text=word, probability=0.9)
                for n, word in enumerate(text.split())
            ]
            for start_s, text in sentences
        ]
        return worded(*segments, **options)

    return make
