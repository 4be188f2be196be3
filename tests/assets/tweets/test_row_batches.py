"""An epoch of rows in several rounds: every row once, the same after a resumption, nothing copied from the host."""

import pytest

torch = pytest.importorskip("torch")

from assets.tweets.row_batches import RowBatches, filling, validation_batches  # noqa: E402
from resources.errors import BadInput  # noqa: E402

pytestmark = pytest.mark.train


def batches(rows: int = 103, size: int = 8, **told: int) -> RowBatches:
    """Rows of five ids; the second of each is its number."""
    numbered = torch.zeros(rows, 5, dtype=torch.int16)
    numbered[:, 1] = torch.arange(rows)
    used = torch.arange(rows, dtype=torch.int32) % 4 + 1
    return RowBatches(numbered, used, size, seed=3, **told)


def seen(source: RowBatches) -> list[int]:
    return [int(i) for batch in source for i in batch["targets"][:, 0]]


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_the_rounds_of_an_epoch_go_through_every_row_once(rounds: int) -> None:
    source = batches(rounds=rounds)
    parts = [seen(source) for _ in range(2 * rounds)]
    first = [i for part in parts[:rounds] for i in part]
    second = [i for part in parts[rounds:] for i in part]
    assert sorted(first) == sorted(second) == list(range(103))
    assert first != second, "another epoch has another order"


def test_rounds_have_equally_many_batches_of_nearly_one_size() -> None:
    source = batches(rounds=5)
    sizes = [[len(batch["ids"]) for batch in source] for _ in range(5)]
    assert {len(each) for each in sizes} == {len(source)} == {3}
    assert {size for each in sizes for size in each} <= {6, 7}  # 103 rows in 15 batches of at most 8


def test_how_an_epoch_is_cut_does_not_change_its_order() -> None:
    whole, cut = batches(rounds=1), batches(rounds=5)
    assert seen(whole) == [i for _ in range(5) for i in seen(cut)]


def test_a_round_is_the_same_whatever_came_before() -> None:
    source, later = batches(rounds=4), batches(rounds=4)
    parts = [seen(source) for _ in range(8)]
    later.epoch = 6  # as the loop sets it when it goes on there
    assert seen(later) == parts[6]


def test_a_smaller_epoch_takes_other_rows_each_time() -> None:
    source = batches(rows_per_epoch=20)
    first, second = seen(source), seen(source)
    assert len(set(first)) == len(set(second)) == 20
    assert set(first) != set(second)


def test_a_batch_is_what_is_read_and_what_is_taught() -> None:
    rows = torch.tensor([[0, 7, 8, 0, 0], [0, 5, 0, 6, 0]], dtype=torch.int16)
    used = torch.tensor([3, 4], dtype=torch.int32)
    (batch,) = validation_batches(rows, used, 8)
    assert batch["ids"].tolist() == [[0, 7, 8, 0], [0, 5, 0, 6]]
    assert batch["targets"].tolist() == [[7, 8, 0, 0], [5, 0, 6, 0]]
    assert batch["ids"].dtype == batch["targets"].dtype == torch.int64
    assert filling(batch).tolist() == [[False, False, False, True], [False] * 4]


def test_too_few_rows_for_the_rounds_are_refused() -> None:
    with pytest.raises(BadInput, match="too few for 7 rounds"):
        batches(rows=6, size=2, rounds=7)
