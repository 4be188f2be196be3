"""What people open: notes, subtitles and transcript of a recording in the library.

Belongs here: which files go where. Does not belong here: how files are replaced there (`resources/store/library.py`).

This comes last and after the blocking checks, so that nobody reads what a check has refused. It computes nothing: it
copies, so a library that was lost is filled again within seconds.
"""

import dagster as dg

from dagster_project.partitions import recordings_partitions
from resources.errors import failures
from resources.notes.publication import Publication
from resources.store.io_manager import ArtifactStore
from resources.store.types import Files


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    dagster_type=Publication,
    group_name="recordings",
    partitions_def=recordings_partitions,
    description="The recording's folder in the library, `recordings/<partition key>/`, with `notes.pdf`, `notes.md`, "
    "its `slide-*.jpg`, and `transcript` as srt, vtt, txt, md and json. Each file is replaced as a whole. The value is "
    "the list of these files with their digests.",
    kinds={"python", "file"},
    owners=["team:scriptorium"],
    code_version="1",
)
def published(
    context: dg.AssetExecutionContext, notes: Files, subtitles: Files, store: ArtifactStore
) -> dg.MaterializeResult:
    """Copy notes and transcript into the library."""
    with failures():
        folder = f"recordings/{context.partition_key}"
        paths = {name: files.path(name) for files in (notes, subtitles) for name in files}
        digests = store.publish(folder, paths)
        place = f"{store.library.rstrip('/')}/{folder}"
        context.log.info(f"Published {len(digests)} files: {place}/notes.pdf")
        listed = "\n".join(f"- `{name}` {digest[:16]}" for name, digest in digests.items())
        return dg.MaterializeResult(
            value=Publication(folder=folder, files=digests),
            metadata={
                "pdf": dg.MetadataValue.path(f"{place}/notes.pdf"),
                "markdown": dg.MetadataValue.path(f"{place}/notes.md"),
                "folder": dg.MetadataValue.path(place),
                "files": dg.MetadataValue.md(listed),
                "file_count": len(digests),
            },
        )
