"""Text as CommonMark shows it letter by letter.

Belongs here: escaping, and lists of escaped lines. Does not belong here: any file of Markdown (`notes/markdown.py`,
`speech/exports.py`). Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#!<>&|~$^=])")
# What GitHub and others make links of on their own.
_LINKS = re.compile(r"(?i)(?<=\w)(:)(?=//)|(?<=www)(\.)|(?<=\w)(@)(?=\w)")
# A digit with a dot, a plus or a dash begins a list only where a line begins.
_AT_START = re.compile(r"^(\d+)([.)])(?=\s|$)|^([-+])(?=\s|$|-)")


_LISTED = 500
"""A line of a list that is longer is cut: names of files may be of any length."""


def bullets(lines: Sequence[str], most: int) -> str:
    """A list of the first `most` lines, each shown letter by letter, and how many more there are."""
    more = [f"- … and {len(lines) - most:,} more"] if len(lines) > most else []
    shown = (line if len(line) <= _LISTED else f"{line[:_LISTED]}…" for line in lines[:most])
    return "\n".join([*(f"- {escape(line)}" for line in shown), *more])


def escape(text: str) -> str:
    """`text` on one line so that Markdown shows exactly its characters; controls are dropped."""
    text = " ".join(text.split())
    text = "".join(char for char in text if char == " " or unicodedata.category(char) not in ("Cc", "Cs"))
    text = _SPECIAL.sub(r"\\\1", text)
    text = _LINKS.sub(lambda found: "\\" + found[0], text)
    return _AT_START.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", text)
