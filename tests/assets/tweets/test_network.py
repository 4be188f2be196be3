"""The LSTM: its shapes, its shared matrix, its state, and what it begins with."""

import math

import pytest

torch = pytest.importorskip("torch")

from assets.tweets.network import TweetLSTM  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def model() -> TweetLSTM:
    torch.manual_seed(0)
    return TweetLSTM(vocabulary=50, embedding=6, hidden=10, layers=2, dropout=0.2)


def test_the_embedding_matrix_is_there_once(model: TweetLSTM) -> None:
    assert sum(p.numel() for p in model.parameters()) == (
        50 * 6 + (4 * 10 * (6 + 10) + 80) + (4 * 10 * (10 + 10) + 80) + (10 * 6 + 6) + 50
    )
    hidden, _ = model(torch.zeros(2, 3, dtype=torch.long))
    model.logits(hidden).sum().backward()
    assert model.embedding.weight.grad is not None
    assert (model.embedding.weight.grad[1:] != 0).any(), "rows that were not read get a gradient as outputs"


def test_reading_in_two_parts_is_reading_at_once(model: TweetLSTM) -> None:
    model.eval()
    ids = torch.randint(0, 50, (3, 8), generator=torch.Generator().manual_seed(1))
    whole, last = model(ids)
    first, state = model(ids[:, :5])
    second, after = model(ids[:, 5:], state)
    assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-6)
    assert torch.allclose(after[1], last[1], atol=1e-6)


def test_filling_leaves_state_and_output_alone(model: TweetLSTM) -> None:
    model.eval()
    ids = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    hidden, state = model(ids, lengths=torch.tensor([3, 5]))
    alone, own = model(ids[:1, :3])
    assert hidden.shape == (2, 5, 6)
    assert torch.allclose(hidden[:1, :3], alone, atol=1e-6)
    assert torch.allclose(state[0][:, :1], own[0], atol=1e-6)


def test_it_begins_near_the_loss_of_knowing_nothing(model: TweetLSTM) -> None:
    model.eval()
    ids = torch.randint(0, 50, (20, 30), generator=torch.Generator().manual_seed(1))
    hidden, _ = model(ids[:, :-1])
    loss = torch.nn.functional.cross_entropy(model.logits(hidden).flatten(0, 1), ids[:, 1:].flatten())
    assert abs(loss.item() - math.log(50)) < 0.05  # 0.002 was measured; torch's own first weights are 3 off
