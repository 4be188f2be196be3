"""The few kinds of error a person meets, and how they become a Dagster failure.

Belongs here: exception classes shared by several modules, and the conversion to `dagster.Failure`.
Does not belong here: errors only one module raises and handles itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ScriptoriumError(Exception):
    """An error with a cause in `message` and a cure in `remedy`.

    `retry` says whether doing the same again could help; bad input never can.
    """

    retry = False

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class BadInput(ScriptoriumError):
    """What the user gave can't be worked on: not media, no audio stream, no speech, too short."""


class MissingOriginal(ScriptoriumError):
    """The recording's file is gone, or holds other bytes than those that were taken in."""


class MissingExtra(ScriptoriumError):
    """An optional part of the install is needed; the remedy is the command that installs it."""


class MissingModel(ScriptoriumError):
    """A model that was asked for by name can't be had on this machine."""


class DiskFull(ScriptoriumError):
    """No room left where an artifact had to be written."""


class UnsupportedValue(ScriptoriumError):
    """An asset returned something the store has no codec for."""


class MissingArtifact(ScriptoriumError):
    """An input was never made, or its manifest or blob is gone."""


class CorruptArtifact(ScriptoriumError):
    """Bytes in the store are not those that were written; the object has been set aside."""


@contextmanager
def failures() -> Iterator[None]:
    """Turn a `ScriptoriumError` into `dagster.Failure` with `error`, `what_to_do` as metadata.

    Wrap an asset's body in it. Dagster retries the failure only where `retry` is true.
    """
    try:
        yield
    except ScriptoriumError as error:
        import dagster as dg

        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, "problem": error.message, "what_to_do": error.remedy},
            allow_retries=error.retry,
        ) from error
