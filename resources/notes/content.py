"""What notes hold and in which order, whatever they are written as.

Belongs here: the content model and how it follows from transcript, summary and slides. Does not belong here: cutting
the speech into sections and paragraphs (`sections.py`), pages and files (`pdf.py`, `markdown.py`).
Pure: no Dagster. The content holds nothing of the run that makes it, so the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from resources.notes.sections import Picture, Section, Word, cut_sections
from resources.notes.wording import Wording, wording
from resources.speech.documents import Transcript
from resources.summary.documents import Summary
from resources.timecode import clock

UNCERTAIN = 0.4  # a word with a lower probability is set in grey
_DOUBTFUL_LANGUAGE = 0.7
_DOUBTFUL_SHARE = 0.15
_TIMES_PER_TERM = 3  # the first few moments; more would bury the terms
_UNSPACED = {"ja", "zh", "yue", "th", "lo", "my", "km", "bo"}  # languages whose words are not set apart by blanks


@dataclass(frozen=True)
class Timed:
    """A text and the moment, in seconds, it belongs to."""

    time_s: float
    text: str


@dataclass(frozen=True)
class Term:
    """A key term and the moments, in seconds, it is named here for."""

    text: str
    times_s: tuple[float, ...]


@dataclass(frozen=True)
class Origin:
    """What is known of the recording itself: its file's name and digest, and when it was made."""

    title: str
    name: str
    digest: str
    created: datetime
    duration_s: float


@dataclass(frozen=True)
class Notes:
    """Everything the notes say, in the order in which they say it.

    `spacing` is what stands between two words of the transcript; `provenance` is label and value of each row.
    """

    origin: Origin
    language: str
    words: Wording
    warnings: tuple[str, ...]
    bullets: tuple[Timed, ...]
    terms: tuple[Term, ...]
    sections: tuple[Section, ...]
    provenance: tuple[tuple[str, str], ...]
    spacing: str = " "

    @property
    def quiet_line(self) -> str:
        """File, day and duration in one line."""
        parts = (self.origin.name, self.words.day(self.origin.created), clock(self.origin.duration_s))
        return " · ".join(parts)

    @property
    def slide_total(self) -> int:
        return sum(len(section.pictures) for section in self.sections)

    @property
    def has_uncertain(self) -> bool:
        return any(word.uncertain for section in self.sections for block in section.paragraphs for word in block.words)

    @property
    def uncertain_note(self) -> str:
        """What grey words mean."""
        return self.words.uncertain.format(limit=f"{UNCERTAIN:.1f}")

    @property
    def body_heading(self) -> str:
        return self.words.slides_and_transcript if self.slide_total else self.words.transcript

    @property
    def speech_total(self) -> int:
        """How many words the transcript has."""
        return sum(len(block.words) for section in self.sections for block in section.paragraphs)

    def mapped(self, change: Callable[[str], str]) -> Notes:
        """The same notes with every text but their own words put through `change`; a word left empty is dropped."""

        def section(old: Section) -> Section:
            blocks = []
            for block in old.paragraphs:
                changed = (replace(word, text=change(word.text)) for word in block.words)
                if words := tuple(word for word in changed if word.text):
                    blocks.append(replace(block, words=words))
            return replace(old, paragraphs=tuple(blocks))

        return replace(
            self,
            origin=replace(self.origin, title=change(self.origin.title), name=change(self.origin.name)),
            warnings=tuple(change(text) for text in self.warnings),
            bullets=tuple(replace(bullet, text=change(bullet.text)) for bullet in self.bullets),
            terms=tuple(replace(term, text=change(term.text)) for term in self.terms),
            sections=tuple(section(old) for old in self.sections),
            provenance=tuple((label, change(value)) for label, value in self.provenance),
        )

    def with_missing_glyphs(self, count: int, stand_in: str) -> Notes:
        """Say how many signs no font has: always among the provenance, and as a warning if there are any."""
        rows = [*self.provenance[:-1], (self.words.glyphs, str(count)), self.provenance[-1]]
        if not count:
            return replace(self, provenance=tuple(rows))
        warning = self.words.warn_glyphs.format(count=count, stand_in=stand_in)
        warnings = (*self.warnings, warning)
        rows[-1] = (self.words.warnings, " ".join(warnings))
        return replace(self, provenance=tuple(rows), warnings=warnings)


def compose(
    origin: Origin,
    transcript: Transcript,
    summary: Summary,
    pictures: Sequence[Picture],
    versions: Mapping[str, str],
) -> Notes:
    """The notes on one recording. `pictures` are its slides in time order; `versions` is software by name."""
    words = wording(transcript.language)
    said = _said(transcript)
    warnings = tuple(_warnings(transcript, said, words))
    return Notes(
        origin=origin,
        language=transcript.language,
        words=words,
        warnings=warnings,
        bullets=tuple(Timed(bullet.time_s, bullet.text) for bullet in summary.bullets),
        terms=tuple(Term(term.term, tuple(term.times_s[:_TIMES_PER_TERM])) for term in summary.key_terms),
        sections=tuple(cut_sections(said, pictures)),
        provenance=tuple(_provenance(origin, transcript, summary, versions, warnings, words)),
        spacing="" if transcript.language in _UNSPACED else " ",
    )


def contents(notes: Notes, most: int = 40) -> list[tuple[int, Section]]:
    """The sections to list, with their numbers from 0; none if there is only one, evenly thinned out above `most`."""
    if len(notes.sections) < 2:
        return []
    numbered = list(enumerate(notes.sections))
    if len(numbered) <= most:
        return numbered
    apart = notes.origin.duration_s / most
    listed: list[tuple[int, Section]] = []
    for number, section in numbered:
        if not listed or section.start_s >= listed[-1][1].start_s + apart:
            listed.append((number, section))
    return listed


def section_label(notes: Notes, section: Section) -> str:
    """`Slide 3`, `Slides 3–5` or `Part 2`."""
    if not section.pictures:
        return notes.words.part.format(number=section.part)
    last = section.first_slide + len(section.pictures) - 1
    number = str(last) if last == section.first_slide else f"{section.first_slide}–{last}"
    return notes.words.slide.format(number=number)


def _said(transcript: Transcript) -> list[Word]:
    said: list[Word] = []
    for segment in transcript.segments:
        timed = [(word.start_s, word.end_s, word.text, word.probability) for word in segment.words]
        if not timed:  # a model without word times: spread the words evenly over the segment
            texts = segment.text.split()
            step = (segment.end_s - segment.start_s) / len(texts)
            starts = [segment.start_s + step * number for number in range(len(texts))]
            timed = [(start, start + step, text, 1.0) for start, text in zip(starts, texts, strict=True)]
        for start_s, end_s, text, probability in timed:
            # One "word" may hold a blank ("10 000"): it is still several tokens on the page.
            said += [Word(start_s, end_s, token, probability < UNCERTAIN) for token in text.split()]
    return said


def _warnings(transcript: Transcript, said: Sequence[Word], words: Wording) -> list[str]:
    found = []
    if not said:
        found.append(words.warn_no_words)
    if transcript.language_probability < _DOUBTFUL_LANGUAGE:
        probability = f"{transcript.language_probability:.2f}"
        found.append(words.warn_language.format(language=transcript.language, probability=probability))
    share = sum(word.uncertain for word in said) / len(said) if said else 0.0
    if share > _DOUBTFUL_SHARE:
        found.append(words.warn_uncertain.format(percent=round(share * 100)))
    return found


def _provenance(
    origin: Origin,
    transcript: Transcript,
    summary: Summary,
    versions: Mapping[str, str],
    warnings: Sequence[str],
    words: Wording,
) -> list[tuple[str, str]]:
    heard = words.speech_value.format(
        model=transcript.model,
        source=transcript.model_source,
        device=transcript.device,
        compute_type=transcript.compute_type,
    )
    language = words.language_value.format(
        language=transcript.language, probability=f"{transcript.language_probability:.2f}"
    )
    return [
        (words.file, origin.name),
        (words.digest, origin.digest),
        (words.recorded, f"{words.day(origin.created)}, {origin.created:%H:%M} UTC"),
        (words.duration, clock(origin.duration_s)),
        (words.language, language),
        (words.speech, heard),
        (words.reason, transcript.reason),
        (words.settings, ", ".join(f"{name} {value}" for name, value in sorted(transcript.settings.items()))),
        (words.summary_method, f"{summary.method}. {summary.reason}"),
        (words.versions, ", ".join(f"{name} {version}" for name, version in versions.items())),
        (words.warnings, " ".join(warnings) or words.no_warnings),
    ]
