"""What the sentiment inbox takes: tables of labelled texts.

Belongs here: the names and the look inside, for which the head of a file is enough. Does not belong here: how cells are
read (`resources/text/tables.py`), what labels mean (`assets/sentiment/labels.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from resources.errors import BadInput
from resources.intake.files import Names
from resources.intake.identity import shown
from resources.intake.intake import Intake, Product
from resources.intake.recordings import MEDIA, OTHER

TABLES = frozenset({".csv", ".tsv"})
LARGEST = 2_000_000_000
"""Bytes of a file; it is read whole into memory, and Sentiment140 with its 1.6 million tweets has 240 million."""

_HEAD = 256_000  # bytes that are looked at
_SHOWN = 5  # rows of the preview
_ADVICE = "Drop a CSV file with a column of texts and a column of labels; texts to be judged belong into predict/."


def inspect_labelled(path: Path) -> Mapping[str, Any]:
    """What is seen in the head of a file of labelled texts: rows, columns, encoding, a preview without names of people.

    Labels are not read here: a file whose labels nobody knows is taken in, and its run says how to set them.
    Raises: BadInput for what is no table of two or more columns, one of them of texts; OSError.
    """
    from resources.text import columns, sentiment140, tables, tweets

    name = f'"{shown(path.name)}"'
    size = path.stat().st_size
    if size > LARGEST:
        raise BadInput(f"{name} has {size:,} bytes; at most {LARGEST:,} are read.", "Divide it.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    cut = size > len(head)
    known = sentiment140.recognised(head)
    sheet = sentiment140.beginning(name, head, cut=cut) if known else tables.read(name, head, cut=cut)
    if sheet.width < 2:
        raise BadInput(f"{name} has one column; a label must stand beside each text.", _ADVICE)
    text = sentiment140.COLUMNS.index("text") if known else _text_column(columns, name, sheet)
    rows = len(sheet.rows)
    if cut:
        rows = round(rows * size / len(head))
    preview = [tweets.cleaned(row[text]) for row in sheet.rows[:_SHOWN]]
    return {
        "rows_about" if cut else "rows": rows,
        "columns": sheet.width,
        "text_column": dg.MetadataValue.text(columns.title(sheet, text)),
        "form": dg.MetadataValue.text("Sentiment140" if known else "table"),
        "encoding_of_head": dg.MetadataValue.text(sheet.encoding),
        "preview": dg.MetadataValue.md("\n".join(f"- {quoted(one)}" for one in preview)),
    }


def quoted(text: str, limit: int = 200) -> str:
    """A cleaned text as Markdown shows it: as it is, on one line, cut after `limit` characters."""
    line = shown(text, limit)
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#+-.!|~$" else sign for sign in line)


def _text_column(columns: Any, name: str, sheet: Any) -> int:
    """The column of texts; where it is not clear, the one with the most words, as the run's config may name it."""
    found = max(range(sheet.width), key=lambda column: columns.mean_words(sheet, column))
    if columns.mean_words(sheet, found) < 1:
        raise BadInput(f"{name} has no column of texts. It has {columns.listed(sheet)}.", _ADVICE)
    try:
        return int(columns.text_column(name, sheet))
    except BadInput:
        return int(found)


def sentiment() -> Product:
    """The product `sentiment`: external asset `sentiment_file`, finished when `sentiment_champion` is materialized."""
    return Product(
        asset="sentiment_file",
        partitions="sentiment_files",
        finished="sentiment_champion",
        names=Names(taken=TABLES, never=(OTHER | MEDIA) - TABLES),
        inspect=inspect_labelled,
    )


def sentiment_intake(instance: dg.DagsterInstance, ledger: Path) -> Intake:
    """The intake of labelled files for the command line: `with sentiment_intake(…) as intake: intake.take_in(path)`."""
    return Intake(sentiment(), instance, ledger, sensor_name="sentiment_files")
