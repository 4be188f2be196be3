"""Pictures stay small and show what they should, whatever the numbers are."""

import base64
import io
import math
import re
import subprocess
import sys

import numpy as np
import pytest

from resources.training.classification import Reliability
from resources.training.plots import as_markdown, confusion, curves, histogram, reliability

pytestmark = pytest.mark.train

MOST = 90_000  # bytes: Dagster stores each event's metadata, and base64 adds a third; 100 kB is the design's bound
TRAIN, VALIDATION, RATE = (47, 111, 176), (209, 98, 43), (91, 140, 90)


def epochs(n: int) -> list[dict[str, float]]:
    noise = np.random.default_rng(0).normal(size=n)
    return [
        {
            "epoch": i + 1,
            "loss": 2 * math.exp(-3 * i / n) + 0.05 * abs(noise[i]),
            "val_loss": 2 * math.exp(-2 * i / n) + 0.1 * abs(noise[-i]),
            "accuracy": 1 - math.exp(-3 * i / n),
            "val_accuracy": 0.9 - math.exp(-3 * i / n) + 0.01 * noise[i],
            "lr": 0.1 * (1 - i / n),
            "seconds": 1.0,
        }
        for i in range(n)
    ]


def opened(png: bytes) -> np.ndarray:
    from PIL import Image

    assert len(png) < MOST
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"), dtype=int)


def pixels(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many pixels are nearly that colour (the palette shifts colours by a few of 255 steps)."""
    return int((np.abs(picture - np.array(colour)).max(axis=2) <= 12).sum())


def warnings(picture: np.ndarray) -> int:
    """Pixels of red letters. Their edges are paler, but green and blue stay alike, unlike in the orange line."""
    red, green, blue = (picture[..., i] for i in range(3))
    return int(((red - green > 60) & (abs(green - blue) < 15)).sum())


@pytest.mark.parametrize("n", [1, 2, 100, 1_000])
def test_curves_of_any_length_are_drawn_and_small(n: int) -> None:
    picture = opened(curves(epochs(n)))
    assert picture.shape[1] == 900
    for colour in (TRAIN, VALIDATION, RATE):
        assert pixels(picture, colour) > 20  # a dot of 4 points covers about 24 pixels
    assert warnings(picture) == 0


def test_each_metric_has_a_panel_and_times_have_none() -> None:
    loss_only = [{name: row[name] for name in ("epoch", "loss")} for row in epochs(20)]
    one, two = opened(curves(loss_only)), opened(curves([{**row, "seconds": 3.0} for row in loss_only]))
    assert one.shape == two.shape
    assert pixels(one, VALIDATION) == 0
    more = [{**row, **{f"metric{i}": 0.5 for i in range(3)}} for row in loss_only]
    assert opened(curves(more)).shape[0] > 1.5 * one.shape[0]  # two rows of panels instead of one
    assert opened(curves([{**row, **{f"metric{i}": 0.5 for i in range(30)}} for row in loss_only])).shape[0] < 1_200


def test_values_that_are_not_finite_leave_a_gap_and_are_counted() -> None:
    broken = epochs(30)
    for row in broken[10:]:
        row["loss"], row["val_loss"] = math.nan, math.inf
    whole, gap = opened(curves(epochs(30))), opened(curves(broken))
    assert warnings(gap) > 50
    assert 0 < pixels(gap, TRAIN) < pixels(whole, TRAIN)
    opened(curves([{"loss": math.nan, "val_loss": -math.inf}] * 3))
    opened(curves([{"epoch": 1, "loss": 1.0}, {"epoch": 2}, {"epoch": 3, "loss": 0.5, "val_f1": 0.5}]))
    opened(curves([]))


def test_the_confusion_matrix_is_coloured_by_row() -> None:
    from matplotlib import colormaps

    # Rows of very different size, each all right: by counts the second would be as pale as nothing.
    picture = opened(confusion([[9_000, 0], [0, 3]], ["many", "few"]))
    darkest = tuple(int(255 * part) for part in colormaps["Blues"](1.0)[:3])
    mask = np.abs(picture - np.array(darkest)).max(axis=2) <= 12
    halves = mask[: len(mask) // 2].sum(), mask[len(mask) // 2 :].sum()
    assert min(halves) > 2_000


@pytest.mark.parametrize("size", [1, 2, 10, 17, 60])
def test_confusion_of_any_size_is_small(size: int) -> None:
    counts = np.random.default_rng(0).integers(0, 50, (size, size))
    assert opened(confusion(counts, [f"a rather long class name {i}" for i in range(size)])).shape[1] <= 900
    opened(confusion(np.zeros((size, size)), [""] * size))


def test_what_is_no_confusion_matrix_is_refused() -> None:
    for matrix in ([[1, 2]], [[1]], [[1, -1], [0, 1]], [[1, math.nan], [0, 1]]):
        with pytest.raises(ValueError, match="matrix"):
            confusion(matrix, ["a", "b"])


def test_markdown_holds_the_same_bytes() -> None:
    png = curves(epochs(3))
    found = re.fullmatch(
        r"!\[curves \(1\)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", as_markdown(png, "curves [1]")
    )
    assert found is not None
    assert base64.b64decode(found[1]) == png


def test_importing_draws_nothing_in() -> None:
    code = (
        "import sys, resources.training.plots, resources.training.champion; "
        "print([m for m in ('matplotlib', 'numpy', 'PIL', 'mlflow', 'dagster') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reliability_draws_both_lines_and_leaves_out_empty_bins() -> None:
    nan = math.nan
    after = Reliability((0, 0, 40, 60), (nan, nan, 0.7, 0.95), (nan, nan, 0.7, 0.95))
    before = Reliability((0, 0, 0, 100), (nan, nan, nan, 0.99), (nan, nan, nan, 0.8))
    png = reliability(after, before, "a title")
    for colour in (TRAIN, VALIDATION):
        assert pixels(opened(png), colour) > 30, "each has its line"  # a marker alone has about 30 pixels
    assert len(png) < 40_000
    assert len(reliability(before, before)) < 40_000


@pytest.mark.parametrize(
    "values",
    [[], [3], [1, 1, 2, 40], [0.25, 0.5, 7.5], list(range(100_000))],
    ids=["none", "one", "few", "real", "many"],
)
def test_histogram_of_anything_is_small(values: list[float]) -> None:
    png = histogram(values, "tokens of a tweet", "tweets", limit=30)
    assert opened(png).shape[1] == 900
    assert len(png) < 30_000
    assert (pixels(opened(png), TRAIN) > 0) == bool(values)
    assert pixels(opened(png), VALIDATION) > 100, "the limit is a line"
    assert pixels(opened(histogram(values, "", "")), VALIDATION) == 0
