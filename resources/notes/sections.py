"""Cutting what was said into sections and paragraphs.

Belongs here: where a slide's text begins, and where a reader needs a break. Does not belong here: what else notes hold
(`content.py`). Pure.

A section begins at a chapter or a slide; without chapters it also begins at a pause after five minutes. A paragraph
begins with a section, where another person speaks, at a long pause, or at a shorter one once there is enough text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
    """A word with its punctuation; times in seconds; `uncertain` if it was hardly recognised.

    `speaker` is the name of who says it, if speakers were told apart.
    """

    start_s: float
    end_s: float
    text: str
    uncertain: bool
    speaker: str | None = None


@dataclass(frozen=True)
class Omission:
    """A place where `passages` were recognised, could not be trusted and were left out, for `reasons`; in seconds."""

    start_s: float
    end_s: float
    passages: int
    reasons: tuple[str, ...]

    def joined(self, after: Omission) -> Omission:
        """This and the one after it, with no word between them, as one."""
        reasons = tuple(dict.fromkeys([*self.reasons, *after.reasons]))
        return Omission(self.start_s, max(self.end_s, after.end_s), self.passages + after.passages, reasons)


Said = Word | Omission
"""What happens in a recording, one after the other."""


@dataclass(frozen=True)
class Picture:
    """A slide: its file's name, the second it appears, its size in pixels."""

    name: str
    time_s: float
    width: int
    height: int


@dataclass(frozen=True)
class Paragraph:
    """Words that stand together; `speaker` is who says them, named only where somebody begins to speak."""

    words: tuple[Word, ...]
    speaker: str | None = None

    @property
    def start_s(self) -> float:
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        return self.words[-1].end_s

    def text(self, spacing: str) -> str:
        return spacing.join(word.text for word in self.words)


Block = Paragraph | Omission


@dataclass(frozen=True)
class Section:
    """Slides and what was said over the last of them (over the others nothing was said), or just speech.

    `blocks` are its paragraphs and what was left out between them. `part` counts sections without slides from 1, where
    they have names; `first_slide` is the number of the first slide.
    """

    start_s: float
    pictures: tuple[Picture, ...]
    blocks: tuple[Block, ...]
    part: int = 0
    first_slide: int = 0

    @property
    def paragraphs(self) -> tuple[Paragraph, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Paragraph))

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


def cut_chapters(said: Sequence[Said], pictures: Sequence[Picture], starts: Sequence[float]) -> list[list[Section]]:
    """The sections of each chapter; `starts` are the chapters' first seconds, rising. What comes before belongs to
    the first. All words and all pictures, in order, none lost and none twice.
    """
    times = [item.start_s for item in said]
    # A chapter begins with a word; rounding must not leave that word to the one before.
    words = [0, *(bisect_left(times, start_s - 0.01) for start_s in starts[1:]), len(said)]
    slides: list[list[Picture]] = [[] for _ in starts]
    for picture in pictures:
        # A slide goes with the words said over it, also if it was shown a moment before the chapter began.
        first = _boundary(said, times, picture.time_s)
        chapter = bisect_right(words, first, 1, len(starts)) - 1 if first < len(said) else len(starts) - 1
        slides[chapter].append(picture)
    chapters: list[list[Section]] = []
    shown = 0
    for number, chapter_slides in enumerate(slides):
        spoken = said[words[number] : max(words[number + 1], words[number])]
        chapters.append(
            [
                replace(section, part=0, first_slide=section.first_slide + shown if section.pictures else 0)
                for section in _sections(spoken, chapter_slides, least_s=None)
            ]
        )
        shown += len(chapter_slides)
    return chapters


def cut_sections(said: Sequence[Said], pictures: Sequence[Picture]) -> list[Section]:
    """A recording without chapters: all words and all pictures, in order, none lost and none twice."""
    return _sections(said, pictures, max(_SECTION_S, said[-1].end_s / _MOST_PARTS) if said else _SECTION_S)


def _sections(said: Sequence[Said], pictures: Sequence[Picture], least_s: float | None) -> list[Section]:
    sections: list[Section] = []
    parts = slides = 0
    for shown, spoken in _by_slide(said, pictures):
        blocks = paragraphs(spoken)
        groups = (list(_by_length(blocks, least_s)) if least_s else [blocks]) or [[]]
        for number, group in enumerate(groups):
            with_slides = tuple(shown) if number == 0 else ()
            if with_slides:
                sections.append(Section(with_slides[0].time_s, with_slides, tuple(group), first_slide=slides + 1))
                slides += len(with_slides)
            elif group:
                parts += 1
                sections.append(Section(group[0].start_s, (), tuple(group), part=parts))
    return sections


def _by_slide(said: Sequence[Said], pictures: Sequence[Picture]) -> Iterator[tuple[list[Picture], Sequence[Said]]]:
    """Pairs of slides and the words said from the last of them on."""
    starts = [item.start_s for item in said]
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


def _boundary(said: Sequence[Said], starts: Sequence[float], time_s: float) -> int:
    """Index of the first word of a slide shown at `time_s`: the nearest sentence start, else the next word."""
    first = bisect_left(starts, time_s - _SLIDE_SLACK_S)
    last = bisect_left(starts, time_s + _SLIDE_SLACK_S)
    sentences = [at for at in range(first, last) if at == 0 or _closes(said[at - 1])]
    return min(sentences, key=lambda at: abs(starts[at] - time_s)) if sentences else bisect_left(starts, time_s)


def _closes(item: Said) -> bool:
    return isinstance(item, Omission) or ends_sentence(item.text)


def ends_sentence(text: str) -> bool:
    """Whether a word closes a sentence, quotation marks and brackets aside."""
    return text.rstrip(_CLOSING).endswith(_SENTENCE_END)


def paragraphs(said: Sequence[Said]) -> list[Block]:
    """Words in order, cut where a speaker changes or paused, where a reader needs to breathe, and where words were
    left out."""
    blocks: list[Block] = []
    current: list[Word] = []
    speaker: str | None = None

    def close() -> None:
        nonlocal speaker
        if current:
            blocks.append(Paragraph(tuple(current), current[0].speaker if current[0].speaker != speaker else None))
            speaker = current[0].speaker
            current.clear()

    for item in said:
        if isinstance(item, Omission):
            close()
            blocks[-1:] = (
                [blocks[-1].joined(item)] if blocks and isinstance(blocks[-1], Omission) else [*blocks[-1:], item]
            )
            continue
        if current and _breaks(current, item):
            close()
        current.append(item)
    close()
    return blocks


def _breaks(current: Sequence[Word], word: Word) -> bool:
    pause, count, closed = word.start_s - current[-1].end_s, len(current), ends_sentence(current[-1].text)
    return (
        word.speaker != current[-1].speaker
        or pause >= (_LONG_PAUSE_S if count >= _FEW_WORDS else _SILENCE_S)
        or (closed and pause >= _PAUSE_S and count >= _ENOUGH_WORDS)
        or (closed and count >= _MANY_WORDS)
        or count >= _TOO_MANY_WORDS
    )


def _by_length(blocks: Sequence[Block], least_s: float) -> Iterator[list[Block]]:
    group: list[Block] = []
    for block in blocks:
        if group:
            long = block.start_s - group[0].start_s
            pause = block.start_s - group[-1].end_s
            if long >= least_s * _LONG_SECTION or (long >= least_s and pause >= _LONG_PAUSE_S):
                yield group
                group = []
        group.append(block)
    if group:
        yield group
