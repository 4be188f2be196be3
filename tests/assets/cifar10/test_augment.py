"""Whole-batch augmentation against slow references that take one image, and one pixel, at a time."""

import numpy as np
import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from assets.cifar10 import augment  # noqa: E402


def _images(n: int, seed: int = 0, side: int = 8) -> "torch.Tensor":
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator)


def _slowly_moved(image: np.ndarray, down: int, right: int, mirrored: bool) -> np.ndarray:
    """NumPy's own reflection, a crop, then a mirror."""
    pad = max(abs(down), abs(right))
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
    cropped = padded[:, pad - down : pad - down + height, pad - right : pad - right + width]
    return cropped[:, :, ::-1] if mirrored else cropped


@given(
    moves=st.lists(st.tuples(st.integers(-7, 7), st.integers(-7, 7), st.booleans()), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)  # the first example pays for torch's start
def test_moving_and_mirroring_is_that_of_each_image_alone(moves: list[tuple[int, int, bool]], seed: int) -> None:
    images = _images(len(moves), seed)
    down, right, mirrored = (torch.tensor(each) for each in zip(*moves, strict=True))
    batch = augment.moved(images, down, right, mirrored)
    for image, move, got in zip(images, moves, batch, strict=True):
        assert np.array_equal(got.numpy(), _slowly_moved(image.numpy(), *move))


@given(corners=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)  # as above
def test_cutout_blanks_its_square_and_nothing_else(corners: list[tuple[int, int]]) -> None:
    images = torch.rand(len(corners), 3, 8, 8) + 1
    top, left = (torch.tensor(each) for each in zip(*corners, strict=True))
    for layout in (torch.contiguous_format, torch.channels_last):
        blanked = augment.blanked(images.clone(memory_format=layout), top, left, 3)
        for image, (y, x), got in zip(images, corners, blanked, strict=True):
            wanted = image.clone()
            wanted[:, y : y + 3, x : x + 3] = 0
            assert torch.equal(got, wanted)


def test_statistics_are_those_of_floats() -> None:
    images = _images(50)
    mean, std = augment.channel_statistics(images)
    floats = images.double() / 255
    assert mean == pytest.approx(floats.mean((0, 2, 3)).tolist(), rel=1e-9)
    assert std == pytest.approx(floats.std((0, 2, 3), correction=0).tolist(), rel=1e-9)


def test_normalised_images_have_mean_0_and_deviation_1() -> None:
    images = _images(50)
    floats = augment.normalised(images, *augment.channel_statistics(images))
    assert floats.mean((0, 2, 3)).abs().max() < 1e-5  # float32 over 3,200 pixels
    assert (floats.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_a_channel_of_one_value_does_not_divide_by_nothing() -> None:
    images = torch.full((4, 3, 8, 8), 7, dtype=torch.uint8)
    assert torch.isfinite(augment.normalised(images, *augment.channel_statistics(images))).all()


def _augmented(epoch: int, seed: int, **options: object) -> "torch.Tensor":
    images = _images(64)
    batch = {"images": images, "first_mirrored": augment.first_mirrored(64, 0, "cpu")}
    generator = torch.Generator().manual_seed(seed)
    wanted = augment.Augmentation((0.0,) * 3, (1 / 255,) * 3, **options)  # type: ignore[arg-type]
    return wanted(batch, epoch, generator)["images"].to(torch.uint8)


def test_alternating_flips_show_every_image_both_ways_in_two_epochs() -> None:
    images = _images(64)
    even, odd = (_augmented(epoch, seed=epoch, flip="alternating") for epoch in (4, 5))
    mirrored = [not torch.equal(one, image) for one, image in zip(even, images, strict=True)]
    assert sum(mirrored) == 32
    assert torch.equal(odd, even.flip(3))


def test_random_flips_come_from_the_generator_alone() -> None:
    assert torch.equal(_augmented(0, seed=1, flip="random"), _augmented(9, seed=1, flip="random"))
    assert not torch.equal(_augmented(0, seed=1, flip="random"), _augmented(0, seed=2, flip="random"))


def test_the_same_seed_augments_alike_and_another_does_not() -> None:
    options = {"translate": 2, "flip": "alternating", "cutout": 3}
    assert torch.equal(_augmented(3, seed=5, **options), _augmented(3, seed=5, **options))
    assert not torch.equal(_augmented(3, seed=5, **options), _augmented(3, seed=6, **options))


def test_moves_go_every_way_and_no_further_than_asked() -> None:
    images = torch.zeros(500, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4] = 1
    generator = torch.Generator().manual_seed(0)
    wanted = augment.Augmentation((0.0,), (1 / 255,), translate=2)
    moved = wanted({"images": images}, 0, generator)["images"]
    places = {tuple(place) for place in (moved > 0).nonzero()[:, 2:].tolist()}
    assert places == {(y, x) for y in range(2, 7) for x in range(2, 7)}  # 500 draws of 25: each misses with 1e-9


def test_without_augmentation_images_are_normalised_only() -> None:
    images = _images(5)
    plain = augment.Augmentation.none((0.0,) * 3, (1 / 255,) * 3, channels_last=True)
    got = plain({"images": images}, 3, torch.Generator())["images"]
    assert torch.equal(got, images.float())
    assert got.is_contiguous(memory_format=torch.channels_last)
