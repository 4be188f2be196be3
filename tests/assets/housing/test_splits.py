"""Splits: their sizes, equal rows together, statistics of train rows alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from assets.housing.splits import TEST, TRAIN, VALIDATION, draw, positions, scales, standardised

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train


def test_sizes_and_seeds() -> None:
    values = np.random.default_rng(0).normal(size=(506, 3)).astype(np.float32)
    parts = draw(values, 20, seed=0)
    for part, expected in ((TRAIN, 404), (VALIDATION, 51), (TEST, 51)):
        assert ((parts == part).sum(1) == expected).all()
    assert np.array_equal(parts, draw(values, 20, seed=0))
    assert np.array_equal(parts[:5], draw(values, 5, seed=0)), "more splits leave the first ones as they were"
    assert not np.array_equal(parts, draw(values, 20, seed=1))
    assert len(np.unique(parts, axis=0)) == 20
    # Each row is a test row of about two of 20 splits; nobody of none of 200: 506 x 0.9^200 is 4e-7.
    assert ((draw(values, 200, seed=0) == TEST).sum(0) > 0).all()


def test_rows_with_equal_columns_are_in_one_part() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 3, size=(300, 3)).astype(np.float32)  # 27 kinds of rows
    _, kind = np.unique(values, axis=0, return_inverse=True)
    for part in draw(values, 10, seed=0):
        for one in range(kind.max() + 1):
            assert len(set(part[kind.reshape(-1) == one])) == 1
        assert set(part) == {TRAIN, VALIDATION, TEST}


def test_scales_are_of_train_rows_alone(fitted: Callable[..., dict[str, Any]]) -> None:
    made = fitted()
    values, target, splits, of = made["values"], made["target"], made["splits"], made["of"]
    for split, part in enumerate(splits):
        train = part == TRAIN
        assert torch.allclose(of.mean[split], values[train].mean(0), rtol=1e-5)
        assert torch.allclose(of.std[split], values[train].std(0, correction=0), rtol=1e-4)
        assert of.log_mean[split] == pytest.approx(target[train].log().mean().item(), rel=1e-5)
        assert of.log_std[split] == pytest.approx(target[train].log().std(correction=0).item(), rel=1e-4)
        assert (of.low[split], of.high[split]) == (target[train].min(), target[train].max())
    other = values.clone()
    other[splits[0] != TRAIN] = 1e6  # what is not trained on changes nothing
    assert torch.allclose(scales(other, target, splits).mean[0], of.mean[0], rtol=1e-4)


def test_a_constant_column_and_large_values() -> None:
    values = torch.stack([torch.full((60,), 1e7), 1e7 + torch.arange(60.0) % 10], 1)
    splits = torch.zeros(1, 60, dtype=torch.uint8)
    of = scales(values, torch.full((60,), 20.0), splits)
    assert of.std[0, 0] == 1
    assert of.std[0, 1] == pytest.approx(np.arange(10).std(), rel=1e-4)
    assert of.log_std[0] == 1
    assert standardised(values, of).shape == (1, 60, 2)
    assert standardised(values, of)[0, :, 0].abs().max() == 0


def test_positions_of_splits_with_fewer_rows() -> None:
    splits = torch.tensor([[0, 1, 0, 0], [1, 1, 0, 1]], dtype=torch.uint8)
    rows, real = positions(splits, TRAIN)
    assert rows.tolist() == [[0, 2, 3], [2, 0, 0]]
    assert real.tolist() == [[True, True, True], [True, False, False]]
