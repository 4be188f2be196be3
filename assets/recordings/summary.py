"""The summary of a recording: what a listener should take away, chapter by chapter, and the terms it is about.

Belongs here: the asset, what is recorded about it, and what a good summary must show.
Does not belong here: how it is made (`resources/summary/summarizing.py`).
"""

import time
from typing import Any

import dagster as dg

from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.errors import failures
from resources.speech.documents import Transcript
from resources.store.io_manager import ArtifactStore
from resources.summary import coverage
from resources.summary.documents import LEAST_FAITHFUL, Bullet, Summary
from resources.summary.sentences import sentences
from resources.summary.summarizing import Summarizer
from resources.timecode import clock

_CODE_VERSION = "2"


def _check(name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    return partition_check(
        name, asset="summary", partitions_def=recordings_partitions, blocking=blocking, description=description
    )


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
        "The main points of a recording, its chapters with the key points of each, and its key terms, all with the "
        "time in seconds at which they are said. JSON, in the language of the recording. Longer recordings get more, "
        "from beginning to end. The built-in summarizer quotes sentences of the transcript; a transformers model or "
        "an OpenAI-compatible endpoint writes its own, which are held against the transcript. Empty if nobody speaks."
    ),
    check_specs=[
        _check(
            "bullets_within_recording",
            "There is a point, if anybody speaks, and every time lies between the start and the end of the recording.",
            blocking=True,
        ),
        _check(
            "chapters_cover_recording",
            "The chapters follow one another without a gap from the first word to the last.",
            blocking=True,
        ),
        _check("bullets_from_transcript", "Quoted points stand word for word in the transcript.", blocking=True),
        _check("quarters_covered", "Each quarter of what is said has a point."),
        _check("beginning_and_end_covered", "The first and the last minute of speech have a point."),
        _check("faithfulness", "Nearly all of what a model wrote is supported by what is said near that time."),
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
        compared_by = summarizer.compared_by(transcript.language)
    told = _told(made)
    said = sentences(transcript)
    covered = coverage.quarters([bullet.time_s for bullet in told], said)
    words = sum(len(bullet.text.split()) for bullet in told)
    return dg.MaterializeResult(
        value=made,
        metadata={
            "bullets": len(made.bullets),
            "chapters": len(made.chapters),
            "points": len(told) - len(made.bullets),
            "key_terms": len(made.key_terms),
            "method": made.method,
            "reason": made.reason,
            "encoder": compared_by,
            "compression": round(words / max(1, len(transcript.text.split())), 4),
            "faithfulness": made.faithfulness,
            "dropped": len(made.dropped),
            "unsupported": sum(not bullet.supported for bullet in told),
            "points_per_quarter": dg.MetadataValue.md(
                "| 1st | 2nd | 3rd | 4th |\n|---|---|---|---|\n| " + " | ".join(map(str, covered)) + " |"
            ),
            "wall_s": round(time.monotonic() - started, 3),
            "preview": dg.MetadataValue.md(_preview(made)),
        },
        check_results=[
            _within(made, transcript),
            _gapless(made, transcript),
            _quoted(made, transcript),
            _covered(covered, bool(said)),
            _ends(told, transcript),
            _faithful(made),
        ],
    )


def _told(made: Summary) -> list[Bullet]:
    """Bullets and points."""
    return [*made.bullets, *(point for chapter in made.chapters for point in chapter.points)]


def _digest(transcript: Transcript, summarizer: Summarizer) -> str:
    from blake3 import blake3

    identity = summarizer.identity(transcript.language)
    return blake3("\n".join([_CODE_VERSION, identity, transcript.model_dump_json()]).encode()).hexdigest()


def _preview(made: Summary) -> str:
    if not made.bullets:
        return made.reason
    lines = [_line(bullet) for bullet in made.bullets]
    for chapter in made.chapters:
        lines += ["", f"**{clock(chapter.start_s)} {chapter.title}**", "", *map(_line, chapter.points)]
    terms = [f"{term.term} ({', '.join(map(clock, term.times_s))})" for term in made.key_terms]
    lines += ["", "Key terms: " + "; ".join(terms) if terms else "No key terms."]
    if made.dropped:
        lines += ["", "Left out, for the transcript does not support it:", "", *map(_line, made.dropped)]
    return "\n".join(lines)


def _line(bullet: Bullet) -> str:
    return f"- **{clock(bullet.time_s)}** {bullet.text}" + ("" if bullet.supported else " *(not supported)*")


def _within(made: Summary, transcript: Transcript) -> dg.AssetCheckResult:
    outside = [
        clock(time_s)
        for times in ([bullet.time_s for bullet in _told(made)], *(term.times_s for term in made.key_terms))
        for time_s in times
        if time_s > transcript.duration_s + 0.5  # a last word may be dated just past the end
    ]
    return dg.AssetCheckResult(
        check_name="bullets_within_recording",
        passed=(bool(made.bullets) or not transcript.segments) and not outside,
        metadata={"duration_s": transcript.duration_s, "outside": ", ".join(outside) or "none"},
    )


def _gapless(made: Summary, transcript: Transcript) -> dg.AssetCheckResult:
    edges = [edge for chapter in made.chapters for edge in (chapter.start_s, chapter.end_s)]
    first_s, last_s = _speech(transcript)
    joined = edges[1:-1:2] == edges[2::2] and edges == sorted(edges)
    # Words without times of their own share their segment's, so its edges may be a little off.
    whole = bool(edges) and edges[0] <= first_s + 1 and edges[-1] >= last_s - 1
    return dg.AssetCheckResult(
        check_name="chapters_cover_recording",
        passed=(joined and whole) or not transcript.segments,
        metadata={"edges": ", ".join(map(clock, edges)) or "none"},
    )


def _speech(transcript: Transcript) -> tuple[float, float]:
    """When the first word starts and the last one ends, in seconds; both 0 if nobody speaks."""
    if not transcript.segments:
        return 0.0, 0.0
    return transcript.segments[0].start_s, transcript.segments[-1].end_s


def _covered(covered: list[int], anybody: bool) -> dg.AssetCheckResult:
    quarters = sum(count > 0 for count in covered)
    points = sum(covered)
    return dg.AssetCheckResult(
        check_name="quarters_covered",
        passed=not anybody or quarters >= min(4, points),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"quarters": quarters, "points": points},
    )


def _ends(told: list[Bullet], transcript: Transcript) -> dg.AssetCheckResult:
    beginning, end = coverage.ends([bullet.time_s for bullet in told], *_speech(transcript))
    return dg.AssetCheckResult(
        check_name="beginning_and_end_covered",
        passed=(beginning and end) or not transcript.segments,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"beginning": beginning, "end": end},
    )


def _quoted(made: Summary, transcript: Transcript) -> dg.AssetCheckResult:
    text = transcript.text
    absent = [bullet.text for bullet in _told(made) if bullet.quoted and bullet.text not in text]
    metadata: dict[str, Any] = {"not_in_transcript": "\n".join(absent) or "none"}
    return dg.AssetCheckResult(check_name="bullets_from_transcript", passed=not absent, metadata=metadata)


def _faithful(made: Summary) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="faithfulness",
        passed=made.faithfulness >= LEAST_FAITHFUL,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"faithfulness": made.faithfulness, "dropped": len(made.dropped)},
        description="Words are compared, not meanings: read what a model wrote against the recording.",
    )
