"""Batches of tweets for a transformer: every token once, no filling is predicted, rounds follow from the seed."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from assets.tweets.transformer_batches import TokenBatches, encoded, marked, real_positions  # noqa: E402

pytestmark = pytest.mark.train
ROWS = [[1, *range(10, 10 + n), 2] for n in (3, 7, 1, 5, 5, 2, 9, 4, 6, 8, 1, 3)]


def predicted(batch: dict[str, Any]) -> list[tuple[int, int]]:
    flat = batch["ids"].flatten()
    return [(int(flat[at]), int(flat[at + 1])) for at in batch["positions"]]


def test_an_epoch_predicts_every_token_once_and_no_filling() -> None:
    batches = TokenBatches(ROWS, 4, "cpu", fill=0, shuffle=True, seed=3)
    found = Counter(pair for batch in batches for pair in predicted(batch))
    assert found == Counter(pair for row in ROWS for pair in itertools.pairwise(row))
    assert batches.tokens == sum(found.values())


def test_batches_are_as_wide_as_their_longest_tweet() -> None:
    for batch in TokenBatches(ROWS, 4, "cpu", fill=0, shuffle=True, seed=3):
        assert bool((batch["ids"] != 0).any(0).all())


def test_rounds_of_an_epoch_together_are_that_epoch() -> None:
    whole = TokenBatches(ROWS, 2, "cpu", fill=0, shuffle=True, seed=3)
    parts = TokenBatches(ROWS, 2, "cpu", fill=0, shuffle=True, seed=3, rounds=3)
    assert len(parts) == 2
    for one, other in zip(list(whole), [batch for _ in range(3) for batch in parts], strict=True):
        assert torch.equal(one["ids"], other["ids"])


@pytest.mark.parametrize("rounds", [1, 2, 3, 5, 8])
def test_an_epoch_has_every_tweet_once_however_many_rounds_it_is_cut_into(rounds: int) -> None:
    batches = TokenBatches(ROWS, 2, "cpu", fill=0, shuffle=True, seed=3, rounds=rounds)
    for _ in range(2):
        epoch = [batch["ids"] for _ in range(rounds) for batch in batches]
        seen = Counter(tuple(token for token in row if token) for ids in epoch for row in ids.tolist())
        assert seen == Counter(map(tuple, ROWS))
        sizes = {len(ids) for ids in epoch}
        assert max(sizes) <= 2
        assert max(sizes) - min(sizes) <= 1


def test_a_later_round_follows_from_its_number_alone() -> None:
    first = TokenBatches(ROWS, 2, "cpu", fill=0, shuffle=True, seed=3, rounds=2)
    seen = [[batch["ids"].tolist() for batch in first] for _ in range(5)]
    again = TokenBatches(ROWS, 2, "cpu", fill=0, shuffle=True, seed=3, rounds=2)
    again.epoch = 3
    assert [batch["ids"].tolist() for batch in again] == seen[3]
    assert seen[0] != seen[2]  # the next epoch has another order


def test_too_many_rounds_and_lone_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds"):
        TokenBatches(ROWS, 12, "cpu", fill=0, rounds=13)
    with pytest.raises(ValueError, match="two tokens"):
        TokenBatches([[1]], 1, "cpu", fill=0)


def test_positions_of_rows_with_and_without_tokens() -> None:
    counts = torch.tensor([2, 0, 3])
    assert real_positions(counts, 4, 5).tolist() == [0, 1, 8, 9, 10]


def test_a_long_tweet_is_cut_and_gets_no_end() -> None:
    rows, cut = marked([[5, 6], [5, 6, 7, 8]], 1, 2, longest=4)
    assert rows == [[1, 5, 6, 2], [1, 5, 6, 7]]
    assert cut == 1


def test_a_mark_inside_a_tweet_is_text(tiny_gpt2: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_gpt2)
    [ids] = encoded(tokenizer, ["so <|endoftext|> it is"])
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids) == "so <|endoftext|> it is"
