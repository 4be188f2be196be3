"""Probabilities from a checkpoint alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from assets.sentiment import baselines, network, predicting, tokenizing  # noqa: E402
from assets.sentiment.card import TOKENIZER, SentimentCard  # noqa: E402
from resources.errors import BadInput  # noqa: E402
from resources.store.types import Checkpoint  # noqa: E402
from resources.training.documents import Card  # noqa: E402

if TYPE_CHECKING:
    from tests.assets.sentiment.conftest import Labelled

pytestmark = pytest.mark.train
Make = Callable[..., Checkpoint]


def one_by_one(checkpoint: Checkpoint, texts: list[str], temperature: float) -> np.ndarray:
    """Each text by itself, without padding, as transformers would be used by hand."""
    card = checkpoint.card
    assert isinstance(card, SentimentCard)
    model, tokenizer = network.of_checkpoint(checkpoint, "cpu")
    rows = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        ids = ids if len(ids) <= card.max_length else [*ids[: card.max_length - 1], ids[-1]]
        with torch.inference_mode():
            answer = model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long))
        rows.append(torch.softmax(answer.logits[0].double() / temperature, 0).numpy())
    return np.stack(rows)


def test_a_network_answers_as_it_would_text_by_text(
    network_checkpoint: Make, labelled: "Labelled", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "CPU_BATCH", 7)
    monkeypatch.setattr(tokenizing, "_BATCH", 10)
    checkpoint = network_checkpoint()
    texts = labelled.texts[:40]
    got = predicting.probabilities(checkpoint, texts)
    assert got.shape == (40, 2)
    assert got.dtype == np.float64
    assert got.sum(1) == pytest.approx(np.ones(40))
    assert got == pytest.approx(one_by_one(checkpoint, texts, 2.0), abs=1e-5)  # padding changes last bits of float32
    assert np.ptp(got[:, 1]) > 0.05, "the texts do not all get one answer"


def test_texts_are_cleaned_first_and_their_order_is_kept(network_checkpoint: Make, labelled: "Labelled") -> None:
    checkpoint = network_checkpoint()
    raw = ["so   glad @someone http://example.com/x &amp; home", *labelled.texts[:9]]
    clean = ["so glad @user http & home", *labelled.texts[:9]]
    assert np.array_equal(predicting.probabilities(checkpoint, raw), predicting.probabilities(checkpoint, clean))
    backwards = predicting.probabilities(checkpoint, clean[::-1])[::-1]
    assert predicting.probabilities(checkpoint, clean) == pytest.approx(backwards, abs=1e-6)  # other neighbours
    assert predicting.probabilities(checkpoint, []).shape == (0, 2)
    assert predicting.probabilities(checkpoint, ["", "x " * 500]).shape == (2, 2)


def test_tokens_of_a_dataset_give_the_same_bits_as_its_texts(network_checkpoint: Make, labelled: "Labelled") -> None:
    checkpoint = network_checkpoint()
    texts = sorted(labelled.texts[:150], key=len)
    model, _ = network.of_checkpoint(checkpoint, "cpu")
    content = checkpoint.files[TOKENIZER]
    assert isinstance(content, bytes)
    made = tokenizing.tokenized(texts, content, 0, 12)
    ids, lengths = torch.from_numpy(made.ids), torch.from_numpy(made.lengths)
    assert int(lengths.max()) == 12, "long ones are cut"
    wider = torch.nn.functional.pad(ids, (0, 5))  # a dataset is as wide as its longest tweet of all splits
    scores = predicting.network_logits(model, wider, lengths, "cpu")
    assert torch.equal(scores, predicting.logits(checkpoint, texts))
    heard: list[int] = []
    predicting.logits(checkpoint, texts, step=heard.append)
    assert heard[-1] == 150
    assert heard == sorted(heard)


def test_baselines_answer_through_the_same_door(network_checkpoint: Make, labelled: "Labelled") -> None:
    card: dict[str, Any] = network_checkpoint().card.model_dump() | {"baseline": True, "temperature": 1.0}
    train, held_out = labelled[:300], labelled[300:400]
    terms = baselines.fit_terms(train.texts, train.labels, held_out.texts, held_out.labels)
    tfidf = Checkpoint(
        terms.weights, SentimentCard(**(card | {"model": "tfidf"})), {baselines.VOCABULARY: terms.vocabulary}
    )
    logits = baselines.terms_logits(terms.weights, terms.vocabulary, held_out.texts)
    assert np.array_equal(predicting.probabilities(tfidf, held_out.texts), torch.softmax(logits, 1).numpy())
    majority = Checkpoint(
        baselines.majority(torch.from_numpy(train.labels), 2), SentimentCard(**(card | {"model": "majority"}))
    )
    shares = np.bincount(train.labels) + 1
    assert predicting.probabilities(majority, ["any", "thing"])[1] == pytest.approx(shares / shares.sum())


def test_another_product_s_checkpoint_is_refused() -> None:
    fields: dict[str, Any] = {"recipe": {}, "overrides": {}, "metrics": {}, "seed": 0}
    card = Card(product="housing", preset="x", data_version="0", code_version="1", **fields)
    with pytest.raises(BadInput, match="Choose a checkpoint of sentiment"):
        predicting.probabilities(Checkpoint({}, card), ["a"])
