from collections.abc import Callable

import pytest

from resources.speech.documents import Transcript
from resources.summary.numbers import numbers
from resources.summary.sentences import sentences
from resources.summary.support import Support, Verdict
from resources.summary.vocabulary import Vocabulary

Spoken = Callable[..., Transcript]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Moon's gravity and the tidal bulge on the near side.", "YES"),
        ("Spring tides come when Sun and Moon stand in line.", "YES"),
        ("Resonance amplifies the tide in a basin.", "YES"),
        ("The tidal range in the Bay of Fundy reaches 16 metres.", "YES"),
        ("The next high tide comes about 50 minutes later.", "YES"),
        ("The tidal range in the Bay of Fundy reaches 21 metres.", "NO"),  # an invented number
        ("The next high tide comes about fifty minutes later, says Pelletier.", "PARTLY"),  # an invented name
        ("The tidal range in the Bay of Fundy is almost thirteen metres, says the Moon.", "YES"),  # words, not meanings
        ("Parliament passed a budget for railways.", "NO"),
        ("Tides inspire painters and composers alike.", "NO"),
        ("The near side of the Moon inspires painters.", "PARTLY"),
    ],
)
def test_points_are_held_against_what_is_said_near_them(
    spoken: Spoken, lecture: Callable[[str], str], text: str, expected: str
) -> None:
    said = sentences(spoken(lecture("tides_en")))
    support = Support(said, Vocabulary("en"))
    assert support.verdict(text, support.time_of(text, 0, len(said))).name == expected


def test_what_is_said_elsewhere_does_not_support(spoken: Spoken, lecture: Callable[[str], str]) -> None:
    said = sentences(spoken(lecture("tides_en")))
    support = Support(said, Vocabulary("en"))
    point = "A tidal power station closes a bay with a dam and turbines."
    at = support.time_of(point, 0, len(said))
    assert support.verdict(point, at) is Verdict.YES
    assert support.verdict(point, said[0].start_s) is Verdict.NO


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Клейковина образуется, когда мука встречается с водой.", "YES"),
        ("Хлеб состоит из 4 продуктов: муки, воды, соли и дрожжей.", "YES"),
        ("Хлеб состоит из 9 продуктов: муки, воды, соли и дрожжей.", "NO"),
        ("Парламент принял бюджет железных дорог.", "NO"),
    ],
)
def test_russian_points_in_other_inflections(
    spoken: Spoken, lecture: Callable[[str], str], text: str, expected: str
) -> None:
    said = sentences(spoken(lecture("bread_ru"), "ru"))
    support = Support(said, Vocabulary("ru"))
    assert support.verdict(text, support.time_of(text, 0, len(said))).name == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "room two hundred and twelve on the fourteenth of May", {212, 14}),
        ("en", "1,500 people, 3.5 metres, twenty-one days, two thousand and six", {1500, 3.5, 21, 2006}),
        ("en", "one of the first seconds", set()),
        ("en", "five, six", {5, 6}),
        ("ru", "двести двенадцатая аудитория, четырнадцатого мая", {212, 14}),
        ("ru", "две тысячи двадцать шестой год и 1 500 рублей", {2026, 1500}),
        ("ka", "1452 წელს", {1452}),
        ("en", "in 2024 100 people came, in 1986 12 500", {2024, 100, 1986, 12500}),
        ("en", "nineteen eighty-six, twenty twenty-six", {1986, 2026}),
        ("en", "3 million and 2.5 thousand", {3e6, 2500}),
        ("ru", "3 миллиона, 2,5 тыс", {3e6, 2500}),
        ("ru", "четырёхсот, восьмисот", {400, 800}),
    ],
)
def test_numbers_in_digits_and_in_words(language: str, text: str, expected: set[float]) -> None:
    assert numbers(text, Vocabulary(language)) == expected


@pytest.mark.parametrize(
    ("language", "said", "written", "expected"),
    [
        ("en", "The port has one crane for heavy cargo.", "The port has 1 crane for heavy cargo.", "YES"),
        ("en", "The second crane lifts heavy cargo.", "The 2nd crane lifts heavy cargo.", "YES"),
        ("en", "The port opened in nineteen eighty-six.", "The port opened in 1986.", "YES"),
        ("en", "The port moved 3 million containers.", "The port moved three million containers.", "YES"),
        ("en", "The port moved three million containers.", "The port moved 3,000,000 containers.", "YES"),
        ("en", "In 2024 100 ships came to the port.", "In 2024 the port saw 100 ships.", "YES"),
        ("en", "The port moved 3 million containers.", "The port moved 4 million containers.", "NO"),
        ("ru", "Порт принял три миллиона контейнеров.", "Порт принял 3 миллиона контейнеров.", "YES"),
        ("ru", "В порту один кран для грузов.", "В порту 1 кран для грузов.", "YES"),
        ("de", "Der Hafen hat fünf Kräne für Ladung.", "Der Hafen hat 5 Kräne für Ladung.", "PARTLY"),
    ],
)
def test_a_number_is_the_same_in_digits_and_in_words(
    spoken: Spoken, language: str, said: str, written: str, expected: str
) -> None:
    heard = sentences(spoken(said, language))
    assert Support(heard, Vocabulary(language)).verdict(written, heard[0].start_s).name == expected
