"""Cutting what was said into sections and paragraphs.

Belongs here: where a slide's text begins, and where a reader needs a break. Does not belong here: what else notes hold
(`content.py`). Pure.

A section begins at a slide; without slides (or long after one) it begins at a pause after five minutes. A
paragraph begins at a section's start, at a long pause, or at a shorter pause once there is enough text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")
_CLOSING = "\"'»”’)]"

_SLIDE_SLACK_S = 2.5  # people turn a page shortly before or after the sentence that ends it

_LONG_PAUSE_S = 2.0
_FEW_WORDS = 15  # a paragraph shorter than this goes on after a long pause,
_SILENCE_S = 6.0  # but not after one this long
_PAUSE_S = 0.7
_ENOUGH_WORDS = 45  # a paragraph this long ends at the next pause after a sentence,
_MANY_WORDS = 110  # this long at the next sentence,
_TOO_MANY_WORDS = 220  # and this long anywhere

_SECTION_S = 300.0  # a section this long ends at the next long pause,
_LONG_SECTION = 1.4  # and one this many times as long at the next paragraph
_MOST_PARTS = 30  # a long recording has longer sections, so that its contents still fit a page
_OPENING_CHARS = 64
_OPENING_WORDS = 3  # "So. Good morning." says more than "So."


@dataclass(frozen=True)
class Word:
    """A word with its punctuation; times in seconds; `uncertain` if it was hardly recognised."""

    start_s: float
    end_s: float
    text: str
    uncertain: bool


@dataclass(frozen=True)
class Picture:
    """A slide: its file's name, the second it appears, its size in pixels."""

    name: str
    time_s: float
    width: int
    height: int


@dataclass(frozen=True)
class Paragraph:
    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        return self.words[0].start_s

    def text(self, spacing: str) -> str:
        return spacing.join(word.text for word in self.words)


@dataclass(frozen=True)
class Section:
    """Slides and what was said over the last of them (over the others nothing was said), or just speech.

    `part` counts sections without slides from 1, and `first_slide` is the number of the first slide.
    """

    start_s: float
    pictures: tuple[Picture, ...]
    paragraphs: tuple[Paragraph, ...]
    part: int = 0
    first_slide: int = 0

    def opening(self, spacing: str) -> str:
        """The first sentence, or its beginning, as the section's name in contents and outline."""
        words = [word.text for block in self.paragraphs[:2] for word in block.words]
        kept: list[str] = []
        for word in words:
            if kept and len(spacing.join([*kept, word])) > _OPENING_CHARS:
                return spacing.join(kept).rstrip(".,;:–— ") + "…"
            kept.append(word)
            if ends_sentence(word) and len(kept) >= _OPENING_WORDS:
                break
        return spacing.join(kept)


def cut_sections(said: Sequence[Word], pictures: Sequence[Picture]) -> list[Section]:
    """All words and all pictures, in order, none lost and none twice."""
    sections: list[Section] = []
    parts = slides = 0
    least_s = max(_SECTION_S, said[-1].end_s / _MOST_PARTS) if said else _SECTION_S
    for shown, spoken in _by_slide(said, pictures):
        groups = list(_by_length(paragraphs(spoken), least_s)) or [[]]
        for number, group in enumerate(groups):
            with_slides = tuple(shown) if number == 0 else ()
            start_s = with_slides[0].time_s if with_slides else group[0].start_s
            if with_slides:
                sections.append(Section(start_s, with_slides, tuple(group), first_slide=slides + 1))
                slides += len(with_slides)
            else:
                parts += 1
                sections.append(Section(start_s, (), tuple(group), part=parts))
    return sections


def _by_slide(said: Sequence[Word], pictures: Sequence[Picture]) -> Iterator[tuple[list[Picture], Sequence[Word]]]:
    """Pairs of slides and the words said from the last of them on."""
    starts = [word.start_s for word in said]
    cuts: list[int] = []
    for picture in pictures:
        cuts.append(max(_boundary(said, starts, picture.time_s), cuts[-1] if cuts else 0))
    waiting: list[Picture] = []
    if (first := cuts[0] if cuts else len(said)) > 0:
        yield waiting, said[:first]
    for number, picture in enumerate(pictures):
        waiting.append(picture)
        end = cuts[number + 1] if number + 1 < len(cuts) else len(said)
        if end > cuts[number] or number + 1 == len(pictures):
            yield waiting, said[cuts[number] : end]
            waiting = []


def _boundary(said: Sequence[Word], starts: Sequence[float], time_s: float) -> int:
    """Index of the first word of a slide shown at `time_s`: the nearest sentence start, else the next word."""
    first = bisect_left(starts, time_s - _SLIDE_SLACK_S)
    last = bisect_left(starts, time_s + _SLIDE_SLACK_S)
    sentences = [at for at in range(first, last) if at == 0 or ends_sentence(said[at - 1].text)]
    return min(sentences, key=lambda at: abs(starts[at] - time_s)) if sentences else bisect_left(starts, time_s)


def ends_sentence(text: str) -> bool:
    """Whether a word closes a sentence, quotation marks and brackets aside."""
    return text.rstrip(_CLOSING).endswith(_SENTENCE_END)


def paragraphs(said: Sequence[Word]) -> list[Paragraph]:
    """Words in order, cut where a speaker paused or a reader needs to breathe."""
    blocks: list[Paragraph] = []
    current: list[Word] = []
    for word in said:
        if current and _breaks(current, word):
            blocks.append(Paragraph(tuple(current)))
            current = []
        current.append(word)
    return [*blocks, Paragraph(tuple(current))] if current else blocks


def _breaks(current: Sequence[Word], word: Word) -> bool:
    pause, count, closed = word.start_s - current[-1].end_s, len(current), ends_sentence(current[-1].text)
    return (
        pause >= (_LONG_PAUSE_S if count >= _FEW_WORDS else _SILENCE_S)
        or (closed and pause >= _PAUSE_S and count >= _ENOUGH_WORDS)
        or (closed and count >= _MANY_WORDS)
        or count >= _TOO_MANY_WORDS
    )


def _by_length(blocks: Sequence[Paragraph], least_s: float) -> Iterator[list[Paragraph]]:
    group: list[Paragraph] = []
    for block in blocks:
        if group:
            long = block.start_s - group[0].start_s
            pause = block.start_s - group[-1].words[-1].end_s
            if long >= least_s * _LONG_SECTION or (long >= least_s and pause >= _LONG_PAUSE_S):
                yield group
                group = []
        group.append(block)
    if group:
        yield group
