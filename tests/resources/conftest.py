"""Transcripts made from texts written for these tests, with the times a recogniser would give."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.speech.documents import Segment, Transcript, Word

LECTURES = Path(__file__).parent / "lectures"


@pytest.fixture(scope="session")
def lecture() -> Callable[[str], str]:
    """The text of a lecture by name: `tides_en`, `bread_ru`."""
    return lambda name: (LECTURES / f"{name}.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def spoken() -> Callable[..., Transcript]:
    """`spoken(text, language="en", punctuated=True, words=True)`: about 160 words a minute, half a second of silence
    after a sentence, segments of twelve words whether or not a sentence ends there."""

    def make(text: str, language: str = "en", *, punctuated: bool = True, words: bool = True) -> Transcript:
        said: list[Word] = []
        now = 1.0
        for token in text.split():
            plain = re.sub(r"[^\w'’-]", "", token).lower().strip("-")
            written = token if punctuated else plain
            length = 0.12 + 0.045 * len(token)
            if written:
                said.append(Word(start_s=now, end_s=now + length, text=written, probability=0.9))
            now += length + (0.5 if re.search(r"[.!?]\Z", token) else 0.0)
        segments = [
            Segment(
                start_s=part[0].start_s,
                end_s=part[-1].end_s,
                text=" ".join(word.text for word in part),
                words=part if words else [],
                avg_logprob=-0.2,
                no_speech_prob=0.01,
                compression_ratio=1.5,
            )
            for part in (said[start : start + 12] for start in range(0, len(said), 12))
        ]
        return Transcript(
            language=language,
            language_probability=0.99,
            duration_s=now,
            speech_s=now,
            segments=segments,
            model="tiny.en",
            model_source="written for a test",
            device="cpu",
            compute_type="int8",
            reason="written for a test",
            settings={},
        )

    return make
