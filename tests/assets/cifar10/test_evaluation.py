"""Evaluations of stored checkpoints, and the champion among them."""

import base64
import io
import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from PIL import Image  # noqa: E402

from assets.cifar10.evaluation import worst  # noqa: E402

pytestmark = pytest.mark.train
QUICK = {"width": 4, "epochs": 4, "batch_size": 48}


def test_from_checkpoints_to_evaluations_to_the_champion(chain: Any) -> None:
    assert chain.run("dataset").success
    assert chain.run("checkpoint", "evaluation", preset="majority").success
    assert chain.run("checkpoint", "evaluation", preset="tiny", **QUICK).success

    evaluation = chain.value("evaluation", "tiny")
    assert (evaluation.metric, evaluation.statistic, evaluation.baseline) == ("accuracy", "mean", False)
    assert len(evaluation.scores) == 120
    assert set(evaluation.scores) <= {0.0, 1.0}
    assert sum(evaluation.scores) / 120 == pytest.approx(evaluation.metrics["validation"]["accuracy"])
    assert evaluation.checkpoint == chain.version("checkpoint", "tiny")
    assert evaluation.metrics["test"]["accuracy"] > 0.9  # four classes that one look tells apart
    assert sum(map(sum, evaluation.details["confusion"]["test"])) == 120
    said = chain.metadata("evaluation")
    assert said["test_accuracy"] == evaluation.metrics["test"]["accuracy"]
    assert "| upper |" in said["per_class"]
    assert {"confusion_validation", "confusion_test", "temperature"} <= set(said)
    assert chain.checks("evaluation") == {"card_holds": True}

    majority = chain.value("evaluation", "majority")
    assert majority.metrics["validation"]["cross_entropy"] == pytest.approx(1.386, abs=0.02)  # ln 4: chance
    assert majority.baseline

    assert chain.run("champion").success
    assert chain.metadata("champion")["champion"] == "tiny"
    assert chain.value("champion").card == chain.value("checkpoint", "tiny").card


def test_the_picture_of_mistakes_shows_the_surest_and_stays_small() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (200, 3, 32, 32), dtype=torch.uint8, generator=generator)  # noise packs worst
    probabilities = torch.softmax(torch.randn(200, 10, generator=generator), 1)
    names = tuple(f"a long class name {number}" for number in range(10))
    png = worst(images, torch.zeros(200, dtype=torch.int64), probabilities, names)
    assert len(png) < 100_000  # what an event of Dagster's should hold at most
    assert Image.open(io.BytesIO(png)).width > 600


def test_mistakes_are_shown_where_there_are_some(chain: Any) -> None:
    chain.run("dataset")
    assert chain.run("checkpoint", "evaluation", preset="majority").success
    shown = re.search(r"base64,([A-Za-z0-9+/=]+)", chain.metadata("evaluation")["worst_mistakes"])
    assert shown is not None
    Image.open(io.BytesIO(base64.b64decode(shown[1]))).verify()


def test_a_checkpoint_of_another_dataset_is_not_judged_by_this_one(chain: Any) -> None:
    chain.run("dataset")
    assert chain.run("checkpoint", preset="majority").success
    chain.bands["labels"] = chain.bands["labels"].flip(0)
    chain.run("dataset")
    result = chain.run("evaluation", preset="majority")
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert "learned from another dataset" in event.step_failure_data.user_failure_data.description
