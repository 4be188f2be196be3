"""Reading a transcript that a person has edited: our JSON or Whisper's, SubRip, WebVTT, plain text.

Belongs here: from the bytes of such a file to its words, and what is wrong with it, by line. Pure.
Does not belong here: what the words mean for the transcript they correct (`corrections.py`), our own strict readers of
subtitles (`subtitles.py`).
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from blake3 import blake3

from resources.errors import BadInput
from resources.intake.identity import shown
from resources.timecode import clock

_LARGEST_BYTES = 64_000_000
"""A day of speech, every word with its times, is about 25 MB of JSON."""

_BEYOND_S = 1.0
"""So far past the recording's end a time may lie: programs round, and let the last cue linger."""

_LATEST_S = 1e9
"""No recording is that long, and every number below fits a float."""

_SUBRIP, _TEXT_REMEDY = "00:01:02,500 --> 00:01:04,000", "Save it as UTF-8 text."
_MOMENT = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_MOMENT}\s*-->\s*{_MOMENT}(?:\s.*)?")
_TAGS = re.compile(
    r"</?(?:[bius]|em|strong|ruby|rt|c)(?:\.[^\s<>]*)?\s*/?>|</?(?:font|span|v|lang)(?:[\s.][^<>]*)?>|<br\s*/?>"
    r"|<\d[\d:.]*>|\{\\[^}]*\}",
    re.IGNORECASE,
)
"""Formatting of subtitles. Other angle brackets are words: "where x<y and z>w"."""

_BEGINS_CUE = re.compile(r"\s*\d[\d:.,]*\s*-->")
_REMARK = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_OUR_MARKDOWN = re.compile(r"^\*\*\d+:\d\d:\d\d\*\*", re.MULTILINE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")
"""Signs that no file of notes can hold; halves of surrogate pairs come from JSON only."""


@dataclass(frozen=True)
class Timed:
    """A word that came with times, in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Piece:
    """A cue, a segment, or a line of plain text. `where` names its place in the file; times are in seconds, or unknown.

    `words` are None where the file has none of their own.
    """

    where: str
    text: str
    start_s: float | None = None
    end_s: float | None = None
    speaker: str | None = None
    words: tuple[Timed, ...] | None = None


@dataclass(frozen=True)
class Edited:
    """What an edited file says, in order. `kind` is json, srt, vtt or text; `digest` the BLAKE3 of its bytes (hex)."""

    name: str
    digest: str
    kind: str
    pieces: tuple[Piece, ...]


def read_edited(path: Path, duration_s: float) -> Edited:
    """The file's words; with its times, these lie in order within a recording of `duration_s` seconds.

    The content decides what it is, not the name. UTF-8, with or without a byte order mark, any line ends.
    Raises BadInput, which names the line (of JSON, the segment) and what to do.
    """
    name = shown(path.name)
    try:
        if not path.is_file():
            raise BadInput(f"There is no file {shown(str(path), 500)}.", "Check the path.")
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{name} can't be read ({error.strerror}).", "Make it readable.") from error
    if len(content) > _LARGEST_BYTES:
        raise BadInput(f"{name} is larger than {_LARGEST_BYTES / 1e6:g} MB: that is no transcript.", "Check the path.")
    if content.startswith((b"PK\x03\x04", b"%PDF")):  # a Word file is a ZIP archive
        raise BadInput(f"{name} is a Word or PDF file.", "Edit a copy of transcript.txt from the library instead.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{name}, line {line}: this is not UTF-8.", _TEXT_REMEDY) from error
    if "\x00" in text:
        raise BadInput(f"{name} is no text.", _TEXT_REMEDY)
    kind, pieces = _parse(name, _CONTROLS.sub(" ", text))
    found = [replace(piece, text=" ".join(piece.text.split())) for piece in pieces]
    found = [piece for piece in found if piece.text or piece.words]
    if not found:
        raise BadInput(f"{name} holds no words.", "Give the transcript as it should be, not an empty file.")
    _check_times(name, found, duration_s)
    return Edited(name, blake3(content).hexdigest(), kind, tuple(found))


def _parse(name: str, text: str) -> tuple[str, list[Piece]]:
    lines = text.splitlines()
    if text.lstrip()[:1] in ("{", "[") and (name.lower().endswith(".json") or _is_json(text)):
        return "json", _read_json(name, text)
    if name.lower().endswith(".json"):
        raise BadInput(f"{name}, line 1: a JSON transcript begins with {{.", "Edit a copy of transcript.json.")
    if lines and lines[0].startswith("WEBVTT"):
        return "vtt", _read_cues(name, lines, vtt=True)
    arrows = [line for line in lines if "-->" in line]
    if arrows and (name.lower().endswith((".srt", ".vtt")) or any(map(_BEGINS_CUE.match, arrows))):
        return "srt", _read_cues(name, lines, vtt=False)
    if _OUR_MARKDOWN.search(text):
        raise BadInput(f"{name} is Markdown, with times among the words.", "Edit a copy of transcript.txt or .srt.")
    return "text", [Piece(f"line {number}", line) for number, line in enumerate(lines, 1)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_cues(name: str, lines: Sequence[str], *, vtt: bool) -> list[Piece]:
    """Cues, forgiving what players forgive: missing numbers, blank lines too many or too few, formatting."""
    pieces: list[Piece] = []
    at = [number for number, line in enumerate(lines) if "-->" in line]
    for here, following in pairwise([*at, len(lines)]):
        match = _TIMES.fullmatch(lines[here])
        if match is None:
            _wrong_time(name, here, lines[here])
        part = [int(group or 0) for group in match.groups()]
        if max(part[1], part[2], part[5], part[6]) > 59:
            _wrong_time(name, here, lines[here])
        start_s, end_s = (
            part[i] * 3600 + part[i + 1] * 60 + part[i + 2] + int((match[i + 4] or "0").ljust(3, "0")) / 1000
            for i in (0, 4)
        )
        said = list(lines[here + 1 : following])
        if following < len(lines) and said and _is_label(said, vtt=vtt):
            said.pop()
        if vtt:
            said = _without_remarks(said)
        text = _TAGS.sub("", " ".join(said))
        pieces.append(Piece(f"line {here + 1}", html.unescape(text) if vtt else text, start_s, end_s))
    return pieces


def _is_label(said: Sequence[str], *, vtt: bool) -> bool:
    """Whether the last line, which stands right above the next cue's times, is that one's number or name."""
    return said[-1].strip().isdigit() or (vtt and bool(said[-1].strip()) and len(said) > 1 and not said[-2].strip())


def _without_remarks(said: Sequence[str]) -> list[str]:
    """A cue's lines without the remarks and styles that WebVTT has between cues, each up to a blank line.

    Other lines after a blank one are the cue's all the same: people leave blank lines in what they write.
    """
    kept, remark, after_blank = [], False, False
    for line in said:
        if not line.strip():
            remark, after_blank = False, True
            continue
        remark = remark or (after_blank and bool(_REMARK.match(line)))
        after_blank = False
        kept += [] if remark else [line]
    return kept


def _wrong_time(name: str, line: int, text: str) -> NoReturn:
    raise BadInput(f'{name}, line {line + 1}: "{shown(text.strip(), 60)}" is no time.', f"Write it like {_SUBRIP}.")


def _read_json(name: str, text: str) -> list[Piece]:
    remedy = "Edit a copy of transcript.json, and keep its form."
    try:
        whole = json.loads(text, parse_constant=lambda found: math.nan)
    except json.JSONDecodeError as error:
        raise BadInput(f"{name}, line {error.lineno}: {error.msg}.", "Mend the JSON there.") from error
    except RecursionError as error:
        raise BadInput(f"{name} is nested too deeply.", remedy) from error
    except ValueError as error:  # a number of thousands of digits
        raise BadInput(f"{name} can't be read: {error}.", remedy) from error
    segments = whole.get("segments") if isinstance(whole, dict) else whole
    if not isinstance(segments, list):
        raise BadInput(f'{name} has no list "segments".', remedy)
    return [_segment(name, number, segment) for number, segment in enumerate(segments, 1)]


def _segment(name: str, number: int, segment: Any) -> Piece:
    where = f"segment {number}"
    if not isinstance(segment, dict) or not isinstance(segment.get("text"), str):
        raise BadInput(f'{name}, {where}: it has no "text".', 'A segment is {"start": 1.5, "end": 2.5, "text": "…"}.')
    speaker = segment.get("speaker")
    if not isinstance(speaker, str | None):
        raise BadInput(f'{name}, {where}: "speaker" is no text.', 'Write it like "speaker": "A", or leave it out.')
    start_s, end_s = _seconds(name, where, segment)
    words = segment.get("words")
    if words is not None and not isinstance(words, list):
        raise BadInput(f'{name}, {where}: "words" is no list.', 'Leave "words" out.')
    timed = None if words is None else _timed(name, where, words)
    said, speaker = (_CONTROLS.sub(" ", text or "") for text in (segment["text"], speaker))
    return Piece(where, said, start_s, end_s, speaker.strip() or None, timed)


def _timed(name: str, where: str, words: list[Any]) -> tuple[Timed, ...] | None:
    """The words; None if one of them has no times (Whisper aligns no digits), for then they help with nothing."""
    found = []
    for number, word in enumerate(words, 1):
        text = word.get("word", word.get("text")) if isinstance(word, dict) else None
        if not isinstance(text, str):
            raise BadInput(f'{name}, {where}: word {number} has no "word".', 'Leave the segment\'s "words" out.')
        start_s, end_s = _seconds(name, f"{where}, word {number}", word)
        if start_s is None or end_s is None:
            return None
        found += [Timed(part, start_s, end_s) for part in _CONTROLS.sub(" ", text).split()]
    return tuple(found)


def _seconds(name: str, where: str, holder: dict[str, Any]) -> tuple[float | None, float | None]:
    """`start` and `end`, or None for both."""
    times = [holder.get("start"), holder.get("end")]
    if times == [None, None]:
        return None, None
    for what, value in zip(("start", "end"), times, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST_S:
            raise BadInput(
                f'{name}, {where}: "{what}" is {shown(json.dumps(value), 40)}.', "Write seconds, such as 61.5."
            )
    return float(holder["start"]), float(holder["end"])


def _check_times(name: str, pieces: Sequence[Piece], duration_s: float) -> None:
    """Raise for a piece that ends before it begins, begins before the one before it, or lies past the recording."""
    timed = [(piece, piece.start_s, piece.end_s) for piece in pieces if piece.start_s is not None]
    for piece, start_s, end_s in timed:
        assert end_s is not None
        if end_s < start_s:
            raise BadInput(
                f"{name}, {piece.where}: it begins at {clock(start_s)} and ends before, at {clock(end_s)}.",
                "Correct the times.",
            )
        if end_s > duration_s + _BEYOND_S:
            raise BadInput(
                f"{name}, {piece.where}: it ends at {clock(end_s)}, but the recording at {clock(duration_s)}.",
                "Correct the times, or check that this is the file of this recording.",
            )
    for (_, earlier, _), (piece, later, _) in pairwise(timed):
        if later < earlier:
            raise BadInput(
                f"{name}, {piece.where}: it begins at {clock(later)}, before the one above it ({clock(earlier)}).",
                "Put them in the order of their times.",
            )
