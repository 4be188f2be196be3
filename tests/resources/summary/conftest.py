"""Long transcripts about several subjects, whose changes of subject are known."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.speech.documents import Transcript

Spoken = Callable[..., Transcript]

ENGLISH = {
    "volcano": "magma crater lava eruption ash vent basalt plume caldera tremor pressure gas",
    "orchestra": "violin conductor rehearsal melody score oboe rhythm chord symphony concert string brass",
    "harbour": "ship crane container dock cargo tug pilot anchor quay vessel freight berth",
    "vaccine": "antibody virus dose immunity antigen trial infection patient injection mutation cell protein",
    "cathedral": "arch vault mason buttress window nave stone tower glass bishop mortar column",
    "glacier": "ice crevasse moraine snow valley melt climate core meltwater ridge boulder sediment",
    "market": "price buyer seller demand supply auction trader profit interest bank loan currency",
    "forest": "oak fungus root canopy seedling beetle leaf bark soil deer lichen sapling",
}
RUSSIAN = {
    "вулкан": "магма кратер лава извержение пепел жерло базальт давление склон порода",
    "оркестр": "скрипка дирижёр репетиция мелодия партитура гобой ритм аккорд симфония концерт",
    "порт": "корабль кран контейнер причал груз буксир лоцман якорь судно трюм",
    "вакцина": "антитело вирус доза иммунитет антиген испытание инфекция пациент укол белок",
    "ледник": "лёд трещина морена снег долина таяние климат валун осадок гребень",
    "рынок": "цена покупатель продавец спрос предложение аукцион прибыль банк заём валюта",
}
FRAMES = {
    "en": (
        "The {0} of the {1} depends on the {2}, and so does every {3}.",
        "When the {0} meets the {1}, the {2} changes slowly.",
        "People who study the {0} begin with the {1} and the {2}.",
        "A good {0} needs a {1}, a {2} and some patience.",
        "Without the {0} there would be no {1} at all.",
        "We can measure the {0} by the {1} that it leaves behind.",
    ),
    "ru": (
        "Здесь {0} зависит от того, каков {1}, а не от того, где {2}.",
        "Если есть {0}, то рядом всегда есть {1} и {2}.",
        "Люди, которые изучают {0}, начинают с того, что такое {1}.",
        "Чтобы понять {0}, надо увидеть {1} и сравнить его с {2}.",
        "Без этого {0} и {1} остались бы загадкой.",
        "Мы измеряем {0} и записываем, как меняется {1}.",
    ),
}
SUBJECTS = {"en": ENGLISH, "ru": RUSSIAN}


@pytest.fixture(scope="session")
def talk() -> Callable[..., tuple[str, list[int]]]:
    """`talk("en", minutes=[10, 12, 8])`: a text with a subject for each entry, some 160 words a minute, and the
    number of the sentence each subject starts with."""

    def make(language: str, minutes: list[float]) -> tuple[str, list[int]]:
        draw = random.Random(5)
        words_of = {name: [name, *words.split()] for name, words in SUBJECTS[language].items()}
        said: list[str] = []
        starts: list[int] = []
        for index, length in enumerate(minutes):
            words = words_of[list(words_of)[index % len(words_of)]]
            starts.append(len(said))
            count = 0
            while count < length * 160:
                sentence = draw.choice(FRAMES[language]).format(*draw.sample(words, 4))
                said.append(sentence)
                count += len(sentence.split())
        return " ".join(said), starts

    return make


@pytest.fixture(scope="session")
def talked(spoken: Spoken, talk: Callable[..., tuple[str, list[int]]]) -> Callable[..., Transcript]:
    """`talked("en", 120, ending="...")`: a transcript of so many minutes, ten a subject, and its last words."""

    def make(language: str, minutes: int, ending: str = "") -> Transcript:
        text, _ = talk(language, [10.0] * (minutes // 10))
        return spoken(f"{text} {ending}".strip(), language)

    return make


@pytest.fixture(scope="session")
def repo_text(repo: Path) -> Callable[[str], str]:
    """The text of a file of the repository."""
    return lambda name: (repo / name).read_text(encoding="utf-8")
