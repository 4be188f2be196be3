"""The ensemble learns, each network from the rows of its split alone, and keeps the epoch it is told to."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from assets.housing.module import HousingModule, kept, train_batches, validation_batches  # noqa: E402
from assets.housing.recipe import HousingRecipe  # noqa: E402
from assets.housing.splits import TRAIN, VALIDATION  # noqa: E402
from resources.training.keeper import Training  # noqa: E402
from resources.training.loop import fit  # noqa: E402
from resources.training.plan import Plan  # noqa: E402

pytestmark = pytest.mark.train
Fitted = Callable[..., dict[str, Any]]


def recipe(**fields: Any) -> HousingRecipe:
    given = {"epochs": 8, "batch_size": 32, "members": 2, "hidden": [8], "bins": 2, "dropout": 0.1, **fields}
    return HousingRecipe(description="of a test", model="ensemble", precision="32-true", **given)


def trained(of: HousingRecipe, made: dict[str, Any]) -> tuple[HousingModule, Training]:
    module = HousingModule(of, made["values"], made["target"], made["splits"])
    splits = made["splits"]
    return module, fit(module, train_batches(of, splits), validation_batches(of, splits), Plan.of(of, "cpu"))


def test_metrics_of_each_epoch_are_named_as_in_the_text_log_and_fall(fitted: Fitted) -> None:
    _, training = trained(recipe(epochs=20, learning_rate=0.02), fitted())
    assert list(training.epochs[0])[:5] == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    first, last = training.epochs[0], training.epochs[-1]
    for name in ("loss", "mae", "val_loss", "val_mae"):
        assert last[name] < 0.7 * first[name]  # 0.2 to 0.4 of it was measured


def test_val_mae_is_in_the_units_of_the_price(fitted: Fitted) -> None:
    """Computed here network by network, from the weights that came out."""
    made = fitted()
    module, training = trained(recipe(), made)
    of, price = made["of"], made["target"]
    offs = []
    given = module.eval().bank(module.x.repeat_interleave(2, 0))
    for network in range(6):
        split = network // 2
        rows = made["splits"][split] == VALIDATION
        predicted = (given[network][rows] * of.log_std[split] + of.log_mean[split]).exp()
        offs.append((predicted - price[rows]).abs().mean().item())
    assert training.epochs[-1]["val_mae"] == pytest.approx(sum(offs) / 6, rel=1e-4)


def test_every_network_sees_each_train_row_of_its_split_once_an_epoch(fitted: Fitted) -> None:
    made = fitted()
    batches = train_batches(recipe(), made["splits"])
    epochs = []
    for _ in range(2):
        seen = list(batches)
        rows = torch.cat([batch["rows"] for batch in seen])
        real = torch.cat([batch["real"] for batch in seen])
        for network in range(6):
            expected = (made["splits"][network // 2] == TRAIN).nonzero()[:, 0]
            assert torch.equal(rows[real[:, network], network].sort().values, expected)
        assert not torch.equal(rows[:, 0], rows[:, 1]), "networks of one split have orders of their own"
        epochs.append(rows)
    assert not torch.equal(*epochs)


def test_other_rows_change_nothing(fitted: Fitted) -> None:
    """Prices of validation and test rows, set to nonsense, leave every weight as it was."""
    made = fitted(count=2)
    _, training = trained(recipe(), made)
    other = made["target"].clone()
    other[made["splits"][0] != TRAIN] = 900.0
    _, again = trained(recipe(), {**made, "target": other})
    mine = kept(recipe(), training.weights)
    theirs = kept(recipe(), again.weights)
    for name, weights in mine.items():
        assert torch.equal(weights[:2], theirs[name][:2]), "networks of split 0"
    assert not torch.equal(mine["network_layers_0_weight"][2:], theirs["network_layers_0_weight"][2:])


def test_the_best_epoch_of_each_network_is_kept(fitted: Fitted) -> None:
    """A learning rate far too high, so that networks get worse again, each in its own epoch."""
    made = fitted()
    of = recipe(keep_epoch="best_on_validation", learning_rate=0.3, epochs=12)
    module = HousingModule(of, made["values"], made["target"], made["splits"])
    after: list[Any] = []  # of each epoch: the networks' validation losses, and their weights

    def note(numbers: dict[str, float]) -> None:
        module.eval()
        with torch.no_grad():
            batch = next(iter(validation_batches(of, made["splits"])))
            losses, _, _ = module._losses(batch, "other_")
        module.train()
        module.take_tallies()
        after.append((losses, {n: w.detach().clone() for n, w in module.bank.named_parameters()}))

    splits = made["splits"]
    training = fit(module, train_batches(of, splits), validation_batches(of, splits), Plan.of(of, "cpu"), on_epoch=note)
    best = torch.stack([losses for losses, _ in after]).argmin(0)
    assert len(set(best.tolist())) > 1
    assert best.min() < 11
    for name, weights in kept(of, training.weights).items():
        for network, epoch in enumerate(best.tolist()):
            assert torch.equal(weights[network], after[epoch][1][name.removeprefix("network_")][network])


def test_splits_of_unequal_size_train_too(fitted: Fitted) -> None:
    made = fitted()
    splits = made["splits"].clone()
    splits[1, (splits[1] == TRAIN).nonzero()[:70, 0]] = VALIDATION
    module, training = trained(recipe(keep_epoch="best_on_validation"), {**made, "splits": splits})
    assert torch.isfinite(module.best_loss).all()
    assert training.epochs[-1]["val_loss"] < training.epochs[0]["val_loss"]
