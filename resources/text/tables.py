"""Files of rows as people save them: CSV in its dialects and encodings, and plain text, a line each.

Belongs here: bytes to cells. Does not belong here: what the columns mean (`assets/sentiment/labels.py`), one data set's
form (`sentiment140.py`). Pure: the standard library. Fast enough for files of millions of rows.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from resources.errors import BadInput

DELIMITERS = (",", ";", "\t", "|")
TEXT_NAMES = (
    "text", "tweet", "fulltext", "tweettext", "tweetcontent", "content", "contents", "sentence", "message", "msg",
    "body", "comment", "review", "post", "cleantext", "phrase", "utterance", "document", "prompt", "question",
    "selectedtext",
)  # fmt: skip
"""Header names of a column of texts, the likeliest first, in lower case and without blanks, `_`, `-` and `.`."""
LABEL_NAMES = frozenset({
    "label", "labels", "sentiment", "target", "polarity", "class", "category", "airlinesentiment", "sentimentlabel",
    "y", "emotion", "feeling", "rating", "score", "stars", "opinion", "goldlabel", "annotation",
})  # fmt: skip
"""The same of a column of labels."""
_KNOWN_NAMES = LABEL_NAMES.union(TEXT_NAMES)
OTHER_NAMES = frozenset(
    {"id", "ids", "tweetid", "date", "time", "created", "createdat", "user", "username", "flag", "query"}
)

_HEAD = 200  # records by which dialect and header are recognised
_SEARCHED = 64_000  # characters in which what is odd about a dialect must show
_NO_DELIMITER = "\x1f"  # stands in no text: the whole line is one cell
_OFTEN_UNQUOTED = ("\t", _NO_DELIMITER)
"""Files in which a text often begins with a quote that is part of it."""
_HIGH = re.compile(rb"[\x80-\x9f]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_LINE = re.compile(r"\r\n|\r|\n")
_SAYS_DELIMITER = re.compile(r'"?sep=[,;\t|]"?(?=[\r\n])', re.IGNORECASE)  # a first line for Excel alone
# What is a control character in Latin-1 is a quotation mark, a dash or the euro sign in Windows' code page 1252. Five
# of its places are empty; they stay control characters, so that every file can be read.
_1252 = {
    code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Sheet:
    """The cells of a file, stripped. `rows` all have the same number of them; `lines` says where each row begins in
    the file, from 1. `header` is None where the file has none, `delimiter` is empty where there is one column. Empty
    lines are left out.
    """

    header: list[str] | None
    rows: list[list[str]]
    lines: list[int]
    encoding: str
    delimiter: str

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.header or (self.rows[0] if self.rows else ()))


class BadRecord(Exception):
    """A record that can't be read, or has another length than the others: `line`, from 1, and what is `said` of it."""

    def __init__(self, line: int, said: str) -> None:
        super().__init__(said)
        self.line, self.said = line, said


class _Dialect(NamedTuple):
    """`padded`: blanks stand between a delimiter and the quote behind it."""

    delimiter: str
    quoted: bool
    padded: bool = False


def read(
    name: str,
    content: bytes,
    *,
    encoding: str = "auto",
    header: bool | None = None,
    cut: bool = False,
    left_out: list[BadRecord] | None = None,
) -> Sheet:
    """The cells of a CSV file separated by comma, semicolon, tab or bar.

    `encoding` `auto` is UTF-8 where the bytes are that (or UTF-16 with its mark), else Latin-1 with Windows' additions.
    `header` says whether the first row names the columns; None: it is recognised. `cut` says that the content is only
    the beginning of a file: what does not end in it is left out. Where a list `left_out` is given, rows with another
    number of cells are added to it rather than refused.
    Raises: BadInput, which names the file and the line.
    """
    text, found = decode(name, content, encoding, cut)
    if cut:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    if says := _SAYS_DELIMITER.match(text):
        text = text[says.end() :]  # its line end stays, so that lines are counted as before
    try:
        dialect = _dialect(text, cut)
        rows, lines = _rows(text, dialect, cut, left_out)
    except BadRecord as odd:
        raise BadInput(
            f"{name}, line {odd.line:,}: {odd.said}.",
            'A text with separators, quotes or line breaks must stand in quotes, and a quote in it be doubled ("").',
        ) from odd
    if not rows:
        raise BadInput(f"{name} is empty.", "Save it again with its rows.")
    named = _names_columns(rows) if header is None else header
    titles = rows.pop(0) if named else None
    if titles is not None:
        lines.pop(0)
        if not rows:
            raise BadInput(f"{name} has a header line and no rows.", "Save it again with its rows.")
    return Sheet(titles, rows, lines, found, dialect.delimiter.strip(_NO_DELIMITER))


def decode(name: str, content: bytes, encoding: str = "auto", cut: bool = False) -> tuple[str, str]:
    """The text of a file, and the encoding it was read in; with `cut`, half a character at the end is left out.

    Raises: BadInput.
    """
    if encoding != "auto":
        try:
            "".encode(encoding)  # or LookupError; Python's decoders also know what gives no text, such as base64
            return codecs.getincrementaldecoder(encoding)().decode(content, final=not cut), encoding
        except LookupError as error:
            raise BadInput(
                f'There is no encoding "{encoding}".', "Set `encoding` to auto, utf-8, latin-1, cp1252 or utf-16."
            ) from error
        except UnicodeError as error:
            raise BadInput(f"{name} is not in {encoding}: {error}.", "Set `encoding` to auto, or as it is.") from error
    for mark, marked in _BOMS:
        if content.startswith(mark):
            return decode(name, content, marked, cut)
    if b"\0" in content:
        raise BadInput(f"{name} is no text (it has zero bytes).", "Save it as CSV or text in UTF-8.")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=not cut), "utf-8"
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if _HIGH.search(content):
        return text.translate(_1252), "cp1252"
    return text, "latin-1"


def plain_lines(content: bytes, name: str = "The file", encoding: str = "auto") -> list[str]:
    """The lines of a text file that are not blank, stripped. Raises: BadInput."""
    text, _ = decode(name, content, encoding)
    return [line for line in map(str.strip, _LINE.split(text)) if line]


def plain_name(written: str) -> str:
    """A column's name as the sets of names here have it."""
    return re.sub(r"[\s_.-]+", "", written).casefold()


def records(
    text: str, delimiter: str, *, quoted: bool = True, padded: bool = False, strict: bool = True, cut: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells as they are) of every record that is not blank; with `cut`, the last may be half.

    `padded`: a quote counts as one also where blanks stand before it. Raises: BadRecord.
    """
    lines = io.StringIO(text, newline="")
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        skipinitialspace=padded,
        strict=strict,
    )
    begins = 1
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        if not (cut and not lines.readline()):
            raise BadRecord(begins, str(error)) from error


def _dialect(text: str, cut: bool) -> _Dialect:
    """The delimiter by which most of the first records have the same number of cells, two or more; else one column."""
    best: tuple[float, int, _Dialect] | None = None
    for delimiter in DELIMITERS:
        for quoted in (True, False) if delimiter in _OFTEN_UNQUOTED else (True,):
            dialect = _Dialect(delimiter, quoted)
            # Not strictly: one quote too many in a text must not make another delimiter seem likelier.
            share, width = _width(text, dialect, cut, strict=False)
            if width > 1 and (best is None or (share, width) > best[:2]):
                best = share, width, dialect
    if best is None:
        return _Dialect(_NO_DELIMITER, True)
    share, _, dialect = best
    if dialect.delimiter not in _OFTEN_UNQUOTED and re.search(f'{re.escape(dialect.delimiter)} +"', text[:_SEARCHED]):
        padded = dialect._replace(padded=True)
        again, width = _width(text, padded, cut, strict=True)
        if width > 1 and again >= share:
            return padded
    return dialect


def _width(text: str, dialect: _Dialect, cut: bool, strict: bool) -> tuple[float, int]:
    """The number of cells that most of the first records have, behind the share of them that have it."""
    widths: list[int] = []
    try:
        for _, cells in records(
            text, dialect.delimiter, quoted=dialect.quoted, padded=dialect.padded, strict=strict, cut=cut
        ):
            widths.append(len(cells))
            if len(widths) == _HEAD:
                break
    except BadRecord:
        widths.append(0)
    width, count = Counter(widths or [0]).most_common(1)[0]
    return count / max(1, len(widths)), width


def _rows(
    text: str, dialect: _Dialect, cut: bool, left_out: list[BadRecord] | None
) -> tuple[list[list[str]], list[int]]:
    """All records, stripped, and their lines. Raises: BadRecord."""
    ways = [dialect]
    if dialect.quoted and dialect.delimiter in _OFTEN_UNQUOTED:
        ways.append(dialect._replace(quoted=False))
    for way in ways:
        try:
            return _same_width(text, way, cut, None)
        except BadRecord:
            if way is ways[-1] and left_out is None:
                raise
    return _same_width(text, ways[-1], cut, left_out)


def _same_width(
    text: str, dialect: _Dialect, cut: bool, left_out: list[BadRecord] | None
) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    uneven: list[tuple[int, int]] = []
    width = 0
    doubtful = dialect.quoted and dialect.delimiter in _OFTEN_UNQUOTED
    for begins, cells in records(text, dialect.delimiter, quoted=dialect.quoted, padded=dialect.padded, cut=cut):
        width = width or len(cells)
        if len(cells) != width:
            uneven.append((begins, len(cells)))
            continue
        if doubtful and any(dialect.delimiter in cell or "\n" in cell for cell in cells):
            raise BadRecord(begins, "a quote is not closed")  # the quotes are none, and rows have run together
        rows.append([cell.strip() for cell in cells])
        lines.append(begins)
    if left_out is not None:
        left_out += [BadRecord(line, f"has {count} cells, the first row {width}") for line, count in uneven]
    elif uneven:
        line, count = uneven[0]
        more = f", and {len(uneven) - 1:,} more rows have another number" if len(uneven) > 1 else ""
        raise BadRecord(line, f"has {count} cells, the first row {width}{more}")
    return rows, lines


def _names_columns(rows: list[list[str]]) -> bool:
    """Whether the first row is a header: it has a name we know, or words above a column of numbers."""
    first, below = rows[0], rows[1:_HEAD]
    if any(plain_name(cell) in _KNOWN_NAMES for cell in first):
        return True
    if sum(plain_name(cell) in OTHER_NAMES for cell in first) > 1:
        return True
    return any(
        bool(title) and not _NUMBER.match(title) and all(_NUMBER.match(cell) for cell in column)
        for title, column in zip(first, zip(*below, strict=True), strict=False)
    )
