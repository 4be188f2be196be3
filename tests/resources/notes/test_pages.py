from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from resources.notes.lines import Line
from resources.notes.pages import GRID, Places, Row, paginate

PAGE = 10 * GRID
rows = st.lists(
    st.builds(
        Row,
        height=st.sampled_from([GRID, 2 * GRID, 5 * GRID]),
        keep=st.booleans(),
        space=st.booleans(),
        footnote=st.sampled_from([()] * 9 + [(Line((), 0),), (Line((), 0), Line((), 1))]),
    ),
    max_size=80,
)


@given(rows)
def test_every_row_stands_once_in_order_and_inside_its_page(given_rows: list[Row]) -> None:
    numbered = [replace(row, key=str(number)) for number, row in enumerate(given_rows)]
    pages = paginate(numbered, PAGE)
    placed = [row.key for page in pages for _, row in page.rows]
    assert placed == sorted(placed, key=lambda key: int(key or 0))
    assert {row.key for row in numbered if not row.space} <= set(placed)
    for page in pages:
        end = 0.0
        for y, row in page.rows:
            assert y == end
            end += row.height
        assert end <= PAGE
        assert not page.rows or not page.rows[0][1].space


def test_a_heading_moves_to_the_page_of_its_text() -> None:
    filling = [Row() for _ in range(9)]
    pages = paginate([*filling, Row(keep=True, key="heading"), Row(key="text")], PAGE)
    assert [row.key for _, row in pages[1].rows] == ["heading", "text"]


def test_a_gap_is_left_out_at_the_top_of_a_page() -> None:
    pages = paginate([*[Row() for _ in range(10)], Row(space=True, keep=True), Row(key="text")], PAGE)
    assert pages[1].rows[0][0] == 0
    assert pages[1].rows[0][1].key == "text"


def test_footnotes_take_their_room_from_their_page() -> None:
    first, second = Line((), 0), Line((), 1)
    pages = paginate([Row(footnote=(first,)), *[Row() for _ in range(20)]], PAGE)
    assert pages[0].footnotes == [first]
    assert len(pages[0].rows) == 8  # a line for the note and a blank one above it
    assert len(pages[1].rows) == 10
    both = paginate([Row(footnote=(first,)), Row(footnote=(second,)), *[Row() for _ in range(20)]], PAGE)
    assert both[0].footnotes == [first, second]
    assert len(both[0].rows) == 7


def test_more_than_a_page_that_wants_to_stay_together_is_split_between_rows() -> None:
    pages = paginate([Row(keep=True) for _ in range(25)], PAGE)
    assert [len(page.rows) for page in pages] == [10, 10, 5]


def test_a_page_says_which_chapter_it_begins_in() -> None:
    body = [Row(chapter="One"), *[Row() for _ in range(11)], Row(chapter="Two"), *[Row() for _ in range(9)]]
    assert [page.chapter for page in paginate(body, PAGE)] == ["One", "One", "Two"]


def test_a_moment_leads_to_the_line_that_holds_it() -> None:
    pages = paginate([Row(start_s=float(second)) for second in range(0, 100, 5)], PAGE)
    places = Places(pages)
    assert places.of("at:0.000") == (1, 0)
    assert places.of("at:7.500") == (1, GRID)
    assert places.of("at:52.000") == (2, 0)
    assert places.of("at:999.000") == (2, 9 * GRID)
    assert places.of("nowhere") is None
    assert Places(paginate([Row()], PAGE)).of("at:1.000") is None
