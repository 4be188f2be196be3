"""CSV files in the columns of the Boston housing table.

Belongs here: the columns with their units, reading files of the kinds spreadsheets write, one schema for all of them,
one order of rows whatever the order of files. Does not belong here: splits (`splits.py`), where files come from
(`dataset.py`). Pure: the standard library and numpy.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resources.errors import BadInput


@dataclass(frozen=True)
class Column:
    """A column of the table. `aliases` are other names it is read under; case does not matter."""

    name: str
    unit: str
    meaning: str
    aliases: tuple[str, ...] = ()


# Harrison and Rubinfeld, "Hedonic housing prices and the demand for clean air" (1978), as in the UCI repository.
FEATURES = (
    Column("CRIM", "crimes per head and year", "crime rate of the town", ("crime", "crime_rate")),
    Column("ZN", "%", "share of residential land zoned for lots over 25,000 square feet", ("zoned",)),
    Column("INDUS", "%", "share of land of other businesses than shops", ("industry",)),
    Column("CHAS", "0 or 1", "1 if the tract borders the Charles River", ("river", "charles")),
    Column("NOX", "parts per 10 million", "nitric oxides in the air", ("nitric_oxides",)),
    Column("RM", "rooms", "rooms per dwelling, on average", ("rooms", "avg_rooms")),
    Column("AGE", "%", "share of owner-occupied homes built before 1940"),
    Column("DIS", "weighted miles", "distance to five centres of employment", ("distance",)),
    Column("RAD", "index 1 to 24", "access to radial highways", ("highways",)),
    Column("TAX", "USD per 10,000 USD", "property tax rate", ("tax_rate",)),
    Column("PTRATIO", "pupils per teacher", "of the town's schools", ("pupil_teacher_ratio",)),
    Column("B", "1000 (Bk - 0.63)^2", "Bk is the share of Black residents of the town", ("black",)),
    Column("LSTAT", "%", "share of residents of low status", ("lower_status",)),
)
TARGET = Column(
    "MEDV", "1000 USD", "median value of owner-occupied homes", ("target", "price", "median_value", "medv_usd_1000")
)
ENCODES_RACE = "B"
"""Dropped unless asked for: it is a transform of the share of Black residents, built on the assumption that it has a
bearing on prices. Scikit-learn removed `load_boston` for it (deprecated in 1.0, removed in 1.2)."""

QUESTIONS = "inbox/housing/predict"
"""Where files without prices belong, under the home."""

_NAMES = {name.casefold(): column for column in (*FEATURES, TARGET) for name in (column.name, *column.aliases)}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_SEPARATORS = (";", "\t", ",")  # a tie, which only a header of one column has, goes to the first
_LISTED = 50  # problems in one message: enough to mend a file by, short enough for Dagster's page
LARGEST = 100_000_000  # bytes of a file; the table has 14 short columns, so that is about a million rows


class _Problem(Exception):
    """What is wrong with a file as a whole."""


@dataclass(frozen=True)
class Sheet:
    """A CSV file as text: `header` as written, `rows` as (line in the file, cells). Empty lines are left out."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    decimal_comma: bool

    def number(self, cell: str) -> float | None:
        """The value of a cell as it is stored (float32), or None if it is no finite number."""
        text = cell.replace(",", ".") if self.decimal_comma and cell.count(",") == 1 and "." not in cell else cell
        value = float(text) if _NUMBER.match(text) else np.nan
        return float(np.float32(value)) if abs(value) < np.finfo(np.float32).max else None


@dataclass(frozen=True)
class Table:
    """All files' rows in one order. `values` is float32 (rows, columns), `target` float32 (rows,) in 1000 USD.

    `counts` are rows as read per file, `duplicates` how many of them were left out since another row equals them.
    """

    columns: tuple[str, ...]
    values: np.ndarray
    target: np.ndarray
    counts: Mapping[str, int]
    duplicates: int


@dataclass(frozen=True)
class Questions:
    """Rows to predict. `cells` are the kept rows as written, under `header`; `lines` where they stand in the file.

    `values` is float32 (rows, columns); `target` float32 (rows,), NaN where the file has no price. `problems` tell
    what was left out and why, a line each.
    """

    name: str
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    values: np.ndarray
    target: np.ndarray
    problems: tuple[str, ...]


def features(drop_b: bool) -> tuple[str, ...]:
    """Names of the columns a model is given, in their order."""
    return tuple(column.name for column in FEATURES if not (drop_b and column.name == ENCODES_RACE))


def name_of(written: str) -> str | None:
    """The column's name, whatever it is written as in a file; None if it is none of ours."""
    known = _NAMES.get(written.casefold())
    return None if known is None else known.name


def read(files: Sequence[tuple[str, bytes]], drop_b: bool) -> Table:
    """One table of all files, given as (name, content): rows sorted, equal ones once.

    With `drop_b` the column B may be missing and is not read. Raises: BadInput with the problems of all files.
    """
    columns = features(drop_b)
    problems: list[str] = []
    rows: list[tuple[float, ...]] = []
    counts: dict[str, int] = {}
    for name, raw in sorted(files):
        try:
            sheet = read_sheet(name, raw)
            found, wrong = _training_rows(sheet, columns)
        except _Problem as problem:
            problems.append(f"{name}: {problem}")
            continue
        problems += wrong
        rows += found
        counts[name] = counts.get(name, 0) + len(found)
    if problems:
        more = f"\n… and {len(problems) - _LISTED} more problems" if len(problems) > _LISTED else ""
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise BadInput(
            f"The files can't be made one table ({count}):\n" + "\n".join(problems[:_LISTED]) + more,
            f"Mend or remove these files; rows without {TARGET.name} belong into {QUESTIONS}.",
        )
    return arranged(columns, np.array(rows).reshape(-1, len(columns) + 1), counts)


def arranged(columns: tuple[str, ...], rows: np.ndarray, counts: Mapping[str, int]) -> Table:
    """The table of these rows, (rows, columns and price): in one order, equal ones once."""
    unique = np.unique(rows.astype(np.float32) + 0.0, axis=0)  # sorted, too; the sum makes -0 the 0 that it equals
    return Table(columns, unique[:, :-1].copy(), unique[:, -1].copy(), counts, len(rows) - len(unique))


def read_questions(name: str, raw: bytes, columns: Sequence[str]) -> Questions:
    """Rows of a file to predict by a model of `columns`. What can't be read is told in `problems`, never raised.

    Other columns are kept in `cells` and not used.
    """
    width = len(columns)
    nothing = Questions(name, (), (), (), np.zeros((0, width), np.float32), np.zeros(0, np.float32), ())
    try:
        sheet = read_sheet(name, raw)
        places = _places(sheet, columns, others=True)
    except _Problem as problem:
        return Questions(**{**vars(nothing), "problems": (f"{name}: {problem}",)})
    kept, lines, values, targets, problems = [], [], [], [], []
    for line, cells in sheet.rows:
        wrong, numbers = _numbers(sheet, line, cells, {column: places[column] for column in columns})
        if wrong:
            problems.append("; ".join(wrong))
            continue
        at = places.get(TARGET.name)
        price = sheet.number(cells[at]) if at is not None else None
        kept.append(cells)
        lines.append(line)
        values.append(numbers)
        targets.append(np.nan if price is None else price)
    return Questions(
        name,
        sheet.header,
        tuple(kept),
        tuple(lines),
        np.array(values, np.float32).reshape(-1, width),
        np.array(targets, np.float32),
        tuple(problems),
    )


def read_sheet(name: str, raw: bytes) -> Sheet:
    """The cells of a CSV file in UTF-8 or Latin-1, separated by comma, semicolon or tab, with a header line."""
    if len(raw) > LARGEST:
        raise _Problem(f"has {len(raw):,} bytes; at most {LARGEST:,} are read.")
    if b"\0" in raw:
        raise _Problem("is no CSV file in UTF-8 or Latin-1 (it has zero bytes). Save it as CSV (UTF-8).")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    lines = _lines(text, separator)
    _, header = next(lines, (0, ()))
    if not header:
        raise _Problem("is empty. It needs a header line with the names of the columns.")
    if all(_NUMBER.match(cell.replace(",", ".")) for cell in header):
        raise _Problem("has no header line: its first line holds numbers.")
    rows = tuple(lines)
    if not rows:
        raise _Problem("has a header line and no rows.")
    return Sheet(name, header, rows, decimal_comma=separator == ";")


def _lines(text: str, separator: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line number, cells) of each line that has any content."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before = 0
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                yield before + 1, stripped
            before = reader.line_num
    except csv.Error as error:
        raise _Problem(f"line {reader.line_num}: {error}.") from error


def _places(sheet: Sheet, columns: Sequence[str], others: bool) -> dict[str, int]:
    """Column -> index in the file. Raises: _Problem for missing ones, repeated ones and, unless `others`, unknown."""
    places: dict[str, int] = {}
    wrong = []
    for index, written in enumerate(sheet.header):
        known = _NAMES.get(written.casefold())
        if known is None:
            if not others:
                wrong.append(f'"{written[:60]}" (column {index + 1}) is no column of this table')
        elif known.name in places:
            wrong.append(f'"{written}" (column {index + 1}) stands for {known.name}, as another column does')
        else:
            places[known.name] = index
    wanted = columns if others else (*columns, TARGET.name)
    if missing := [column for column in wanted if column not in places]:
        wrong.append(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if wrong:
        raise _Problem(f"{'; '.join(wrong)}.")
    return places


def _numbers(
    sheet: Sheet, line: int, cells: Sequence[str], places: Mapping[str, int]
) -> tuple[list[str], tuple[float, ...]]:
    """The problems of a line, and its numbers if there are none."""
    where = f"{sheet.name}, line {line}"
    if len(cells) != len(sheet.header):
        return [f"{where}: has {len(cells)} cells, the header {len(sheet.header)}"], ()
    numbers, wrong = [], []
    for column, index in places.items():
        value = sheet.number(cells[index])
        if value is None:
            wrong.append(f'{where}, column {column}: "{cells[index][:40]}" is no number')
        else:
            numbers.append(value)
    return wrong, tuple(numbers)


def _training_rows(sheet: Sheet, columns: Sequence[str]) -> tuple[list[tuple[float, ...]], list[str]]:
    """Rows as columns and price, in 1000 USD; and what is wrong with the others."""
    places = _places(sheet, columns, others=False)
    target = places[TARGET.name]
    rows, problems = [], []
    for line, cells in sheet.rows:
        where = f"{sheet.name}, line {line}, column {TARGET.name}"
        priced = len(cells) != len(sheet.header) or cells[target] != ""
        wanted = itertools.chain(columns, [TARGET.name] if priced else [])
        wrong, numbers = _numbers(sheet, line, cells, {column: places[column] for column in wanted})
        if not priced:
            wrong.append(f"{where}: has no price; such rows belong into {QUESTIONS}")
        elif not wrong and numbers[-1] <= 0:
            wrong.append(f"{where}: {numbers[-1]:g} is no price; it must be above zero")
        problems += wrong
        if not wrong:
            rows.append(numbers)
    return rows, problems
