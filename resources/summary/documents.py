"""What a summary is: its bullets, its key terms, and how it was made.

Belongs here: the stored documents, and the bound below which people are told not to rely on one.
Does not belong here: how they are made (`summarizing.py`) or drawn (the notes).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from resources.store.types import Document

LEAST_FAITHFUL = 0.8
"""A smaller `faithfulness` is told to people: more than one in five of the points a model wrote is marked or was left
out, for nobody can find it in the recording; such a summary should not be relied on."""


class Bullet(BaseModel):
    """One point of a summary; `time_s` is where it is said, in seconds from the start of the recording.

    `quoted`: a sentence of the transcript, unchanged. `supported`: the transcript near that time holds its words with a
    subject; always true of a quotation. What is not supported, yet kept, is marked in the notes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_s: float = Field(ge=0, allow_inf_nan=False)
    text: str = Field(min_length=1)
    quoted: bool = False
    supported: bool = True


class KeyTerm(BaseModel):
    """A word or phrase the recording is about, and up to five moments, in seconds, where it is said, in time order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: str = Field(min_length=1)
    times_s: list[float] = Field(min_length=1)


class Chapter(BaseModel):
    """A stretch of the recording on one topic, `start_s` to `end_s` in seconds, with its key points in time order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    title: str = Field(min_length=1)
    points: list[Bullet]


class Summary(Document):
    """The summary of one recording.

    `language` is the transcript's ISO 639-1 code; `bullets` are in time order, `key_terms` most important first;
    `method` is `extractive` (sentences of the transcript, unchanged) or the name of the model that wrote the bullets;
    `reason` says in one sentence why that method was chosen. `chapters` follow one another without a gap, from the
    first word to the last; `bullets` are the summary of the whole, a chapter's `points` say more. `faithfulness` is
    the share (0..1) of what was written, in bullets and points, that the transcript near its time supports; `dropped`
    is what was left out because it does not. No bullets and no chapters: nobody speaks.
    """

    language: str
    bullets: list[Bullet]
    key_terms: list[KeyTerm]
    method: str
    reason: str
    chapters: list[Chapter] = Field(default_factory=list)
    faithfulness: float = Field(1.0, ge=0, le=1)
    dropped: list[Bullet] = Field(default_factory=list)
