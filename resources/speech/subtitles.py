"""Subtitles from a transcript: cues a viewer can read, and their two file formats. Pure text work.

Belongs here: cutting words into cues and lines, SRT and WebVTT, reading both back.
Does not belong here: sentences of the transcript (`cutting.py`), the asset that makes the files.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resources.speech.documents import SENTENCE_END, Transcript, Word, word_separator

LINE = 42
"""Characters in a line; a wide character (Chinese, Japanese, Korean) counts as two."""

LINES = 2
SHORTEST_S = 1.0
LONGEST_S = 7.0
CHARACTERS_PER_S = 17.0
"""How fast people read subtitles; broadcasters ask for 12 to 20."""

GAP_S = 0.08
"""Two frames of nothing between cues, so that the eye notices the change."""

LINGER_S = 1.5
"""How long a cue may stay after its last word to give time for reading."""

_CLAUSE_END = re.compile(r"[,;:—–、，][\"'»”’)\]]*$")
_TIMES = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3}) --> (?:(\d+):)?(\d\d):(\d\d)[.,](\d{3})")


@dataclass(frozen=True)
class Cue:
    """One or two lines on the screen from `start_s` to `end_s`, in seconds."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def cues_of(transcript: Transcript) -> list[Cue]:
    """Cues in order, none overlapping the next, within the recording; times in whole milliseconds.

    Every cue has at most `LINES` lines of `LINE` characters and takes at most `LONGEST_S` seconds, and it stays
    `SHORTEST_S` seconds or more wherever the words leave that much time. Of all ways to cut, the one with the smallest
    sum of penalties is taken: for ending within a sentence or a breath, for too little time to read, for many cues.
    """
    separator = word_separator(transcript.language)
    pieces = [piece for segment in transcript.segments for word in segment.words for piece in _pieces(word)]
    words = _apart(pieces, transcript.duration_s)
    cues: list[Cue] = []
    for first, behind in _cut(words, len(separator), transcript.duration_s):
        latest = words[behind].start_s if behind < len(words) else transcript.duration_s
        lines = tuple(
            line.replace("-->", "->") for line in _lines([word.text for word in words[first:behind]], separator)
        )  # players would take it for times
        characters = sum(map(width, lines))
        cues.append(Cue(*_times(words[first:behind], characters, cues[-1].end_s if cues else 0.0, latest), lines))
    return cues


def width(text: str) -> int:
    """Columns the text takes: wide characters two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pieces(word: Word) -> list[Word]:
    """The word, or parts of it if it is too long for a line; its time is shared out by width."""
    if width(word.text) <= LINE:
        return [word]
    texts = [""]
    for character in word.text:
        if width(texts[-1] + character) > LINE:
            texts.append("")
        texts[-1] += character
    step = (word.end_s - word.start_s) / len(texts)
    return [
        Word(
            start_s=word.start_s + step * i,
            end_s=word.start_s + step * (i + 1),
            text=text,
            probability=word.probability,
        )
        for i, text in enumerate(texts)
    ]


def _apart(words: Sequence[Word], duration_s: float) -> list[Word]:
    """The same words, each with a little time of its own, even where the recogniser put many at one moment."""
    if not words:
        return []
    least = min(0.05, duration_s / len(words))
    starts: list[float] = []
    ends: list[float] = []
    for word in words:
        starts.append(max(word.start_s, ends[-1] if ends else 0.0))
        ends.append(max(word.end_s, starts[-1] + least))
    limit = duration_s
    for i in reversed(range(len(words))):
        ends[i] = min(ends[i], limit)
        starts[i] = limit = max(0.0, min(starts[i], ends[i] - least))
    return [
        Word(start_s=start, end_s=max(start, end), text=word.text, probability=word.probability)
        for word, start, end in zip(words, starts, ends, strict=True)
    ]


def _cut(words: Sequence[Word], blank: int, duration_s: float) -> list[tuple[int, int]]:
    """First word and the one behind the last of each cue: the cheapest way through, found from the end backwards."""
    best: list[tuple[float, int]] = [(0.0, 0)] * (len(words) + 1)
    for first in reversed(range(len(words))):
        choices = []
        line, used, characters, inner = 1, 0, 0, 0.0
        for last in range(first, len(words)):
            word = words[last]
            size = width(word.text)
            if used and used + blank + size > LINE:
                line, used = line + 1, size
            else:
                used += size + (blank if used else 0)
            characters += size + (blank if last > first else 0)
            if last > first:
                inner += _unrest(words[last - 1], word)
                if line > LINES or word.end_s - words[first].start_s > LONGEST_S:
                    break
            latest = words[last + 1].start_s if last + 1 < len(words) else duration_s
            time = min(latest, word.end_s + LINGER_S) - words[first].start_s
            cost = 1.0 + inner + _unfinished(word, latest)
            cost += 4.0 * max(0.0, SHORTEST_S - time) + max(0.0, characters / CHARACTERS_PER_S - time)
            choices.append((cost + best[last + 1][0], last + 1))
        best[first] = min(choices)
    cut = []
    first = 0
    while first < len(words):
        cut.append((first, best[first][1]))
        first = best[first][1]
    return cut


def _unfinished(word: Word, next_start_s: float) -> float:
    """What it costs to end a cue after `word`."""
    if SENTENCE_END.search(word.text):
        return 0.0
    if next_start_s - word.end_s >= 0.5:
        return 0.3
    return 0.6 if _CLAUSE_END.search(word.text) else 1.5


def _unrest(word: Word, following: Word) -> float:
    """What it costs to have both words in one cue."""
    return (0.7 if SENTENCE_END.search(word.text) else 0.0) + (2.0 if following.start_s - word.end_s >= 1.0 else 0.0)


def _lines(texts: Sequence[str], separator: str) -> tuple[str, ...]:
    """One line if it fits, else two of like length, broken after a clause if that is about as good."""
    whole = separator.join(texts)
    if width(whole) <= LINE:
        return (whole,)

    def halves(cut: int) -> tuple[str, str]:
        return separator.join(texts[:cut]), separator.join(texts[cut:])

    def ugliness(cut: int) -> float:
        upper, lower = halves(cut)
        over = max(0, width(upper) - LINE) + max(0, width(lower) - LINE)
        return over * 1000 + abs(width(upper) - width(lower)) - (12 if _CLAUSE_END.search(upper) else 0)

    return halves(min(range(1, len(texts)), key=ugliness))


def _times(words: Sequence[Word], characters: int, previous_end_s: float, latest_s: float) -> tuple[float, float]:
    """From the first word to the last, longer if that helps reading and there is room, never over `LONGEST_S`."""
    start, end = words[0].start_s, words[-1].end_s
    wished = max(end, start + SHORTEST_S, min(start + characters / CHARACTERS_PER_S, end + LINGER_S))
    end = max(end, min(wished, latest_s - GAP_S))
    if end - start < SHORTEST_S:
        end = max(end, min(wished, latest_s))
        start = max(min(start, end - SHORTEST_S), min(start, previous_end_s))
    return round(start, 3), round(min(end, start + LONGEST_S), 3)


def srt(cues: Sequence[Cue]) -> str:
    """SubRip: numbered cues, times with a comma."""
    return "\n".join(
        f"{number}\n{_stamp(cue.start_s, ',')} --> {_stamp(cue.end_s, ',')}\n"
        + "".join(f"{line.replace('-->', '->')}\n" for line in cue.lines)
        for number, cue in enumerate(cues, 1)
    )


def vtt(cues: Sequence[Cue]) -> str:
    """WebVTT: times with a point; `&`, `<` and `>` are escaped as the format asks."""
    return "WEBVTT\n" + "".join(
        f"\n{_stamp(cue.start_s, '.')} --> {_stamp(cue.end_s, '.')}\n"
        + "".join(f"{html.escape(line, quote=False)}\n" for line in cue.lines)
        for cue in cues
    )


def read_srt(text: str) -> list[Cue]:
    """The cues of a SubRip text. Raises ValueError where it is none."""
    return _read(text, 1, lambda line: line)


def read_vtt(text: str) -> list[Cue]:
    """The cues of a WebVTT text as `vtt` writes it. Raises ValueError where it is none."""
    header, _, rest = text.partition("\n")
    if header != "WEBVTT":
        raise ValueError(f"a WebVTT file begins with WEBVTT, not with {header[:20]!r}")
    return _read(rest, 0, html.unescape)


def _read(text: str, before: int, decode: Callable[[str], str]) -> list[Cue]:
    cues = []
    for block in filter(None, re.split(r"\n{2,}", text.strip("\n"))):
        lines = block.split("\n")[before:]
        match = _TIMES.fullmatch(lines[0]) if lines else None
        if match is None or len(lines) < 2:
            raise ValueError(f"this is no subtitle cue: {block[:60]!r}")
        part = [int(group or 0) for group in match.groups()]
        start, end = ((part[i] * 3600 + part[i + 1] * 60 + part[i + 2]) + part[i + 3] / 1000 for i in (0, 4))
        cues.append(Cue(round(start, 3), round(end, 3), tuple(map(decode, lines[1:]))))
    return cues


def _stamp(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"
