"""The slides shown in a recording.

Belongs here: the asset and what is recorded about it. Does not belong here: what a slide is
(`resources/media/scenes.py`).
"""

import base64
from itertools import pairwise

import dagster as dg
from pydantic import Field

from assets.recordings.source import GROUP, OWNERS, original, recording
from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.errors import failures
from resources.media.pictures import contact_sheet
from resources.media.scenes import find_slides
from resources.media.slide_index import INDEX, Slide, read_slides, write_index
from resources.media.text_likeness import TEXT_LIKE
from resources.store.types import Files
from resources.timecode import clock

__all__ = ["Slide", "SlidesConfig", "read_slides", "slides"]

_SHEET_BYTES = 70_000
"""Every event of the asset stores the contact sheet, as base64."""


class SlidesConfig(dg.Config):
    """What counts as a new slide, and how many are kept."""

    min_change: float = Field(
        default=0.1,
        ge=0.01,
        le=0.9,
        description="The share of the picture that must change for a new slide. Lower finds smaller changes.",
    )
    max_slides: int = Field(
        default=120,
        ge=1,
        le=500,
        description="If there are more slides than this, those with writing and most unlike each other are kept.",
    )
    max_camera_views: int = Field(
        default=3,
        ge=0,
        le=500,
        description="At most so many pictures of people and rooms, those most unlike each other; 0 for slides alone.",
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[recording],
    partitions_def=recordings_partitions,
    group_name=GROUP,
    kinds={"python", "jpeg"},
    owners=OWNERS,
    code_version="2",
    dagster_type=Files,
    description=(
        "The slides shown in a video, each once: JPEG files of at most 1600 pixels, and `slides.json` with the second"
        " at which each appears and how much it looks like writing. Without any picture for sound alone."
    ),
    check_specs=[
        partition_check(
            "times_within_recording",
            asset="slides",
            partitions_def=recordings_partitions,
            blocking=True,
            description="Every slide appears within the recording, and each later than the one before.",
        )
    ],
)
def slides(context: dg.AssetExecutionContext, config: SlidesConfig) -> dg.MaterializeResult:
    with failures():
        source = original(context)
        found = find_slides(
            source.path,
            source.duration_s,
            config.min_change,
            config.max_slides,
            context.log,
            max_camera_views=config.max_camera_views,
        )
    index = [slide for slide, _ in found]
    times = [slide.time_s for slide in index]
    metadata: dict[str, dg.MetadataValue] = {
        "slides": dg.MetadataValue.int(len(found)),
        "picture_bytes": dg.MetadataValue.int(sum(len(picture) for _, picture in found)),
    }
    if found:
        sheet = base64.b64encode(contact_sheet([picture for _, picture in found], times, _SHEET_BYTES)).decode()
        metadata["contact_sheet"] = dg.MetadataValue.md(f"![slides](data:image/jpeg;base64,{sheet})")
        metadata["times"] = dg.MetadataValue.text(", ".join(clock(time_s) for time_s in times))
        metadata["slides_with_writing"] = dg.MetadataValue.int(sum(s.text_likeness >= TEXT_LIKE for s in index))
        metadata["text_likeness"] = dg.MetadataValue.text(
            ", ".join(f"{clock(slide.time_s)} {slide.text_likeness:.2f}" for slide in index)
        )
    in_order = all(earlier < later for earlier, later in pairwise(times))
    return dg.MaterializeResult(
        value=Files({INDEX: write_index(index), **{slide.name: picture for slide, picture in found}}),
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name="times_within_recording",
                passed=in_order and all(0 <= time_s <= source.duration_s + 0.5 for time_s in times),
                metadata={"slides": len(found), "last_s": max(times, default=0.0), "duration_s": source.duration_s},
            )
        ],
    )
