"""What a summary is: its bullets, its key terms, and how it was made.

Belongs here: the stored documents. Does not belong here: how they are made (`summarizing.py`) or drawn (the notes).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from resources.store.types import Document


class Bullet(BaseModel):
    """One point of the summary; `time_s` is where it is said, in seconds from the start of the recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_s: float = Field(ge=0, allow_inf_nan=False)
    text: str = Field(min_length=1)


class KeyTerm(BaseModel):
    """A word or phrase the recording is about, and up to five moments, in seconds, where it is said, in time order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: str = Field(min_length=1)
    times_s: list[float] = Field(min_length=1)


class Summary(Document):
    """The summary of one recording.

    `language` is the transcript's ISO 639-1 code; `bullets` are in time order, `key_terms` most important first;
    `method` is `extractive` (sentences of the transcript, unchanged) or the name of the model that wrote the bullets;
    `reason` says in one sentence why that method was chosen.
    """

    language: str
    bullets: list[Bullet]
    key_terms: list[KeyTerm]
    method: str
    reason: str
