"""The column of texts: named, numbered, known by its name, or by what stands in it."""

import pytest

from resources.errors import BadInput
from resources.text import tables
from resources.text.columns import listed, place, text_column, title


def sheet(text: str) -> tables.Sheet:
    return tables.read("x.csv", text.encode())


@pytest.mark.parametrize(
    ("content", "column"),
    [
        pytest.param("id,Tweet,label\n1,hi,0\n", 1, id="known name"),
        pytest.param("selected_text,text,label\nthe very best day of all,best,0\n", 1, id="the likelier name"),
        pytest.param("date,what,mood\nMon Apr 06 2009 PDT,i am so very glad today,1\n", 1, id="most words"),
        pytest.param("1;Mon Apr 06 22:19:45;so good to see you all\n2;Tue Apr 07 22:19:45;no\n", 2, id="no header"),
        pytest.param("just\nlines\n", 0, id="one column"),
    ],
)
def test_it_is_found(content: str, column: int) -> None:
    assert text_column("x.csv", sheet(content)) == column


def test_a_sorted_file_is_judged_over_its_whole_length() -> None:
    rows = ["-,one long title of a thing\n"] * 1500 + ["this here is the long text that we look for,-\n"] * 4500
    assert text_column("x.csv", sheet("".join(rows))) == 0


@pytest.mark.parametrize(
    ("wanted", "column"), [("Words", 1), (" mood ", 2), ("3", 2), ("1", 0)], ids=["name", "blanks", "number", "first"]
)
def test_a_wanted_one_is_taken(wanted: str, column: int) -> None:
    assert text_column("x.csv", sheet("text,words,mood\nhi,hello you all,1\n"), wanted) == column


@pytest.mark.parametrize("wanted", ["4", "0", "-1", "moods", "", "²"])
def test_one_that_is_not_there_is_refused(wanted: str) -> None:
    with pytest.raises(
        BadInput, match=r'x\.csv has no column ".*"\. It has 3 columns: "text" \(1\.0 words\)'
    ) as caught:
        place("x.csv", sheet("text,words,mood\nhi,hello you,1\n"), wanted, "label_column")
    assert "`label_column`" in caught.value.remedy


def test_a_name_that_is_there_twice_is_refused() -> None:
    twice = sheet("text,mood,Mood\nhi,1,2\n")
    with pytest.raises(BadInput, match='more than one column "mood"') as caught:
        place("x.csv", twice, "mood", "label_column")
    assert caught.value.remedy == "Set `label_column` to a column's number."
    assert place("x.csv", twice, "3", "label_column") == 2


def test_a_header_may_be_a_number() -> None:
    assert place("x.csv", tables.read("x.csv", b"2,1\nso so,1\n", header=True), "2", "text_column") == 0


def test_none_and_two_are_refused() -> None:
    with pytest.raises(BadInput, match="has no column of texts"):
        text_column("x.csv", sheet("1,2\n3,4\n"))
    with pytest.raises(BadInput, match="not clear which column") as caught:
        text_column("x.csv", sheet("what a day,so it is\nyes it is,all the time\n"))
    assert "text_column" in caught.value.remedy


def test_columns_are_listed_without_what_stands_in_them() -> None:
    wide = sheet(",".join(f"c{n}" for n in range(25)) + ",text\n" + ",".join(["secret person"] * 26) + "\n")
    said = listed(wide)
    assert said.startswith('26 columns: "c0" (2.0 words), ')
    assert said.endswith(" and 6 more")
    assert "secret" not in said
    assert title(sheet("hi you,1\n"), 0) == "number 1"
