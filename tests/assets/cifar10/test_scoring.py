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
