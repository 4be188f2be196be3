"""Files of texts to be judged, as people save them."""

import pytest

from assets.sentiment import questions
from assets.sentiment.labels import Options
from resources.errors import BadInput


def test_plain_text_has_a_text_on_each_line() -> None:
    read = questions.read("a.txt", "first @somebody\r\n\r\nsecond, with a comma\n".encode("utf-8-sig"), Options())
    assert read.texts == ("first @user", "second, with a comma")
    assert read.lines == (1, 3)
    assert (read.header, read.cells, read.truth) == ((), ((), ()), ("", ""))
    assert (read.problems, read.labels) == ((), "")


def test_a_table_keeps_its_other_columns_and_what_it_says_itself() -> None:
    content = (
        b"id;tweet;sentiment\n7;so glad http://example.com/x;pos\n8;so sad;neg\n9;it is noon;neutral\n10;;pos\n11;x\n"
    )
    read = questions.read("a.csv", content, Options())
    assert read.texts == ("so glad http", "so sad", "it is noon")
    assert read.lines == (2, 3, 4)
    assert read.header == ("id", "sentiment")
    assert read.cells == (("7", "pos"), ("8", "neg"), ("9", "neutral"))
    assert read.truth == ("positive", "negative", "neutral")
    assert read.labels == 'column "sentiment"'
    assert read.problems == ("a.csv, line 6: has 2 cells, the first row 3", "a.csv, line 5: has no text")


def test_labels_that_nobody_knows_are_told_and_not_taken() -> None:
    content = b"text,score\nwhat a fine day,1\nwhat a bad day,2\nand so on,3\n"
    read = questions.read("a.csv", content, Options())
    assert read.truth == ("", "", "")
    assert read.labels.startswith("none: a.csv")
    told = questions.read("a.csv", content, Options(labels={"1": "negative", "2": "neutral", "3": "positive"}))
    assert told.truth == ("negative", "neutral", "positive")
    with pytest.raises(BadInput, match='no column "shoe"'):
        questions.read("a.csv", content, Options(label_column="shoe"))


def test_one_column_without_a_header_is_texts() -> None:
    read = questions.read("a.csv", b'"well, well"\nsame here\n', Options())
    assert read.texts == ("well, well", "same here")
    assert read.header == ()


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(BadInput, match="zero bytes"):
        questions.read("a.txt", b"\x00\x01", Options())
    with pytest.raises(BadInput, match="is empty"):
        questions.read("a.csv", b"\n", Options())
