"""A transcript as other programs and people read it: plain text, JSON and Markdown. Pure text work.

Belongs here: the three formats. Does not belong here: subtitles (`subtitles.py`), reading back what a person has edited
(`edited.py`), the asset that makes the files.

`transcript.json` is UTF-8, with the names that Whisper's own JSON uses, so that what reads that reads this. Its
`version` counts changes of what is here:

    version               1
    language              ISO 639-1 code
    language_probability  0 to 1; 1 if the language was set
    duration              length of the recording in seconds, as all times from its start
    model                 what heard it
    corrected             true if a person has edited it
    text                  all of it, in one line
    segments              in time order, each a sentence or a part of one:
        id                its number, from 0
        start, end        times
        text              without blanks around it
        speaker           a label, only if speakers were told apart
        words             each with start, end, word (with its punctuation, no blanks) and probability (0 to 1)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from resources.commonmark import escape
from resources.speech.documents import SENTENCE_END, Segment, Transcript, word_separator
from resources.timecode import clock

VERSION = 1

_NOBODY = "No words were recognised in this recording."  # and so it has no language to say it in

_PAUSE_S = 2.0
"""Silence after which a new paragraph begins: a breath takes less, a new thought often more."""

_FULL = 500
"""Letters after which a paragraph ends with its sentence: about a quarter of a page."""

_OVERFULL = 1500
"""Letters after which it ends anywhere: some models write no full stops."""


def paragraphs(transcript: Transcript) -> Iterator[list[Segment]]:
    """The segments in groups to read at once: parted by a long pause, another speaker, or a length."""
    group: list[Segment] = []
    for segment in transcript.segments:
        if group and _parted(group, segment):
            yield group
            group = []
        group.append(segment)
    if group:
        yield group


def _parted(group: list[Segment], following: Segment) -> bool:
    length = sum(len(segment.text) for segment in group)
    return (
        following.start_s - group[-1].end_s >= _PAUSE_S
        or following.speaker != group[-1].speaker
        or (length >= _FULL and bool(SENTENCE_END.search(group[-1].text)))
        or length >= _OVERFULL
    )


def txt(transcript: Transcript) -> str:
    """The words alone: one line for each paragraph, a blank line between them; empty if nobody speaks."""
    blank = word_separator(transcript.language)
    return "\n".join(f"{blank.join(segment.text for segment in group)}\n" for group in paragraphs(transcript))


def markdown(transcript: Transcript) -> str:
    """Each paragraph with its time `h:mm:ss` and, if known, its speaker; a sentence that says so if nobody speaks."""
    blank = word_separator(transcript.language)
    blocks = []
    for group in paragraphs(transcript):
        speaker = f" *{escape(group[0].speaker)}*" if group[0].speaker else ""
        text = escape(blank.join(segment.text for segment in group))
        blocks.append(f"**{clock(group[0].start_s)}**{speaker} {text}\n")
    return "\n".join(blocks) or f"{_NOBODY}\n"


def as_json(transcript: Transcript) -> str:
    """The schema above, two blanks deep, with a line end: fit to be edited by hand and compared line by line."""
    blank = word_separator(transcript.language)
    whole: dict[str, Any] = {
        "version": VERSION,
        "language": transcript.language,
        "language_probability": transcript.language_probability,
        "duration": transcript.duration_s,
        "model": transcript.model,
        "corrected": transcript.correction is not None,
        "text": blank.join(segment.text for segment in transcript.segments),
        "segments": [_segment(number, segment) for number, segment in enumerate(transcript.segments)],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "start": segment.start_s,
        "end": segment.end_s,
        "text": segment.text,
        **({} if segment.speaker is None else {"speaker": segment.speaker}),
        "words": [
            {"start": word.start_s, "end": word.end_s, "word": word.text, "probability": word.probability}
            for word in segment.words
        ],
    }
