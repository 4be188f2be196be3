"""Notes as Markdown: the same order and the same times as the PDF, slides as files beside it.

Belongs here: the Markdown file. Does not belong here: what it says (`content.py`). Pure.
CommonMark; text is escaped, so that nothing that was said or named can turn into formatting, links or HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resources.commonmark import escape
from resources.notes.content import UNSUPPORTED, Entry, Notes, Timed, contents, omission_text, section_label
from resources.notes.sections import Omission, Section
from resources.timecode import clock


def markdown(notes: Notes) -> str:
    """The whole file, ending with a newline."""
    return "\n\n".join(_blocks(notes)) + "\n"


def _blocks(notes: Notes) -> Iterator[str]:
    words = notes.words
    yield f"# {escape(notes.origin.title)}"
    yield escape(notes.quiet_line)
    for warning in notes.warnings:
        yield f"**{escape(warning)}**"
    yield f"## {words.summary}"
    yield _points(notes.bullets) or escape(notes.statement or words.no_summary)
    if notes.has_unsupported:
        yield f"*{escape(notes.unsupported_note)}*"
    if notes.terms:
        yield f"## {words.key_terms}"
        yield " · ".join(
            " ".join([escape(term.text), *(f"{clock(time_s)}" for time_s in term.times_s)]) for term in notes.terms
        )
    if listed := contents(notes):
        yield f"## {words.contents}"
        yield "\n".join(f"- {_time(entry.start_s)} {_name(entry)}" for entry in listed)
    if notes.sections and not notes.has_chapters:
        yield f"## {notes.body_heading}"
    for chapter in notes.chapters:
        if chapter.title:
            yield f"## {_time(chapter.start_s)} {escape(chapter.title)}"
        if chapter.points:
            yield _points(chapter.points)
        for section in chapter.sections:
            yield from _section(notes, section)
    yield f"## {words.about}"
    yield "\n".join(f"- **{escape(label)}:** {escape(value)}" for label, value in notes.provenance)


def _section(notes: Notes, section: Section) -> Iterator[str]:
    if section.part and len(notes.sections) > 1:
        yield f"### {escape(section_label(notes, section))}"
    for number, picture in enumerate(section.pictures, start=section.first_slide):
        name = notes.words.slide_of.format(number=number, total=notes.slide_total)
        yield f"![{escape(name)}]({picture.name})"
        yield f"*{escape(name)}* · {_time(picture.time_s)}"
    for block in section.blocks:
        if isinstance(block, Omission):
            yield f"{_time(block.start_s)} *{escape(omission_text(notes, block))}*"
            continue
        speaker = f"**{escape(block.speaker)}** " if block.speaker else ""
        yield f"{_time(block.start_s)} {speaker}{escape(block.text(notes.spacing))}"


def _points(points: Sequence[Timed]) -> str:
    marks = ("" if point.supported else UNSUPPORTED for point in points)
    lines = zip(points, marks, strict=True)
    return "\n".join(f"- {_time(point.time_s)} {escape(point.text)}{mark}" for point, mark in lines)


def _name(entry: Entry) -> str:
    return escape(". ".join(part for part in (entry.label, entry.text) if part))


def _time(seconds: float) -> str:
    return f"**{clock(seconds)}**"
