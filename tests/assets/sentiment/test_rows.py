"""Which rows stay, what is counted, and that neither order nor file makes a difference."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sentiment import rows
from assets.sentiment.labels import Labelled
from resources.errors import BadInput
from resources.text.tweets import cleaned, identity, split_of


def labelled(texts: list[str], meanings: list[str]) -> Labelled:
    return Labelled(texts, meanings, {}, '"text"', '"label"', "utf-8", "made up")


def many(count: int, start: int = 0) -> list[tuple[str, str]]:
    return [(f"tweet number {number}", ("negative", "positive")[number % 2]) for number in range(start, start + count)]


def of(pairs: list[tuple[str, str]]) -> Labelled:
    return labelled([text for text, _ in pairs], [meaning for _, meaning in pairs])


def test_everything_is_counted() -> None:
    pairs = [
        *many(400),
        ("it is what it is", "neutral"),
        ("no label here", ""),
        ("tweet number 7", ""),
        ("  \x00 ", "positive"),
        ("TWEET number 1", "positive"),  # as it is there already
        ("rt @somebody: tweet number 1", "positive"),
        ("tweet number 3", "negative"),  # there as positive
        ("both @a", "positive"),
        ("BOTH @b", "negative"),
        ("both @c", "negative"),
    ]
    found = rows.distinct(of(pairs))
    assert found.counts == rows.Counts(
        read=410, used=399, neutral=1, unlabelled=2, empty=1, contradicting=5, duplicates=2, beyond_limit=0
    )
    counts = vars(found.counts)
    assert counts["read"] == sum(counts.values()) - counts["read"]
    assert len(found.texts) == len(found.identities) == len(found.labels) == len(found.split) == 399
    assert "tweet number 3" not in found.texts
    assert not [text for text in found.texts if "both" in text.casefold()]
    assert found.labels.tolist() == [int(text.rpartition(" ")[2]) % 2 for text in found.texts]
    assert [row.tobytes() for row in found.identities] == sorted(identity(text) for text in found.texts)
    assert found.split.tolist() == [split_of(identity(text)) for text in found.texts]
    assert found.per_part().sum() == 399
    assert found.per_part()[2, 1] == ((found.split == 2) & (found.labels == 1)).sum()


def test_of_several_spellings_one_stays_whatever_the_order() -> None:
    spellings = [("Oh NO", "negative"), ("oh no", "negative"), ("OH no", "negative")]
    for order in (spellings, spellings[::-1], [spellings[1], spellings[0], spellings[2]]):
        found = rows.distinct(of([*many(400), *order]))
        assert [text for text in found.texts if text.casefold() == "oh no"] == ["OH no"]


@settings(deadline=None, max_examples=20)  # the machine may be busy
@given(st.randoms(use_true_random=False), st.integers(0, 100))
def test_the_order_of_rows_makes_no_difference(draw: random.Random, seed: int) -> None:
    pairs = [*many(500), *many(40), *((text.upper(), label) for text, label in many(40, 20))]
    shuffled = pairs[:]
    draw.shuffle(shuffled)
    one, other = rows.distinct(of(pairs), seed=seed), rows.distinct(of(shuffled), seed=seed)
    assert one.texts == other.texts
    assert one.counts == other.counts
    for name in ("identities", "labels", "split"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_a_tweet_is_in_the_same_part_of_every_file() -> None:
    one, other = rows.distinct(of(many(600))), rows.distinct(of(many(600, 300)))
    parts = dict(zip(one.texts, one.split.tolist(), strict=True))
    shared = [
        (parts[text], part) for text, part in zip(other.texts, other.split.tolist(), strict=True) if text in parts
    ]
    assert len(shared) == 300
    assert all(first == second for first, second in shared)
    assert {first for first, _ in shared} == {0, 1, 2}
    elsewhere = rows.distinct(of(many(600)), seed=1)
    assert elsewhere.split.tolist() != one.split.tolist()


def test_a_limit_keeps_the_same_tweets_of_a_longer_file() -> None:
    limited = rows.distinct(of(many(900)), limit=500)
    assert (limited.counts.used, limited.counts.beyond_limit) == (500, 400)
    assert rows.distinct(of(many(900)[::-1]), limit=500).texts == limited.texts
    assert rows.distinct(of(many(900)), limit=900).counts.beyond_limit == 0
    assert rows.distinct(of(many(900)), limit=5_000).counts.used == 900


def test_too_few_rows_are_refused_with_what_is_needed() -> None:
    with pytest.raises(BadInput) as caught:
        rows.distinct(of(many(60)))
    message = caught.value.message
    assert "(60 of 60 rows, 0 were left out)" in message
    assert "train: " in message
    assert " negative and " in message
    assert "needed 20; validation: " in message
    with pytest.raises(BadInput, match="raise `limit`"):
        rows.distinct(of(many(900)), limit=50)
    with pytest.raises(BadInput, match="0 negative"):
        rows.distinct(of([(text, "positive") for text, _ in many(400)]))
    with pytest.raises(BadInput, match=r"0 of 2 rows, 2 were left out"):
        rows.distinct(of([("x", "neutral"), ("", "positive")]))


def test_leaks_are_counted_from_the_texts() -> None:
    texts = [cleaned(text) for text in ("one", "two", "ONE", "three @a", "Three @b", "four")]
    assert rows.leaks(texts, np.array([0, 1, 0, 2, 2, 1], np.uint8)) == 0
    assert rows.leaks(texts, np.array([0, 1, 1, 2, 0, 1], np.uint8)) == 2
    assert rows.leaks([], np.array([], np.uint8)) == 0
