"""Sentiment140's form: recognised, read whole, and held against two counts."""

from datetime import datetime

import pytest

from resources.errors import BadInput
from resources.text import sentiment140

DATE = datetime(2009, 4, 6, 22, 19, 45).strftime("%a %b %d %H:%M:%S PDT %Y")


def row(target: str, text: str, number: int = 1) -> bytes:
    return f'"{target}","{number}","{DATE}","NO_QUERY","somebody","{text}"\n'.encode("latin-1")


FILE = row("0", 'so ""sad"", caf\xe9 &lt;3') + row("0", "@switchfoot http://twitpic.com/2y1zl - Awww") + row("4", "yay")


def test_it_is_read_in_the_order_of_the_file() -> None:
    assert sentiment140.recognised(FILE)
    read = sentiment140.read("tweets.csv", FILE)
    assert read.texts == ['so "sad", caf\xe9 &lt;3', "@switchfoot http://twitpic.com/2y1zl - Awww", "yay"]
    assert (read.targets, read.lines, read.encoding) == (["0", "0", "4"], [1, 2, 3], "latin-1")
    assert read.counts == {"0": 2, "4": 1}


def test_the_head_of_a_large_file_is_enough() -> None:
    large = b"".join(row("0", "x" * 100, number) for number in range(1000))
    assert sentiment140.recognised(large)
    assert sentiment140.recognised(large[:200_000]), "cut within a row"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text,label\nhi,0\n",
        row("1", "x"),
        row("0", "x").replace(b'"1"', b'"one"'),
        row("0", "x").replace(DATE.encode(), b"yesterday"),
        row("0", "x").replace(b'"NO_QUERY",', b""),
        b"\x00\x01",
    ],
    ids=["empty", "header", "target", "id", "date", "columns", "binary"],
)
def test_what_is_another_form(content: bytes) -> None:
    assert not sentiment140.recognised(content)


def test_a_lost_row_is_found_by_the_second_count() -> None:
    """As after a spreadsheet has saved it with quotes where they are needed, and one was deleted."""
    broken = (row("0", "a") + row("0", "b") + row("4", "c")).replace(b'"', b"").replace(b",b\n", b',"b\n') + b'"'
    with pytest.raises(BadInput, match=r"tweets\.csv: 3 rows begin in the file, but 2 were read"):
        sentiment140.read("tweets.csv", broken)


def test_the_number_in_the_name_is_held_against_the_rows() -> None:
    name = "training.3.processed.noemoticon.csv"
    assert len(sentiment140.read(name, FILE).texts) == 3
    with pytest.raises(BadInput, match=r"has 2 rows; it should have 3.*take that number out of its name"):
        sentiment140.read(name, FILE[: FILE.rindex(b'"4"')])
    with pytest.raises(BadInput, match=r"has 3 rows; it should have 1,600,000.*set `expected_rows`"):
        sentiment140.read("tweets.csv", FILE, expected_rows=1_600_000)


@pytest.mark.parametrize("odd", [b"a,b\n", row("3", "x"), row("", "x")], ids=["columns", "target", "no target"])
def test_an_odd_row_is_named(odd: bytes) -> None:
    with pytest.raises(BadInput, match=r"tweets\.csv, line 4: is no row of Sentiment140"):
        sentiment140.read("tweets.csv", FILE + odd)


def test_a_quote_that_never_ends_is_named_by_its_row() -> None:
    broken = FILE + row("4", "z" * 100)[:-2] + b"\n" + row("4", "y" * 131_072)
    with pytest.raises(BadInput, match=r"tweets\.csv, line 4: "):
        sentiment140.read("tweets.csv", broken)
