"""Text as CommonMark shows it letter by letter.

Belongs here: escaping. Does not belong here: any file of Markdown (`notes/markdown.py`, `speech/exports.py`). Pure.
"""

from __future__ import annotations

import re
import unicodedata

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
