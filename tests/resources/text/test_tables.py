"""Tables in the dialects and encodings people save, and the refusal of what has none."""

import codecs

import pytest

from resources.errors import BadInput
from resources.text import tables

ROWS = [['I am, well: "ok"; yes', "1"], ["café\nau lait", "0"], ["| plain |", "1"]]


def quoted(delimiter: str, rows: list[list[str]]) -> str:
    return "".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_dialects_and_encodings(delimiter: str, encoding: str) -> None:
    rows = [row for row in ROWS if delimiter != "\t" or "\n" not in row[0]]
    content = quoted(delimiter, [["text", "label"], *rows]).encode(encoding)
    sheet = tables.read("x.csv", content)
    assert (sheet.header, sheet.rows, sheet.delimiter, sheet.width) == (["text", "label"], rows, delimiter, 2)
    expected = "utf-8" if encoding == "latin-1" and delimiter == "\t" else encoding  # that one is ASCII alone
    assert sheet.encoding == expected


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_lines_are_counted_as_an_editor_does(ending: str) -> None:
    text = f'a,1{ending}{ending}"b{ending}b",2{ending} , {ending}c,3'
    sheet = tables.read("x.csv", text.encode(), header=False)
    assert sheet.lines == [1, 3, 5, 6]
    assert [row[1] for row in sheet.rows] == ["1", "2", "", "3"]


def test_windows_characters_in_what_is_called_latin_1() -> None:
    sheet = tables.read("x.csv", b"text,label\nit\x92s 5\x80 \x81,1\n")
    assert (sheet.rows, sheet.encoding) == ([["it\u2019s 5\u20ac \x81", "1"]], "cp1252")
    assert tables.read("x.csv", b"text,label\nit\x92s,1\n", encoding="latin-1").rows == [["it\x92s", "1"]]


def test_tabs_with_quotes_that_are_part_of_the_text() -> None:
    text = 'id\ttweet\tlabel\n1\t"hello" he said\tpos\n2\t"and so it begins\tneg\n3\tand ends"\tpos\n'
    sheet = tables.read("x.tsv", text.encode())
    assert [row[1] for row in sheet.rows] == ['"hello" he said', '"and so it begins', 'and ends"']
    # Such a pair of quotes would make one row of two, of the right width, if it were believed.
    joined = tables.read("x.tsv", b'"a b\tneg\nc d"\tpos\n"e f"\tneg\n', header=False)
    assert len(joined.rows) == 3


def test_blanks_before_quotes() -> None:
    sheet = tables.read("x.csv", b'label, text\n1, "so, so"\n0, "no, no"\n')
    assert (sheet.header, sheet.rows) == (["label", "text"], [["1", "so, so"], ["0", "no, no"]])
    left_out: list[tables.BadRecord] = []
    some = tables.read("x.csv", b'1, "so, so"\n0, "no, no"\n1, a, b, c\n', left_out=left_out)
    assert (some.rows, [odd.line for odd in left_out]) == ([["1", "so, so"], ["0", "no, no"]], [3])
    literal = tables.read("x.csv", b'1, "hello" she said\n0, no "no\n')
    assert literal.rows == [["1", '"hello" she said'], ["0", 'no "no']]


def test_a_quote_too_many_does_not_change_the_delimiter() -> None:
    """Else each line would be taken for one text, names of people and all."""
    with pytest.raises(BadInput, match=r"x\.csv, line 1: "):
        tables.read("x.csv", b'"1","jo","hello "world" again"\n"0","al","well then"\n')


def test_the_line_that_tells_excel_the_delimiter_is_no_row() -> None:
    sheet = tables.read("x.csv", b"sep=;\r\nwords;mood\r\nhi, you;1\r\nno;0\r\n")
    assert (sheet.header, sheet.rows, sheet.lines) == (["words", "mood"], [["hi, you", "1"], ["no", "0"]], [3, 4])


def test_one_column() -> None:
    sheet = tables.read("x.csv", b"text\nso, so\n\nnice\n")
    assert (sheet.header, sheet.rows, sheet.delimiter) == (["text"], [["so, so"], ["nice"]], "")
    assert tables.read("x.csv", b'nice\n"well, well"\n').rows == [["nice"], ["well, well"]]
    assert tables.read("x.csv", b'"hi" he said\nbye\n').rows == [['"hi" he said'], ["bye"]]


@pytest.mark.parametrize(
    ("content", "header"),
    [
        pytest.param("tweet,polarity\nhi there,pos\n", ["tweet", "polarity"], id="known names"),
        pytest.param("ID;Full Text\n1;hi\n", ["ID", "Full Text"], id="known name in another spelling"),
        pytest.param(",user,date\n0,jo,monday\n", ["", "user", "date"], id="known names of other columns"),
        pytest.param("words,mood\nhi there,1\nno,0\n", ["words", "mood"], id="a word over numbers"),
        pytest.param("hi there,pos\nno,neg\n", None, id="no header"),
        pytest.param("hi there,1\nno,0\n", None, id="no header, numbers"),
        pytest.param("text\n", None, id="one line"),
    ],
)
def test_headers(content: str, header: list[str] | None) -> None:
    if content == "text\n":
        with pytest.raises(BadInput, match="a header line and no rows"):
            tables.read("x.csv", content.encode())
        return
    sheet = tables.read("x.csv", content.encode())
    assert sheet.header == header
    assert len(sheet.rows) == content.count("\n") - (header is not None)
    assert tables.read("x.csv", content.encode(), header=header is None).header != header


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"a,b\n1,2\n1,2,3\n1\n", "x.csv, line 3: has 3 cells, the first row 2, and 1 more", id="uneven"),
        pytest.param(b'a,b\n1,2\n1,2\n"x" y,2\n', "x.csv, line 4: ", id="quote within"),
        pytest.param(b'a,b\n1,2\n1,2\n1,2\n"x,2\n', "x.csv, line 5: ", id="quote not closed"),
        pytest.param(b"PK\x03\x04\x00\x00", "x.csv is no text", id="binary"),
        pytest.param(b"", "x.csv is empty", id="empty"),
        pytest.param(b"\n \n", "x.csv is empty", id="blank"),
        pytest.param(codecs.BOM_UTF8 + b"a\xff,1\n", "x.csv is not in utf-8-sig", id="not what its mark says"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        tables.read("x.csv", content)
    assert caught.value.message.startswith(said)
    assert caught.value.remedy


@pytest.mark.parametrize("encoding", ["klingon", "base64"])
def test_encodings_that_are_none(encoding: str) -> None:
    with pytest.raises(BadInput, match="There is no encoding"):
        tables.read("x.csv", b"a,1\n", encoding=encoding)


def test_a_wrong_encoding_is_said() -> None:
    with pytest.raises(BadInput, match=r"x\.csv is not in utf-8"):
        tables.read("x.csv", "café,1\n".encode("latin-1"), encoding="utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_the_head_of_a_file_at_any_length(encoding: str) -> None:
    whole = quoted(",", [["text", "label"], *ROWS * 3]).encode(encoding)
    rows = tables.read("x.csv", whole).rows
    first = len(quoted(",", [["text", "label"], ROWS[0]]).encode(encoding))
    for length in range(first, len(whole)):
        sheet = tables.read("x.csv", whole[:length], cut=True)
        assert sheet.rows == rows[: len(sheet.rows)]
    end = "\r\n".encode(encoding.replace("16", "16-le"))
    without = tables.read("x.csv", whole[: -len(end)], cut=True)
    assert len(without.rows) == len(rows) - 1, "the last row does not end there"


def test_plain_lines() -> None:
    content = 'one, "two"\r\n\n  three\u2028four \rfive'.encode()
    assert tables.plain_lines(content) == ['one, "two"', "three\u2028four", "five"]
    assert tables.plain_lines(b"caf\xe9") == ["café"]
    with pytest.raises(BadInput, match=r"notes\.txt is no text"):
        tables.plain_lines(b"a\0", "notes.txt")


def test_rows_of_another_width_are_left_out_where_somebody_asks_for_them() -> None:
    content = b"text,label\ngood day,1\nodd\nbad,day,0\nworse,0\n"
    left_out: list[tables.BadRecord] = []
    sheet = tables.read("a.csv", content, left_out=left_out)
    assert sheet.rows == [["good day", "1"], ["worse", "0"]]
    assert sheet.lines == [2, 5]
    assert [(odd.line, odd.said) for odd in left_out] == [
        (3, "has 1 cells, the first row 2"),
        (4, "has 3 cells, the first row 2"),
    ]
    with pytest.raises(BadInput, match="line 3"):
        tables.read("a.csv", content)
