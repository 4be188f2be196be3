"""The figures of an evaluation against scikit-learn's."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
metrics = pytest.importorskip("sklearn.metrics")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from assets.sentiment import scoring  # noqa: E402

pytestmark = pytest.mark.train


def made(n: int, seed: int) -> Any:
    """Logits and labels: those are right more often than not, of classes that are not equally frequent."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(n, generator=generator) < 0.3).long()
    logits = torch.randn(n, 2, generator=generator)
    logits[torch.arange(n), labels] += 1
    return logits, labels


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60))
@settings(max_examples=30, deadline=None)  # the first example pays for torch's start
def test_figures_are_those_of_scikit_learn(seed: int, n: int) -> None:
    logits, labels = made(n, seed)
    got, said = scoring.scored(logits, labels, temperature=2.0), logits.argmax(1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, said, labels=[0, 1], zero_division=0)
    assert got.precision == pytest.approx(precision)
    assert got.recall == pytest.approx(recall)
    assert got.f1 == pytest.approx(f1)
    assert got.confusion.tolist() == metrics.confusion_matrix(labels, said, labels=[0, 1]).tolist()
    assert got.metrics["macro_f1"] == pytest.approx(f1.mean())
    assert got.metrics["macro_precision"] == pytest.approx(precision.mean())
    assert got.metrics["macro_recall"] == pytest.approx(recall.mean())
    assert got.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(labels, said))
    for name, temperature in (("cross_entropy", 2.0), ("cross_entropy_unscaled", 1.0)):
        soft = torch.softmax(logits.double() / temperature, 1)
        assert got.metrics[name] == pytest.approx(metrics.log_loss(labels, soft, labels=[0, 1]))


def test_the_mean_of_the_scores_is_macro_recall_whatever_the_classes_shares() -> None:
    labels = torch.tensor([0] * 9 + [1])
    correct = torch.tensor([True] * 6 + [False] * 3 + [True])
    scores = scoring.recall_scores(correct, labels, 2)
    assert scores.mean().item() == pytest.approx((6 / 9 + 1) / 2)
    assert scores[-1].item() == pytest.approx(10 / (2 * 1)), "the one of the rare class counts as much as nine others"
    everyone_negative = scoring.recall_scores(labels == 0, labels, 2)
    assert everyone_negative.mean().item() == pytest.approx(0.5)


def test_calibration_is_told_before_and_after_the_temperature() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    sure = torch.tensor([[8.0, -8.0]] * 4)  # says 1, and is right in three of four
    got = scoring.scored(sure, labels, temperature=16 / 1.0986)  # softmax gives 3/4 where the difference is log 3
    assert got.metrics["ece_unscaled"] == pytest.approx(0.25, abs=1e-4)  # 1 is not quite reached
    assert got.metrics["ece"] == pytest.approx(0.0, abs=1e-4)
    assert got.reliability.counts != got.reliability_unscaled.counts


def test_the_table_has_a_line_for_each_class_and_split() -> None:
    logits, labels = made(50, 1)
    both = {"validation": scoring.scored(logits, labels, 1.0), "test": scoring.scored(logits[:20], labels[:20], 1.0)}
    lines = scoring.per_class(("negative", "positive"), both).splitlines()
    assert [line.split("|")[1:4] for line in lines[2:]] == [
        [f" {name} ", f" {split} ", f" {int((some == label).sum())} "]
        for label, name in enumerate(("negative", "positive"))
        for split, some in (("validation", labels), ("test", labels[:20]))
    ]
