"""The sound of a recording, as speech recognition hears it.

Belongs here: the asset, what is recorded about it, and when too much of the sound is lost to go on.
Does not belong here: how sound is decoded (`resources/media/sound.py`).
"""

import base64

import dagster as dg
from blake3 import blake3
from pydantic import Field

from assets.recordings.source import GROUP, OWNERS, Original, original, recording
from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.errors import failures
from resources.intake.identity import shown
from resources.media.sound import RATE, Sound, extract
from resources.media.waveform import picture
from resources.store.io_manager import ArtifactStore
from resources.store.types import File
from resources.timecode import clock

_VERSION = "1"
_SILENT_DBFS = -60.0
"""A recording whose loudest sample is below this holds nothing a person could hear."""
_QUIET_LUFS = -45.0
"""Speech this quiet is mostly missed by recognition; broadcasts stand at -23."""


class AudioConfig(dg.Config):
    """How damaged a recording may be."""

    max_lost_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description=(
            "The run stops if a larger share of the sound than this is lost because the file is damaged. 1 goes on"
            " whatever is left."
        ),
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[recording],
    partitions_def=recordings_partitions,
    group_name=GROUP,
    kinds={"python", "flac"},
    owners=OWNERS,
    code_version=_VERSION,
    dagster_type=File,
    description=(
        "The sound of a recording: FLAC, 16 kHz, mono, 16 bits, made from its best audio stream. It keeps the"
        " recording's clock: second 0 is the start of the file, and gaps are filled with silence."
    ),
    check_specs=[
        partition_check(
            "duration_matches_container",
            asset="audio",
            partitions_def=recordings_partitions,
            blocking=True,
            description=(
                "The sound is as long as the file says, within 1 % or half a second. A warning if it is not; an error,"
                " at which the run stops, if more of it is lost than `max_lost_share` allows."
            ),
        ),
        partition_check(
            "not_silent",
            asset="audio",
            partitions_def=recordings_partitions,
            description=(
                f"The sound is louder than {_QUIET_LUFS:g} LUFS on the whole. A warning if not: check the microphone,"
                " and that the right track was recorded. The notes are made all the same, and say what was heard."
            ),
        ),
    ],
)
def audio(context: dg.AssetExecutionContext, config: AudioConfig, store: ArtifactStore) -> dg.MaterializeResult:
    with failures():
        source = original(context)
        inputs = blake3(f"{source.digest} {_VERSION}".encode()).hexdigest()
        target = store.scratch("audio", context.partition_key, inputs).path / "audio.flac"
        sound = extract(source.path, target, context.log)
    waveform = base64.b64encode(picture(sound.levels, sound.duration_s)).decode()
    return dg.MaterializeResult(
        value=File("audio.flac", target),
        metadata={
            "duration_s": round(sound.duration_s, 3),
            "loudness_lufs": round(sound.levels.loudness_lufs, 1),
            "peak_dbfs": round(sound.levels.peak_dbfs, 1),
            "waveform": dg.MetadataValue.md(f"![waveform](data:image/png;base64,{waveform})"),
            "recording": shown(source.name),
            "source_stream": sound.stream,
            "sample_rate": RATE,
            "silence_added_s": round(sound.silence_s, 3),
            "lost_s": round(sound.lost_s, 3),
            "damaged_packets": sound.damaged_packets,
        },
        check_results=[_complete(sound, source, config.max_lost_share), _audible(sound, source)],
    )


def _complete(sound: Sound, source: Original, max_lost_share: float) -> dg.AssetCheckResult:
    """As long as the container? Where it is not, the file's account of its sound tells a loss from a short track."""
    allowed_s = max(0.5, 0.01 * sound.container_s)
    short_s = sound.container_s - sound.duration_s
    share = sound.lost_s / sound.expected_s if sound.expected_s else 0.0
    name, stops = f'"{shown(source.name)}"', share > max_lost_share and sound.lost_s > allowed_s
    if sound.lost_s > allowed_s:
        text = (
            f"{name} is damaged: {sound.lost_s:.1f} s of its sound ({share:.0%}) can't be decoded or is not there."
            " Copy the file again."
        )
        text += " If this is all there is, set max_lost_share of `audio` to 1 and run again." if stops else ""
    elif abs(short_s) > allowed_s:
        text = (
            f"The sound of {name} ends at {clock(sound.duration_s)}, the file at {clock(sound.container_s)}. Nothing is"
            " damaged: the rest of the file has pictures only, or its header is wrong."
        )
    else:
        text = "The sound is as long as the file."
    return dg.AssetCheckResult(
        check_name="duration_matches_container",
        passed=sound.lost_s <= allowed_s and abs(short_s) <= allowed_s,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description=text,
        metadata={
            "duration_s": round(sound.duration_s, 3),
            "container_s": round(sound.container_s, 3),
            "expected_s": round(sound.expected_s, 3),
            "lost_s": round(sound.lost_s, 3),
            "damaged_packets": sound.damaged_packets,
        },
    )


def _audible(sound: Sound, source: Original) -> dg.AssetCheckResult:
    loudness, peak = sound.levels.loudness_lufs, sound.levels.peak_dbfs
    if peak < _SILENT_DBFS:
        text = (
            f'"{shown(source.name)}" holds only silence: its peak is at {peak:.0f} dBFS. Check the microphone, and that'
            " the right track was recorded; then record again."
        )
    elif loudness < _QUIET_LUFS:
        text = f"The sound is very quiet, {loudness:.1f} LUFS: words may be missed. Record closer to the microphone."
    else:
        text = f"The sound is at {loudness:.1f} LUFS."
    return dg.AssetCheckResult(
        check_name="not_silent",
        passed=peak >= _SILENT_DBFS and loudness >= _QUIET_LUFS,
        severity=dg.AssetCheckSeverity.WARN,
        description=text,
        metadata={"loudness_lufs": round(loudness, 1), "peak_dbfs": round(peak, 1)},
    )
