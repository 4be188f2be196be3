"""The recording itself: the external asset, and the way from a partition key back to the file.

Belongs here: what an event of `recording` says, and whether the file is still the one it speaks of.
Does not belong here: taking files in (`resources/intake/intake.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from dagster_project.partitions import recordings_partitions
from resources.errors import MissingOriginal
from resources.intake.identity import FileChanged, FileStat, digest_some, shown

GROUP = "recordings"
OWNERS = ["team:scriptorium"]

recording = dg.AssetSpec(
    "recording",
    partitions_def=recordings_partitions,
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    description=(
        "An audio or video file that was put into the inbox or given to `scriptorium notes`. It stays where it is and"
        " is never changed; its data version is the BLAKE3 of its bytes."
    ),
)


@dataclass(frozen=True)
class Original:
    """A recording's file as it was taken in. `created` is in UTC, `duration_s` the container's length in seconds.

    `language` is the ISO 639-1 code that a folder of the inbox names, if one does.
    """

    path: Path
    name: str
    digest: str
    size: int
    mtime_ns: int
    created: datetime
    duration_s: float
    title: str
    language: str | None = None

    @property
    def dated_by_file(self) -> bool:
        """Whether `created` is the file's time: it is where the recording itself does not say when it was made."""
        return int(self.created.timestamp()) == self.mtime_ns // 10**9


def original(context: dg.AssetExecutionContext) -> Original:
    """The recording of this run's partition, with its file held against what was taken in.

    Raises `MissingOriginal` if it was never taken in, is gone, can't be read, or holds other bytes now.
    """
    known = described(context)
    _check(known)
    return known


def described(context: dg.AssetExecutionContext) -> Original:
    """What is known of the recording of this run's partition; its file is not looked at and may be gone.

    Raises `MissingOriginal` if it was never taken in.
    """
    key = context.partition_key
    wanted = dg.AssetRecordsFilter(asset_key=recording.key, asset_partitions=[key])
    found = context.instance.fetch_materializations(wanted, limit=1).records
    materialization = found[0].asset_materialization if found else None
    if materialization is None:
        raise MissingOriginal(
            f'No recording was ever taken in as "{key}".',
            "Put its file into the inbox, or give it to `scriptorium notes`.",
        )
    return _read(materialization.metadata)


def _read(metadata: Mapping[str, dg.MetadataValue]) -> Original:
    def text(name: str) -> str:
        return str(metadata[name].value)

    return Original(
        path=Path(text("path")),
        name=text("name"),
        digest=text("digest"),
        size=int(text("size")),
        mtime_ns=int(text("mtime_ns")),
        created=datetime.fromisoformat(text("created")).astimezone(UTC),
        duration_s=float(text("duration_s")),
        title=text("title"),
        language=text("language") if "language" in metadata else None,
    )


def _check(known: Original) -> None:
    """Hold the file against its event: by size and time, and by its bytes where these differ."""
    name = f'"{shown(known.name)}"'
    try:
        stat = FileStat.of(known.path.stat())
        if (stat.size, stat.mtime_ns) == (known.size, known.mtime_ns):
            return
        same = stat.size == known.size and digest_some(str(known.path), stat)[0] == known.digest
    except FileNotFoundError as error:
        raise MissingOriginal(
            f"The recording {name} is not where it was any more ({shown(str(known.path), 500)}).",
            "Put it back, or put a copy into the inbox under any name; then run this again.",
        ) from error
    except FileChanged as error:
        raise MissingOriginal(f"The recording {name} is being changed.", "Wait for that to end.") from error
    except OSError as error:
        raise MissingOriginal(
            f"The recording {name} can't be read: {error.strerror}.", "Let this user read it, and check its disk."
        ) from error
    if not same:
        raise MissingOriginal(
            f"The file of the recording {name} holds something else now ({shown(str(known.path), 500)}).",
            "Restore it, or put a copy of the old file into the inbox. The new content is a recording of its own.",
        )
