"""Checkpoints as assets: presets, overrides, resuming, and what is told of them."""

from contextlib import suppress
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from resources.training.batches import DeviceBatches  # noqa: E402

pytestmark = pytest.mark.train
QUICK = {"width": 4, "epochs": 2, "batch_size": 48}


def _failure(result: Any) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None, event.step_failure_data.error
    return str(data.description)


def test_a_network_becomes_a_checkpoint_with_all_that_predictions_need(chain: Any) -> None:
    assert chain.run("dataset").success
    assert chain.run("checkpoint", preset="tiny", **QUICK).success

    card = chain.value("checkpoint", "tiny").card
    assert (card.preset, card.baseline, card.network, card.width) == ("tiny", False, "tiny", 4)
    assert card.class_names == ("top", "upper", "lower", "bottom")
    assert card.overrides == QUICK
    assert card.recipe["learning_rate"] == 0.2  # the preset's: it was not overridden
    assert [epoch["epoch"] for epoch in card.epochs] == [1, 2]
    said = chain.metadata("checkpoint")
    assert said["val_accuracy"] == pytest.approx(card.metrics["val_accuracy"], rel=1e-5)  # six digits are shown
    assert said["parameters"] == sum(weight.numel() for weight in chain.value("checkpoint", "tiny").weights.values())
    assert {"curves", "samples_per_s", "wall_s", "wall_s_without_warm_up", "device_wait_share"} <= set(said)


def test_a_baseline_is_a_checkpoint_without_a_training(chain: Any) -> None:
    chain.run("dataset")
    assert chain.run("checkpoint", preset="nearest_mean").success
    checkpoint = chain.value("checkpoint", "nearest_mean")
    assert checkpoint.card.baseline
    assert checkpoint.card.epochs == ()
    assert "curves" not in chain.metadata("checkpoint")


def test_a_training_that_was_killed_goes_on_under_another_run(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.training.keeper._STATE_SHARE", 0)  # save after every epoch, however short
    chain.run("dataset")
    whole = DeviceBatches.__iter__

    def dies(batches: Any) -> Any:
        if batches.epoch >= 1 and len(batches) > 3:  # the training's second epoch
            raise KeyboardInterrupt
        return whole(batches)

    with monkeypatch.context() as patch:
        patch.setattr(DeviceBatches, "__iter__", dies)
        with suppress(BaseException):  # as a kill, it is no Exception
            chain.run("checkpoint", preset="tiny", **QUICK)
    assert chain.run("checkpoint", preset="tiny", **QUICK).success
    assert chain.metadata("checkpoint")["resumed_from_epoch"] == 1
    resumed = chain.version("checkpoint", "tiny")
    assert chain.run("checkpoint", preset="tiny", **QUICK).success
    assert chain.metadata("checkpoint")["resumed_from_epoch"] == 0
    assert chain.version("checkpoint", "tiny") == resumed  # to the bit, by this one without an interruption


def test_an_override_that_fits_no_recipe_is_refused_by_name(chain: Any) -> None:
    chain.run("dataset")
    assert "nesterov needs a momentum above 0" in _failure(chain.run("checkpoint", preset="tiny", momentum=0.0))


def test_a_dataset_without_validation_says_so(chain: Any) -> None:
    chain.bands["split"] = torch.zeros(720, dtype=torch.uint8)
    chain.run("dataset")
    assert "no images for validation" in _failure(chain.run("checkpoint", preset="tiny", **QUICK))
