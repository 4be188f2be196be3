"""A summary written by a text model, in the recording's language, in two rounds: points of each part, then the choice.

Belongs here: cutting the transcript to the model's measure, what is asked, reading answers, finding when a point is
said. Does not belong here: torch and transformers (`transformers_models.py`). Pure: no Dagster, no numpy.

Nothing of the recording is left out: every sentence is in a part, every part is asked for, and a part without an
answer is an error. Points that hardly share a word with their part are no answer. Every quarter of the points is
merged by itself, so the beginning can't crowd out the end.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from resources.progress import Progress
from resources.summary.documents import Bullet
from resources.summary.sentences import Sentence
from resources.summary.transformers_models import Writer, WriterFailed
from resources.summary.vocabulary import Vocabulary

_OVERLAP = 0.05
_POINT_TOKENS = 80
_SPARE_TOKENS = 16
"""Joining sentences and framing a request may cost a few tokens more than the parts."""

_LEAST_SHARE = 1 / 3
"""Of a point's words with a subject, so many must be said in its part; else the model speaks of something else."""
_LEAST_LETTERS = 8
"""A line with fewer says nothing: a lone number, a heading, an "OK"."""

_MAP = (
    "Below is part {part} of {parts} of the transcript of a recording in {language}. "
    "List the {count} most important points of this part, in {language}: one short sentence per line, each line "
    'starting with "- ". Write only what is said in the text. No introduction, no comment.\n\n{text}'
)
_REDUCE = (
    "Below are notes in {language} on consecutive parts of a recording. Choose and merge them into the {count} most "
    'important points, in {language} and in the same order: one short sentence per line, each line starting with "- ". '
    "Drop repetitions and invent nothing. No introduction, no comment.\n\n{text}"
)


class Partial(Protocol):
    """Where answers are kept until the summary is whole (the store's scratch)."""

    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, content: bytes) -> None: ...


@dataclass(frozen=True)
class Part:
    """Sentences `first:last` as one text of at most as many tokens as the model takes."""

    text: str
    first: int
    last: int


@dataclass(frozen=True)
class _Point:
    """One line of an answer, and the sentences `first:last` it was written from."""

    text: str
    first: int
    last: int


def write(
    sentences: Sequence[Sentence],
    vocabulary: Vocabulary,
    writer: Writer,
    language: str,
    wanted: int,
    log: Any,
    partial: Partial | None = None,
) -> list[Bullet]:
    """At most `wanted` bullets in time order, each at the time of the sentence that supports it best.

    `language` is its English name. Raises: WriterFailed if a part stays without an answer, or the model takes too few
    tokens to read one.
    """
    matcher = _Matcher(sentences, vocabulary)
    asker = _Asker(writer, language, matcher, log, partial)
    room = writer.room - asker.overhead() - _SPARE_TOKENS
    if room < 64:
        raise WriterFailed(
            f"{writer.name} takes {writer.room} tokens at once, too few for a part of a transcript.",
            "Choose a model with a larger context.",
        )
    parts = cut(sentences, writer.count, room)
    each = min(8, max(2, math.ceil(1.5 * wanted / len(parts))))
    progress = Progress(log, "summary", len(parts), "parts")
    points: list[_Point] = []
    for number, part in enumerate(parts, start=1):
        span, what = (part.first, part.last), f"part {number} of {len(parts)}"
        points += asker.ask(_MAP, part.text, each, span, what, part=number, parts=len(parts))
        progress.update(number)
    points = _distinct(points)
    while len(points) > wanted:
        points = _distinct(_merge(points, asker, writer, room, wanted))
    bullets = [Bullet(time_s=matcher.time_of(point), text=point.text) for point in points]
    return sorted(bullets, key=lambda bullet: bullet.time_s)


def cut(sentences: Sequence[Sentence], count: Callable[[str], int], room: int) -> list[Part]:
    """All sentences in parts of at most `room` tokens; a part starts with the last twentieth of the one before it."""
    pieces = [
        (text, index, count(text) + 1)
        for index, sentence in enumerate(sentences)
        for text in _fit(sentence, count, room)
    ]
    parts: list[Part] = []
    start = 0
    while start < len(pieces):
        end, used = start, 0
        while end < len(pieces) and (end == start or used + pieces[end][2] <= room):
            used += pieces[end][2]
            end += 1
        chosen = pieces[start:end]
        parts.append(Part(" ".join(text for text, _, _ in chosen), chosen[0][1], chosen[-1][1] + 1))
        if end == len(pieces):
            break
        following, repeated = end, 0
        spare = min(room * _OVERLAP, room - pieces[end][2])
        while following - 1 > start and repeated + pieces[following - 1][2] <= spare:
            following -= 1
            repeated += pieces[following][2]
        start = following
    return parts


def _fit(sentence: Sentence, count: Callable[[str], int], room: int) -> list[str]:
    """The sentence; in halves, and halves of halves, if the model does not take it whole."""
    todo, done = [sentence.text], []
    while todo:
        text = todo.pop()
        words = text.split()
        if count(text) < room or len(words) < 2:
            done.append(text)
        else:
            half = len(words) // 2
            todo += [" ".join(words[half:]), " ".join(words[:half])]
    return done


def read_points(answer: str, limit: int, *, cut_short: bool = False) -> list[str]:
    """The points of an answer: its list items; without a list, its sentences. At most `limit`.

    What was thought aloud is left out, and so is the last point of an answer that was cut short inside it.
    """
    answer = re.sub(r"<think>.*?(</think>|\Z)", "", answer, flags=re.DOTALL)
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    items = [match[1] for line in lines if (match := re.match(r"(?:[-*•–—]|\d{1,2}[.)])\s+(.*\S)", line))]
    if not items:
        items = [part for line in lines for part in re.split(r"(?<=[.!?…。！？])\s+", line)]
    elif lines and not re.match(r"[-*•–—]|\d{1,2}[.)]", lines[0]) and not lines[0].endswith(":"):
        items.insert(0, lines[0])  # plain models are led into the first item by its mark
    points = [re.sub(r"\*\*|__|`", "", item).strip(" -*•") for item in items]
    points = [point for point in points if sum(map(str.isalpha, point)) >= _LEAST_LETTERS]
    if cut_short and len(points) > 1 and not re.search(r"[.!?…。！？][\"'»”’)]*\Z", points[-1]):
        points.pop()
    return points[:limit]


class _Asker:
    """Asks the model in the recording's language, keeps the answers, and does not take silence for one."""

    def __init__(self, writer: Writer, language: str, matcher: _Matcher, log: Any, partial: Partial | None) -> None:
        self._writer, self._language, self._matcher, self._log, self._partial = writer, language, matcher, log, partial

    def overhead(self) -> int:
        """Tokens of the longer request without its text."""
        empty = {"language": self._language, "count": 99, "text": ""}
        requests = [_MAP.format(**empty, part=999, parts=999), _REDUCE.format(**empty)]
        return max(self._writer.count(self._request(request, "")) for request in requests)

    def ask(self, wording: str, text: str, count: int, span: tuple[int, int], what: str, **more: int) -> list[_Point]:
        """At most `count` points on `text`, which stands for the sentences `span`. Raises: WriterFailed."""
        request = self._request(wording.format(language=self._language, count=count, text=text, **more), text)
        identity = "\n".join([self._writer.name, str(count), request])
        name = f"{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}.txt"
        kept = None if self._partial is None else self._partial.get(name)
        if kept is not None:
            return [_Point(line, *span) for line in kept.decode().split("\n")]
        for again in (False, True):
            answer, cut_short = self._writer.ask(request, _POINT_TOKENS * count, again=again)
            answered = [_Point(line, *span) for line in read_points(answer, count, cut_short=cut_short)]
            points = [point for point in answered if self._matcher.supports(point)]
            if len(points) < len(answered):
                self._log.info(f"summary: {len(answered) - len(points)} points on {what} left out: not said there")
            if points:
                if self._partial is not None:
                    self._partial.put(name, "\n".join(point.text for point in points).encode())
                return points
        raise WriterFailed(
            f"{self._writer.name} gave no points for {what} of the transcript, asked twice.",
            "Choose another model for SCRIPTORIUM_SUMMARY_MODEL, one that follows instructions, or `extractive`.",
        )

    def _request(self, instructions: str, text: str) -> str:
        return self._writer.frame(instructions if self._writer.instructed else text)


def _merge(points: list[_Point], asker: _Asker, writer: Writer, room: int, wanted: int) -> list[_Point]:
    """Fewer points: each group of neighbours is merged to its share of `wanted`. Always at least one point fewer."""
    groups = min(4, wanted)
    while groups < len(points) // 2 and any(_tokens(group, writer) > room for group in _split(points, groups)):
        groups += 1
    merged: list[_Point] = []
    for number, group in enumerate(_split(points, groups), start=1):
        # shares of whole points that add up to `wanted`
        share = max(1, wanted * number // groups - wanted * (number - 1) // groups)
        if len(group) > share:
            first, last = min(point.first for point in group), max(point.last for point in group)
            text = "\n".join(f"- {point.text}" for point in group)
            group = asker.ask(_REDUCE, text, share, (first, last), f"group {number} of the notes")
        merged += group
    return merged


def _split(points: list[_Point], groups: int) -> list[list[_Point]]:
    edges = [len(points) * number // groups for number in range(groups + 1)]
    return [points[low:high] for low, high in itertools.pairwise(edges) if low < high]


def _tokens(points: list[_Point], writer: Writer) -> int:
    return sum(writer.count(point.text) + 3 for point in points)


def _distinct(points: list[_Point]) -> list[_Point]:
    """Without points that are repeated word for word."""
    seen: dict[str, _Point] = {}
    for point in points:
        seen.setdefault(" ".join(re.findall(r"\w+", point.text.casefold())), point)
    return list(seen.values())


class _Matcher:
    """Finds the sentence that shares most with a point, rare stems counting more."""

    def __init__(self, sentences: Sequence[Sentence], vocabulary: Vocabulary) -> None:
        self._sentences, self._vocabulary = sentences, vocabulary
        self._stems = [self._subjects(sentence.text) for sentence in sentences]
        found = Counter(stem for stems in self._stems for stem in stems)
        self._rarity = {stem: math.log(1 + len(sentences) / count) for stem, count in found.items()}

    def supports(self, point: _Point) -> bool:
        """Whether enough of the point's words are said in the sentences it was written from."""
        stems = self._subjects(point.text)
        said = frozenset().union(*self._stems[point.first : point.last])
        return bool(stems) and len(stems & said) >= _LEAST_SHARE * len(stems)

    def time_of(self, point: _Point) -> float:
        """When the point is said; the start of what it was written from, if no sentence there shares a word with it."""
        stems = self._subjects(point.text)

        def support(index: int) -> float:
            return self._weight(stems & self._stems[index]) / math.sqrt(1 + self._weight(self._stems[index]))

        best = max(range(point.first, point.last), key=lambda index: (support(index), -index))
        return self._sentences[best if support(best) > 0 else point.first].start_s

    def _subjects(self, text: str) -> frozenset[str]:
        return frozenset(token.stem for token in self._vocabulary.tokens(text) if not token.empty)

    def _weight(self, stems: Iterable[str]) -> float:
        return sum(self._rarity[stem] for stem in stems)
