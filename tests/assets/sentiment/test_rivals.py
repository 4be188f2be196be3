"""The three baselines side by side."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from assets.sentiment import network, predicting, rivals  # noqa: E402
from assets.sentiment.parts import Part  # noqa: E402
from resources.text.pretrained import Encoder  # noqa: E402

if TYPE_CHECKING:
    from tests.assets.sentiment.conftest import Labelled

pytestmark = pytest.mark.train


def split(labelled: "Labelled") -> dict[str, Part]:
    cuts = {"train": slice(0, 400), "validation": slice(400, 550), "test": slice(550, 650)}
    return {name: Part(labelled[cut].texts, torch.from_numpy(labelled[cut].labels)) for name, cut in cuts.items()}


def made(labelled: "Labelled", released: rivals.Released | None) -> list[rivals.Rival]:
    return rivals.all_of(split(labelled), file="a_file", data_version="0", released=released, device="cpu")


@pytest.fixture
def released(tiny_base: Path) -> rivals.Released:
    model, head = network.load_base(Encoder("tiny", tiny_base, "made in a test"))
    assert head == "released"
    return rivals.Released(model, "tiny", "0", (tiny_base / "tokenizer.json").read_bytes(), 0, 40)


def test_the_best_is_first_and_its_card_has_the_figures_of_all(labelled: "Labelled", released: rivals.Released) -> None:
    found = made(labelled, released)
    assert {rival.name for rival in found} == set(rivals.NAMES)
    assert [rival.value for rival in found] == sorted((rival.value for rival in found), reverse=True)
    checkpoint, evaluation = rivals.best(found)
    card: Any = checkpoint.card
    assert (card.preset, card.file, card.baseline) == (found[0].name, "a_file", True)
    assert evaluation is found[0].evaluation
    for rival in found:
        for name in rivals.SHOWN:
            assert card.metrics[f"{rival.name}_val_{name}"] == rival.evaluation.metrics["validation"][name]
            assert card.metrics[f"{rival.name}_test_{name}"] == rival.evaluation.metrics["test"][name]
    assert card.metrics["val_macro_recall"] == found[0].value
    lines = rivals.table(found).splitlines()
    assert lines[2].startswith(f"| **{found[0].name}** |")
    assert [line.split("|")[1].strip(" *") for line in lines[2:5]] == [rival.name for rival in found]


def test_the_released_head_is_asked_as_it_is_without_neutral(
    labelled: "Labelled", released: rivals.Released, tiny_base: Path
) -> None:
    (rival,) = (rival for rival in made(labelled, released) if rival.name == "released")
    texts = labelled.texts[400:440]
    whole = transformers.BertForSequenceClassification.from_pretrained(tiny_base).eval()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tiny_base / "tokenizer.json"))
    with torch.inference_mode():
        three = torch.cat([whole(**tokenizer(text, return_tensors="pt")).logits for text in texts]).double()
    card: Any = rival.checkpoint.card
    expected = torch.softmax(three[:, [2, 0]] / card.temperature, 1)  # its outputs are positive, neutral, negative
    assert predicting.probabilities(rival.checkpoint, texts) == pytest.approx(expected.numpy(), abs=1e-5)  # float32
    assert np.ptp(expected[:, 1].numpy()) > 0, "the texts do not all get one answer"


def test_of_equals_the_simplest_is_first() -> None:
    same = Part(["one text"] * 60, torch.arange(60) % 2)
    found = rivals.all_of(
        dict.fromkeys(("train", "validation", "test"), same), file="f", data_version="0", released=None, device="cpu"
    )
    assert [(rival.name, rival.value) for rival in found] == [("majority", 0.5), ("tfidf", 0.5)]


def test_how_the_terms_were_chosen_stands_on_the_card(labelled: "Labelled") -> None:
    (rival,) = (rival for rival in made(labelled, None) if rival.name == "tfidf")
    card: Any = rival.checkpoint.card
    vocabulary = rival.checkpoint.files["vocabulary.json"]
    assert isinstance(vocabulary, bytes)
    assert list(json.loads(vocabulary)) == card.recipe["terms"]
    assert card.recipe["rows"] == 400
    assert max(card.recipe["tried"].values()) == pytest.approx(rival.value)
    assert f"C = {card.recipe['C']:g}" in rival.said
