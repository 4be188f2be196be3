"""The transcript of a recording: every sentence and word with its times.

Belongs here: the asset, what is recorded about it, and what a good transcript must show.
Does not belong here: how speech is recognised (`resources/speech/recognition.py`).
"""

import time
from itertools import pairwise
from pathlib import Path

import dagster as dg

from assets.recordings.source import described
from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.errors import BadInput, MissingOriginal, failures
from resources.intake.identity import shown
from resources.speech.documents import Transcript
from resources.speech.recognition import Speech
from resources.store.io_manager import ArtifactStore
from resources.store.types import File
from resources.timecode import clock

_CODE_VERSION = "1"

_SURE = 0.7
"""Below this probability the language may well be another one, and the text then means nothing."""

_COVERED = 0.5
"""Whisper that leaves half of the speech without a word has skipped something."""

_PREVIEW_SEGMENTS = 20


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    partitions_def=recordings_partitions,
    group_name="recordings",
    kinds={"python", "json"},
    owners=["team:scriptorium"],
    pool="gpu",
    code_version=_CODE_VERSION,
    # Named here: with checks beside the value, Dagster reads no type off the annotation.
    dagster_type=Transcript,
    # No retry_policy: under one, Dagster takes Terminate for a failure to retry, and the run goes on.
    description=(
        "What is said in a recording: sentences and words with their times in seconds, the language and its "
        "probability, and which model heard it. JSON, made by Whisper from the parts of the audio that hold speech."
    ),
    check_specs=[
        partition_check(
            "words_within_recording",
            asset="transcript",
            partitions_def=recordings_partitions,
            blocking=True,
            description="There are words, their times never run backwards, and all lie within the recording.",
        ),
        partition_check(
            "language_probability",
            asset="transcript",
            partitions_def=recordings_partitions,
            description=f"The language was set, or found with a probability of at least {_SURE}.",
        ),
        partition_check(
            "speech_covered",
            asset="transcript",
            partitions_def=recordings_partitions,
            description=f"Words take up at least {_COVERED:.0%} of the time in which speech was detected.",
        ),
    ],
)
def transcript(
    context: dg.AssetExecutionContext, audio: File, speech: Speech, store: ArtifactStore
) -> dg.MaterializeResult:
    started = time.monotonic()
    try:
        with failures():
            heard = _hear(context, audio.only, speech, store)
    except dg.Failure as failure:
        if failure.allow_retries:  # a device that was full may have room again
            raise dg.RetryRequested(max_retries=1, seconds_to_wait=30) from failure
        raise
    wall_s = time.monotonic() - started
    return dg.MaterializeResult(
        value=heard,
        metadata={
            "duration_s": heard.duration_s,
            "speech_s": heard.speech_s,
            "language": heard.language,
            "language_probability": heard.language_probability,
            "segments": len(heard.segments),
            "words": heard.words,
            "speed": round(heard.duration_s / wall_s, 2),
            "wall_s": round(wall_s, 3),
            "model": heard.model,
            "model_source": heard.model_source,
            "device": f"{heard.device}, {heard.compute_type}",
            "reason": heard.reason,
            "preview": dg.MetadataValue.md(_preview(heard)),
        },
        check_results=[_within(heard), _sure(heard), _covered(heard)],
    )


def _hear(context: dg.AssetExecutionContext, audio: Path, speech: Speech, store: ArtifactStore) -> Transcript:
    # What was heard before an interruption; the IO manager deletes it once the transcript is stored.
    partial = store.scratch("transcript", context.partition_key, _digest(audio))
    try:
        return speech.transcribe(audio, context.log, partial)
    except BadInput as error:
        raise BadInput(f'"{_name(context)}": {error.message}', error.remedy) from error


def _digest(audio: Path) -> str:
    from blake3 import blake3

    return blake3(_CODE_VERSION.encode()).update_mmap(audio).hexdigest()


def _name(context: dg.AssetExecutionContext) -> str:
    try:
        return shown(described(context).name)
    except MissingOriginal:  # the message is about something else
        return context.partition_key


def _preview(heard: Transcript) -> str:
    lines = [f"- **{clock(segment.start_s)}** {segment.text}" for segment in heard.segments[:_PREVIEW_SEGMENTS]]
    more = len(heard.segments) - _PREVIEW_SEGMENTS
    return "\n".join([*lines, "", f"… and {more} more segments"] if more > 0 else lines)


def _within(heard: Transcript) -> dg.AssetCheckResult:
    words = [word for segment in heard.segments for word in segment.words]
    wrong = [word for word in words if not 0 <= word.start_s <= word.end_s <= heard.duration_s]
    wrong += [later for earlier, later in pairwise(words) if later.start_s < earlier.end_s]
    return dg.AssetCheckResult(
        check_name="words_within_recording",
        passed=bool(words) and not wrong,
        metadata={
            "words": len(words),
            "duration_s": heard.duration_s,
            "wrong": ", ".join(f"{word.text} at {clock(word.start_s)}" for word in wrong[:20]) or "none",
        },
    )


def _sure(heard: Transcript) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="language_probability",
        passed=heard.language_probability >= _SURE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"language": heard.language, "language_probability": heard.language_probability},
        description="If it is another one, set SCRIPTORIUM_SPEECH_LANGUAGE and materialize the transcript again.",
    )


def _covered(heard: Transcript) -> dg.AssetCheckResult:
    spoken_s = sum(segment.end_s - segment.start_s for segment in heard.segments)
    share = spoken_s / heard.speech_s if heard.speech_s else 0.0
    return dg.AssetCheckResult(
        check_name="speech_covered",
        passed=share >= _COVERED,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "covered": round(share, 3),
            "speech_s": heard.speech_s,
            "speech_share_of_recording": round(heard.speech_s / heard.duration_s, 3) if heard.duration_s else 0.0,
        },
        description="Speech was detected that no words were recognised in: noise, music, or a language unknown to it.",
    )
