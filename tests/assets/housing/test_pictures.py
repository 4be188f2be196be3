"""Pictures stay small enough for Dagster's events, however many rows there are."""

import base64

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from assets.housing import pictures

pytestmark = pytest.mark.train


@pytest.mark.parametrize("rows", [5, 100_000])
def test_pictures_are_png_below_60_kb(rows: int) -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(5, 50, rows)
    predicted = true + rng.normal(0, 5, rows)
    made = [
        pictures.histogram(true),
        pictures.predicted_against_true(true, predicted, "title"),
        pictures.residuals(true, predicted),
    ]
    for png in made:
        assert png.startswith(b"\x89PNG")
        assert len(png) < 60_000
    # An evaluation tells of the last two, as base64, and of little else.
    assert sum(len(base64.b64encode(png)) for png in made[1:]) < 150_000
