"""The transcript of a recording: every sentence and word with its times.

Belongs here: the asset, and what is recorded about it. Does not belong here: how speech is recognised
(`resources/speech/recognition.py`), what a good transcript must show (`transcript_checks.py`), corrections
(`correcting.py`).
"""

import time
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, field_validator, model_validator

from assets.recordings import transcript_checks
from assets.recordings.correcting import CORRECTED, RUN_TAG, corrected, kept_correction
from assets.recordings.source import Original, described
from dagster_project.partitions import recordings_partitions
from resources.errors import BadInput, MissingOriginal, failures
from resources.intake.identity import shown
from resources.intake.languages import LANGUAGES
from resources.speech.documents import Transcript, word_separator
from resources.speech.recognition import Speech
from resources.speech.reference import error_rates, read_reference
from resources.store.io_manager import ArtifactStore
from resources.store.types import File
from resources.timecode import clock

_CODE_VERSION = "2"

_PREVIEW_SEGMENTS = 20


class TranscriptConfig(dg.Config):
    """What is spoken, and what a person has corrected."""

    language: str | None = Field(
        default=None,
        description=(
            "Code of the language that is spoken, such as `ru`. Without it: the inbox's folder, if its name is one;"
            " then SCRIPTORIUM_SPEECH_LANGUAGE; else it is found by listening."
        ),
    )
    correction: str | None = Field(
        default=None,
        description=(
            "Path of the transcript as a person has edited it (JSON, SRT, VTT or text). Nothing is listened to again."
            " The same as `scriptorium correct KEY FILE`."
        ),
    )
    force_correction: bool = Field(
        default=False, description="Take an edited transcript that hardly resembles what was heard."
    )
    replace_correction: bool = Field(
        default=False,
        description=(
            "Hear the recording anew, although a person has corrected its transcript; otherwise that is kept. The same"
            " as `scriptorium correct KEY --discard`."
        ),
    )

    @field_validator("language")
    @classmethod
    def _known(cls, language: str | None) -> str | None:
        code = (language or "").strip().lower()
        if code and code not in LANGUAGES:
            raise ValueError(f"{language!r} is no language that Whisper knows: {', '.join(sorted(LANGUAGES))}")
        return code or None

    @model_validator(mode="after")
    def _not_both(self) -> "TranscriptConfig":
        if self.correction and self.replace_correction:
            raise ValueError("give either correction or replace_correction")
        return self


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
        "probability, which model heard it, and how far it can be trusted. JSON, made by Whisper from the parts of the "
        "audio that hold speech; no segments if nobody speaks. What a person has corrected is kept until they say "
        "otherwise. `talk.ref.txt` beside `talk.mp4`, with what was really said, gives word and character error rates."
    ),
    check_specs=transcript_checks.SPECS,
)
def transcript(
    context: dg.AssetExecutionContext, config: TranscriptConfig, audio: File, speech: Speech, store: ArtifactStore
) -> dg.MaterializeResult:
    started = time.monotonic()
    try:
        with failures():
            made, heard = _make(context, config, audio.only, speech, store)
    except dg.Failure as failure:
        if failure.allow_retries:  # a device that was full may have room again
            raise dg.RetryRequested(max_retries=1, seconds_to_wait=30) from failure
        raise
    wall_s = time.monotonic() - started
    is_corrected = made.correction is not None
    return dg.MaterializeResult(
        value=made,
        metadata={
            **_metadata(made),
            **({"speed": round(made.duration_s / wall_s, 2)} if heard else {}),
            "wall_s": round(wall_s, 3),
            **_against_reference(context, made),
        },
        tags={CORRECTED: "true"} if is_corrected else None,
        check_results=transcript_checks.results(made),
    )


def _make(
    context: dg.AssetExecutionContext, config: TranscriptConfig, audio: Path, speech: Speech, store: ArtifactStore
) -> tuple[Transcript, bool]:
    """The transcript, and whether the recording was listened to for it."""
    key, instance = context.partition_key, context.instance
    if config.correction:
        file = Path(config.correction)
        _, made = corrected(instance, store, key, file, force=config.force_correction)
        assert made.correction is not None
        instance.add_run_tags(context.run_id, {RUN_TAG: made.correction.name})
        context.log.info(f"Corrected by {made.correction.name}: {made.correction.changed_words} words differ.")
        return made, False
    if config.replace_correction:
        return _hear(context, config, audio, speech, store), True
    if (kept := _kept(context, store)) is not None:
        return kept, False
    heard = _hear(context, config, audio, speech, store)
    # A person may have corrected the version before while this one was made.
    kept = _kept(context, store)
    return (heard, True) if kept is None else (kept, False)


def _kept(context: dg.AssetExecutionContext, store: ArtifactStore) -> Transcript | None:
    """The correction that is to stay, if there is one."""
    kept = kept_correction(context.instance, store, context.partition_key)
    if kept is not None and kept.correction is not None:
        context.log.warning(
            f"A person has corrected this transcript ({kept.correction.name}), so it is kept as it is. To hear the"
            f" recording anew: scriptorium correct {context.partition_key} --discard"
        )
    return kept


def _hear(
    context: dg.AssetExecutionContext, config: TranscriptConfig, audio: Path, speech: Speech, store: ArtifactStore
) -> Transcript:
    source = _source(context)
    folder = source.language if source else None
    pinned = config.language or folder
    # What was heard before an interruption; the IO manager deletes it once the transcript is stored.
    partial = store.scratch("transcript", context.partition_key, _digest(audio, pinned))
    by = "set" if config.language else "folder"
    try:
        return speech.transcribe(audio, context.log, partial, language=pinned, language_source=by)
    except BadInput as error:
        name = shown(source.name) if source else context.partition_key
        place = f" (Its folder in the inbox is named {folder}.)" if pinned and by == "folder" else ""
        raise BadInput(f'"{name}": {error.message}{place}', error.remedy) from error


def _digest(audio: Path, language: str | None) -> str:
    from blake3 import blake3

    return blake3(f"{_CODE_VERSION} {language or ''}\n".encode()).update_mmap(audio).hexdigest()


def _source(context: dg.AssetExecutionContext) -> Original | None:
    try:
        return described(context)
    except MissingOriginal:  # its audio is there, and that is enough
        return None


def _metadata(made: Transcript) -> dict[str, Any]:
    found: dict[str, Any] = {
        "duration_s": made.duration_s,
        "speech_s": made.speech_s,
        "language": made.language,
        "language_probability": made.language_probability,
        "language_source": made.language_source,
        "segments": len(made.segments),
        "words": made.words,
        CORRECTED: made.correction is not None,
        "model": made.model,
        "model_source": made.model_source,
        "device": f"{made.device}, {made.compute_type}",
        "reason": made.reason,
        "preview": dg.MetadataValue.md(_preview(made)),
    }
    if made.correction is not None:
        found["correction"] = f"{made.correction.name}, {made.correction.changed_words} words differ"
    if made.quality is not None:
        found |= {
            "kept_share": round(made.quality.kept_share, 4),
            "covered_share": round(made.quality.covered_share, 4),
            "decoded_again": made.quality.decoded_again,
            "dropped": len(made.quality.dropped),
            "device_steps": "; ".join(made.quality.device_steps) or "none",
        }
    return found


def _against_reference(context: dg.AssetExecutionContext, made: Transcript) -> dict[str, Any]:
    """The error rates, if what was really said lies beside the recording; a reference with a fault stops nothing."""
    source = _source(context)
    try:
        reference = read_reference(source.path) if source else None
        if reference is None:
            return {}
        rates = error_rates(reference, made.text, word_separator(made.language))
    except BadInput as error:
        context.log.warning(f"The reference is left out: {error}")
        return {"reference_problem": str(error)}
    return {"wer": round(rates.wer, 4), "cer": round(rates.cer, 4), "reference_words": rates.words}


def _preview(made: Transcript) -> str:
    if not made.segments:
        return "No words were recognised in this recording."
    lines = [f"- **{clock(segment.start_s)}** {segment.text}" for segment in made.segments[:_PREVIEW_SEGMENTS]]
    more = len(made.segments) - _PREVIEW_SEGMENTS
    return "\n".join([*lines, "", f"… and {more} more segments"] if more > 0 else lines)
