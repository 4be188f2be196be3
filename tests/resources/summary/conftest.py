"""Long transcripts about several subjects, whose changes of subject are known, and tiny models with random weights."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.speech.documents import Transcript
from resources.summary.writing import MAP, REDUCE

Spoken = Callable[..., Transcript]
Untrained = Callable[[Path, str, str, int], None]
CHAT = "{% for message in messages %}<ask>{{ message['content'] }}<say>{% endfor %}"

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


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Models this small are slower on several threads, and much slower where the cores are busy."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def short_lecture(spoken: Spoken, lecture: Callable[[str], str]) -> Transcript:
    """About a minute of the lecture on tides."""
    return spoken(" ".join(lecture("tides_en").split()[77:250]))


@pytest.fixture(scope="session")
def make_untrained() -> Untrained:
    """`make_untrained(folder, kind, text, context)`: a model of `kind` (`llama`, `t5`) with random weights that takes
    `context` tokens, and a tokenizer fitted to `text`."""

    def make(folder: Path, kind: str, text: str, context: int) -> None:
        import tokenizers
        import torch
        import transformers

        torch.manual_seed(1)
        trained = tokenizers.Tokenizer(tokenizers.models.BPE())
        trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trained.decoder = tokenizers.decoders.ByteLevel()
        trained.train_from_iterator(
            [text, MAP, REDUCE],
            tokenizers.trainers.BpeTrainer(
                vocab_size=1200,
                special_tokens=["<pad>", "<end>", "<ask>", "<say>"],
                initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            ),
        )
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=trained, pad_token="<pad>", eos_token="<end>", model_max_length=context
        )
        size = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
        if kind == "llama":
            tokenizer.chat_template = CHAT
            model: Any = transformers.LlamaForCausalLM(
                transformers.LlamaConfig(
                    **size,
                    bos_token_id=None,
                    hidden_size=64,
                    intermediate_size=128,
                    num_hidden_layers=2,
                    num_attention_heads=4,
                    max_position_embeddings=context,
                )
            )
        else:
            model = transformers.T5ForConditionalGeneration(
                transformers.T5Config(
                    **size,
                    d_model=96,
                    d_kv=24,
                    d_ff=192,
                    num_layers=2,
                    num_heads=4,
                    decoder_start_token_id=0,
                    dropout_rate=0,
                )
            )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return make


@pytest.fixture
def untrained(tmp_path: Path, short_lecture: Transcript, make_untrained: Untrained) -> Path:
    """The folder of a decoder with random weights that takes 600 tokens."""
    make_untrained(tmp_path, "llama", short_lecture.text, 600)
    return tmp_path
