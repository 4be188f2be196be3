"""Notes as Markdown: the same order and the same times as the PDF, slides as files beside it.

Belongs here: the Markdown file. Does not belong here: what it says (`content.py`). Pure.
CommonMark; text is escaped, so that nothing that was said or named can turn into formatting, links or HTML.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from resources.notes.content import Notes, contents, section_label
from resources.notes.sections import Section
from resources.timecode import clock

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#!<>&|~$^=])")
# What GitHub and others make links of on their own.
_LINKS = re.compile(r"(?i)(?<=\w)(:)(?=//)|(?<=www)(\.)|(?<=\w)(@)(?=\w)")
# A digit with a dot, a plus or a dash begins a list only where a line begins.
_AT_START = re.compile(r"^(\d+)([.)])(?=\s|$)|^([-+])(?=\s|$|-)")


def escape(text: str) -> str:
    """`text` on one line so that Markdown shows exactly its characters; controls are dropped."""
    text = " ".join(text.split())
    text = "".join(char for char in text if char == " " or unicodedata.category(char) not in ("Cc", "Cs"))
    text = _SPECIAL.sub(r"\\\1", text)
    text = _LINKS.sub(lambda found: "\\" + found[0], text)
    return _AT_START.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", text)


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
    bullets = [f"- {_time(bullet.time_s)} {escape(bullet.text)}" for bullet in notes.bullets]
    yield "\n".join(bullets) or escape(words.no_summary)
    if notes.terms:
        yield f"## {words.key_terms}"
        yield " · ".join(
            " ".join([escape(term.text), *(f"{clock(time_s)}" for time_s in term.times_s)]) for term in notes.terms
        )
    if listed := contents(notes):
        yield f"## {words.contents}"
        yield "\n".join(f"- {_time(section.start_s)} {_name(notes, section)}" for _, section in listed)
    yield f"## {notes.body_heading}"
    yield from _body(notes)
    yield f"## {words.about}"
    yield "\n".join(f"- **{escape(label)}:** {escape(value)}" for label, value in notes.provenance)


def _body(notes: Notes) -> Iterator[str]:
    if not notes.speech_total and not notes.slide_total:
        yield escape(notes.words.no_words)
    if notes.has_uncertain:
        yield f"*{escape(notes.uncertain_note)}*"
    single = len(notes.sections) == 1
    for section in notes.sections:
        if not section.pictures and not single:
            yield f"### {escape(section_label(notes, section))}"
        for number, picture in enumerate(section.pictures, start=section.first_slide):
            name = notes.words.slide_of.format(number=number, total=notes.slide_total)
            yield f"![{escape(name)}]({picture.name})"
            yield f"*{escape(name)}* · {_time(picture.time_s)}"
        for block in section.paragraphs:
            text = notes.spacing.join(word.text for word in block.words)
            yield f"{_time(block.start_s)} {escape(text)}"


def _name(notes: Notes, section: Section) -> str:
    label, opening = section_label(notes, section), section.opening(notes.spacing)
    return escape(f"{label}. {opening}" if opening else label)


def _time(seconds: float) -> str:
    return f"**{clock(seconds)}**"
