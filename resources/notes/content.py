"""What notes hold and in which order, whatever they are written as.

Belongs here: the content model and how it follows from transcript, summary and slides. Does not belong here: cutting
the speech into sections and paragraphs (`sections.py`), what a reader is warned of and how the notes came about
(`trust.py`), pages and files (`pdf.py`, `markdown.py`).
Pure: no Dagster. The content holds nothing of the run that makes it, so the same input gives the same bytes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from resources.notes import trust
from resources.notes.sections import (
    Block,
    Omission,
    Paragraph,
    Picture,
    Said,
    Section,
    Word,
    cut_chapters,
    cut_sections,
)
from resources.notes.wording import Wording, wording
from resources.speech.documents import Transcript, word_separator
from resources.summary.documents import Bullet, Summary
from resources.timecode import clock

UNCERTAIN = 0.4  # a word with a lower probability is set in grey
UNSUPPORTED = "†"  # stands after a point whose words the transcript does not hold
_TIMES_PER_TERM = 3  # the first few moments; more would bury the terms


@dataclass(frozen=True)
class Timed:
    """A point of the summary and the moment, in seconds, it belongs to.

    `quoted`: a sentence of the transcript; `supported`: the transcript near that moment holds its words.
    """

    time_s: float
    text: str
    quoted: bool = False
    supported: bool = True


@dataclass(frozen=True)
class Term:
    """A key term and the moments, in seconds, it is named here for."""

    text: str
    times_s: tuple[float, ...]


@dataclass(frozen=True)
class Chapter:
    """A stretch of the recording on one topic, from `start_s` on: its key points, then its slides and words.

    A recording without chapters is one chapter with an empty title.
    """

    start_s: float
    title: str
    points: tuple[Timed, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Entry:
    """A line of the contents: the `key` of the place, its second, its name, and what distinguishes it (`Slide 3`)."""

    key: str
    start_s: float
    text: str
    label: str = ""


@dataclass(frozen=True)
class Origin:
    """What is known of the recording itself: its file's name and digest, and when it was made.

    `dated_by_file`: it does not say when, so `created` is when its file was last changed.
    """

    title: str
    name: str
    digest: str
    created: datetime
    duration_s: float
    dated_by_file: bool = False


@dataclass(frozen=True)
class Notes:
    """Everything the notes say, in the order in which they say it.

    `statement` stands in place of a summary where no words were recognised. `spacing` is what stands between two words
    of the transcript; `provenance` is label and value of each row. `corrected` says who changed the words, if anybody.
    """

    origin: Origin
    language: str
    words: Wording
    warnings: tuple[str, ...]
    bullets: tuple[Timed, ...]
    terms: tuple[Term, ...]
    chapters: tuple[Chapter, ...]
    provenance: tuple[tuple[str, str], ...]
    statement: str = ""
    corrected: str = ""
    spacing: str = " "

    @property
    def quiet_line(self) -> str:
        """File, day, duration, and whether a person corrected the words, in one line."""
        parts = (self.origin.name, self.words.day(self.origin.created), clock(self.origin.duration_s), self.corrected)
        return " · ".join(part for part in parts if part)

    @property
    def has_chapters(self) -> bool:
        return any(chapter.title for chapter in self.chapters)

    @property
    def sections(self) -> tuple[Section, ...]:
        return tuple(section for chapter in self.chapters for section in chapter.sections)

    @property
    def paragraphs(self) -> tuple[Paragraph, ...]:
        return tuple(block for section in self.sections for block in section.paragraphs)

    @property
    def slide_total(self) -> int:
        return sum(len(section.pictures) for section in self.sections)

    @property
    def has_uncertain(self) -> bool:
        return any(word.uncertain for block in self.paragraphs for word in block.words)

    @property
    def has_unsupported(self) -> bool:
        points = (point for chapter in self.chapters for point in chapter.points)
        return not all(point.supported for point in (*self.bullets, *points))

    @property
    def uncertain_note(self) -> str:
        """What grey words mean."""
        return self.words.uncertain.format(limit=self.words.number(UNCERTAIN, 1))

    @property
    def unsupported_note(self) -> str:
        """What the mark after a point means."""
        return self.words.unsupported.format(mark=UNSUPPORTED)

    @property
    def body_heading(self) -> str:
        return self.words.slides_and_transcript if self.slide_total else self.words.transcript

    @property
    def speech_total(self) -> int:
        """How many words the transcript has."""
        return sum(len(block.words) for block in self.paragraphs)

    def mapped(self, change: Callable[[str], str]) -> Notes:
        """The same notes with every text but their own words put through `change`; a word left empty is dropped."""

        def points(old: Sequence[Timed]) -> tuple[Timed, ...]:
            return tuple(replace(point, text=change(point.text)) for point in old)

        def blocks(old: Sequence[Block]) -> Iterator[Block]:
            for block in old:
                if isinstance(block, Omission):
                    yield block
                    continue
                changed = (replace(word, text=change(word.text)) for word in block.words)
                if words := tuple(word for word in changed if word.text):
                    yield Paragraph(words, change(block.speaker) if block.speaker else None)

        def chapter(old: Chapter) -> Chapter:
            sections = tuple(replace(section, blocks=tuple(blocks(section.blocks))) for section in old.sections)
            return replace(old, title=change(old.title), points=points(old.points), sections=sections)

        return replace(
            self,
            origin=replace(self.origin, title=change(self.origin.title), name=change(self.origin.name)),
            warnings=tuple(change(text) for text in self.warnings),
            bullets=points(self.bullets),
            terms=tuple(replace(term, text=change(term.text)) for term in self.terms),
            chapters=tuple(chapter(old) for old in self.chapters),
            provenance=tuple((label, change(value)) for label, value in self.provenance),
            corrected=change(self.corrected),
        )

    def with_missing_glyphs(self, count: int, stand_in: str) -> Notes:
        """Say how many signs no font has: always among the provenance, and as a warning if there are any."""
        rows = [*self.provenance[:-1], (self.words.glyphs, str(count)), self.provenance[-1]]
        if not count:
            return replace(self, provenance=tuple(rows))
        warning = self.words.warn_glyphs.format(count=count, stand_in=stand_in)
        warnings = (*self.warnings, warning)
        rows[-1] = (self.words.warnings, " ".join([*filter(None, [self.statement]), *warnings]))
        return replace(self, provenance=tuple(rows), warnings=warnings)


def _visible(text: str) -> bool:
    """Whether anything of `text` can be seen: names made of invisible marks exist."""
    return any(unicodedata.category(char)[0] not in "CZ" for char in text)


def _shown_times(times_s: Sequence[float]) -> tuple[float, ...]:
    """The first few moments; two within one second would be printed alike."""
    return tuple({clock(time_s): time_s for time_s in reversed(times_s)}.values())[::-1][:_TIMES_PER_TERM]


def compose(
    origin: Origin,
    transcript: Transcript,
    summary: Summary,
    pictures: Sequence[Picture],
    versions: Mapping[str, str],
) -> Notes:
    """The notes on one recording. `pictures` are its slides in time order; `versions` is software by name."""
    words = wording(transcript.language)
    said = _said(transcript, words)
    spoken = [item for item in said if isinstance(item, Word)]
    statement = "" if spoken else trust.statement(origin.duration_s, transcript, words)
    share = sum(word.uncertain for word in spoken) / len(spoken) if spoken else 0.0
    warnings = tuple(trust.warnings(transcript, summary, share, words))
    if not _visible(origin.title):
        origin = replace(origin, title=origin.name if _visible(origin.name) else origin.digest[:16])
    return Notes(
        origin=origin,
        language=transcript.language,
        words=words,
        warnings=warnings,
        bullets=_timed(summary.bullets),
        terms=tuple(Term(term.term, _shown_times(term.times_s)) for term in summary.key_terms),
        chapters=_chapters(said, summary if spoken else None, pictures),
        provenance=(
            (words.file, origin.name),
            (words.digest, origin.digest),
            (
                words.file_dated if origin.dated_by_file else words.recorded,
                f"{words.day(origin.created)}, {origin.created:%H:%M} UTC",
            ),
            (words.duration, clock(origin.duration_s)),
            *trust.provenance(transcript, summary, words),
            (words.versions, ", ".join(f"{name} {version}" for name, version in versions.items())),
            (words.warnings, " ".join([*filter(None, [statement]), *warnings]) or words.none),
        ),
        statement=statement,
        corrected=trust.correction(transcript, words),
        spacing=word_separator(transcript.language),
    )


def contents(notes: Notes, most: int = 40) -> list[Entry]:
    """The chapters, or without any the sections; none if there is only one, evenly thinned out above `most`."""
    if notes.has_chapters:
        entries = [
            Entry(f"chapter:{number}", chapter.start_s, chapter.title) for number, chapter in enumerate(notes.chapters)
        ]
    else:
        entries = [
            Entry(f"section:{number}", section.start_s, section.opening(notes.spacing), section_label(notes, section))
            for number, section in enumerate(notes.sections)
        ]
    if len(entries) < 2:
        return []
    if len(entries) <= most:
        return entries
    apart = notes.origin.duration_s / most
    listed: list[Entry] = []
    for entry in entries:
        if not listed or entry.start_s >= listed[-1].start_s + apart:
            listed.append(entry)
    return listed


def section_label(notes: Notes, section: Section) -> str:
    """`Slide 3`, `Slides 3–5` or `Part 2`; nothing for a stretch of a chapter without slides."""
    if section.pictures:
        last = section.first_slide + len(section.pictures) - 1
        number = str(last) if last == section.first_slide else f"{section.first_slide}–{last}"
        return notes.words.slide.format(number=number)
    return notes.words.part.format(number=section.part) if section.part else ""


def omission_text(notes: Notes, omission: Omission) -> str:
    """The mark that stands where something was left out."""
    words = notes.words
    reasons = [words.reasons[reason] for reason in omission.reasons if reason in words.reasons]
    return (words.left_out if omission.passages == 1 else words.left_out_some).format(
        start=clock(omission.start_s),
        end=clock(omission.end_s),
        count=omission.passages,
        reason="; ".join(reasons) or words.untrustworthy,
    )


def _timed(bullets: Sequence[Bullet]) -> tuple[Timed, ...]:
    return tuple(Timed(bullet.time_s, bullet.text, bullet.quoted, bullet.supported) for bullet in bullets)


def _chapters(said: Sequence[Said], summary: Summary | None, pictures: Sequence[Picture]) -> tuple[Chapter, ...]:
    if summary is None or not summary.chapters:
        return (Chapter(0.0, "", (), tuple(cut_sections(said, pictures))),)
    sections = cut_chapters(said, pictures, [chapter.start_s for chapter in summary.chapters])
    return tuple(
        Chapter(chapter.start_s, chapter.title, _timed(chapter.points), tuple(cut))
        for chapter, cut in zip(summary.chapters, sections, strict=True)
    )


def _said(transcript: Transcript, words: Wording) -> list[Said]:
    said: list[Said] = []
    for segment in transcript.segments:
        timed = [(word.start_s, word.end_s, word.text, word.probability) for word in segment.words]
        if not timed:  # a model without word times: spread the words evenly over the segment
            texts = segment.text.split()
            step = (segment.end_s - segment.start_s) / max(len(texts), 1)
            starts = [segment.start_s + step * number for number in range(len(texts))]
            timed = [(start, start + step, text, 1.0) for start, text in zip(starts, texts, strict=True)]
        speaker = words.named(segment.speaker) if segment.speaker else None
        for start_s, end_s, text, probability in timed:
            # One "word" may hold a blank ("10 000"): it is still several tokens on the page.
            said += [Word(start_s, end_s, token, probability < UNCERTAIN, speaker) for token in text.split()]
    if transcript.quality:
        said += [Omission(gap.start_s, gap.end_s, 1, (gap.reason,)) for gap in transcript.quality.dropped]
        said.sort(key=lambda item: item.start_s)  # stable: words keep their order
    return said
