"""Markdown read back by a Markdown parser: what was said comes out letter by letter, and nothing else."""

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from resources.notes.content import Chapter, Notes, Origin, Term, Timed
from resources.notes.markdown import escape, markdown
from resources.notes.sections import Omission, Paragraph, Picture, Section, Word
from resources.notes.wording import wording

COMMONMARK = MarkdownIt("commonmark")
NASTY = [
    "# not a heading",
    "- not a list",
    "+ nor this",
    "1. nor this",
    "2) nor this",
    "*not bold* _nor italic_ ~~nor gone~~",
    "<script>alert('no')</script> &amp; &lt;",
    "[no link](http://example.org) ![no picture](x.png)",
    "`no code` ``` ```",
    "> no quotation",
    "| no | table |",
    "---",
    "===",
    "a line\nand another\r\n# still one line",
    r"C:\new\*folder",
    "$x^2$ and {braces}",
    "https://example.org/a_b_c www.example.org me@example.org",
    "    four blanks first",
    "trailing backslash \\",
]


def shown(text: str) -> str:
    """What a reader sees of Markdown, as one line."""
    html = re.sub(r"<[^>]+>", "", COMMONMARK.render(text))
    return " ".join(unescape(html).split())


def plain(text: str) -> str:
    text = "".join(char for char in text if char.isspace() or unicodedata.category(char) not in ("Cc", "Cs"))
    return " ".join(text.split())


@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_is_said_becomes_formatting(text: str) -> None:
    assert re.fullmatch(r"<p>[^<]*</p>\n?", COMMONMARK.render(escape(text)))
    assert shown(escape(text)) == plain(text)
    assert shown(f"**0:00:01** {escape(text)}") == f"0:00:01 {plain(text)}"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back_letter_by_letter(text: str) -> None:
    if plain(text):
        assert shown(f"**0:00:01** {escape(text)}") == f"0:00:01 {plain(text)}".replace("\0", "\ufffd")


def test_addresses_do_not_become_links_by_themselves() -> None:
    github = MarkdownIt("gfm-like", {"linkify": False})
    for text in NASTY:
        assert "<a" not in github.render(escape(text))
    assert escape("https://a.b www.a.b a@b.c") == r"https\://a.b www\.a.b a\@b.c"


def said(text: str, start_s: float, speaker: str | None = None) -> Paragraph:
    return Paragraph(tuple(Word(start_s, start_s + 1, word, False) for word in text.split()), speaker)


SECTIONS = (
    Section(0.0, (Picture("slide-001.jpg", 0.0, 4, 3),), (said("One two.", 1), said("Three.", 9)), 0, 1),
    Section(3660.0, (), (said("# Four.", 3660),), 1, 0),
)
NOTES = Notes(
    origin=Origin("Title *1*", "a_b.mp4", "3f" * 32, datetime(2026, 5, 1, 8, 0, tzinfo=UTC), 3700.0),
    language="en",
    words=wording("en"),
    warnings=("Careful.",),
    bullets=(Timed(3, "A point."), Timed(3661, "Another.", supported=False)),
    terms=(Term("water", (3.0, 61.0)), Term("oak", (9.0,))),
    chapters=(Chapter(0.0, "", (), SECTIONS),),
    provenance=(("File", "a_b.mp4"), ("Warnings", "Careful.")),
)
UNSUPPORTED_NOTE = f"*{escape(NOTES.unsupported_note)}*"


def test_without_chapters_the_file_has_everything_in_order() -> None:
    assert markdown(NOTES) == "\n\n".join(
        [
            r"# Title \*1\*",
            r"a\_b.mp4 · 1 May 2026 · 1:01:40",
            "**Careful.**",
            "## Summary",
            "- **0:00:03** A point.\n- **1:01:01** Another.†",
            UNSUPPORTED_NOTE,
            "## Key terms",
            "water 0:00:03 0:01:01 · oak 0:00:09",
            "## Contents",
            "- **0:00:00** Slide 1. One two. Three.\n- **1:01:00** Part 1. \\# Four.",
            "## Slides and transcript",
            "![Slide 1 of 1](slide-001.jpg)",
            "*Slide 1 of 1* · **0:00:00**",
            "**0:00:01** One two.",
            "**0:00:09** Three.",
            "### Part 1",
            r"**1:01:00** \# Four.",
            "## About these notes",
            r"- **File:** a\_b.mp4" + "\n- **Warnings:** Careful.\n",
        ]
    )


def test_chapters_have_their_points_voices_and_what_was_left_out() -> None:
    first = Section(0.0, (), (said("One two.", 1, "Speaker *A*"), Omission(5.0, 9.0, 1, ("loop",)), said("Three.", 9)))
    chapters = (
        Chapter(0.0, "How it _begins_", (Timed(1, "One."), Timed(2, "Two.", supported=False)), (first,)),
        Chapter(60.0, "How it ends", (), (Section(60.0, (), (said("Four.", 60),)),)),
    )
    text = markdown(replace(NOTES, bullets=(), terms=(), warnings=(), chapters=chapters))
    assert text.split("\n\n")[2:-2] == [
        "## Summary",
        "The recording is too short for a summary.",
        UNSUPPORTED_NOTE,
        "## Contents",
        "- **0:00:00** How it \\_begins\\_\n- **0:01:00** How it ends",
        r"## **0:00:00** How it \_begins\_",
        "- **0:00:01** One.\n- **0:00:02** Two.†",
        r"**0:00:01** **Speaker \*A\*** One two.",
        r"**0:00:05** *\[0:00:05 to 0:00:09: left out, the words repeat themselves\]*",
        "**0:00:09** Three.",
        "## **0:01:00** How it ends",
        "**0:01:00** Four.",
    ]


def test_a_recording_without_words_has_its_statement_instead_of_a_summary() -> None:
    text = markdown(replace(NOTES, bullets=(), terms=(), chapters=(), statement="Nobody speaks."))
    assert "## Summary\n\nNobody speaks.\n\n## About" in text
