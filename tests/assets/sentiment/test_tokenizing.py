"""Token ids of all tweets: as the tokenizer gives them one by one, packed so that all can be read back."""

import logging
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("tokenizers")
pytest.importorskip("torch")

from assets.sentiment import rows, tokenizing
from assets.sentiment.labels import Labelled as LabelledFile
from resources.text import pretrained

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def found(make_tweets: ModuleType) -> rows.Rows:
    made = make_tweets.tweets(600, 9)
    texts = [f"{tweet.text} 😀 café" for tweet in made]
    return rows.distinct(LabelledFile(texts, [tweet.label for tweet in made], {}, "", "", "", ""))


def test_ids_are_those_of_one_text_at_a_time(
    found: rows.Rows, word_tokenizer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizing, "_BATCH", 100)
    tokens = tokenizing.tokenized(found.texts, word_tokenizer, 0, 12, logging.getLogger())
    alone = pretrained.loaded(word_tokenizer)
    alone.no_padding()
    alone.no_truncation()
    full = [alone.encode(text).ids for text in found.texts]
    assert tokens.truncated == sum(1 for ids in full if len(ids) > 12) > 0
    assert tokens.lengths.tolist() == [min(12, len(ids)) for ids in full]
    assert tokens.ids.shape == (len(found.texts), 12)
    for row, length, ids in zip(tokens.ids.tolist(), tokens.lengths, full, strict=True):
        assert row[: length - 1] == ids[: length - 1]
        assert row[length - 1] == ids[-1], "the end mark stays where a text is cut off"
        assert row[length:] == [0] * (12 - length)


def test_rows_are_ordered_and_read_back(found: rows.Rows, word_tokenizer: bytes) -> None:
    tokens = tokenizing.tokenized(found.texts, word_tokenizer, 0, 64)
    dataset = tokenizing.dataset(found, tokens, word_tokenizer, {"preset": "tiny", "said": "ö"})
    lengths = dataset["lengths"].tolist()
    assert lengths == sorted(lengths)
    assert dataset["ids"].shape[1] == max(lengths) < 64, "no wider than the longest"
    texts = tokenizing.texts_of(dataset)
    assert sorted(texts) == sorted(found.texts)
    place = {text: i for i, text in enumerate(found.texts)}
    order = [place[text] for text in texts]
    assert [(lengths[i], found.identities[row].tobytes()) for i, row in enumerate(order)] == sorted(
        zip(lengths, (found.identities[row].tobytes() for row in order), strict=True)
    )
    assert dataset["labels"].tolist() == found.labels[order].tolist()
    assert dataset["split"].tolist() == found.split[order].tolist()
    assert np.array_equal(dataset["ids"].numpy(), tokens.ids[order])
    assert tokenizing.tokenizer_of(dataset) == word_tokenizer
    assert tokenizing.about_of(dataset) == {"preset": "tiny", "said": "ö"}
    kinds = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in dataset.items()}
    assert kinds == {
        "ids": "int32",
        "lengths": "int32",
        "labels": "uint8",
        "split": "uint8",
        "texts": "uint8",
        "offsets": "int64",
        "tokenizer": "uint8",
        "about": "uint8",
    }


def test_nothing_is_no_error(word_tokenizer: bytes) -> None:
    tokens = tokenizing.tokenized([], word_tokenizer, 0, 12)
    assert (tokens.ids.shape, tokens.lengths.shape, tokens.truncated) == ((0, 0), (0,), 0)
