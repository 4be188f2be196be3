"""Every sample once an epoch, in an order that the seed and the epoch's number alone decide."""

from typing import Any

import pytest

pytestmark = pytest.mark.train


def _numbers(batches: Any) -> list[int]:
    return [int(number) for batch in batches for number in batch["n"]]


def _source(count: int, size: int, **options: Any) -> Any:
    import torch

    from resources.training.batches import DeviceBatches

    return DeviceBatches({"n": torch.arange(count), "twice": torch.arange(count) * 2}, size, **options)


def test_every_sample_comes_once_and_with_what_belongs_to_it() -> None:
    batches = _source(10, 4, shuffle=True, seed=3)
    seen = list(batches)
    assert [len(batch["n"]) for batch in seen] == [4, 4, 2]
    assert len(batches) == 3
    assert sorted(int(n) for batch in seen for n in batch["n"]) == list(range(10))
    assert all(bool((batch["twice"] == 2 * batch["n"]).all()) for batch in seen)


def test_without_shuffling_the_order_stays() -> None:
    assert _numbers(_source(7, 3)) == list(range(7))


def test_the_last_small_batch_is_dropped_on_request_unless_it_is_the_only_one() -> None:
    assert len(_numbers(_source(10, 4, drop_last=True))) == 8
    assert len(_numbers(_source(3, 4, drop_last=True))) == 3


def test_the_order_is_of_the_seed_and_the_epoch_alone() -> None:
    first, second = _source(50, 8, shuffle=True, seed=1), _source(50, 8, shuffle=True, seed=1)
    epochs = [_numbers(first) for _ in range(3)]
    second.epoch = 2  # as a training does that goes on there
    assert _numbers(second) == epochs[2]
    assert epochs[0] != epochs[1] != epochs[2]
    assert _numbers(_source(50, 8, shuffle=True, seed=2)) != epochs[0]


def test_transforms_get_the_epoch_and_seeded_randomness() -> None:
    import torch

    heard: list[tuple[str, int]] = []

    def whole(tensors: dict[str, Any], epoch: int, generator: torch.Generator) -> dict[str, Any]:
        heard.append(("epoch", epoch))
        return {"n": tensors["n"] + 100}

    def each(batch: dict[str, Any], epoch: int, generator: torch.Generator) -> dict[str, Any]:
        heard.append(("batch", epoch))
        return {**batch, "noise": torch.rand(len(batch["n"]), generator=generator)}

    def noise() -> list[list[float]]:
        batches = _source(6, 3, shuffle=True, seed=5, epoch_transform=whole, batch_transform=each)
        return [[float(x) for batch in batches for x in batch["noise"]] for _ in range(2)]

    first = noise()
    assert heard == [("epoch", 0), ("batch", 0), ("batch", 0), ("epoch", 1), ("batch", 1), ("batch", 1)]
    assert first == noise()
    assert first[0] != first[1]


def test_tensors_that_do_not_fit_together_are_refused() -> None:
    import torch

    from resources.training.batches import DeviceBatches

    with pytest.raises(ValueError, match="as many"):
        DeviceBatches({"a": torch.zeros(3), "b": torch.zeros(4)}, 2)
    with pytest.raises(ValueError, match="as many"):
        DeviceBatches({"a": torch.zeros(0)}, 2)
    with pytest.raises(ValueError, match="at least one"):
        DeviceBatches({"a": torch.zeros(3)}, 0)
