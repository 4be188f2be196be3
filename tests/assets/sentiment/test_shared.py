"""The shared validation file without what a candidate has learned from."""

import numpy as np
import pytest

from assets.sentiment import shared
from assets.sentiment.labels import Labelled
from assets.sentiment.rows import Rows, distinct
from resources.errors import BadInput
from resources.text import tweets


def made(count: int) -> Rows:
    texts = [f"tweet number {n}" for n in range(count)]
    meanings = [("negative", "positive")[n % 2] for n in range(count)]
    return distinct(Labelled(texts, meanings, {}, "1", "2", "utf-8", "made"), divided=False)


def test_what_a_candidate_has_learned_from_is_left_out_and_counted() -> None:
    rows = made(60)
    learned = tweets.identities([f"Tweet Number {n}" for n in range(10)])  # the same tweets, written otherwise
    others = tweets.identities([f"tweet number {n}" for n in (3, 4, 11, 999)])
    left = shared.unseen(rows, [learned, others])
    assert left.seen == 11
    assert set(left.texts) == {f"tweet number {n}" for n in range(60) if n > 9 and n != 11}
    assert [int(text.split()[-1]) % 2 for text in left.texts] == left.labels.tolist()
    assert shared.unseen(rows, []).seen == 0


def test_the_rows_that_are_left_are_known_by_their_digest() -> None:
    rows, nothing = made(60), np.zeros((0, 16), np.uint8)
    first = shared.unseen(rows, [nothing])
    assert first.data_version == shared.unseen(rows, []).data_version
    assert first.data_version != shared.unseen(rows, [rows.identities[:1]]).data_version
    turned = Rows(rows.texts, rows.identities, 1 - rows.labels, rows.split, rows.counts)
    assert first.data_version != shared.unseen(turned, []).data_version


def test_too_few_rows_are_refused() -> None:
    rows = made(60)
    with pytest.raises(BadInput, match="30 others were left out"):
        shared.unseen(rows, [rows.identities[:30]])
