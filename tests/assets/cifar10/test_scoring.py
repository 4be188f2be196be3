"""The figures of an evaluation against scikit-learn's, or by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from assets.cifar10 import scoring  # noqa: E402

pytestmark = pytest.mark.train


def _logits(n: int, classes: int, seed: int) -> "tuple[torch.Tensor, torch.Tensor]":
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    logits = torch.randn(n, classes, generator=generator)
    logits[torch.arange(n), labels] += 1
    return logits, labels


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), n=st.integers(1, 60))
@settings(max_examples=30, deadline=None)  # the first example pays for scikit-learn's start
def test_figures_are_those_of_scikit_learn(seed: int, classes: int, n: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    logits, labels = _logits(n, classes, seed)
    got = scoring.scored(logits, labels, temperature=2.0)
    every = list(range(classes))
    assert got.accuracy == pytest.approx(metrics.accuracy_score(labels, logits.argmax(1)))
    assert got.confusion.tolist() == metrics.confusion_matrix(labels, logits.argmax(1), labels=every).tolist()
    soft = torch.softmax(logits.double() / 2, 1)
    assert got.cross_entropy == pytest.approx(metrics.log_loss(labels, soft, labels=every))
    hard = torch.softmax(logits.double(), 1)
    assert got.cross_entropy_unscaled == pytest.approx(metrics.log_loss(labels, hard, labels=every))
    recall = [row[i] / sum(row) if sum(row) else math.nan for i, row in enumerate(got.confusion.tolist())]
    assert got.per_class == pytest.approx(recall, nan_ok=True)


def test_calibration_error_by_hand() -> None:
    confidence = torch.tensor([0.95, 0.95, 0.55, 0.55])
    correct = torch.tensor([True, False, True, True])
    # In the bin of 0.95 accuracy is 0.5, in that of 0.55 it is 1: both are off by 0.45, and hold half each.
    assert scoring.calibration_error(confidence, correct, bins=10) == pytest.approx(0.45)
    assert scoring.calibration_error(torch.ones(3), torch.ones(3, dtype=torch.bool)) == 0.0


@given(seed=st.integers(0, 10_000), factor=st.floats(0.05, 20))
@settings(max_examples=20, deadline=None)  # as above
def test_the_temperature_undoes_a_factor_and_is_the_best(seed: int, factor: float) -> None:
    logits, labels = _logits(200, 4, seed)
    found = scoring.fitted_temperature(logits, labels)
    assert scoring.fitted_temperature(logits * factor, labels) == pytest.approx(found * factor, rel=1e-4)
    best = scoring.scored(logits, labels, found).cross_entropy
    for other in (0.97, 1.03):
        assert scoring.scored(logits, labels, found * other).cross_entropy > best


def test_the_temperature_stays_finite_where_all_or_nothing_is_right() -> None:
    sure = torch.eye(3) * 5
    found = scoring.fitted_temperature(sure, torch.arange(3))
    assert 1e-3 <= found < 1  # logits that are always right want to be surer; 1e-3 is the end of what is looked through
    assert scoring.scored(sure, torch.arange(3), found).cross_entropy < 1e-15  # nothing is left to gain
    assert scoring.fitted_temperature(sure, torch.tensor([1, 2, 0])) == pytest.approx(1e3)


def test_the_surest_mistakes_come_first() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.01, 0.99]])
    labels = torch.tensor([0, 0, 0, 0])
    assert scoring.worst_mistakes(probabilities, labels, 2) == [3, 1]
    assert scoring.worst_mistakes(probabilities, labels, 9) == [3, 1, 2]
    assert scoring.worst_mistakes(probabilities[:1], labels[:1], 9) == []
