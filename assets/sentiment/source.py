"""The files people give: the external assets, and the way from a partition key back to a file's bytes.

Belongs here: what an event of `sentiment_file` says, and whether the file is still the one it speaks of. Does not
belong here: taking files in (`resources/intake/`), what is in them (`labels.py`).
"""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from blake3 import blake3

from dagster_project.partitions import sentiment_batches, sentiment_files
from resources.errors import MissingOriginal
from resources.intake.identity import shown

GROUP = "sentiment"
OWNERS = ["team:scriptorium"]

sentiment_file = dg.AssetSpec(
    "sentiment_file",
    partitions_def=sentiment_files,
    group_name=GROUP,
    kinds={"file", "csv"},
    owners=OWNERS,
    description=(
        "A CSV file of labelled texts that was put into the inbox's folder `sentiment/` or given to `scriptorium train"
        " sentiment`. It stays where it is and is never changed; its data version is the BLAKE3 of its bytes."
    ),
)

sentiment_questions = dg.AssetSpec(
    "sentiment_questions",
    partitions_def=sentiment_batches,
    group_name=GROUP,
    kinds={"file", "csv"},
    owners=OWNERS,
    description=(
        "CSV and text files in the inbox's folder `sentiment/predict/`, or given to `scriptorium infer sentiment`,"
        " whose texts are to be judged. Never changed."
    ),
)


@dataclass(frozen=True)
class LabelledFile:
    """A file as it was taken in: its own name, and its bytes, which have that digest."""

    name: str
    digest: str
    content: bytes


def labelled_file(context: dg.AssetExecutionContext) -> LabelledFile:
    """The file of this run's partition, whole.

    Raises: MissingOriginal if it was never taken in, is gone, can't be read, or holds other bytes now.
    """
    key = context.partition_key
    wanted = dg.AssetRecordsFilter(asset_key=sentiment_file.key, asset_partitions=[key])
    found = context.instance.fetch_materializations(wanted, limit=1).records
    event = found[0].asset_materialization if found else None
    if event is None:
        raise MissingOriginal(
            f'No file was ever taken in as "{key}".',
            "Put it into the inbox's folder sentiment/, or give it to `scriptorium train sentiment --data FILE`.",
        )
    path, name, digest = (str(event.metadata[field].value) for field in ("path", "name", "digest"))
    said = f'"{shown(name)}"'
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise MissingOriginal(
            f"The file {said} is not where it was any more ({shown(path, 500)}).",
            "Put it back, or put a copy into the inbox under any name; then run this again.",
        ) from error
    except OSError as error:
        raise MissingOriginal(
            f"The file {said} can't be read: {error.strerror}.", "Let this user read it, and check its disk."
        ) from error
    if blake3(content).hexdigest() != digest:
        raise MissingOriginal(
            f"The file {said} holds something else now ({shown(path, 500)}).",
            "Restore it, or put a copy of the old file into the inbox. The new content is a file of its own.",
        )
    return LabelledFile(name, digest, content)
