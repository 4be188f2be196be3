"""Which slides a recording has: the file `slides.json` that goes with the pictures.

Belongs here: names, times and sizes, written and read. Does not belong here: finding slides (`scenes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

INDEX = "slides.json"


class Slide(BaseModel):
    """One picture: its file name, when it appears in seconds from the recording's start, its size in pixels.

    `text_likeness` is 0 for a face or a room, 1 for a page of text (`text_likeness.py`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    time_s: float
    width: int
    height: int
    text_likeness: float = 0.0


class SlideIndex(BaseModel):
    """All slides of a recording, in order of time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slides: list[Slide]


def write_index(slides: Sequence[Slide]) -> bytes:
    """`slides.json`: the same slides give the same bytes."""
    return (SlideIndex(slides=list(slides)).model_dump_json(indent=1) + "\n").encode()


def read_slides(files: Mapping[str, Path | bytes]) -> list[Slide]:
    """The slides of what the asset `slides` made; KeyError if `files` is something else."""
    content = files[INDEX]
    return SlideIndex.model_validate_json(content if isinstance(content, bytes) else content.read_bytes()).slides
