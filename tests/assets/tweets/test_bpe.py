"""Byte-level tokens: any text comes back as it was, and the same texts give the same vocabulary."""

from typing import Any

import pytest

pytest.importorskip("tokenizers")

from assets.tweets import bpe
from resources.errors import CorruptArtifact

pytestmark = pytest.mark.train

ODD = [
    "naïve café — “ok” 👩‍👩‍👧 ğ",
    "<|endoftweet|> is no mark in a text",
    "@user @users user@user http",
    "  two  spaces ",
    "a",
]


def test_every_text_comes_back_as_it_was(corpus: Any, tokenizer_json: bytes) -> None:
    tokenizer = bpe.load(tokenizer_json)
    for text in [*corpus.texts[:300], *ODD]:
        (ids,) = bpe.encode(tokenizer, [text])
        assert bpe.END not in ids
        assert bpe.decode(tokenizer, ids) == text


def test_the_same_texts_give_the_same_bytes(corpus: Any) -> None:
    assert bpe.learn(corpus.texts[:500], 400) == bpe.learn(corpus.texts[:500], 400)


def test_the_vocabulary_has_as_many_tokens_as_asked_for_and_the_mark_is_the_first(tokenizer_json: bytes) -> None:
    tokenizer = bpe.load(tokenizer_json)
    assert tokenizer.get_vocab_size() == 700
    assert tokenizer.token_to_id(bpe.END_TEXT) == bpe.END == 0


def test_a_mention_is_one_token_and_what_only_looks_like_it_is_not() -> None:
    tokenizer = bpe.load(bpe.learn(["hi @user", "@user hi @user"] * 5, 300))
    mention, inside, other = bpe.encode(tokenizer, ["@user", "hi @user", "hi @users"])
    assert len(mention) == 1
    assert len(inside) == len(bpe.encode(tokenizer, ["hi"])[0]) + 1
    assert inside[-1] not in other


def test_a_text_cut_at_a_space_has_the_tokens_of_both_parts(corpus: Any, tokenizer_json: bytes) -> None:
    """So that a prefix's tokens are the beginning of the whole tweet's."""
    tokenizer = bpe.load(tokenizer_json)
    for text in corpus.texts[:200]:
        words = text.split(" ")
        for cut in range(1, len(words)):
            before, after = " ".join(words[:cut]), " " + " ".join(words[cut:])
            parts = bpe.encode(tokenizer, [before, after])
            assert parts[0] + parts[1] == bpe.encode(tokenizer, [text])[0]


def test_decoding_stops_at_the_mark(tokenizer_json: bytes) -> None:
    tokenizer = bpe.load(tokenizer_json)
    (ids,) = bpe.encode(tokenizer, ["so far"])
    assert bpe.decode(tokenizer, [*ids, bpe.END, *ids]) == "so far"


def test_all_texts_at_once_are_those_one_by_one(corpus: Any, tokenizer_json: bytes, monkeypatch: Any) -> None:
    monkeypatch.setattr(bpe, "_AT_ONCE", 7)
    tokenizer, told = bpe.load(tokenizer_json), []
    ids, lengths = bpe.encode_all(tokenizer, corpus.texts[:20], told.append)
    assert told == [7, 14, 20]
    single = [bpe.encode(tokenizer, [text])[0] for text in corpus.texts[:20]]
    assert lengths.tolist() == [len(each) for each in single]
    assert ids.tolist() == [i for each in single for i in each]


def test_another_tokenizer_is_refused() -> None:
    from tokenizers import Tokenizer, models

    with pytest.raises(CorruptArtifact, match=r"<\|endoftweet\|> as id None"):
        bpe.load(Tokenizer(models.BPE()).to_str().encode())
