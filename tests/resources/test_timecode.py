import pytest

from resources.timecode import clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00"),
        (59.999, "0:00:59"),
        (60, "0:01:00"),
        (3930, "1:05:30"),
        (2.9999999, "0:00:03"),
        (90000, "25:00:00"),
    ],
)
def test_a_moment_is_written_with_its_hour(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_what_is_no_moment_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="no time"):
        clock(seconds)
