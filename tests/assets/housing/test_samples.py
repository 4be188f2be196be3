"""The made-up houses: the same arguments give the same files, priced in a way that can be learned."""

from pathlib import Path
from types import ModuleType

import numpy as np


def test_the_same_arguments_give_the_same_files(make_housing: ModuleType, tmp_path: Path) -> None:
    first, again = (make_housing.write(tmp_path / name, rows=60) for name in ("a", "b"))
    assert [path.name for path in first] == ["north.csv", "south.csv", "river.csv", "new_houses.csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    other = make_housing.write(tmp_path / "c", rows=60, seed=1)
    assert first[0].read_bytes() != other[0].read_bytes()


def test_prices_follow_from_the_columns(make_housing: ModuleType) -> None:
    rows = make_housing.houses(2000)
    x = np.column_stack([rows[:, :-1], np.ones(2000)])
    logs = np.log(rows[:, -1])
    left = logs - x @ np.linalg.lstsq(x, logs, rcond=None)[0]
    # A straight line in the logarithm explains most, and not all: the rest is more than the noise alone.
    assert make_housing.NOISE < left.std() < 0.5 * logs.std()
    assert (rows[:, -1] > 0).all()
    assert np.isfinite(rows).all()
