"""Figures by hand, and intervals that hold what they should."""

import math

import numpy as np
import pytest

from assets.tweets.metrics import Bootstrap, distinct, hits


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios() -> None:
    figure = Bootstrap(2).ratio([1.0, 9.0], [1.0, 3.0])
    assert figure.value == pytest.approx(10 / 4)
    assert (figure.low, figure.high) == (1.0, 3.0)  # samples of one of the two alone are a quarter each


def test_an_interval_is_that_of_the_normal_distribution_for_many_tweets() -> None:
    values = np.random.default_rng(1).normal(5, 2, 4000)
    figure = Bootstrap(4000, draws=4000).mean(values.tolist())
    half = 1.96 * values.std() / math.sqrt(4000)
    assert figure.value == pytest.approx(values.mean())
    # Ends of 4,000 draws are certain to about a twentieth of the half-width.
    assert figure.high - figure.value == pytest.approx(half, rel=0.1)
    assert figure.value - figure.low == pytest.approx(half, rel=0.1)


def test_differences_are_paired() -> None:
    """One model is worse by the same on every tweet, however unlike the tweets are: nothing is uncertain about that."""
    tweets = np.random.default_rng(1).normal(5, 2, 200)
    figure = Bootstrap(200).difference(tweets + 0.25, tweets, [1.0] * 200)
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.25, 0.25, 0.25))


def test_more_comparisons_need_wider_intervals() -> None:
    values = np.random.default_rng(1).normal(0, 1, 300)
    boot = Bootstrap(300)
    assert boot.mean(values.tolist(), 0.99).low < boot.mean(values.tolist()).low
    assert boot.mean(values.tolist()) == boot.mean(values)


def test_many_tweets_are_drawn_in_lots_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.tweets import metrics

    values = np.random.default_rng(1).normal(0, 1, 50)
    whole = Bootstrap(50, draws=100).mean(values.tolist())
    monkeypatch.setattr(metrics, "_AT_ONCE", 50 * 7)
    again = Bootstrap(50, draws=100).mean(values.tolist())
    assert (again.low, again.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_values_for_other_tweets_are_refused() -> None:
    with pytest.raises(ValueError, match="3 values for 2 tweets"):
        Bootstrap(2).mean([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="nothing"):
        Bootstrap(0)


def test_distinct_by_hand() -> None:
    texts = ["so so good", "So good"]
    assert distinct(texts, 1) == pytest.approx(2 / 5)
    assert distinct(texts, 2) == pytest.approx(2 / 3)  # so so, so good, so good
    assert distinct(["one"], 2) == 0.0


def test_hits_are_exact_and_by_rank() -> None:
    ranked, wanted = [["good", "bad", "day"], ["good", "bad", "day"], ["Day"], []], ["good", "day", "day", "x"]
    assert hits(ranked, wanted, 1) == [1.0, 0.0, 0.0, 0.0]
    assert hits(ranked, wanted, 3) == [1.0, 1.0, 0.0, 0.0]
