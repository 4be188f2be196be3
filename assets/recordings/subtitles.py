"""The transcript of a recording for players, people and other programs: subtitles, plain text, Markdown, JSON.

Belongs here: the asset and its checks. Does not belong here: how cues are cut and written
(`resources/speech/subtitles.py`), the other formats (`resources/speech/exports.py`).
"""

from itertools import pairwise

import dagster as dg

from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.errors import failures
from resources.speech.documents import Transcript
from resources.speech.exports import as_json, markdown, txt
from resources.speech.subtitles import (
    CHARACTERS_PER_S,
    LINE,
    LINES,
    LONGEST_S,
    Cue,
    cues_of,
    read_srt,
    read_vtt,
    srt,
    vtt,
    width,
)
from resources.store.types import Files
from resources.timecode import clock

_PREVIEW_CUES = 20


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    partitions_def=recordings_partitions,
    group_name="recordings",
    kinds={"python", "file"},
    owners=["team:scriptorium"],
    code_version="2",
    # Named here: with checks beside the value, Dagster reads no type off the annotation.
    dagster_type=Files,
    description=(
        f"Subtitles as `transcript.srt` and `transcript.vtt`: at most {LINES} lines of {LINE} characters and "
        f"{LONGEST_S:.0f} seconds, cut where sentences and clauses end; and the transcript as `transcript.txt` (plain),"
        " `transcript.md` (with times) and `transcript.json` (every word with its times and probability). Each of them "
        "but the Markdown, edited, can be given back with `scriptorium correct`. Without speech there is no cue."
    ),
    check_specs=[
        partition_check(
            "cues_readable_by_players",
            asset="subtitles",
            partitions_def=recordings_partitions,
            blocking=True,
            description=(
                "Both subtitle files read back as the same cues, in order, without overlap, within the recording; there"
                " are some if words were said. If not, it is a fault of the program: report it with the transcript."
            ),
        ),
        partition_check(
            "cues_readable_by_people",
            asset="subtitles",
            partitions_def=recordings_partitions,
            description=(
                f"Lines fit, and nine of ten cues give a second for each {CHARACTERS_PER_S * 1.5:.0f} letters. If not,"
                " somebody speaks fast: shorten the text with `scriptorium correct` if it is to be read."
            ),
        ),
    ],
)
def subtitles(transcript: Transcript) -> dg.MaterializeResult:
    with failures():
        cues = cues_of(transcript)
        files = {
            "transcript.srt": srt(cues),
            "transcript.vtt": vtt(cues),
            "transcript.txt": txt(transcript),
            "transcript.md": markdown(transcript),
            "transcript.json": as_json(transcript),
        }
    return dg.MaterializeResult(
        value=Files({name: text.encode() for name, text in files.items()}),
        metadata={
            "cues": len(cues),
            "preview": dg.MetadataValue.md(_preview(cues)),
        },
        check_results=[
            _for_players(cues, files["transcript.srt"], files["transcript.vtt"], transcript),
            _for_people(cues),
        ],
    )


def _preview(cues: list[Cue]) -> str:
    if not cues:
        return "No words were recognised, so there are no cues."
    lines = [f"- **{clock(cue.start_s)}** {' / '.join(cue.lines)}" for cue in cues[:_PREVIEW_CUES]]
    more = len(cues) - _PREVIEW_CUES
    return "\n".join([*lines, "", f"… and {more} more cues"] if more > 0 else lines)


def _for_players(cues: list[Cue], as_srt: str, as_vtt: str, transcript: Transcript) -> dg.AssetCheckResult:
    try:
        differ = [name for name, read in (("srt", read_srt(as_srt)), ("vtt", read_vtt(as_vtt))) if read != cues]
    except ValueError as error:
        differ = [str(error)]
    wrong = [cue for cue in cues if not 0 <= cue.start_s < cue.end_s <= transcript.duration_s]
    wrong += [later for earlier, later in pairwise(cues) if later.start_s < earlier.end_s]
    return dg.AssetCheckResult(
        check_name="cues_readable_by_players",
        passed=bool(cues) == bool(transcript.words) and not differ and not wrong,
        metadata={
            "cues": len(cues),
            "differ": ", ".join(differ) or "none",
            "wrong_times": ", ".join(clock(cue.start_s) for cue in wrong[:20]) or "none",
        },
    )


def _for_people(cues: list[Cue]) -> dg.AssetCheckResult:
    wide = [cue for cue in cues if len(cue.lines) > LINES or any(width(line) > LINE for line in cue.lines)]
    hasty = [cue for cue in cues if sum(map(width, cue.lines)) / (cue.end_s - cue.start_s) > CHARACTERS_PER_S * 1.5]
    return dg.AssetCheckResult(
        check_name="cues_readable_by_people",
        passed=not wide and len(hasty) <= len(cues) / 10,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"too_wide": len(wide), "too_fast": len(hasty), "cues": len(cues)},
    )
