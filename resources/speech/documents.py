"""What was said: the transcript and its parts, as every later step reads them.

Belongs here: the documents and what can be read off them. Pure: pydantic only.
Does not belong here: how speech is recognised (`recognition.py`) or how it is cut (`cutting.py`).
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field

from resources.store.types import Document

_WITHOUT_BLANKS = frozenset({"zh", "yue", "ja", "th", "lo", "my"})


SENTENCE_END = re.compile(r"[.!?…。！？][\"'»”’)\]]*$")
"""A word with this ends a sentence, also inside quotes or brackets."""


def word_separator(language: str) -> str:
    """What stands between two words: a blank, or nothing in languages written without (ISO 639-1 code)."""
    return "" if language in _WITHOUT_BLANKS else " "


class Word(BaseModel):
    """One word with its punctuation; times in seconds from the start of the recording, probability 0..1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    text: str
    probability: float = Field(ge=0, le=1)


class Segment(BaseModel):
    """A sentence, or a part of one, without surrounding blanks; never empty.

    `avg_logprob`, `no_speech_prob` and `compression_ratio` are those of the window of speech it was decoded in, the
    worst if it spans two. `speaker` is a label such as `A`, if speakers were told apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    text: str = Field(min_length=1)
    words: list[Word]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    speaker: str | None = None


class Dropped(BaseModel):
    """Words that were recognised and left out because they can't be trusted: when, which, and by which sign.

    Times in seconds; `reason` is one of the names of `resources.speech.gate.REASONS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    text: str
    reason: str


LEAST_LANGUAGE_PROBABILITY = 0.7
"""A smaller `language_probability` is told to people: the model's second guess is not far away, and the text of another
language means nothing."""

LEAST_KEPT = 0.85
"""A smaller `kept_share` is told to people: whole sentences may be missing. Clear speech has 1.0 (13 files)."""

LEAST_COVERED = 0.6
"""A smaller `covered_share` is told to people: recognised speech has 0.9 and more under words, music less."""


class Quality(BaseModel):
    """How far a transcript can be trusted.

    `vad_threshold` is the one speech was told from silence by. `kept_share`: of what a sensitive detector takes for
    speech, the share that was listened to. `covered_share`: of that, the share that lies under words. Both 0..1, and 1
    for a recording without speech. `decoded_again` counts the windows of speech (at most 30 s each) that were decoded
    once more, one by one, with temperature fallback; `dropped` is what stayed bad all the same. `device_steps` are the
    steps down the memory ladder (smaller batches, int8, the CPU) that were needed, in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vad_threshold: float = Field(ge=0, le=1)
    kept_share: float = Field(ge=0, le=1)
    covered_share: float = Field(ge=0, le=1)
    decoded_again: int = Field(0, ge=0)
    dropped: tuple[Dropped, ...] = ()
    device_steps: tuple[str, ...] = ()


class Correction(BaseModel):
    """That a person has edited the transcript: the name and BLAKE3 of the file it was read from, how many of its words
    differ from the transcript it corrects, and the data version of that one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str
    changed_words: int = Field(ge=0)
    corrects: str


class Transcript(Document):
    """Everything that was said in a recording of `duration_s` seconds, in order, times never running backwards.

    `language` is an ISO 639-1 code; `language_probability` is 1.0 if the language was set, or the model knows
    only one; `language_source` says which: `heard` (windows of speech voted), `set`, `folder` (the inbox's subfolder)
    or `model`. `model` is a name or a folder, `model_source` says where it came from, `reason` why it was used.
    `settings` are the decoding settings that shape the text. `speech_s` is how many seconds were listened to.
    No segments: nobody speaks. `quality` is None, and `correction` too, in transcripts made before these were known.
    """

    language: str
    language_probability: float = Field(ge=0, le=1)
    duration_s: float = Field(ge=0)
    speech_s: float = Field(0.0, ge=0)
    segments: list[Segment]
    model: str
    model_source: str
    device: str
    compute_type: str
    reason: str
    settings: dict[str, str | float | int | bool]
    language_source: str = "heard"
    quality: Quality | None = None
    correction: Correction | None = None

    @property
    def words(self) -> int:
        """How many words were said."""
        return sum(len(segment.words) for segment in self.segments)

    @property
    def text(self) -> str:
        """All segments, one blank between them."""
        return " ".join(segment.text for segment in self.segments)
