"""Writes made-up towns and houses as CSV files in the columns of the Boston table. No row is from that table.

    python samples/housing/make_housing.py FOLDER [--rows 300] [--seed 0]

`FOLDER/north.csv`, `FOLDER/south.csv` and `FOLDER/river.csv` have prices: one with commas, one with semicolons and
decimal commas, one with tabs; columns in different orders, under different names, two rows in two files.
`FOLDER/predict/new_houses.csv` has none, is not among the others' rows, and has an address beside the columns.

The price is a smooth function of the columns with some noise on its logarithm, so that a model that learns must come
far below the error of the mean.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

COLUMNS = ("CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "LSTAT", "MEDV")
DIGITS = {"CHAS": 0, "RAD": 0, "TAX": 0, "NOX": 3, "RM": 2, "CRIM": 4}  # of the others one
NOISE = 0.08
"""Standard deviation of the price's logarithm around its function: no model can be nearer than about 8 % of a price."""

_QUESTIONS = 25
_SHARED = 2  # rows that two files have
_OTHER_NAMES = {"MEDV": "price", "CRIM": "crime_rate", "LSTAT": "lower_status", "RM": "rooms"}


def houses(rows: int, seed: int = 0) -> np.ndarray:
    """(rows, columns as in COLUMNS), the price in 1000 USD last."""
    rng = np.random.default_rng(seed)
    city = rng.beta(2, 2, rows)  # 0: far out, 1: in the middle; most columns follow it
    wealth = np.clip(0.75 - 0.5 * city + rng.normal(0, 0.2, rows), 0, 1)
    made = {
        "CRIM": np.exp(rng.normal(-3 + 5 * city - wealth, 0.7)),
        "ZN": np.where(city < 0.3, rng.uniform(10, 95, rows), 0),
        "INDUS": np.clip(2 + 20 * city + rng.normal(0, 3, rows), 0.5, 30),
        "CHAS": rng.random(rows) < 0.08,
        "NOX": np.clip(0.4 + 0.35 * city + rng.normal(0, 0.04, rows), 0.35, 0.9),
        "RM": np.clip(5 + 2.2 * wealth + rng.normal(0, 0.4, rows), 3.5, 9),
        "AGE": np.clip(15 + 85 * city + rng.normal(0, 12, rows), 2, 100),
        "DIS": np.clip(10 * (1 - city) ** 1.5 + 1 + rng.normal(0, 0.4, rows), 1, 12.5),
        "RAD": rng.choice([2, 3, 4, 5, 8, 24], rows),
        "TAX": np.clip(250 + 400 * city + rng.normal(0, 40, rows), 180, 720),
        "PTRATIO": np.clip(21 - 5 * wealth + rng.normal(0, 1, rows), 12, 23),
        "LSTAT": np.clip(30 - 27 * wealth + rng.normal(0, 2, rows), 1.5, 38),
    }
    logs = (
        3.0
        + 0.22 * (made["RM"] - 6.2)
        + 0.05 * np.square(made["RM"] - 6.2)
        - 0.028 * (made["LSTAT"] - 12)
        - 0.02 * (made["PTRATIO"] - 18.5)
        - 0.5 * (made["NOX"] - 0.55)
        - 0.02 * np.maximum(made["CRIM"] - 1, 0)
        + 0.1 * made["CHAS"]
        + rng.normal(0, NOISE, rows)
    )
    table = np.column_stack([*made.values(), np.clip(np.exp(logs), 5, 60)])
    return np.column_stack([np.round(table[:, i], DIGITS.get(name, 1)) for i, name in enumerate(COLUMNS)])


def write(folder: Path, rows: int = 300, seed: int = 0) -> list[Path]:
    """Write all files and return the paths, the questions' last."""
    made = houses(rows + _QUESTIONS, seed)
    known, asked = made[:rows], made[rows:]
    third = rows // 3
    parts = (known[:third], known[third - _SHARED : 2 * third], known[2 * third :])
    (folder / "predict").mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("north.csv", "south.csv", "river.csv")]
    _write(paths[0], COLUMNS, [[f"{x:g}" for x in row] for row in parts[0]], ",")
    turned = COLUMNS[::-1]
    commas = [[f"{x:g}".replace(".", ",") for x in row[::-1]] for row in parts[1]]
    _write(paths[1], [_OTHER_NAMES.get(name, name.lower()) for name in turned], commas, ";", "latin-1")
    _write(
        paths[2], [name.title() for name in COLUMNS], [[f"{x:g}" for x in row] for row in parts[2]], "\t", "utf-8-sig"
    )
    questions = [[f"{number} Maple Street", *(f"{x:g}" for x in row[:-1])] for number, row in enumerate(asked, 1)]
    _write(folder / "predict" / "new_houses.csv", ["address", *COLUMNS[:-1]], questions, ",")
    return [*paths, folder / "predict" / "new_houses.csv"]


def _write(path: Path, header: object, rows: list[list[str]], separator: str, encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(header)  # type: ignore[arg-type]
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=300, help="priced rows in all files together (default 300)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for path in write(given.folder, given.rows, given.seed):
        print(path)


if __name__ == "__main__":
    main()
