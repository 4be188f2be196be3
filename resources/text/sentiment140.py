"""Sentiment140 in the form it is given out: six quoted columns, no header, Latin-1, sorted by label.

Belongs here: recognising that form and reading it, with a check that no row was lost. Does not belong here: other CSV
files (`tables.py`). Pure: the standard library.

Columns: target (0 negative, 2 neutral, 4 positive), id, date, query, user, text (Go, Bhayani and Huang, "Twitter
sentiment classification using distant supervision", 2009). The training file has 1,600,000 rows, 800,000 of each of 0
and 4, and says so in its name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from resources.errors import BadInput
from resources.text import tables

COLUMNS = ("target", "ids", "date", "flag", "user", "text")
LABELS = {"0": "negative", "2": "neutral", "4": "positive"}
_TARGET, _ID, _DATE, _TEXT = 0, 1, 2, 5
_DATED = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]{2,5} \d{4}\Z")
_BEGINS = re.compile(rb'(?m)^"?[024]"?,"?\d+"?,"?[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d ')
_NAMED = re.compile(r"training\.(\d+)\.processed")
_HEAD = 64_000  # bytes by which the form is recognised


@dataclass(frozen=True)
class Sentiment140:
    """All rows in the file's order: `texts` as written, `targets` `0`, `2` or `4`, `lines` where they begin."""

    texts: list[str]
    targets: list[str]
    lines: list[int]
    encoding: str

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each target."""
        return dict(sorted(Counter(self.targets).items()))


def recognised(content: bytes) -> bool:
    """Whether the file begins with rows of this form; the head of it is enough."""
    head = content[:_HEAD].decode("latin-1")
    if len(content) > _HEAD:
        head = head[: head.rfind("\n") + 1]
    try:
        rows = [cells for _, cells in tables.records(head, ",", strict=False)]
    except tables.BadRecord:
        return False
    return bool(rows) and all(map(_fits, rows))


def beginning(name: str, content: bytes, *, cut: bool) -> tables.Sheet:
    """The cells of a recognised file, for a look at them; `cut` says that this is only its beginning.

    Raises: BadInput.
    """
    text, found = tables.decode(name, content, cut=cut)
    if cut:
        text = text[: text.rfind("\n") + 1]
    try:
        numbered = list(tables.records(text, ",", strict=False))  # quotes within texts are no error, as in `read`
    except tables.BadRecord as odd:
        raise BadInput(f"{name}, line {odd.line:,}: {odd.said}.", "Get a good copy of the file.") from odd
    whole = [(line, cells) for line, cells in numbered if len(cells) == len(COLUMNS)]
    return tables.Sheet(None, [cells for _, cells in whole], [line for line, _ in whole], found, ",")


def read(name: str, content: bytes, *, encoding: str = "auto", expected_rows: int | None = None) -> Sentiment140:
    """Every row of the file.

    The rows are counted twice: as CSV, and by the bytes a row begins with. `expected_rows`, or else the number in the
    name `training.<n>.processed…`, is held against both.
    Raises: BadInput if a count differs, or a row has another form.
    """
    text, found = tables.decode(name, content, encoding)
    texts: list[str] = []
    targets: list[str] = []
    lines: list[int] = []
    try:
        for line, cells in tables.records(text, ",", strict=False):
            if len(cells) != len(COLUMNS) or cells[_TARGET] not in LABELS:
                raise BadInput(
                    f"{name}, line {line:,}: is no row of Sentiment140 (six columns, the first 0, 2 or 4).",
                    "Get a good copy of the file.",
                )
            texts.append(cells[_TEXT])
            targets.append(cells[_TARGET])
            lines.append(line)
    except tables.BadRecord as odd:
        raise BadInput(f"{name}, line {odd.line:,}: {odd.said}.", "Get a good copy of the file.") from odd
    begun = sum(1 for _ in _BEGINS.finditer(content))
    if begun != len(texts):
        raise BadInput(
            f"{name}: {begun:,} rows begin in the file, but {len(texts):,} were read: a quote is missing somewhere.",
            "Get a good copy of the file.",
        )
    said = _NAMED.search(name)
    wanted = expected_rows if expected_rows is not None else int(said[1]) if said else None
    if wanted is not None and len(texts) != wanted:
        raise BadInput(
            f"{name} has {len(texts):,} rows; it should have {wanted:,}.",
            "Get a whole copy of the file, or "
            + (
                "set `expected_rows` to what it has."
                if expected_rows is not None
                else "take that number out of its name."
            ),
        )
    return Sentiment140(texts, targets, lines, found)


def _fits(cells: Sequence[str]) -> bool:
    return (
        len(cells) == len(COLUMNS)
        and cells[_TARGET] in LABELS
        and cells[_ID].isdigit()
        and _DATED.match(cells[_DATE]) is not None
    )
