"""Files of every kind that spreadsheets write become one table, or one error that names all that is wrong."""

import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from assets.housing import tables
from resources.errors import BadInput

HEADER = "CRIM,ZN,INDUS,CHAS,NOX,RM,AGE,DIS,RAD,TAX,PTRATIO,B,LSTAT,MEDV"
ROW = "0.1,18,2.31,0,0.538,6.575,65.2,4.09,1,296,15.3,396.9,4.98,24"
OTHER = "0.2,0,7.07,1,0.469,6.421,78.9,4.9671,2,242,17.8,396.9,9.14,21.6"


def csv(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def refusal(*files: tuple[str, bytes], drop_b: bool = True) -> str:
    with pytest.raises(BadInput) as caught:
        tables.read(files, drop_b)
    return str(caught.value)


def test_column_b_is_dropped_unless_asked_for() -> None:
    table = tables.read([("a.csv", csv(HEADER, ROW))], drop_b=True)
    assert "B" not in table.columns
    assert table.values.tolist() == [pytest.approx([0.1, 18, 2.31, 0, 0.538, 6.575, 65.2, 4.09, 1, 296, 15.3, 4.98])]
    assert table.target.tolist() == [24]
    kept = tables.read([("a.csv", csv(HEADER, ROW))], drop_b=False)
    assert kept.columns[11] == "B"
    assert kept.values[0, 11] == pytest.approx(396.9)


def test_column_b_may_be_missing_where_it_is_dropped() -> None:
    without = csv(HEADER.replace(",B,", ","), ROW.replace(",396.9,", ","))
    assert len(tables.read([("a.csv", without)], drop_b=True).target) == 1
    assert "B is missing" in refusal(("a.csv", without), drop_b=False)


def test_formats_of_spreadsheets_give_the_same_table() -> None:
    expected = tables.read([("a.csv", csv(HEADER, ROW, OTHER))], True)
    semicolons = csv(*(line.replace(",", ";").replace(".", ",") for line in (HEADER, ROW, OTHER)))
    turned = csv(*(",".join(reversed(line.split(","))) for line in (HEADER, ROW, OTHER)))
    files = {
        "bom": b"\xef\xbb\xbf" + csv(HEADER, ROW, OTHER),
        "crlf": csv(HEADER, ROW, OTHER).replace(b"\n", b"\r\n"),
        "tabs": csv(HEADER, ROW, OTHER).replace(b",", b"\t"),
        "semicolons": semicolons,
        "order of columns": turned,
        "names": csv(HEADER.lower().replace("medv", "Price").replace("crim", "Crime_Rate"), ROW, OTHER),
        "quoted": csv('"' + HEADER.replace(",", '","') + '"', ROW, OTHER),
        "spaces and empty lines": csv("", HEADER.replace(",", " , "), "", ROW, ",,,,,,,,,,,,,", OTHER, ""),
    }
    for name, raw in files.items():
        table = tables.read([("a.csv", raw)], True)
        assert np.array_equal(table.values, expected.values), name
        assert np.array_equal(table.target, expected.target), name


def test_order_of_files_and_rows_does_not_matter(dropped: list[Path]) -> None:
    files = [(path.name, path.read_bytes()) for path in dropped[:-1]]
    made = [tables.read(order, True) for order in itertools.permutations(files)]
    lines = files[0][1].splitlines()
    made.append(tables.read([("z.csv", csv(*map(bytes.decode, [lines[0], *lines[:0:-1]]))), *files[1:]], True))
    assert {table.values.tobytes() + table.target.tobytes() for table in made} == {
        made[0].values.tobytes() + made[0].target.tobytes()
    }


def test_minus_zero_is_zero() -> None:
    files = [("a.csv", csv(HEADER, ROW)), ("b.csv", csv(HEADER, ROW.replace(",0,", ",-0,")))]
    made = [tables.read(order, True).values.tobytes() for order in ([files[0]], [files[1]], files)]
    assert len(set(made)) == 1


def test_equal_rows_are_there_once_and_counted(dropped: list[Path], make_housing: ModuleType) -> None:
    files = [(path.name, path.read_bytes()) for path in dropped[:-1]]
    table = tables.read([*files, ("again.csv", files[0][1])], True)
    assert len(table.target) == 150
    assert table.duplicates == 50 + 2  # a whole file again, and the rows that two files share
    assert table.counts == {"north.csv": 50, "south.csv": 52, "river.csv": 50, "again.csv": 50}
    rows = np.column_stack([table.values, table.target])
    assert np.array_equal(rows, np.unique(make_housing.houses(175)[:150].astype(np.float32), axis=0))


def test_all_problems_of_all_files_are_told_at_once() -> None:
    told = refusal(
        ("a.csv", csv(HEADER, ROW, ROW.replace("6.575", "six"), ROW.replace("296", "nan"))),
        ("b.csv", csv("shoe,size", "1,2")),
        ("c.csv", csv(HEADER, ROW, ROW + ",1")),
        ("d.csv", b"\xff\xfea\0b\0"),
        ("e.csv", b""),
        ("f.csv", csv(HEADER, ROW.removesuffix("24") + "-3")),
        ("g.csv", csv(ROW, OTHER)),
        ("h.csv", csv(HEADER + ",price", ROW + ",24")),
        ("i.csv", csv(HEADER)),
    )
    assert 'a.csv, line 3, column RM: "six" is no number' in told
    assert 'a.csv, line 4, column TAX: "nan" is no number' in told
    assert '"shoe" (column 1) is no column of this table' in told
    assert "c.csv, line 3: has 15 cells, the header 14" in told
    assert "d.csv: is no CSV file" in told
    assert "e.csv: is empty" in told
    assert "f.csv, line 2, column MEDV: -3 is no price" in told
    assert "g.csv: has no header line" in told
    assert 'h.csv: "price" (column 15) stands for MEDV, as another column does' in told
    assert "i.csv: has a header line and no rows" in told


@pytest.mark.parametrize("cell", ["", "1_0", "0x1", "inf", "1e999", "1,5", "١"])
def test_what_is_no_plain_number_is_refused(cell: str) -> None:
    # Semicolons, so that a cell may have a comma; with a point beside it, it is no decimal comma.
    lines = [HEADER.replace(",", ";"), ROW.replace(",", ";")]
    broken = lines[1].replace("6.575", "1.000,5" if cell == "1,5" else cell)
    assert "column RM" in refusal(("a.csv", csv(lines[0], broken)))


def test_rows_without_a_price_are_sent_to_the_other_folder() -> None:
    told = refusal(("a.csv", csv(HEADER, ROW, ROW.removesuffix("24"))))
    assert "a.csv, line 3, column MEDV: has no price; such rows belong into inbox/housing/predict" in told
    told = refusal(("a.csv", csv(HEADER.removesuffix(",MEDV"), ROW.removesuffix(",24"))))
    assert "a.csv: MEDV is missing. Mend" in told
    assert "rows without MEDV belong into inbox/housing/predict" in told


def test_latin_1_is_read() -> None:
    raw = csv(HEADER + ",é", ROW + ",1").decode().encode("latin-1")
    assert '"é" (column 15) is no column' in refusal(("a.csv", raw))


def test_a_long_list_of_problems_is_cut_and_counted() -> None:
    told = refusal(("a.csv", csv(HEADER, *["x" + ROW] * 60)))
    assert "(60 problems)" in told
    assert "… and 10 more problems" in told


def test_questions_keep_their_cells_and_tell_what_is_left_out() -> None:
    columns = tables.features(drop_b=True)
    raw = csv("Street," + HEADER, "Elm," + ROW, "Oak," + ROW.replace("6.575", "?"), "Ash," + ROW.removesuffix("24"))
    read = tables.read_questions("q.csv", raw, columns)
    assert read.header[:2] == ("Street", "CRIM")
    assert [cells[0] for cells in read.cells] == ["Elm", "Ash"]
    assert read.lines == (2, 4)
    assert read.values.shape == (2, 12)
    assert read.target[0] == 24
    assert np.isnan(read.target[1])
    assert read.problems == ('q.csv, line 3, column RM: "?" is no number',)


def test_a_file_of_questions_that_can_not_be_read_is_a_problem_and_no_error() -> None:
    read = tables.read_questions("q.csv", csv("CRIM,ZN", "1,2"), tables.features(True))
    assert read.values.shape == (0, 12)
    assert read.problems == ("q.csv: INDUS, CHAS, NOX, RM, AGE, DIS, RAD, TAX, PTRATIO, LSTAT are missing.",)


def test_missing_columns_are_named_once() -> None:
    told = refusal(("a.csv", csv("CRIM,ZN,MEDV", "1,2,3")))
    assert "(1 problem)" in told
    assert "a.csv: INDUS, CHAS, NOX, RM, AGE, DIS, RAD, TAX, PTRATIO, LSTAT are missing." in told
    assert told.count("INDUS") == 1
    assert "CRIM" not in told


def test_a_row_is_one_problem_however_many_cells_are_wrong() -> None:
    raw = csv(HEADER, ROW.replace("6.575", "?").replace("65.2", "old"))
    (problem,) = tables.read_questions("q.csv", raw, tables.features(drop_b=True)).problems
    assert 'column RM: "?" is no number' in problem
    assert 'column AGE: "old" is no number' in problem
