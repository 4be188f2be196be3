"""Corrections of transcripts: what of a recording's transcript is there to correct, and what a person has corrected.

Belongs here: finding these among the materializations of `transcript`. Does not belong here: reading and matching an
edited file (`resources/speech/edited.py`, `corrections.py`), the asset (`transcript.py`).
"""

from pathlib import Path

import dagster as dg

from resources.errors import CorruptArtifact, MissingArtifact
from resources.speech.corrections import correct
from resources.speech.documents import Transcript
from resources.speech.edited import read_edited
from resources.store import records
from resources.store.io_manager import ArtifactStore

TRANSCRIPT = dg.AssetKey("transcript")
CORRECTED = "corrected"
"""Metadata and tag of a materialization of `transcript` that holds a person's words."""

RUN_TAG = "scriptorium/corrected"
"""Tag of the run that stored a correction: the name of the edited file."""


def corrected(
    instance: dg.DagsterInstance, store: ArtifactStore, key: str, file: Path, *, force: bool = False
) -> tuple[Transcript, Transcript]:
    """The latest transcript of recording `key`, and the same with the words of `file`.

    The latest is the newest that can still be read. Raises MissingArtifact if there is none, BadInput as `read_edited`
    and `correct` do.
    """
    for record in records.versions(instance, TRANSCRIPT, key):
        try:
            base = store.load(record)
        except (MissingArtifact, CorruptArtifact):
            continue
        if isinstance(base, Transcript):
            edited = read_edited(file, base.duration_s)
            return base, correct(base, edited, corrects=record.digest or "", force=force)
    raise MissingArtifact(
        f"{key} has no transcript that could be corrected.", "Make its notes first: scriptorium notes FILE."
    )


def is_correction(record: records.Record) -> bool:
    """Whether a materialization of `transcript` holds a person's words."""
    said = None if record.event is None else record.event.metadata.get(CORRECTED)
    return said is not None and bool(said.value)


def kept_correction(instance: dg.DagsterInstance, store: ArtifactStore, key: str) -> Transcript | None:
    """The latest transcript of recording `key`, if that is one a person has corrected.

    Raises MissingArtifact or CorruptArtifact if it is one and can't be read: nobody's words are replaced unasked.
    """
    record = records.latest(instance, TRANSCRIPT, key)
    if record is None or not is_correction(record):
        return None
    try:
        found = store.load(record)
    except (MissingArtifact, CorruptArtifact) as error:
        raise type(error)(
            f"A person has corrected this transcript, and the correction is lost: {error.message}",
            f"Give it again: scriptorium correct {key} FILE. Or hear the recording anew: scriptorium correct {key}"
            " --discard",
        ) from error
    return found if isinstance(found, Transcript) else None
