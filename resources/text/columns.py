"""Which column of a table holds the texts.

Belongs here: a column by its name or number, and by what stands in it. Does not belong here: cells (`tables.py`),
labels (`assets/sentiment/labels.py`). Pure: the standard library.
"""

from __future__ import annotations

import re

from resources.errors import BadInput
from resources.intake.identity import shown
from resources.text import tables
from resources.text.tables import Sheet

_SAMPLE = 1000  # rows by which a column is judged, taken evenly from the whole file: it may be sorted
_FEWEST_WORDS = 1.5
_CLEARLY = 0.8  # a second column with this share of the words of the first makes it unclear which one is meant
_WORD = re.compile(r"[^\W\d_]{2,}")  # so that no date and no number counts as text


def text_column(name: str, sheet: Sheet, wanted: str | None = None) -> int:
    """The column of texts: the one that is `wanted` (its name, or its number from 1), else one with a known name, else
    the one with the most words in its cells.

    Raises: BadInput where none or more than one could be it; `name` is the file's.
    """
    if wanted is not None:
        return place(name, sheet, wanted, "text_column")
    if sheet.width == 1:
        return 0
    plain = [tables.plain_name(cell) for cell in sheet.header or ()]
    for known in tables.TEXT_NAMES:
        if plain.count(known) == 1:
            return plain.index(known)
    words = [mean_words(sheet, column) for column in range(sheet.width)]
    ranked = sorted(range(sheet.width), key=lambda column: -words[column])
    first, second = ranked[:2]
    if words[first] < _FEWEST_WORDS:
        raise BadInput(
            f"{name} has no column of texts. It has {listed(sheet)}.", "Set `text_column` to its name or number."
        )
    if words[second] >= _CLEARLY * words[first]:
        raise BadInput(
            f"{name}: it is not clear which column holds the texts. It has {listed(sheet)}.",
            "Set `text_column` to its name or number.",
        )
    return first


def place(name: str, sheet: Sheet, wanted: str, setting: str) -> int:
    """The index of the column that is called `wanted`, or has that number, from 1. Raises: BadInput."""
    titles = [title.casefold() for title in sheet.header or ()]
    looked_for = wanted.strip().casefold()
    if titles.count(looked_for) == 1:
        return titles.index(looked_for)
    numbers = {str(number + 1): number for number in range(sheet.width)}
    if looked_for in numbers and looked_for not in titles:
        return numbers[looked_for]
    twice = titles.count(looked_for) > 1
    raise BadInput(
        f'{name} has {"more than one" if twice else "no"} column "{shown(wanted, 60)}". It has {listed(sheet)}.',
        f"Set `{setting}` to a column's {'number' if twice else 'name or number'}.",
    )


def title(sheet: Sheet, column: int) -> str:
    """The column as a person knows it: its name, else its number from 1."""
    named = sheet.header[column] if sheet.header is not None else ""
    return f'"{shown(named, 60)}"' if named else f"number {column + 1}"


def listed(sheet: Sheet) -> str:
    """All columns with the words in a cell. What stands in them is not shown: it may name people."""
    some = [f"{title(sheet, i)} ({mean_words(sheet, i):.1f} words)" for i in range(min(sheet.width, 20))]
    more = f" and {sheet.width - 20} more" if sheet.width > 20 else ""
    return f"{sheet.width} columns: {', '.join(some)}{more}" if sheet.width > 1 else f"one column, {some[0]}"


def mean_words(sheet: Sheet, column: int) -> float:
    """Words in a cell of this column, on average over rows from the whole file."""
    some = sheet.rows[:: max(1, len(sheet.rows) // _SAMPLE)]
    return sum(len(_WORD.findall(row[column])) for row in some) / max(1, len(some))
