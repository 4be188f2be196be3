"""Cells of CSV files that people open in a spreadsheet.

Belongs here: what keeps a text from being run as a formula. Does not belong here: which columns a file has. Pure: the
standard library.
"""

from __future__ import annotations

import re

_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\Z", re.ASCII)


def safe(text: str) -> str:
    """Text for a cell: no formula.

    Spreadsheets run what begins with one of these signs; an apostrophe before it makes it text (OWASP: CSV Injection).
    A number stays one.
    """
    return f"'{text}" if text.startswith(_SIGNS) and not _NUMBER.match(text) else text
