"""Tweets of files: every text of every form they come in, and one corpus of them all.

Belongs here: which column holds the texts, counting rows, and leaving out what is empty or there twice. Does not
belong here: files' dialects and encodings (`resources/text/tables.py`), cleaning (`resources/text/tweets.py`), the
asset (`corpus.py`). Pure: NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from resources.errors import BadInput
from resources.text import sentiment140, tables
from resources.text.tweets import cleaned, identity_of_cleaned, splits_of

FEWEST = 50
"""Different tweets of a corpus: below it a split may well be empty."""
_PLAIN = (".txt",)
_TOLD = 20_000  # tweets between two reports of progress
_LONG_ENOUGH = 8.0  # characters on average, from where a nameless column can be one of texts


@dataclass(frozen=True)
class FileTexts:
    """All texts of a file as written, in its order, and the form it was read in, in words."""

    name: str
    texts: list[str]
    form: str


@dataclass(frozen=True)
class Corpus:
    """Different cleaned tweets: `texts`, and `splits` uint8 (tweets,) with 0 train, 1 validation, 2 test.

    Of `read` rows, `empty` had no text left when cleaned, `duplicates` were there before, and `left_out` lay outside
    the sample that was asked for; the rest are `texts`.
    """

    texts: list[str]
    splits: np.ndarray
    read: int
    empty: int
    duplicates: int
    left_out: int


def texts_of(
    name: str, content: bytes, *, column: str | None = None, encoding: str = "auto", expected_rows: int | None = None
) -> FileTexts:
    """The texts of one file: Sentiment140's form, a text file with a tweet a line, or any other CSV file.

    `column` names the column of texts, or counts it from 1; else it is recognised by its name, or, without a header, by
    being the only one of longer texts. `expected_rows` is held against what was read; Sentiment140's own name says how
    many rows it has.
    Raises: BadInput, which names the file, and the columns it has where none is clear.
    """
    if column is None and sentiment140.recognised(content):
        read = sentiment140.read(name, content, encoding=encoding, expected_rows=expected_rows)
        counted = ", ".join(f"{count:,} of target {target}" for target, count in read.counts.items())
        return FileTexts(name, read.texts, f"Sentiment140, {read.encoding} ({counted})")
    if name.lower().endswith(_PLAIN):
        lines = tables.plain_lines(content, name, encoding)
        return FileTexts(name, _counted(name, lines, expected_rows), "text, a tweet a line")
    sheet = tables.read(name, content, encoding=encoding)
    place, said = _column(name, sheet, column)
    texts = _counted(name, [row[place] for row in sheet.rows], expected_rows)
    delimiter = {"\t": "tab", "": "none"}.get(sheet.delimiter, sheet.delimiter)
    return FileTexts(name, texts, f"CSV, {sheet.encoding}, delimiter {delimiter}, {said}")


def _counted(name: str, texts: list[str], expected: int | None) -> list[str]:
    if expected is not None and len(texts) != expected:
        raise BadInput(
            f"{name} has {len(texts):,} rows; it should have {expected:,}.",
            "Get a whole copy of the file, or correct `expected_rows`.",
        )
    return texts


def _column(name: str, sheet: tables.Sheet, wanted: str | None) -> tuple[int, str]:
    """Where the texts are, and how that was known."""
    titles = sheet.header or [str(number + 1) for number in range(sheet.width)]
    if wanted is not None:
        known = {tables.plain_name(title): place for place, title in enumerate(titles)}
        place = known.get(tables.plain_name(wanted))
        if place is None and wanted.isdigit() and 1 <= int(wanted) <= sheet.width:
            place = int(wanted) - 1
        if place is None:
            raise BadInput(f'{name} has no column "{wanted}".', f"Its columns are: {', '.join(titles)}.")
        return place, f"column {titles[place]} as set"
    if sheet.width == 1:
        return 0, "its only column"
    named = [place for place, title in enumerate(titles) if tables.plain_name(title) in tables.TEXT_NAMES]
    if len(named) == 1:
        return named[0], f"column {titles[named[0]]} by its name"
    lengths = [float(np.mean([len(row[place]) for row in sheet.rows])) for place in range(sheet.width)]
    spaced = [float(np.mean([" " in row[place] for row in sheet.rows])) for place in range(sheet.width)]
    texts = [place for place in range(sheet.width) if lengths[place] >= _LONG_ENOUGH and spaced[place] > 0.5]
    if not named and len(texts) == 1:
        return texts[0], f"column {titles[texts[0]]}, the only one of longer texts"
    seen = "; ".join(f"{title} ({length:.0f} characters)" for title, length in zip(titles, lengths, strict=True))
    raise BadInput(
        f"{name}: it is not clear which column holds the tweets. There are: {seen}.",
        "Name it in `text_column`; without a header, give its number from 1.",
    )


def corpus_of(
    texts: Iterable[str],
    *,
    seed: int = 0,
    limit: int | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Corpus:
    """Clean all texts, keep one of each tweet, and split them.

    What counts as the same tweet, and its split, follow from its identity (`resources/text/tweets.py`), so that no
    tweet and no retweet of it is in two splits. Of equal ones the shortest spelling is kept. The order is drawn with
    `seed` and does not depend on that of the files; the first `limit` of it are a sample across all of them. `progress`
    is told how many texts are cleaned.
    Raises: BadInput if too few are left, or a split has none.
    """
    known: dict[bytes, str] = {}
    read = empty = 0
    for text in texts:
        read += 1
        if read % _TOLD == 0:
            progress(read)
        plain = cleaned(text)
        if not plain:
            empty += 1
            continue
        same = identity_of_cleaned(plain)
        before = known.get(same)
        if before is None or (len(plain), plain) < (len(before), before):
            known[same] = plain
    progress(read)
    identities = sorted(known)
    order = np.random.default_rng(seed).permutation(len(identities))[:limit].tolist()
    chosen = [identities[place] for place in order]
    splits = splits_of(np.frombuffer(b"".join(chosen), np.uint8).reshape(len(chosen), -1), seed)
    counts = np.bincount(splits, minlength=3)
    if len(chosen) < FEWEST or not counts.all():
        raise BadInput(
            f"{len(chosen):,} different tweets ({' / '.join(map(str, counts.tolist()))} for training, validation and"
            f" test) are too few; a corpus needs {FEWEST:,}, with some in each.",
            "Give more tweets, or raise `limit`.",
        )
    duplicates = read - empty - len(known)
    return Corpus([known[each] for each in chosen], splits, read, empty, duplicates, len(known) - len(chosen))
