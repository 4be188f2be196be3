"""How far notes can be trusted, in words: what a reader is warned of on page one, and how the notes came about.

Belongs here: the warnings, and the rows on transcript and summary of the last page. Does not belong here: measuring any
of it (the speech and summary resources, with the bounds that checks share), the words themselves (`wording.py`). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from resources.notes.wording import Wording
from resources.speech.documents import LEAST_COVERED, LEAST_KEPT, LEAST_LANGUAGE_PROBABILITY, Transcript
from resources.summary.documents import LEAST_FAITHFUL, Summary
from resources.timecode import clock

# One word in seven: a reader then stumbles in most sentences.
_DOUBTFUL_SHARE = 0.15


def statement(duration_s: float, transcript: Transcript, words: Wording) -> str:
    """What stands in place of the text of a recording in which no words were recognised."""
    dropped = transcript.quality is not None and bool(transcript.quality.dropped)
    return (words.no_trusted_speech if dropped else words.no_speech).format(duration=clock(duration_s))


def warnings(transcript: Transcript, summary: Summary, uncertain_share: float, words: Wording) -> Iterator[str]:
    """What a reader must know before relying on the notes; `uncertain_share` of the words (0..1) is set in grey."""
    spoken = any(segment.text for segment in transcript.segments)
    if spoken and transcript.language_probability < LEAST_LANGUAGE_PROBABILITY:
        probability = words.number(transcript.language_probability, 2)
        yield words.warn_language.format(language=words.language_name(transcript.language), probability=probability)
    if quality := transcript.quality:
        # Without words the statement says it; that all of a white noise is missing speech would be untrue.
        if spoken and quality.kept_share < LEAST_KEPT:
            yield words.warn_kept.format(percent=_percent(1 - quality.kept_share, words))
        if quality.covered_share < LEAST_COVERED:
            yield words.warn_covered.format(percent=_percent(1 - quality.covered_share, words))
        if spoken and quality.dropped:
            yield words.warn_dropped.format(count=len(quality.dropped), percent=_dropped_percent(transcript, words))
    if uncertain_share > _DOUBTFUL_SHARE:
        yield words.warn_uncertain.format(percent=_percent(uncertain_share, words))
    if spoken and summary.faithfulness < LEAST_FAITHFUL:
        yield words.warn_unfaithful.format(percent=_percent(1 - summary.faithfulness, words))


def correction(transcript: Transcript, words: Wording) -> str:
    """That a person has edited the words, or nothing."""
    made = transcript.correction
    return words.corrected.format(name=made.name, count=made.changed_words) if made else ""


def provenance(transcript: Transcript, summary: Summary, words: Wording) -> Iterator[tuple[str, str]]:
    """Label and value of the rows on how words and summary came about."""
    sources = {
        "heard": words.language_heard,
        "set": words.language_set,
        "folder": words.language_folder,
        "model": words.language_model,
    }
    yield (
        words.language,
        words.language_value.format(
            language=words.language_name(transcript.language),
            probability=words.number(transcript.language_probability, 2),
            source=sources.get(transcript.language_source, transcript.language_source),
        ),
    )
    yield (
        words.speech,
        words.speech_value.format(
            model=transcript.model,
            source=transcript.model_source,
            device=transcript.device,
            compute_type=transcript.compute_type,
        ),
    )
    yield words.reason, transcript.reason
    if transcript.settings:
        yield words.settings, ", ".join(f"{name} {value}" for name, value in sorted(transcript.settings.items()))
    quality = transcript.quality
    if quality and (transcript.speech_s or quality.dropped):  # shares of nothing say nothing
        listened = words.listened_value.format(
            kept=_percent(quality.kept_share, words),
            covered=_percent(quality.covered_share, words),
            threshold=words.number(quality.vad_threshold, 2),
        )
        yield words.listened, listened
        yield words.again, str(quality.decoded_again)
        count, percent = len(quality.dropped), _dropped_percent(transcript, words)
        yield words.dropped, words.dropped_value.format(count=count, percent=percent) if count else words.none
        if quality.device_steps:
            yield words.memory, "; ".join(quality.device_steps)
    if made := transcript.correction:
        yield words.correction, f"{correction(transcript, words)} ({made.digest})"
    yield words.summary_method, f"{summary.method}. {summary.reason}".strip()
    if summary.bullets:
        value = words.faithful_value.format(
            percent=_percent(summary.faithfulness, words), count=len(summary.dropped) or words.none
        )
        yield words.faithful, value


def _dropped_percent(transcript: Transcript, words: Wording) -> str:
    """The share of what was listened to that was left out; passages may overlap at their ends, so at most all."""
    dropped = transcript.quality.dropped if transcript.quality else ()
    lost_s = sum(gap.end_s - gap.start_s for gap in dropped)
    heard_s = transcript.speech_s or transcript.duration_s
    return _percent(min(lost_s / heard_s, 1.0) if heard_s else 1.0, words)


def _percent(share: float, words: Wording) -> str:
    """A share (0..1) in per cent: whole ones, tenths below one, and never 0 or 100 for what is not."""
    percent = share * 100
    if 0 < percent < 1 or 99 < percent < 100:
        return words.number(min(max(round(percent, 1), 0.1), 99.9), 1)
    return str(round(percent))
