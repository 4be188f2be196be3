"""Baselines as plain tensors predict what scikit-learn does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from assets.housing import baselines  # noqa: E402
from assets.housing.recipe import HousingRecipe  # noqa: E402
from assets.housing.splits import TRAIN, positions, standardised  # noqa: E402

# Length scales of columns that do not matter run to the bound of the search; that is no concern here.
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]
Fitted = Callable[..., dict[str, Any]]
SAME = 1e-6  # relative; both sides sum float64 in other orders


def recipe(model: str, **fields: Any) -> HousingRecipe:
    return HousingRecipe(description="of a test", model=model, **fields)


def ragged(made: dict[str, Any]) -> dict[str, Any]:
    """One split with 40 train rows fewer than the others."""
    splits = made["splits"].clone()
    splits[1, (splits[1] == TRAIN).nonzero()[:40, 0]] = 2
    return {**made, "splits": splits}


def predicted(of: HousingRecipe, made: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prices, spreads, and the standardised columns in float64."""
    steps: list[int] = []
    weights = baselines.fit(of, made["values"], made["target"], made["splits"], made["of"], steps.append)
    assert steps == [1, 2, 3]
    x = standardised(made["values"], made["of"])
    price, spread = baselines.predict(of, weights, x, made["of"])
    return price.numpy(), spread.numpy(), x.double().numpy()


def test_mean(fitted: Fitted) -> None:
    made = fitted()
    price, _, _ = predicted(recipe("mean"), made)
    for split, part in enumerate(made["splits"]):
        assert price[split] == pytest.approx(made["target"][part == TRAIN].double().mean().item(), rel=SAME)


def test_least_squares_equals_scikit_learn(fitted: Fitted) -> None:
    from sklearn.linear_model import LinearRegression

    made = fitted()
    price, _, x = predicted(recipe("least_squares"), made)
    for split, part in enumerate(made["splits"].numpy()):
        train = part == TRAIN
        model = LinearRegression().fit(x[split][train], made["target"].double().numpy()[train])
        assert price[split] == pytest.approx(model.predict(x[split]), rel=SAME)


def test_gradient_boosting_equals_scikit_learn(fitted: Fitted) -> None:
    made = ragged(fitted())
    of = recipe("gradient_boosting", trees=30, depth=3)
    price, _, x = predicted(of, made)
    logs = made["target"].double().log().numpy()
    for split, part in enumerate(made["splits"].numpy()):
        model = baselines.boosting(of, split).fit(x[split][part == TRAIN], logs[part == TRAIN])
        assert np.log(price[split]) == pytest.approx(model.predict(x[split]), rel=SAME)


def test_every_seed_is_one_that_scikit_learn_takes(fitted: Fitted) -> None:
    made = fitted(60)
    of = [recipe("gradient_boosting", trees=2, row_share=0.5, seed=seed) for seed in (2**32 - 1, 2**32 - 2)]
    states = {baselines.boosting(each, split).random_state for each in of for split in range(3)}
    assert len(states) == 6, "no two splits and seeds share a stream"
    predicted(of[0], made)


@pytest.mark.parametrize("kernel", [{"kernel": "rational_quadratic"}, {"kernel": "rbf", "own_scales": True}])
def test_gaussian_process_equals_scikit_learn(fitted: Fitted, kernel: dict[str, Any]) -> None:
    made = ragged(fitted(120))
    of, scales = recipe("gaussian_process", **kernel), made["of"]
    price, spread, x = predicted(of, made)
    logs = (made["target"].double().log() - scales.log_mean[:, None].double()) / scales.log_std[:, None].double()
    log_std, log_mean = scales.log_std.double().numpy(), scales.log_mean.double().numpy()
    for split, part in enumerate(made["splits"].numpy()):
        train = part == TRAIN
        model = baselines.process(of, 12).fit(x[split][train], logs[split].numpy()[train])
        mean, std = model.predict(x[split], return_std=True)
        assert np.log(price[split]) == pytest.approx(mean * log_std[split] + log_mean[split], rel=SAME)
        # A variance is a difference of numbers near one, at rows it was fitted on nearly equal ones.
        assert spread[split] == pytest.approx(std * log_std[split], rel=1e-4)


def test_a_gaussian_process_takes_so_many_rows_and_no_more(fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_PROCESS_ROWS", 30)
    made = fitted()
    weights = baselines.fit(
        recipe("gaussian_process", kernel="rbf"), made["values"], made["target"], made["splits"], made["of"], id
    )
    assert weights["gaussian_process_rows"].shape == (3, 30, 12)
    rows, _ = positions(made["splits"], TRAIN)
    x = standardised(made["values"], made["of"]).double()
    for split in range(3):
        taken, train = weights["gaussian_process_rows"][split], x[split][rows[split]]
        assert (taken[:, None] == train).all(-1).any(1).all(), "they are train rows of the split"
