"""The summary of a recording: the points a listener should take away, each with its time, and the terms it is about.

Belongs here: the asset, what is recorded about it, and what a good summary must show.
Does not belong here: how it is made (`resources/summary/summarizing.py`).
"""

import re
import time
from bisect import bisect_right
from typing import Any

import dagster as dg

from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.errors import failures
from resources.speech.documents import Transcript
from resources.store.io_manager import ArtifactStore
from resources.summary.documents import Summary
from resources.summary.summarizing import EXTRACTIVE, Summarizer
from resources.timecode import clock

_CODE_VERSION = "1"


# No pool: the built-in summarizer takes about a second, and would wait for other recordings' speech recognition.
# A model runs beside whatever the device does; where it finds no room, it runs on the CPU.
@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    dagster_type=Summary,
    partitions_def=recordings_partitions,
    group_name="recordings",
    kinds={"python", "json"},
    owners=["team:scriptorium"],
    code_version=_CODE_VERSION,
    description=(
        "The main points of a recording, each with the time in seconds at which it is said, and its key terms with "
        "their times. JSON, in the language of the recording. Longer recordings get more points, from beginning to "
        "end. The built-in summarizer quotes sentences of the transcript; a transformers model writes its own."
    ),
    check_specs=[
        partition_check(
            "bullets_within_recording",
            asset="summary",
            partitions_def=recordings_partitions,
            blocking=True,
            description="There is a point, and every time lies between the start and the end of the recording.",
        ),
        partition_check(
            "quarters_covered",
            asset="summary",
            partitions_def=recordings_partitions,
            description="Each quarter of what is said has a point, as far as there are points enough.",
        ),
        partition_check(
            "bullets_from_transcript",
            asset="summary",
            partitions_def=recordings_partitions,
            blocking=True,
            description="Quoted points stand word for word in the transcript. A model's share most words with it.",
        ),
    ],
)
def summary(
    context: dg.AssetExecutionContext, transcript: Transcript, summarizer: Summarizer, store: ArtifactStore
) -> dg.MaterializeResult:
    started = time.monotonic()
    with failures():
        scratch = None
        if summarizer.writes:  # answers that were given survive an interruption; the IO manager deletes them in the end
            scratch = store.scratch("summary", context.partition_key, _digest(transcript, summarizer))
        made = summarizer.summarize(transcript, context.log, scratch)
    covered = _quarters(made, transcript)
    words = sum(len(bullet.text.split()) for bullet in made.bullets)
    return dg.MaterializeResult(
        value=made,
        metadata={
            "bullets": len(made.bullets),
            "key_terms": len(made.key_terms),
            "method": made.method,
            "reason": made.reason,
            "compression": round(words / max(1, len(transcript.text.split())), 4),
            "bullets_per_quarter": dg.MetadataValue.md(
                "| 1st | 2nd | 3rd | 4th |\n|---|---|---|---|\n| " + " | ".join(map(str, covered)) + " |"
            ),
            "wall_s": round(time.monotonic() - started, 3),
            "preview": dg.MetadataValue.md(_preview(made)),
        },
        check_results=[_within(made, transcript), _covered(made, covered), _grounded(made, transcript)],
    )


def _digest(transcript: Transcript, summarizer: Summarizer) -> str:
    from blake3 import blake3

    told = "\n".join([_CODE_VERSION, summarizer.model, transcript.model_dump_json()])
    return blake3(told.encode()).hexdigest()


def _preview(made: Summary) -> str:
    points = [f"- **{clock(bullet.time_s)}** {bullet.text}" for bullet in made.bullets]
    terms = [f"{term.term} ({', '.join(map(clock, term.times_s))})" for term in made.key_terms]
    return "\n".join([*points, "", "Key terms: " + "; ".join(terms) if terms else "No key terms."])


def _quarters(made: Summary, transcript: Transcript) -> list[int]:
    """How many bullets each quarter of the words has."""
    starts = [word.start_s for segment in transcript.segments for word in segment.words]
    starts = starts or [segment.start_s for segment in transcript.segments]
    counts = [0, 0, 0, 0]
    for bullet in made.bullets:
        said_before = max(0, bisect_right(starts, bullet.time_s) - 1)
        counts[said_before * 4 // len(starts)] += 1
    return counts


def _within(made: Summary, transcript: Transcript) -> dg.AssetCheckResult:
    outside = [
        clock(time_s)
        for times in ([bullet.time_s for bullet in made.bullets], *(term.times_s for term in made.key_terms))
        for time_s in times
        if time_s > transcript.duration_s + 0.5  # a last word may be dated just past the end
    ]
    return dg.AssetCheckResult(
        check_name="bullets_within_recording",
        passed=bool(made.bullets) and not outside,
        metadata={"duration_s": transcript.duration_s, "outside": ", ".join(outside) or "none"},
    )


def _covered(made: Summary, covered: list[int]) -> dg.AssetCheckResult:
    quarters = sum(count > 0 for count in covered)
    return dg.AssetCheckResult(
        check_name="quarters_covered",
        passed=quarters >= min(4, len(made.bullets)),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"quarters": quarters, "bullets": len(made.bullets)},
    )


def _grounded(made: Summary, transcript: Transcript) -> dg.AssetCheckResult:
    text = transcript.text
    metadata: dict[str, Any]
    if made.method == EXTRACTIVE:
        absent = [bullet.text for bullet in made.bullets if bullet.text not in text]
        metadata = {"not_in_transcript": "\n".join(absent) or "none"}
        return dg.AssetCheckResult(check_name="bullets_from_transcript", passed=not absent, metadata=metadata)
    said = set(_words(text))
    points = [_words(bullet.text) for bullet in made.bullets]
    shares = [sum(word in said for word in words) / len(words) for words in points if words]
    lowest = min(shares, default=0.0)
    return dg.AssetCheckResult(
        check_name="bullets_from_transcript",
        passed=lowest >= 0.5,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"lowest_share": round(lowest, 3)},
        description="A share of words says little about truth: read what a model wrote against the recording.",
    )


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3]
