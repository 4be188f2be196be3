"""Prices and intervals from a checkpoint's tensors alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from assets.housing import baselines, predicting, scoring, tables  # noqa: E402
from assets.housing.card import HousingCard  # noqa: E402
from assets.housing.module import HousingModule, kept  # noqa: E402
from assets.housing.recipe import HousingRecipe  # noqa: E402
from assets.housing.splits import TEST, VALIDATION  # noqa: E402
from resources.store.types import Checkpoint  # noqa: E402

pytestmark = pytest.mark.train
Fitted = Callable[..., dict[str, Any]]


def checkpoint(of: HousingRecipe, made: dict[str, Any], weights: dict[str, Any]) -> Checkpoint:
    columns = tables.features(drop_b=True)
    logs, spread = predicting.of_splits(of, weights, made["values"])
    card = HousingCard(
        product="housing",
        preset="test",
        recipe=of.model_dump(mode="json"),
        overrides={},
        baseline=of.is_baseline,
        data_version="0",
        code_version="1",
        seed=0,
        metrics={},
        model=of.model,
        members=of.members,
        hidden=tuple(of.hidden),
        depth=of.depth,
        columns=columns,
        units=predicting.units_of(columns),
        dropped=("B",),
        lowest=(0.0,) * 12,
        highest=(1.0,) * 12,
        target="MEDV",
        target_unit="1000 USD",
        splits=3,
        level=predicting.LEVEL,
        residuals=predicting.residuals(logs, spread, made["target"], made["splits"]),
    )
    return Checkpoint(weights, card)


def baseline(model: str, made: dict[str, Any], **fields: Any) -> tuple[HousingRecipe, dict[str, Any]]:
    of = HousingRecipe(description="of a test", model=model, **fields)
    fitted = baselines.fit(of, made["values"], made["target"], made["splits"], made["of"], lambda done: None)
    return of, {**made["of"].tensors(), **fitted}


def test_the_networks_are_rebuilt_as_they_were(fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fitted()
    of = HousingRecipe(description="of a test", model="ensemble", members=2, hidden=[8], bins=3)
    module = HousingModule(of, made["values"], made["target"], made["splits"]).eval()
    weights = {**module.of_splits(), **kept(of, module.state_dict())}
    logs, spread = predicting.of_splits(of, weights, made["values"])
    scales = made["of"]
    with torch.no_grad():
        own = module.bank(module.x.repeat_interleave(2, 0)).view(3, 2, -1).mean(1)
    own = own * scales.log_std[:, None] + scales.log_mean[:, None]
    own = own.clamp(scales.low.log()[:, None], scales.high.log()[:, None])
    assert torch.allclose(logs.float(), own, atol=1e-5)
    assert (spread == 1).all()
    monkeypatch.setattr(predicting, "_CHUNK", 7)
    assert torch.allclose(predicting.of_splits(of, weights, made["values"])[0], logs, atol=1e-6)


@pytest.mark.parametrize("model", ["ensemble", "gradient_boosting"])
def test_a_card_predicts_whatever_has_become_of_the_recipe_s_fields(fitted: Fitted, model: str) -> None:
    made = fitted()
    if model == "ensemble":
        of = HousingRecipe(description="of a test", model=model, members=2, hidden=[8], bins=3)
        module = HousingModule(of, made["values"], made["target"], made["splits"]).eval()
        weights = {**module.of_splits(), **kept(of, module.state_dict())}
    else:
        of, weights = baseline(model, made, trees=5, depth=2)
    new = checkpoint(of, made, weights)
    recipe = {**of.model_dump(mode="json"), "gone_since": 1, "depth": 99, "hidden": []}
    old = Checkpoint(weights, new.card.model_copy(update={"recipe": recipe}))
    few = made["values"][:9]
    assert predicting.predict(old, few).price.tolist() == predicting.predict(new, few).price.tolist()


def test_the_price_is_the_geometric_mean_over_splits_with_a_factor_on_both_sides(fitted: Fitted) -> None:
    made = fitted()
    of, weights = baseline("least_squares", made)
    made_of = checkpoint(of, made, weights)
    prices = predicting.predict(made_of, made["values"][:9])
    logs, _ = predicting.of_splits(of, weights, made["values"][:9])
    assert prices.price == pytest.approx(logs.mean(0).exp().numpy())
    factor = np.exp(made_of.card.residuals["0.9"])  # type: ignore[attr-defined]
    assert prices.high / prices.price == pytest.approx(factor)
    assert prices.price / prices.low == pytest.approx(factor)


def test_a_surer_gaussian_process_gives_a_narrower_interval(fitted: Fitted) -> None:
    made = fitted(120)
    of, weights = baseline("gaussian_process", made, kernel="rbf")
    far = made["values"][:1] * 30
    prices = predicting.predict(checkpoint(of, made, weights), torch.cat([made["values"][:1], far]))
    near, away = prices.high / prices.low
    assert away > near


def test_nothing_is_priced_outside_what_was_seen(fitted: Fitted) -> None:
    made = fitted()
    of, weights = baseline("least_squares", made)
    far = torch.cat([made["values"] * 100, made["values"] * -100])
    logs, _ = predicting.of_splits(of, weights, far)
    scales = made["of"]
    for split in range(3):
        assert logs[split].exp().max().item() == pytest.approx(scales.high[split].item())
        assert logs[split].exp().min().item() == pytest.approx(scales.low[split].item())


def test_the_quantile_holds_what_it_promises() -> None:
    scores = np.arange(1.0, 51.0)
    assert predicting.quantile(scores, 0.9) == 46  # the ceil(51 x 0.9) = 46th smallest
    assert predicting.quantile(scores[:5], 0.9) == 5  # too few: the largest
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(4000, 51))
    held = [draw[50] <= predicting.quantile(draw[:50], 0.9) for draw in draws]
    # 46/51 = 0.902 in theory; 4,000 draws have a standard error of 0.005: four of them.
    assert abs(np.mean(held) - 46 / 51) < 0.02


def test_scores_are_of_each_split_s_own_rows() -> None:
    rng = np.random.default_rng(0)
    target = rng.uniform(10, 50, 40)
    splits = rng.permuted(np.repeat([[0] * 20 + [1] * 10 + [2] * 10], 3, 0), axis=1).astype(np.uint8)
    logs = np.log(target) + rng.normal(0, 0.1, (3, 40))
    scores = scoring.score(logs, np.ones_like(logs), target, splits)
    errors = np.exp(logs) - target
    for split in range(3):
        mine = scores.per_split[split]
        validation, test = splits[split] == VALIDATION, splits[split] == TEST
        assert mine["val_rmse"] == pytest.approx(np.sqrt((errors[split][validation] ** 2).mean()))
        assert mine["test_mae"] == pytest.approx(np.abs(errors[split][test]).mean())
        reach = np.sort(np.abs(logs[split] - np.log(target))[validation])[9]  # the largest of 10
        assert mine["coverage"] == np.mean(np.abs(logs[split] - np.log(target))[test] <= reach)
    assert scores.rows["validation"].tolist() == [row for part in splits for row in np.flatnonzero(part == VALIDATION)]
    true = target[scores.rows["validation"]]
    assert scores.errors["validation"] + true == pytest.approx(np.exp(logs)[splits == VALIDATION])
    metrics = scores.metrics()
    assert metrics["validation"]["rmse"] == pytest.approx(np.sqrt((scores.errors["validation"] ** 2).mean()))
    assert metrics["test"]["rmse_mean"] == pytest.approx(np.mean([split["test_rmse"] for split in scores.per_split]))
    assert metrics["test"]["mae_sd"] == pytest.approx(np.std([s["test_mae"] for s in scores.per_split], ddof=1))


def test_tables_of_splits_and_of_differences() -> None:
    mine = [{"val_rmse": 3.0, "test_rmse": 2.0}, {"val_rmse": 5.0, "test_rmse": 4.0}]
    theirs = [{"val_rmse": 4.0, "test_rmse": 3.5}, {"val_rmse": 5.0, "test_rmse": 3.5}]
    assert "| **mean ± sd** | 4.000 ± 1.414 | 3.000 ± 1.414 |" in scoring.table(mine)
    assert "| mean | -0.500 ± 0.500 | -0.500 ± 1.000 | 1 of 2 |" in scoring.compared(mine, {"mean": theirs})
