"""A small made-up table with splits, and the files of the sample generator."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_housing(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("samples/housing/make_housing.py")


@pytest.fixture
def dropped(make_housing: ModuleType, tmp_path: Path) -> list[Path]:
    """Three priced CSV files, and one to price."""
    paths: list[Path] = make_housing.write(tmp_path / "dropped", rows=150)
    return paths


@pytest.fixture(scope="session")
def houses(make_housing: ModuleType) -> np.ndarray:
    """(200, 13): made-up houses, the price last."""
    rows: np.ndarray = make_housing.houses(200)
    return rows


@pytest.fixture
def fitted(houses: np.ndarray) -> Callable[..., dict[str, Any]]:
    """A table of made-up houses with splits, as torch tensors; `rows` of them."""
    import torch

    from assets.housing import splits

    def make(rows: int = 200, count: int = 3) -> dict[str, Any]:
        table = houses[:rows].astype(np.float32)
        values, target = torch.from_numpy(table[:, :-1].copy()), torch.from_numpy(table[:, -1].copy())
        drawn = torch.from_numpy(splits.draw(table[:, :-1], count, seed=0))
        return {"values": values, "target": target, "splits": drawn, "of": splits.scales(values, target, drawn)}

    return make
