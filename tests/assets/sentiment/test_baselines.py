"""Baselines without a network: what is stored gives scikit-learn's answers."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from assets.sentiment import baselines  # noqa: E402

if TYPE_CHECKING:
    from tests.assets.sentiment.conftest import Labelled

pytestmark = pytest.mark.train

ODD = ["", "   ", "???", "zzz qqq", "i", "I'm SO happy!!! :)", "naïve café — ☀️☀️", "don't don't stop", "日本語 tweet"]


def test_the_majority_knows_the_shares_and_nothing_else() -> None:
    weights = baselines.majority(torch.tensor([1] * 7 + [0] * 2), 2)
    logits = baselines.majority_logits(weights, 3)
    assert logits.shape == (3, 2)
    assert torch.softmax(logits, 1)[0].tolist() == pytest.approx([3 / 11, 8 / 11])
    only = baselines.majority_logits(baselines.majority(torch.tensor([0, 0]), 2), 1)
    assert torch.isfinite(only).all()


@pytest.mark.parametrize("kinds", [("words",), ("words", "letters")], ids=["words", "both"])
def test_the_stored_numbers_give_scikit_learn_s_decisions(
    labelled: "Labelled", kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LogisticRegression

    train, held_out = labelled[:600], labelled[600:800]
    monkeypatch.setattr(baselines, "CHOICES", (kinds,))
    monkeypatch.setattr(baselines, "STRENGTHS", (3.0,))
    monkeypatch.setattr(baselines, "_CHUNK", 50)
    found = baselines.fit_terms(train.texts, train.labels, held_out.texts, held_out.labels)
    vectorizer = baselines.vectorizers(kinds)
    model = LogisticRegression(C=3.0, class_weight="balanced", max_iter=1000)
    model.fit(vectorizer.fit_transform(train.texts), train.labels)

    asked = [*held_out.texts, *ODD]
    logits = baselines.terms_logits(found.weights, found.vocabulary, asked)
    theirs = model.decision_function(vectorizer.transform(asked))
    assert (logits[:, 1] - logits[:, 0]).numpy() == pytest.approx(theirs, abs=1e-9)
    assert torch.softmax(logits, 1).numpy() == pytest.approx(model.predict_proba(vectorizer.transform(asked)), abs=1e-9)
    assert np.ptp(theirs) > 1, "the texts do not all get one answer"


def test_words_and_letters_are_the_terms_that_scikit_learn_s_own_analyzers_find(labelled: "Labelled") -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(token_pattern=r"[\w']+|[^\w\s]+", ngram_range=(1, 2)).build_analyzer()
    letters = CountVectorizer(analyzer="char_wb", ngram_range=(3, 5)).build_analyzer()
    for text in [*labelled.texts[:100], *ODD]:
        assert sorted(baselines.words(text)) == sorted(words(text))
        assert sorted(baselines.letters(text)) == sorted(letters(text))


def test_validation_chooses_and_every_choice_is_told(labelled: "Labelled") -> None:
    train, held_out = labelled[:600], labelled[600:800]
    heard: list[int] = []
    found = baselines.fit_terms(train.texts, train.labels, held_out.texts, held_out.labels, step=heard.append)
    assert heard == list(range(1, baselines.fits() + 1))
    assert len(found.tried) == baselines.fits()
    logits = baselines.terms_logits(found.weights, found.vocabulary, held_out.texts)
    said = logits.argmax(1).numpy()
    recall = np.mean([(said[held_out.labels == label] == label).mean() for label in (0, 1)])
    assert recall == pytest.approx(max(found.tried.values()))
    assert recall > 0.75  # the made-up words of sentiment are learned: 0.5 is chance, 0.97 the most there is
    assert max(found.tried, key=lambda choice: found.tried[choice]).startswith(" and ".join(found.terms))


def test_what_is_stored_is_tensors_and_json(labelled: "Labelled", tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    train, held_out = labelled[:300], labelled[300:400]
    found = baselines.fit_terms(train.texts, train.labels, held_out.texts, held_out.labels)
    save_file(found.weights, tmp_path / "weights.safetensors")
    (tmp_path / "vocabulary.json").write_bytes(found.vocabulary)
    read: dict[str, Any] = load_file(tmp_path / "weights.safetensors")
    assert {kind: len(terms) for kind, terms in json.loads(found.vocabulary).items()} == {
        kind: len(read[f"{kind}_idf"]) for kind in found.terms
    }
    again = baselines.terms_logits(read, (tmp_path / "vocabulary.json").read_bytes(), held_out.texts)
    assert torch.equal(again, baselines.terms_logits(found.weights, found.vocabulary, held_out.texts))


def test_the_same_tweets_give_the_same_numbers(labelled: "Labelled", monkeypatch: pytest.MonkeyPatch) -> None:
    some = {kind: baselines.Kind(each.of, each.fewest, 200) for kind, each in baselines.KINDS.items()}
    monkeypatch.setattr(baselines, "KINDS", some)
    train, held_out = labelled[:500], labelled[500:600]
    first, again, other = (
        baselines.fit_terms(train.texts, train.labels, held_out.texts, held_out.labels, seed=seed) for seed in (0, 0, 1)
    )
    assert first.rows == 200, "no more than a kind of terms may have"
    assert first.vocabulary == again.vocabulary
    assert all(torch.equal(first.weights[name], again.weights[name]) for name in first.weights)
    assert first.vocabulary != other.vocabulary, "another seed draws other tweets"


def test_a_handful_of_tweets_is_enough() -> None:
    texts, labels = ["good", "fine", "bad", "awful"], np.array([1, 1, 0, 0])
    found = baselines.fit_terms(texts, labels, texts, labels)
    assert baselines.terms_logits(found.weights, found.vocabulary, texts).argmax(1).tolist() == [1, 1, 0, 0]
