"""The gate on synthetic scores: how often it promotes a model that is no better, and one that is."""

import tracemalloc

import numpy as np
import pytest

from resources.training.gate import Gate, Scores, better

PAIRS = 1_000
DRAWS = 400  # few, for speed: the standard error is then known to 1 / sqrt(800) = 4 %, as often too large as too small
# A gate at 95 % promotes at most 5 % of equals. Over 1,000 pairs the observed rate has a standard error of
# sqrt(0.05 * 0.95 / 1,000) = 0.7 %; three of them make chance no likely cause of a failure (1 in 700; seeds are fixed).
MOST = 0.05 + 3 * (0.05 * 0.95 / PAIRS) ** 0.5


def answers(random: np.random.Generator, n: int, gain: float = 0.0) -> tuple[Scores, Scores]:
    """Right and wrong answers of two models at about 90 %; hard samples are hard for both. The first is the better."""
    ease = random.beta(2.7, 0.3, size=n)
    right = [random.random(n) < ease for _ in range(2)]
    right[0] |= ~right[0] & (random.random(n) < gain / 0.1)
    return Scores(right[0], "mean"), Scores(right[1], "mean")


def errors(
    random: np.random.Generator, houses: int, splits: int = 1, gain: float = 0.0, grouped: bool = True
) -> tuple[Scores, Scores]:
    """Price errors of two models, heavy-tailed, of houses that lie in several splits: a house has an error of its own
    in each model, which all its splits share."""
    group = np.repeat(np.arange(houses), splits)
    scores = []
    for scale in (1 - gain, 1.0):
        own = random.standard_t(5, size=houses)[group] * 3 * scale
        scores.append(
            Scores(own + random.normal(size=len(group)) * scale, "rms", group if grouped and splits > 1 else None)
        )
    return scores[0], scores[1]


def promoted(pairs: list[tuple[Scores, Scores]], **options) -> float:
    gates = [better(*pair, draws=DRAWS, seed=i, **options) for i, pair in enumerate(pairs)]
    return sum(gate.promoted for gate in gates) / len(gates)


@pytest.mark.parametrize("n", [20, 300])
@pytest.mark.parametrize("make", [answers, errors])
def test_equal_models_are_rarely_promoted(make, n: int) -> None:
    random = np.random.default_rng(1)
    rate = promoted([make(random, n) for _ in range(PAIRS)])
    print(f"{make.__name__}, n = {n}: {rate:.1%} of equal models promoted, at most {MOST:.1%}")
    assert rate <= MOST


def test_correlated_samples_need_their_groups() -> None:
    """50 houses in 6 splits each: 300 samples that are worth little more than 50."""
    rates = {}
    for grouped in (True, False):
        random = np.random.default_rng(2)
        rates[grouped] = promoted([errors(random, 50, 6, grouped=grouped) for _ in range(PAIRS)])
    print(f"false promotions: {rates[True]:.1%} by house, {rates[False]:.1%} by sample")
    assert rates[True] <= MOST
    assert rates[False] > 2 * MOST  # so the test above could tell


def test_a_real_gain_is_promoted() -> None:
    """Two points of accuracy at 90 % on 3,000 samples; a fifth less RMSE on 500 houses of 2 splits each."""
    random = np.random.default_rng(3)
    # The models differ on 13.5 % of the samples (Beta(2.7, 0.3): 2 * (0.9 - 0.9² - 0.15²)), so the gain of 0.02 is
    # 0.02 / sqrt(0.135 / 3,000) = 3 standard errors; 1.64 are needed, so 91 % are found. Studies plan for 80 %.
    rates = [
        promoted([answers(random, 3_000, gain=0.02) for _ in range(100)]),
        promoted([errors(random, 500, 2, gain=0.2) for _ in range(100)]),
    ]
    print(f"gains found: {rates[0]:.0%} in accuracy, {rates[1]:.0%} in RMSE")
    assert min(rates) >= 0.8


def test_the_bound_is_that_of_theory() -> None:
    """For the mean of 5,000 differences the bound is the difference less 1.645 standard errors."""
    random = np.random.default_rng(4)
    new, old = random.normal(0.05, 1, 5_000), random.normal(size=5_000)
    gate = better(Scores(new, "mean"), Scores(old, "mean"), margin=0.01, comparisons=4)
    error = (new - old).std(ddof=1) / 5_000**0.5
    # Bonferroni for 4: 2.2414 standard errors. 10,000 draws know the error to 1 / sqrt(20,000).
    assert gate.lower == pytest.approx(gate.difference - 2.2414 * error, abs=0.1 * error)
    assert gate.upper == pytest.approx(gate.difference + 2.2414 * error, abs=0.1 * error)
    assert gate.difference == pytest.approx((new - old).mean())
    assert gate.p == pytest.approx(1 - gate.share, abs=0.01)  # the two ways to count; p is about 2 %
    assert gate.promoted == (gate.lower > 0.01)


def test_rms_gains_are_in_the_units_of_the_metric_whatever_the_signs() -> None:
    gate = better(Scores([3.0, -4.0] * 50, "rms"), Scores([-5.0, 5.0] * 50, "rms"))
    assert gate.difference == pytest.approx(5 - 12.5**0.5)
    assert gate.promoted
    assert not better(Scores([-5.0, 5.0] * 50, "rms"), Scores([3.0, -4.0] * 50, "rms")).promoted


def test_margin_and_number_of_challengers_raise_the_bar() -> None:
    random = np.random.default_rng(5)
    pair = answers(random, 3_000, gain=0.02)
    sure = better(*pair)
    assert sure.promoted
    assert not better(*pair, margin=0.02).promoted
    many = better(*pair, comparisons=100)
    assert many.lower < sure.lower
    assert many.draws == 20_000  # 5 % / 100 beyond each of both bounds: 1 in 1,000, and 20 draws there
    assert better(*pair, confidence=0.999).lower < sure.lower


def test_the_same_scores_are_no_gain_and_the_same_seed_the_same_answer() -> None:
    random = np.random.default_rng(6)
    values = random.normal(size=999)
    for statistic in ("mean", "rms"):
        same = better(Scores(values, statistic), Scores(values, statistic))
        assert (same.promoted, same.difference, same.differ, same.p) == (False, 0, 0, 0.5)
    pair = errors(random, 100)
    assert better(*pair, seed=7) == better(*pair, seed=7)
    assert better(*pair, seed=7).lower != better(*pair, seed=8).lower


def test_a_handful_of_differences_promotes_nobody() -> None:
    """4 of 4 in favour: 1 in 16 such sets is chance, more than 5 %; 5 of 5: 1 in 32."""
    for few, promotes in ((1, False), (4, False), (5, True)):
        old = np.zeros(1_000)
        new = np.where(np.arange(1_000) < few, 1.0, 0.0)
        assert better(Scores(new, "mean"), Scores(old, "mean")).promoted is promotes, few
    assert not better(Scores(new, "mean"), Scores(old, "mean"), comparisons=2).promoted
    assert not better(Scores([1.0], "mean"), Scores([0.0], "mean"), confidence=0.5).promoted  # one sample has no spread
    one_house = better(Scores([9.0] * 50, "mean", [3] * 50), Scores([0.0] * 50, "mean", [3] * 50))
    assert not one_house.promoted
    assert "differ on 1 of 1 groups of 50 samples" in one_house.sentence


def test_the_sentence_has_the_numbers() -> None:
    random = np.random.default_rng(8)
    gate: Gate = better(*answers(random, 5_000, gain=0.03), margin=0.005, comparisons=3)
    for part in (f"{gate.difference:+.4g}", f"{gate.lower:+.4g} to", "5,000 samples", "0.005", "one of 3", "95%"):
        assert part in gate.sentence


BAD = {
    "other lengths": (Scores([1.0, 2.0], "mean"), Scores([1.0], "mean"), {}, "paired"),
    "no samples": (Scores([], "mean"), Scores([], "mean"), {}, "paired"),
    "not a number": (Scores([1.0, float("nan")], "mean"), Scores([1.0, 2.0], "mean"), {}, "finite"),
    "other statistics": (Scores([1.0], "mean"), Scores([1.0], "rms"), {}, "compared"),
    "other groups": (Scores([1.0, 2.0], "mean", [1, 2]), Scores([1.0, 2.0], "mean", [1, 1]), {}, "group"),
    "groups of one alone": (Scores([1.0, 2.0], "mean", [1, 2]), Scores([1.0, 2.0], "mean"), {}, "group"),
    "too few groups": (Scores([1.0, 2.0], "mean", [1]), Scores([1.0, 2.0], "mean", [1]), {}, "group"),
    "a margin below 0": (Scores([1.0], "mean"), Scores([1.0], "mean"), {"margin": -1.0}, "margin"),
    "a certain gate": (Scores([1.0], "mean"), Scores([1.0], "mean"), {"confidence": 1.0}, "confidence"),
    "no comparison": (Scores([1.0], "mean"), Scores([1.0], "mean"), {"comparisons": 0}, "comparison"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_can_not_be_compared_is_refused(case: str) -> None:
    challenger, champion, options, said = BAD[case]
    with pytest.raises(ValueError, match=said):
        better(challenger, champion, **options)


def test_memory_is_bounded() -> None:
    """20,000 different samples and 400 draws are 8 million counts; a quarter of them is held at once."""
    random = np.random.default_rng(9)
    pair = errors(random, 20_000)
    tracemalloc.start()
    better(*pair, draws=DRAWS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Four arrays of 16 MB, and a dozen of 20,000 numbers. All counts at once would be 4 arrays of 64 MB.
    assert peak < 90e6
