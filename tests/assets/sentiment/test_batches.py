"""Batches of like length: every tweet once an epoch, little padding, the same after a kill, no wait for the device."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assets.sentiment.batches import LengthBatches  # noqa: E402

pytestmark = pytest.mark.train

ROWS, LONGEST = 500, 40


def _tensors() -> tuple[Any, Any, Any]:
    """Tweets sorted by length; the first token says which it is, 0 is padding."""
    lengths = torch.randint(4, LONGEST + 1, (ROWS,), generator=torch.Generator().manual_seed(1)).sort().values.int()
    ids = torch.where(torch.arange(LONGEST) < lengths[:, None], 7, 0).int()
    ids[:, 0] = torch.arange(1, ROWS + 1)
    return ids, lengths, (torch.arange(ROWS) % 2).to(torch.uint8)


def _batches(**more: Any) -> LengthBatches:
    return LengthBatches(*_tensors(), 32, **more)


def _rows(batches: LengthBatches) -> list[list[int]]:
    return [batch["ids"][:, 0].tolist() for batch in batches]


@pytest.mark.parametrize("shuffle", [False, True])
def test_each_tweet_comes_once_an_epoch_whole_and_with_its_label(shuffle: bool) -> None:
    ids, lengths, labels = _tensors()
    batches = _batches(shuffle=shuffle)
    for _ in range(2):
        made = list(batches)
        assert len(made) == len(batches) == 16
        rows = torch.cat([batch["ids"][:, 0] for batch in made]).long() - 1
        assert rows.sort().values.tolist() == list(range(ROWS))
        at = 0
        for batch in made:
            some = rows[at : (at := at + len(batch["labels"]))]
            width = batch["ids"].shape[1]
            assert width == batch["lengths"].max()
            assert torch.equal(batch["ids"], ids[some, :width])
            assert torch.equal(batch["lengths"], lengths[some])
            assert torch.equal(batch["labels"], labels[some].long())
            assert (ids[some, width:] == 0).all()  # nothing but padding was cut off


def test_batches_are_of_like_length() -> None:
    lengths = _tensors()[1]
    batches = _batches(shuffle=True)
    at_random = 1 - lengths.float().mean().item() / LONGEST
    assert at_random > 0.4  # what cutting batches at random costs here: nearly every one has a tweet of 40 tokens
    # 500 tweets of 37 lengths are 14 of each, so a batch of 32 spans about three lengths of 22 on average: a mean of
    # one or so of 22 is padding, 5 %, and half as much again for chance. None at all would be no batch of two lengths.
    assert 0 < batches.padding_share() < 0.08
    told = [batches.padding_share(epoch) for epoch in range(2)]
    for expected in told:
        made = list(batches)
        tokens = sum(batch["ids"].numel() for batch in made)
        # What was told beforehand is that of the batches that were then made: each epoch has its own.
        assert 1 - int(lengths.sum()) / tokens == pytest.approx(expected)


def test_the_order_is_the_epoch_s_and_the_seed_s_alone() -> None:
    first = _batches(shuffle=True, seed=3)
    epochs = [_rows(first) for _ in range(3)]
    resumed = _batches(shuffle=True, seed=3)
    resumed.epoch = 2
    assert _rows(resumed) == epochs[2]
    assert epochs[0] != epochs[1] != epochs[2]
    assert _rows(_batches(shuffle=True, seed=4)) != epochs[0]


def test_short_tweets_are_not_always_first() -> None:
    batches = _batches(shuffle=True)
    firsts = {next(iter(batches))["ids"].shape[1] for _ in range(8)}
    assert len(firsts) > 3  # of 16 batches; eight draws that give three or fewer have a probability below 1e-4


def test_a_part_of_the_tweets_is_drawn_anew_for_each_epoch() -> None:
    batches = _batches(shuffle=True, samples=100)
    assert (len(batches), batches.samples) == (4, 100)
    epochs = [{row for rows in _rows(batches) for row in rows} for _ in range(2)]
    assert [len(epoch) for epoch in epochs] == [100, 100]
    assert epochs[0] != epochs[1]
    assert _batches(samples=10_000).samples == ROWS


def test_the_loop_s_hook_is_called_before_each_batch() -> None:
    batches = _batches(shuffle=True)
    called: list[int] = []
    batches.before_batch = lambda: called.append(1)
    assert len(list(batches)) == len(called)


@pytest.mark.gpu
def test_no_batch_waits_for_the_device() -> None:
    batches = LengthBatches(*(tensor.cuda() for tensor in _tensors()), 32, shuffle=True)
    iterator = iter(batches)
    next(iterator)  # the order of the epoch is copied here
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert len(list(iterator)) == len(batches) - 1
    finally:
        torch.cuda.set_sync_debug_mode("default")
