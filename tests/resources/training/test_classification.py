"""Calibration, the temperature and the surest mistakes, by hand and by what must hold for all of them."""

import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from resources.training import classification  # noqa: E402

pytestmark = pytest.mark.train


def _logits(n: int, classes: int, seed: int) -> "tuple[torch.Tensor, torch.Tensor]":
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    logits = torch.randn(n, classes, generator=generator)
    logits[torch.arange(n), labels] += 1
    return logits, labels


def _cross_entropy(logits: "torch.Tensor", labels: "torch.Tensor", temperature: float) -> float:
    return functional.cross_entropy(logits.double() / temperature, labels).item()


def test_calibration_error_by_hand() -> None:
    confidence = torch.tensor([0.95, 0.95, 0.55, 0.55])
    correct = torch.tensor([True, False, True, True])
    # In the bin of 0.95 accuracy is 0.5, in that of 0.55 it is 1: both are off by 0.45, and hold half each.
    assert classification.calibration_error(confidence, correct, bins=10) == pytest.approx(0.45)
    assert classification.calibration_error(torch.ones(3), torch.ones(3, dtype=torch.bool)) == 0.0
    found = classification.reliability(confidence, correct, bins=10)
    assert found.counts == (0, 0, 0, 0, 0, 2, 0, 0, 0, 2)
    assert (found.confidence[5], found.accuracy[5]) == pytest.approx((0.55, 1.0))
    assert (found.confidence[9], found.accuracy[9]) == pytest.approx((0.95, 0.5))
    assert math.isnan(found.accuracy[0])


def test_a_bin_is_open_below_and_closed_above() -> None:
    ends = torch.tensor([0.5, 0.5000001, 1.0])
    assert classification.reliability(ends, torch.ones(3, dtype=torch.bool), bins=2).counts == (1, 2)


@given(seed=st.integers(0, 10_000), factor=st.floats(0.05, 20))
@settings(max_examples=20, deadline=None)  # the first example pays for torch's start
def test_the_temperature_undoes_a_factor_and_is_the_best(seed: int, factor: float) -> None:
    logits, labels = _logits(200, 4, seed)
    found = classification.fitted_temperature(logits, labels)
    assert classification.fitted_temperature(logits * factor, labels) == pytest.approx(found * factor, rel=1e-4)
    best = _cross_entropy(logits, labels, found)
    for other in (0.97, 1.03):
        assert _cross_entropy(logits, labels, found * other) > best


def test_the_temperature_stays_finite_where_all_or_nothing_is_right() -> None:
    sure = torch.eye(3) * 5
    found = classification.fitted_temperature(sure, torch.arange(3))
    assert 1e-3 <= found < 1  # logits that are always right want to be surer; 1e-3 is the end of what is looked through
    assert _cross_entropy(sure, torch.arange(3), found) < 1e-15  # nothing is left to gain
    assert classification.fitted_temperature(sure, torch.tensor([1, 2, 0])) == pytest.approx(1e3)


def test_the_surest_mistakes_come_first() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.01, 0.99]])
    labels = torch.tensor([0, 0, 0, 0])
    assert classification.worst_mistakes(probabilities, labels, 2) == [3, 1]
    assert classification.worst_mistakes(probabilities, labels, 9) == [3, 1, 2]
    assert classification.worst_mistakes(probabilities[:1], labels[:1], 9) == []
