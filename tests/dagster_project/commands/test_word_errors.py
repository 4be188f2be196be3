"""The word error rate."""

import pytest

from dagster_project.commands.word_errors import word_error_rate


@pytest.mark.parametrize(
    ("reference", "heard", "rate"),
    [
        ("one two three four", "one two three four", 0),
        ("One, two. Three! Four?", "one two three four", 0),
        ("one two three four", "one too three four", 0.25),
        ("one two three four", "one three four", 0.25),
        ("one two three four", "one two two three four", 0.25),
        ("one two three four", "", 1),
        ("one", "two three", 2),
        ("it’s ours", "it's ours", 0),
    ],
)
def test_errors_are_counted_by_words(reference: str, heard: str, rate: float) -> None:
    assert word_error_rate(reference, heard) == rate


def test_a_reference_without_words_is_an_error() -> None:
    with pytest.raises(ValueError, match="no error rate"):
        word_error_rate(" … ", "one")
