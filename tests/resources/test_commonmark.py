"""Escaped text read back by a Markdown parser: it comes out letter by letter, and nothing else."""

import re
import unicodedata
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from resources.commonmark import bullets, escape

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


def test_a_list_shows_its_first_lines_letter_by_letter_and_counts_the_others() -> None:
    lines = ["<b>.csv: *gone*", "x" * 501, "third", "fourth"]
    shown = bullets(lines, 3)
    assert COMMONMARK.render(shown).count("<li>") == 4
    assert "&lt;b&gt;.csv: *gone*" in COMMONMARK.render(shown)
    assert f"{'x' * 500}…" in shown
    assert "x" * 501 not in shown
    assert shown.endswith("- … and 1 more")
    assert bullets(lines[:1], 1).count("\n") == 0
