"""A summary written by a text model, in the recording's language: points of each part, then those of the whole.

Belongs here: cutting the transcript to the model's measure, what is asked, and keeping what was answered.
Does not belong here: the models (`writer.py` says what they look like), reading answers, judging them. Pure.

Map: every sentence is in a part, parts end where chapters do, every part is asked for, and a part without an answer is
an error. Reduce: each quarter of the points is merged by itself, over and over until few enough are left, so that the
beginning can't crowd out the end. What is said nowhere near its part is never handed on to be merged.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from resources.store.partial import Partial
from resources.summary.asking import Asker, Question
from resources.summary.chapters import Stretch
from resources.summary.documents import Bullet
from resources.summary.length import points_for
from resources.summary.sentences import Sentence
from resources.summary.support import Support, Verdict
from resources.summary.writer import Writer, WriterFailed

_OVERLAP = 0.05
_SPARE_TOKENS = 16
"""Joining sentences and framing a request may cost a few tokens more than the parts."""

MAP = (
    "Below is part {part} of {parts} of the transcript of a recording in {language}. "
    'First write one line "Title: " with a title of two to six words for this part, in {language}. Then '
    "list the {count} most important points of this part, in {language}: one short sentence per line, each line "
    'starting with "- ". Write only what is said in the text. Keep names, numbers and dates as they are. '
    "No introduction, no comment.\n\n{text}"
)
REDUCE = (
    "Below are notes in {language} on consecutive parts of a recording. Choose and merge them into the {count} most "
    'important points, in {language} and in the same order: one short sentence per line, each line starting with "- ". '
    "Drop repetitions and invent nothing. No introduction, no comment.\n\n{text}"
)


@dataclass(frozen=True)
class Part:
    """Sentences `first:last` as one text of at most as many tokens as the model takes, most of them of `chapter`."""

    text: str
    first: int
    last: int
    chapter: int


@dataclass(frozen=True)
class Point:
    """One line of an answer, and the sentences `first:last` it was written from."""

    text: str
    first: int
    last: int


@dataclass(frozen=True)
class Written:
    """What a model wrote: `bullets` of the whole, `points` of the parts, a title or "" a chapter, all in time order.

    `dropped` is what the transcript does not support.
    """

    bullets: list[Bullet]
    points: list[Bullet]
    titles: list[str]
    dropped: list[Bullet]


def write(
    sentences: Sequence[Sentence],
    chapters: Sequence[Stretch],
    support: Support,
    writer: Writer,
    language: str,
    wanted: int,
    log: Any,
    partial: Partial | None = None,
) -> Written:
    """At most `wanted` bullets, and two to five points a chapter, each at the time of the sentence that it shares most
    with, marked where that is little.

    `language` is its English name. A part whose points are all made up is left to `coverage.left_out`.
    Raises: WriterFailed if a part stays without an answer, or the model takes too few tokens to read one.
    """
    asker = Asker(writer, language, log, partial)
    room = writer.room - asker.overhead((MAP, REDUCE)) - _SPARE_TOKENS
    if room < 64:
        raise WriterFailed(
            f"{writer.name} takes {writer.room} tokens at once, too few for a part of a transcript.",
            "Choose a model with a larger context.",
        )
    parts = cut(sentences, chapters, writer.count, room)
    of_chapter = [[part for part in parts if part.chapter == index] for index in range(len(chapters))]
    share = math.ceil(1.5 * wanted / len(parts))
    each = [
        min(8, max(2, share, math.ceil(points_for(chapters[part.chapter].speech_s) / len(of_chapter[part.chapter]))))
        for part in parts
    ]
    questions = [
        Question(MAP, part.text, count, f"part {number} of {len(parts)}", {"part": number, "parts": len(parts)})
        for number, (part, count) in enumerate(zip(parts, each, strict=True), start=1)
    ]
    judge = _Judge(support)
    found = asker.ask(questions, "summary", enough=lambda n, points: judge.any_true(_points(points, parts[n])))
    points = _distinct(judge.sift([point for n, (_, lines) in enumerate(found) for point in _points(lines, parts[n])]))
    titles = [
        next((found[parts.index(part)][0] for part in own if found[parts.index(part)][0]), "") for own in of_chapter
    ]
    reduced = points
    while len(reduced) > wanted:
        reduced = _distinct(_merge(reduced, asker, judge, writer, room, wanted))
    return Written(judge.bullets(reduced), judge.bullets(points), titles, judge.dropped)


def cut(
    sentences: Sequence[Sentence], chapters: Sequence[Stretch], count: Callable[[str], int], room: int
) -> list[Part]:
    """All sentences in parts of at most `room` tokens. A chapter starts a part, and is cut into several if it must.

    A part starts with the last sentences of the one before it, at most a twentieth of `room`: what "it" is may be said
    there.
    """
    parts: list[Part] = []
    before: list[tuple[str, int, int]] = []
    for number, chapter in enumerate(chapters):
        pieces = [
            (text, index, count(text) + 1)
            for index in range(chapter.first, chapter.last)
            for text in _fit(sentences[index], count, room)
        ]
        start = 0
        while start < len(pieces):
            chosen: list[tuple[str, int, int]] = []
            for piece in reversed(before):
                if sum(size for _, _, size in chosen) + piece[2] > min(room * _OVERLAP, room - pieces[start][2]):
                    break
                chosen.insert(0, piece)
            used = sum(size for _, _, size in chosen)
            end = start
            while end < len(pieces) and used + pieces[end][2] <= room:
                used += pieces[end][2]
                end += 1
            end = max(end, start + 1)
            before = chosen + pieces[start:end]
            parts.append(Part(" ".join(text for text, _, _ in before), before[0][1], before[-1][1] + 1, number))
            start = end
    return parts


def _fit(sentence: Sentence, count: Callable[[str], int], room: int) -> list[str]:
    """The sentence; in halves, and halves of halves, if the model does not take it whole."""
    todo, done = [sentence.text], []
    while todo:
        text = todo.pop()
        words = text.split()
        if count(text) < room or len(text) < 2:
            done.append(text)
        elif len(words) < 2:  # a script without blanks
            todo += [text[len(text) // 2 :], text[: len(text) // 2]]
        else:
            half = len(words) // 2
            todo += [" ".join(words[half:]), " ".join(words[:half])]
    return done


class _Judge:
    """Holds points against the transcript, and keeps what had to be dropped."""

    def __init__(self, support: Support) -> None:
        self._support = support
        self.dropped: list[Bullet] = []

    def any_true(self, points: list[Point]) -> bool:
        return any(self._verdict(point) is not Verdict.NO for point in points)

    def sift(self, points: list[Point]) -> list[Point]:
        kept = []
        for point in points:
            if self._verdict(point) is Verdict.NO:
                self.dropped.append(Bullet(time_s=self._time(point), text=point.text, supported=False))
            else:
                kept.append(point)
        return kept

    def bullets(self, points: list[Point]) -> list[Bullet]:
        made = [
            Bullet(time_s=self._time(point), text=point.text, supported=self._verdict(point) is Verdict.YES)
            for point in points
        ]
        return sorted(made, key=lambda bullet: bullet.time_s)

    def _time(self, point: Point) -> float:
        return self._support.time_of(point.text, point.first, point.last)

    def _verdict(self, point: Point) -> Verdict:
        return self._support.verdict(point.text, self._time(point))


def _points(lines: list[str], part: Part) -> list[Point]:
    return [Point(line, part.first, part.last) for line in lines]


def _merge(points: list[Point], asker: Asker, judge: _Judge, writer: Writer, room: int, wanted: int) -> list[Point]:
    """Fewer points: each group of neighbours is merged to its share of `wanted`. Always at least one point fewer."""
    count = min(4, wanted)
    while count < len(points) // 2 and any(_tokens(group, writer) > room for group in _split(points, count)):
        count += 1
    groups = _split(points, count)
    # shares of whole points that add up to `wanted`
    shares = [max(1, wanted * (n + 1) // count - wanted * n // count) for n in range(len(groups))]
    todo = [n for n, group in enumerate(groups) if len(group) > shares[n]]
    questions = [
        Question(
            REDUCE, "\n".join(f"- {point.text}" for point in groups[n]), shares[n], f"group {n + 1} of the notes", {}
        )
        for n in todo
    ]
    asked = asker.ask(questions, "summary of the parts", enough=lambda _, lines: bool(lines))
    merged = dict(enumerate(groups))
    for n, (_, lines) in zip(todo, asked, strict=True):
        first, last = min(point.first for point in groups[n]), max(point.last for point in groups[n])
        # Where the model merges into something that nobody said, some of its points stand for the others.
        step = len(groups[n]) / shares[n]
        merged[n] = judge.sift([Point(line, first, last) for line in lines]) or [
            groups[n][int(number * step)] for number in range(shares[n])
        ]
    return [point for n in sorted(merged) for point in merged[n]]


def _split(points: list[Point], groups: int) -> list[list[Point]]:
    edges = [len(points) * number // groups for number in range(groups + 1)]
    return [points[low:high] for low, high in itertools.pairwise(edges) if low < high]


def _tokens(points: list[Point], writer: Writer) -> int:
    return sum(writer.count(point.text) + 3 for point in points)


def _distinct(points: list[Point]) -> list[Point]:
    """Without points that are repeated word for word."""
    seen: dict[str, Point] = {}
    for point in points:
        seen.setdefault(" ".join("".join(c if c.isalnum() else " " for c in point.text.casefold()).split()), point)
    return list(seen.values())
