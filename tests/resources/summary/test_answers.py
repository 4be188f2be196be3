import pytest

from resources.summary.answers import read


@pytest.mark.parametrize(
    ("answer", "cut_short", "expected"),
    [
        (
            "Here are the points:\n- The Moon pulls.\n* The **Sun** pulls.\n",
            False,
            ["The Moon pulls.", "The Sun pulls."],
        ),
        ("1. Луна притягивает воду.\n2) Солнце тоже.", False, ["Луна притягивает воду.", "Солнце тоже."]),
        ("The Moon pulls. The Sun pulls too.", False, ["The Moon pulls.", "The Sun pulls too."]),
        ("The Moon pulls.\n- The Sun pulls.", False, ["The Moon pulls.", "The Sun pulls."]),
        ("- The Moon pulls.\n- The Sun pul", True, ["The Moon pulls."]),
        ("<think>What to say?</think>- The Moon pulls.", False, ["The Moon pulls."]),
        ("What to say?\n- Perhaps the Moon.\n</think>\n- The Moon pulls.", False, ["The Moon pulls."]),
        ("1、月亮的引力使海水上升。\n2、太阳也使海水上升。", False, ["月亮的引力使海水上升。", "太阳也使海水上升。"]),
        ("<think>What to", True, []),
        ("2016", False, []),
        ("- A point.\n- ---\n-\n- ok\n- Another point.", False, ["Another point."]),
    ],
)
def test_answers_are_read_as_points(answer: str, cut_short: bool, expected: list[str]) -> None:
    assert read(answer, 5, cut_short=cut_short)[1] == expected


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Title: The pull of the Moon\n- The Moon pulls.", "The pull of the Moon"),
        ('**Title:** "Tides."\n- The Moon pulls.', "Tides"),
        ("Название: Приливы\n- Луна притягивает воду.", "Приливы"),
        ("- The Moon pulls.\n- Title: none", ""),
        ("Title: " + "very " * 20 + "long\n- The Moon pulls.", ""),
    ],
)
def test_a_title_is_the_first_line_and_no_point(answer: str, title: str) -> None:
    found, points = read(answer, 5)
    assert found == title
    assert len(points) >= 1
    assert not any("Tides" in point or "very" in point for point in points)
