"""Labels of tweets as people write them, and what they mean: 0/4, 0/2/4, 0/1, 0/2, -1/1, -1/0/1, or words.

Belongs here: which column holds them, which way of writing it is, and the refusal of what could be read in two ways.
Does not belong here: cells (`resources/text/tables.py`), the column of texts (`resources/text/columns.py`), what
becomes of the rows (`rows.py`). Pure: the standard library.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from resources.errors import BadInput
from resources.intake.identity import shown
from resources.text import columns, sentiment140, tables, tweets
from resources.text.tables import Sheet

NEGATIVE, POSITIVE, NEUTRAL = "negative", "positive", "neutral"
CLASSES = (NEGATIVE, POSITIVE)
"""The labels of a model, in the order of its outputs."""
MEANINGS = (*CLASSES, NEUTRAL)

_WORDS = {
    "neg": NEGATIVE, "negative": NEGATIVE, "pos": POSITIVE, "positive": POSITIVE, "neu": NEUTRAL, "neut": NEUTRAL,
    "neutral": NEUTRAL,
}  # fmt: skip
_NUMBERS: tuple[tuple[frozenset[str], Mapping[str, str]], ...] = (
    (frozenset({"4"}), sentiment140.LABELS),
    (frozenset({"-1"}), {"-1": NEGATIVE, "0": NEUTRAL, "1": POSITIVE}),
    (frozenset({"0", "1"}), {"0": NEGATIVE, "1": POSITIVE}),
    (frozenset({"0", "2"}), {"0": NEGATIVE, "2": POSITIVE}),
)
"""What numbers mean, by those that must be among them. 0, 1 and 2 together are not here: 1 may be neutral, as in
TweetEval, or 2; nor are stars."""
_MOST_VALUES = 12  # different ones in a column of labels
_SHOWN = 12
_INTEGER = re.compile(r"([+-]?)0*(\d+)(?:\.0+)?\Z", re.ASCII)


@dataclass(frozen=True)
class Options:
    """What somebody has said about a file, and what is therefore not recognised but taken.

    Columns are named, or numbered from 1. `labels` says what values mean: `negative`, `positive` or `neutral`.
    """

    text_column: str | None = None
    label_column: str | None = None
    encoding: str = "auto"
    header: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labelled:
    """Texts as written, in the file's order, and what the label of each means; empty where there is none.

    `values` has for every label as written (but for case) the number of rows and the meaning. `form` says in words how
    the file was read.
    """

    texts: list[str]
    meanings: list[str]
    values: dict[str, tuple[int, str]]
    text_column: str
    label_column: str
    encoding: str
    form: str


def read(name: str, content: bytes, options: Options | None = None) -> Labelled:
    """The labelled texts of a CSV file.

    Raises: BadInput for what is no table, has no column of texts or of labels, or could be read in two ways; it says
    what was seen, with counts, and which option to set.
    """
    options = options or Options()
    as_given_out = options.text_column is None and options.label_column is None and options.header is not True
    if as_given_out and sentiment140.recognised(content):
        given = sentiment140.read(name, content, encoding=options.encoding)
        form, texts, written, encoding = "Sentiment140", given.texts, given.targets, given.encoding
        text, label = '"text" (number 6)', '"target" (number 1)'
        meaning: Mapping[str, str] = sentiment140.LABELS
        counts = Counter(written)
        if options.labels:
            meaning = _told(name, label, counts, options.labels, "")
    else:
        sheet = tables.read(name, content, encoding=options.encoding, header=options.header)
        text_at = columns.text_column(name, sheet, options.text_column)
        label_at = _label_column(name, sheet, text_at, options)
        text, label = columns.title(sheet, text_at), columns.title(sheet, label_at)
        form = f"a table with {'a' if sheet.header else 'no'} header, cells parted by {sheet.delimiter!r}"
        encoding = sheet.encoding
        texts = [row[text_at] for row in sheet.rows]
        written = [row[label_at] for row in sheet.rows]
        counts = Counter(written)
        meaning = _meaning(name, label, counts, options.labels, _header_hint(sheet, label_at, counts))
    plain = {value: plain_value(value) for value in counts}
    found = {value: meaning.get(plain[value], "") for value in counts}
    values: dict[str, tuple[int, str]] = {}
    for value, count in sorted(counts.items()):
        before, _ = values.get(plain[value], (0, ""))
        values[plain[value]] = before + count, found[value]
    _both(name, label, values)
    return Labelled(texts, [found[value] for value in written], values, text, label, encoding, form)


def of_rows(name: str, sheet: Sheet, text_at: int, options: Options) -> tuple[list[str], int]:
    """What the label of each row of a table means, empty where there is none, and the column they stand in.

    Unlike `read` it does not ask for rows of both classes. Raises: BadInput if no column is known to hold labels.
    """
    label_at = _label_column(name, sheet, text_at, options)
    written = [row[label_at] for row in sheet.rows]
    counts = Counter(written)
    hint = _header_hint(sheet, label_at, counts)
    meaning = _meaning(name, columns.title(sheet, label_at), counts, options.labels, hint)
    return [meaning.get(plain_value(value), "") for value in written], label_at


def plain_value(written: str) -> str:
    """A label without regard to case and to how a whole number is written: `4.0` and `+4` are `4`."""
    value = written.strip().casefold().replace("\u2212", "-")  # the minus sign of typesetters
    number = _INTEGER.match(value)
    if number is None:
        return value
    return ("-" if number[1] == "-" and number[2] != "0" else "") + number[2]


def _label_column(name: str, sheet: Sheet, text_at: int, options: Options) -> int:
    """The column of labels: the one that was named, else one with a known name, else one with known values."""
    if options.label_column is not None:
        at = columns.place(name, sheet, options.label_column, "label_column")
        if at == text_at:
            raise BadInput(
                f"{name}: column {columns.title(sheet, at)} holds the texts.", "Set `label_column` to another."
            )
        return at
    others = [column for column in range(sheet.width) if column != text_at]
    named = [c for c in others if sheet.header and tables.plain_name(sheet.header[c]) in tables.LABEL_NAMES]
    looked_at = {column: _few_values(sheet, column) for column in named or others}
    fitting = [
        column
        for column, counts in looked_at.items()
        if counts is not None and _fits(counts, options.labels) and not _is_no_label(sheet, column)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if len(named) == 1:
        return named[0]  # what is wrong with its values is said when they are read
    seen = {column: counts for column, counts in looked_at.items() if counts is not None}
    told = "; ".join(f"{columns.title(sheet, column)} has {_seen(counts)}" for column, counts in seen.items())
    if len(fitting) > 1 or len(named) > 1:
        raise BadInput(
            f"{name}: more than one column could hold the labels: {told}.", "Set `label_column` to one of them."
        )
    raise BadInput(
        f"{name}: no column holds labels as they are known. "
        + (f"With few different values: {told}." if told else f"It has {columns.listed(sheet)}."),
        'Set `label_column`, and `labels` to what its values mean, such as {"0": "negative", "1": "positive"}.'
        + next((hint for column, counts in seen.items() if (hint := _header_hint(sheet, column, counts))), ""),
    )


def _header_hint(sheet: Sheet, column: int, counts: Mapping[str, int]) -> str:
    """Advice where the first row's value in this column is nowhere else: it may be the column's name."""
    alone = sheet.header is None and len(sheet.rows) > 1 and counts[sheet.rows[0][column]] == 1
    return " If the first row has the columns' names, set `header` to true." if alone else ""


def _is_no_label(sheet: Sheet, column: int) -> bool:
    """Whether the header says that this is no label but a row's number, a date or a name."""
    return sheet.header is not None and tables.plain_name(sheet.header[column]) in tables.OTHER_NAMES


def _few_values(sheet: Sheet, column: int) -> Counter[str] | None:
    """How often each value is there, None where there are too many different ones for labels."""
    counts: Counter[str] = Counter()
    for start in range(0, len(sheet.rows), 10_000):
        counts.update(row[column] for row in sheet.rows[start : start + 10_000])
        if len(counts) > 4 * _MOST_VALUES:
            return None
    return counts if len({plain_value(value) for value in counts}) <= _MOST_VALUES else None


def _known(counts: Mapping[str, int], told: Mapping[str, str]) -> Mapping[str, str] | None:
    """What these values mean, by what was told or else by one of the known ways; None if it is none of them."""
    values = {plain_value(value) for value in counts} - {""}
    if told:
        said = {plain_value(value): meaning for value, meaning in told.items()}
        return said if values <= set(said) else None
    if values <= set(_WORDS):
        return _WORDS
    return next((known for needed, known in _NUMBERS if needed <= values <= set(known)), None)


def _fits(counts: Mapping[str, int], told: Mapping[str, str]) -> bool:
    """Whether these values are known labels, and rows of both classes are among them."""
    meaning = _known(counts, told) or {}
    return set(CLASSES) <= {meaning.get(plain_value(value)) for value in counts}


def _meaning(
    name: str, label: str, counts: Mapping[str, int], told: Mapping[str, str], hint: str = ""
) -> Mapping[str, str]:
    """What the values of the label column mean. Raises: BadInput for values nobody knows, with `hint` as advice."""
    if told:
        return _told(name, label, counts, told, hint)
    known = _known(counts, {})
    if known is not None:
        return known
    values = sorted({plain_value(value) for value in counts} - {""})
    zero_to_two = values == ["0", "1", "2"]
    why = "of 0, 1 and 2 it is not known which is neutral" if zero_to_two else "it is not known what they mean"
    raise BadInput(
        f"{name}: column {label} has {_seen(counts)}, and {why}.",
        f"Set `labels`, such as {_as_config(_guess(values[:_SHOWN]))}; or `label_column` to another one.{hint}",
    )


def _guess(values: Sequence[str]) -> dict[str, str]:
    """Something to put right that lacks none of these values: low numbers negative, high ones positive, and of words
    nobody knows the first two; what is left is neutral.
    """
    numbers = sorted((value for value in values if _INTEGER.match(value)), key=int)
    known = {value: _WORDS[value] for value in values if value in _WORDS}
    ranked = numbers or ([] if known else values[:2])
    middle = (len(ranked) - 1) / 2
    sides = {value: NEGATIVE if rank < middle else POSITIVE for rank, value in enumerate(ranked) if rank != middle}
    return {value: {**known, **sides}.get(value, NEUTRAL) for value in values}


def _told(name: str, label: str, counts: Mapping[str, int], told: Mapping[str, str], hint: str) -> Mapping[str, str]:
    meaning = {plain_value(value): means for value, means in told.items()}
    unknown = Counter({value: count for value, count in counts.items() if plain_value(value) not in {*meaning, ""}})
    if unknown:
        raise BadInput(
            f"{name}: column {label} has {_seen(unknown)}, of which `labels` says nothing.",
            f"Add them to `labels` as negative, positive or neutral; neutral rows are left out.{hint}",
        )
    return meaning


def _both(name: str, label: str, values: Mapping[str, tuple[int, str]]) -> None:
    """Raises: BadInput unless there are rows of both classes."""
    there = {meaning for count, meaning in values.values() if count}
    if missing := [one for one in CLASSES if one not in there]:
        seen = ", ".join(
            f'"{shown(value, 40)}" ({count:,}): {meaning or "nothing"}' for value, (count, meaning) in values.items()
        )
        raise BadInput(
            f"{name}: column {label} has no {' and no '.join(missing)} row. It has {seen}.",
            "Add rows, or set `labels` to what the values mean.",
        )


def _seen(counts: Mapping[str, int]) -> str:
    """Values with their counts, the most frequent first."""
    ranked: Sequence[tuple[str, int]] = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    said = ", ".join(f'"{shown(tweets.cleaned(value), 40)}" ({count:,})' for value, count in ranked[:_SHOWN])
    return said + (f" and {len(ranked) - _SHOWN:,} other values" if len(ranked) > _SHOWN else "")


def _as_config(meaning: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{shown(tweets.cleaned(value), 40)}": "{one}"' for value, one in meaning.items()) + "}"
