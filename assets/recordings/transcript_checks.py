"""What a good transcript must show.

Belongs here: the checks of `transcript`. Does not belong here: their bounds, which the notes warn of too
(`resources/speech/documents.py`), the asset (`transcript.py`), which words are left out, and why
(`resources/speech/gate.py`).
"""

from itertools import pairwise

import dagster as dg

from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.speech.documents import LEAST_COVERED, LEAST_KEPT, LEAST_LANGUAGE_PROBABILITY, Transcript
from resources.speech.gate import REASONS
from resources.timecode import clock

_SHOWN = 20

_ANEW = "then materialize the transcript again"


def _check(name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    return partition_check(
        name, asset="transcript", partitions_def=recordings_partitions, blocking=blocking, description=description
    )


SPECS = [
    _check(
        "words_found",
        "Words were recognised. If not, check that the recording plays and is loud enough. Where nobody speaks all is"
        " well: the notes say so.",
    ),
    _check(
        "words_within_recording",
        "The times of words never run backwards, and all lie within the recording. If not, it is a fault of the"
        " program: report it with the recording.",
        blocking=True,
    ),
    _check(
        "language_probability",
        f"The language was set, or found with a probability of at least {LEAST_LANGUAGE_PROBABILITY}. If it is"
        " another one, put the recording into a folder of the inbox named like the language (`ru`), or set `language`"
        f" in the Launchpad or SCRIPTORIUM_SPEECH_LANGUAGE; {_ANEW}.",
    ),
    _check(
        "speech_kept",
        f"Of what a sensitive detector takes for speech, at least {LEAST_KEPT:.0%} was heard. If not, quiet voices"
        f" may be missing: make the recording louder, or record closer to the microphone; {_ANEW}.",
    ),
    _check(
        "speech_covered",
        f"Words lie over at least {LEAST_COVERED:.0%} of the speech that was listened to. If not, there is noise"
        f" or music, or the language is another one, or the model is too small for it: set them, and {_ANEW}.",
    ),
    _check(
        "nothing_left_out",
        "No words were left out because they can't be trusted. If some were, listen to the recording at those times,"
        " and put in what was said with `scriptorium correct`.",
    ),
]


def results(made: Transcript) -> list[dg.AssetCheckResult]:
    """How a transcript fares in each of `SPECS`."""
    return [_found(made), _within(made), _sure(made), *_shares(made), _left_out(made)]


def _warning(name: str, passed: bool, said: str, **metadata: dg.MetadataValue | str | float) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata=metadata,
    )


def _found(made: Transcript) -> dg.AssetCheckResult:
    said = f"{made.words} words." if made.segments else "No words were recognised in this recording."
    return _warning("words_found", bool(made.segments), said, words=made.words, speech_s=made.speech_s)


def _within(made: Transcript) -> dg.AssetCheckResult:
    words = [word for segment in made.segments for word in segment.words]
    wrong = [word for word in words if not 0 <= word.start_s <= word.end_s <= made.duration_s]
    wrong += [later for earlier, later in pairwise(words) if later.start_s < earlier.end_s]
    return dg.AssetCheckResult(
        check_name="words_within_recording",
        passed=not wrong and bool(words) == bool(made.segments),
        metadata={
            "words": len(words),
            "duration_s": made.duration_s,
            "wrong": ", ".join(f"{word.text} at {clock(word.start_s)}" for word in wrong[:_SHOWN]) or "none",
        },
    )


def _sure(made: Transcript) -> dg.AssetCheckResult:
    passed = made.language_probability >= LEAST_LANGUAGE_PROBABILITY or not made.segments
    said = f"{made.language} with a probability of {made.language_probability:.2f} ({made.language_source})."
    return _warning(
        "language_probability",
        passed,
        said if passed else f"It may not be {said}",
        language=made.language,
        language_probability=made.language_probability,
    )


def _shares(made: Transcript) -> list[dg.AssetCheckResult]:
    if made.quality is None:
        unknown = "Not known: this transcript was made by an earlier version."
        return [_warning(name, True, unknown) for name in ("speech_kept", "speech_covered")]
    kept, covered = made.quality.kept_share, made.quality.covered_share
    return [
        _warning(
            "speech_kept",
            kept >= LEAST_KEPT,
            f"{kept:.0%} of what may be speech was listened to.",
            kept_share=round(kept, 4),
            vad_threshold=made.quality.vad_threshold,
        ),
        _warning(
            "speech_covered",
            covered >= LEAST_COVERED,
            f"{covered:.0%} of the speech has words.",
            covered_share=round(covered, 4),
            speech_s=made.speech_s,
        ),
    ]


def _left_out(made: Transcript) -> dg.AssetCheckResult:
    dropped = made.quality.dropped if made.quality else ()
    lines = [f"- **{clock(one.start_s)}** {one.text} ({REASONS.get(one.reason, one.reason)})" for one in dropped]
    more = [f"- … and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    said = f"{len(dropped)} passages were left out." if dropped else "Nothing was left out."
    if dropped and made.correction is not None:
        said += " A person has been over it since."
    return _warning(
        "nothing_left_out",
        not dropped or made.correction is not None,
        said,
        dropped=len(dropped),
        passages=dg.MetadataValue.md("\n".join([*lines[:_SHOWN], *more]) or "none"),
    )
