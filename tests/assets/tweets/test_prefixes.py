"""Tweets are cut by words, and completions scored by ROUGE; so are the LSTM's while it trains."""

from typing import Any

import pytest

from assets.tweets import prefixes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three four", ("one two three", " four")),
        ("one two three four five", ("one two three", " four five")),
        ("a b c d e f g h", ("a b c d e f", " g h")),
        ("one two three", None),
        ("", None),
    ],
    ids=["four words", "five words", "eight words", "three words", "none"],
)
def test_three_quarters_of_the_words_are_given(text: str, expected: tuple[str, str] | None) -> None:
    assert prefixes.cut(text) == expected


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_both_parts_have_a_word_and_make_up_the_whole(share: float) -> None:
    halves = prefixes.cut("one two three four five", share)
    assert halves is not None
    assert "".join(halves) == "one two three four five"
    assert halves[0].strip()
    assert halves[1].strip()


@pytest.mark.train
def test_rouge_is_the_f1_of_its_definition() -> None:
    pytest.importorskip("rouge_score")
    scores = prefixes.rouge(["the cat sat down", "x y"], ["the cat down there", "z"])
    # Three of four words on both sides; one of three pairs on both sides; the longest common subsequence has three.
    assert scores["rouge1"] == pytest.approx([0.75, 0.0])
    assert scores["rouge2"] == pytest.approx([1 / 3, 0.0])
    assert scores["rougeL"] == pytest.approx([0.75, 0.0])


@pytest.mark.train
def test_a_network_that_knows_the_end_scores_one(tokenizer_json: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning")
    from assets.tweets import bpe, lstm_module

    tokenizer = bpe.load(tokenizer_json)
    texts = ["the train was late again today", "short", "i love the new album a lot"]
    completions = lstm_module.Completions.of(texts, tokenizer)
    assert completions is not None
    assert completions.wanted == [" again today", " a lot"]

    def knows(network: Any, given: Any, *, most: Any) -> list[list[int]]:
        assert [bpe.decode(tokenizer, ids) for ids in given] == ["the train was late", "i love the new album"]
        return bpe.encode(tokenizer, [" again today", " nothing alike"])

    monkeypatch.setattr(lstm_module, "generate", knows)
    assert completions.rouge_l(None) == pytest.approx(0.5)  # type: ignore[arg-type]  # it is not asked
    assert lstm_module.Completions.of(["short"], tokenizer) is None
