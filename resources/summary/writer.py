"""What every text model looks like to the code that asks it.

Belongs here: the interface, an answer, and the error of a model that gives none. Pure.
Does not belong here: the models (`transformers_models.py`, `endpoint.py`), and what is asked (`writing.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from resources.errors import ScriptoriumError


class WriterFailed(ScriptoriumError):
    """The model ran, and did not answer with anything that can be used."""


@dataclass(frozen=True)
class Answer:
    """What a model said, and whether it was cut off at the longest answer allowed."""

    text: str
    cut_short: bool


class Writer(Protocol):
    """A text model. `room` is how many tokens a request may have, `batch` how many requests it answers at once.

    `name` is what the user calls it, `where` where it runs, in words; neither holds a secret. `instructed` is false
    for a model trained to summarize whatever it is given: an instruction would become part of the text.
    """

    name: str

    @property
    def where(self) -> str: ...

    @property
    def room(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def instructed(self) -> bool: ...

    def count(self, text: str) -> int:
        """How many tokens `text` has, never too few."""
        ...

    def frame(self, request: str) -> str:
        """`request` as the model wants it."""
        ...

    def ask(self, requests: Sequence[str], longest: int, *, again: bool = False) -> list[Answer]:
        """The answers to framed `requests`, in order, each at most `longest` tokens.

        The same request has the same answer; with `again`, another one. Raises: WriterFailed and its kin.
        """
        ...
