"""The two baselines do what their names say, and are checkpoints like any other."""

from collections.abc import Mapping
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from assets.cifar10.baselines import Majority, NearestMean  # noqa: E402
from assets.cifar10.predicting import predict  # noqa: E402
from assets.cifar10.recipe import Cifar10Recipe  # noqa: E402
from assets.cifar10.training import Part, finish, part, prepare  # noqa: E402

pytestmark = pytest.mark.train


def test_majority_gives_the_shares_of_the_training_part() -> None:
    baseline = Majority(3)
    baseline.learn(torch.tensor([0] * 6 + [1] * 2))
    shares = baseline(torch.randn(5, 3, 32, 32)).exp()
    # Each class counts one more: 7, 3 and 1 of 11.
    assert torch.allclose(shares, torch.tensor([7.0, 3.0, 1.0]).expand(5, 3) / 11)


def test_nearest_mean_is_that_of_the_distances() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.arange(60) % 4
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    baseline = NearestMean(4)
    baseline.learn(images, labels, mean, std)

    floats = (images.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    means = torch.stack([floats[labels == label].mean(0) for label in range(4)])
    distances = ((floats[:, None] - means) ** 2).mean((2, 3, 4))
    logits = baseline(floats.float()).double()
    assert torch.allclose(torch.softmax(logits, 1), torch.softmax(-distances, 1), atol=1e-5)


@pytest.mark.parametrize(("name", "least", "most"), [("majority", 0.2, 0.3), ("nearest_mean", 0.99, 1.0)])
def test_they_become_checkpoints_that_predict(bands: Mapping[str, Any], name: Any, least: float, most: float) -> None:
    recipe = Cifar10Recipe(description="A test.", network=name)
    prepared = prepare(bands, recipe, "cpu")
    assert prepared.module is None
    checkpoint = finish(prepared, None, preset=name, overrides={}, data_version="d", device="cpu")
    held_out: Part = part(bands, "validation", "cpu")
    predicted = predict(checkpoint, held_out.images, "cpu").argmax(1)
    accuracy = (predicted == held_out.labels).float().mean().item()
    assert least <= accuracy <= most  # four classes of equal size, told apart by their means alone
    assert checkpoint.card.baseline
    assert checkpoint.card.metrics["val_accuracy"] == pytest.approx(accuracy)
