"""What is written into a cell is never run."""

import pytest

from resources.spreadsheets import safe


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@user hello", "\t=1", "＝1", "＠x"], ids=ascii)
def test_what_looks_like_a_formula_becomes_text(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "good day", "-1", "+4.5", "-1e-3", "-,5", "a=b", "'quoted'"], ids=ascii)
def test_all_else_stays_as_it_is(text: str) -> None:
    assert safe(text) == text
