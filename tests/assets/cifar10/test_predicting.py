"""Predictions need nothing but the checkpoint, and come out the same again."""

from collections.abc import Mapping
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from torch import nn  # noqa: E402

from assets.cifar10.card import Cifar10Card  # noqa: E402
from assets.cifar10.predicting import logits, network_logits, predict  # noqa: E402
from assets.cifar10.recipe import Cifar10Recipe  # noqa: E402
from assets.cifar10.scoring import scored  # noqa: E402
from assets.cifar10.training import finish, part, prepare  # noqa: E402
from resources.errors import BadInput  # noqa: E402
from resources.store.types import Checkpoint, Document  # noqa: E402
from resources.training.loop import fit  # noqa: E402
from resources.training.plan import Plan  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def checkpoint(bands: Mapping[str, Any]) -> Checkpoint:
    recipe = Cifar10Recipe(
        description="A test.", network="tiny", width=4, epochs=3, batch_size=48, learning_rate=0.2, tta="flip_shift"
    )
    prepared = prepare(bands, recipe, "cpu")
    training = fit(prepared.module, prepared.train, prepared.validation, Plan.of(recipe, "cpu"))
    return finish(prepared, training, preset="tiny", overrides={"width": 4}, data_version="d", device="cpu")


def test_the_card_and_the_weights_are_enough(bands: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """Through JSON and back, as the store keeps it; other random numbers drawn in between change nothing."""
    again = Checkpoint(
        {name: value.clone() for name, value in checkpoint.weights.items()},
        Cifar10Card.model_validate_json(checkpoint.card.model_dump_json()),
    )
    images = part(bands, "test", "cpu").images
    first = predict(checkpoint, images, "cpu")
    torch.manual_seed(99)
    torch.rand(1)
    assert torch.equal(first, predict(again, images, "cpu"))
    assert first.dtype == torch.float32
    assert first.sum(1).tolist() == pytest.approx([1.0] * len(images))


def test_a_card_predicts_whatever_has_become_of_the_recipe_s_fields(
    bands: Mapping[str, Any], checkpoint: Checkpoint
) -> None:
    card = checkpoint.card
    assert isinstance(card, Cifar10Card)
    recipe = {**card.recipe, "gone_since": 1, "learning_rate": -1.0, "tta": "a thousand views"}
    old = Checkpoint(checkpoint.weights, card.model_copy(update={"recipe": recipe}))
    images = part(bands, "test", "cpu").images[:20]
    assert torch.equal(predict(old, images, "cpu"), predict(checkpoint, images, "cpu"))


def test_the_stored_figures_are_replayed_to_the_bit(bands: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    held_out = part(bands, "validation", "cpu")
    card = checkpoint.card
    replayed = scored(logits(checkpoint, held_out.images, "cpu"), held_out.labels, card.temperature).metrics
    assert {f"val_{name}": value for name, value in replayed.items()} == card.metrics
    assert card.metrics["val_cross_entropy"] <= card.metrics["val_cross_entropy_unscaled"]


def test_predicting_leaves_no_trace(bands: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    before = {name: value.clone() for name, value in checkpoint.weights.items()}
    torch.manual_seed(1)
    state = torch.get_rng_state()
    predict(checkpoint, part(bands, "test", "cpu").images[:5], "cpu")
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(checkpoint.weights[name], value) for name, value in before.items())


def test_the_card_holds_no_time_of_the_run(checkpoint: Checkpoint) -> None:
    assert [set(epoch) for epoch in checkpoint.card.epochs] == [
        {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr"}
    ] * 3


class _Corner(nn.Module):
    """Logits are two pixels of the image: what the views show can be read off."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("anything", torch.zeros(1))

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return torch.stack([x[:, 0, 5, 5], x[:, 0, 5, 26]], 1)


@pytest.mark.parametrize(
    ("tta", "wanted"),
    # Pixel (y, x) is 100 y + x; (5, 26) mirrors (5, 5). Shifts by (-1, -1) and (1, 1) cancel in the mean.
    [("none", [505, 526]), ("flip", [515.5, 515.5]), ("flip_shift", [515.5, 515.5])],
)
def test_views_are_averaged(tta: Any, wanted: list[float]) -> None:
    pixels = torch.arange(32)[:, None] * 100 + torch.arange(32)
    images = pixels.expand(2, 3, 32, 32)
    recipe = Cifar10Recipe(description="A test.", network="tiny", tta=tta)
    got = network_logits(_Corner(), images, (0.0,) * 3, (1 / 255,) * 3, recipe, batch_size=1)
    assert got.tolist() == [wanted, wanted]


def test_moved_views_count_half() -> None:
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    images[:, :, 4, 4] = 255  # moved down and right by one it lies where the network looks
    recipe = Cifar10Recipe(description="A test.", network="tiny", tta="flip_shift")
    got = network_logits(_Corner(), images, (0.0,) * 3, (1.0,) * 3, recipe)
    assert got.tolist() == [[0.125, 0.125]]


def test_no_images_give_no_rows(checkpoint: Checkpoint) -> None:
    assert predict(checkpoint, torch.empty(0, 3, 32, 32, dtype=torch.uint8), "cpu").shape == (0, 4)


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 28, 28, dtype=torch.uint8), torch.zeros(2, 3, 32, 32), torch.zeros(3, 32, 32).byte()],
)
def test_images_of_another_kind_are_refused(checkpoint: Checkpoint, images: Any) -> None:
    with pytest.raises(BadInput, match=r"\(n, 3, 32, 32\)"):
        predict(checkpoint, images, "cpu")


class OtherCard(Document):
    pass


def test_a_checkpoint_of_another_product_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(BadInput, match="OtherCard"):
        predict(Checkpoint(checkpoint.weights, OtherCard()), torch.zeros(1, 3, 32, 32).byte(), "cpu")
