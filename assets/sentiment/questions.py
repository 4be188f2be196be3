"""Files of texts to be judged: tables, and plain text with one on each line.

Belongs here: reading them, with what is left out and why. Does not belong here: what the texts are judged to be
(`predicting.py`), the file of answers (`answers.py`). Pure: the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assets.sentiment import labels
from assets.sentiment.labels import Options
from resources.errors import BadInput
from resources.text import columns, tables
from resources.text.tweets import cleaned

_TABLES = (".csv", ".tsv")
_LINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Questions:
    """One file. `texts` are cleaned, `lines` say where each begins, from 1; `cells` are the other columns of its row as
    written, under `header`. `truth` is what the file itself says of each text, empty where it says nothing.

    `problems` tell what was left out, a line each; `labels` in words where `truth` comes from.
    """

    name: str
    texts: tuple[str, ...]
    lines: tuple[int, ...]
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    truth: tuple[str, ...]
    problems: tuple[str, ...]
    labels: str


def read(name: str, content: bytes, options: Options) -> Questions:
    """The texts of a file; by its name it is a table or plain text.

    Raises: BadInput for a file that can't be read at all, or in which a column that `options` name is not there.
    """
    if name.casefold().endswith(_TABLES):
        return _table(name, content, options)
    text, _ = tables.decode(name, content, options.encoding)
    rows = [(number, line) for number, line in enumerate(_LINE.split(text), 1) if line.strip()]
    return _kept(name, [line for _, line in rows], [number for number, _ in rows], (), (), (), "", [])


def _table(name: str, content: bytes, options: Options) -> Questions:
    odd: list[tables.BadRecord] = []
    sheet = tables.read(name, content, encoding=options.encoding, header=options.header, left_out=odd)
    text_at = columns.text_column(name, sheet, options.text_column)
    truth: Sequence[str] = ()
    try:
        truth, label_at = labels.of_rows(name, sheet, text_at, options)
        said = f"column {columns.title(sheet, label_at)}"
    except BadInput as error:
        if options.label_column is not None or options.labels:
            raise
        said = f"none: {error.message}"
    others = [column for column in range(sheet.width) if column != text_at]
    header = sheet.header or [f"column {column + 1}" for column in range(sheet.width)]
    return _kept(
        name,
        [row[text_at] for row in sheet.rows],
        sheet.lines,
        [header[column] or f"column {column + 1}" for column in others],
        [tuple(row[column] for column in others) for row in sheet.rows],
        truth,
        said,
        [f"{name}, line {record.line:,}: {record.said}" for record in odd],
    )


def _kept(
    name: str,
    texts: Sequence[str],
    lines: Sequence[int],
    header: Sequence[str],
    cells: Sequence[tuple[str, ...]],
    truth: Sequence[str],
    said: str,
    problems: list[str],
) -> Questions:
    """Without the rows whose text is empty once it is cleaned."""
    clean = [cleaned(text) for text in texts]
    rows = [row for row, text in enumerate(clean) if text]
    problems = [*problems, *(f"{name}, line {lines[row]:,}: has no text" for row, text in enumerate(clean) if not text)]
    return Questions(
        name,
        tuple(clean[row] for row in rows),
        tuple(lines[row] for row in rows),
        tuple(header),
        tuple(cells[row] for row in rows) if cells else ((),) * len(rows),
        tuple(truth[row] for row in rows) if truth else ("",) * len(rows),
        tuple(problems),
        said,
    )
