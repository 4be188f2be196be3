"""Completions: a tweet's neighbours in a batch, and the filling, do not matter to it."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from assets.tweets.bpe import END  # noqa: E402
from assets.tweets.lstm_generation import Sampling, generate, read, step  # noqa: E402
from assets.tweets.network import TweetLSTM  # noqa: E402

pytestmark = pytest.mark.train

PREFIXES = [[5, 6, 7, 8, 9, 10], [3], [], [12, 4, 4], [5, 6], [2, 3, 4, 5]]


@pytest.fixture(scope="module")
def model() -> TweetLSTM:
    """Random weights, large enough that tokens differ in probability and ends come now and then."""
    torch.manual_seed(4)
    model = TweetLSTM(vocabulary=20, embedding=8, hidden=12, layers=2, dropout=0.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.7)
        model.bias[END] += 1.5
    return model.eval()


def one_by_one(model: TweetLSTM, ids: list[int]) -> Any:
    """Log-probabilities after the mark and each of `ids`, (ids + 1, vocabulary), each step on its own."""
    state, found = None, []
    with torch.no_grad():
        for token in [END, *ids]:
            hidden, state = model(torch.tensor([[token]]), state)
            found.append(model.logits(hidden)[0, 0].log_softmax(-1))
    return torch.stack(found)


def test_prefixes_of_unequal_length_are_read_as_if_each_were_alone(model: TweetLSTM) -> None:
    logs, state = read(model, PREFIXES)
    further, _ = step(model, torch.tensor([7] * len(PREFIXES)), state)
    for row, prefix in enumerate(PREFIXES):
        assert torch.allclose(logs[row], one_by_one(model, prefix)[-1], atol=1e-5)
        assert torch.allclose(further[row], one_by_one(model, [*prefix, 7])[-1], atol=1e-5)


def test_greedy_completions_are_those_of_a_loop_over_single_tokens(model: TweetLSTM) -> None:
    def alone(prefix: list[int]) -> list[int]:
        made: list[int] = []
        while len(made) < 15:
            token = int(one_by_one(model, [*prefix, *made])[-1].argmax())
            if token == END:
                break
            made.append(token)
        return made

    expected = [alone(prefix) for prefix in PREFIXES]
    assert len({len(made) for made in expected}) > 1, "some end early, so that a batch shrinks"
    assert generate(model, PREFIXES, most=15) == expected


@pytest.mark.parametrize("sampling", [None, Sampling(seed=3)], ids=["greedy", "sampling"])
def test_batches_do_not_matter(model: TweetLSTM, sampling: Sampling | None) -> None:
    whole = generate(model, PREFIXES, most=12, sampling=sampling)
    for size in (1, 2, 4):
        assert generate(model, PREFIXES, most=12, sampling=sampling, batch_size=size) == whole


def test_each_completion_has_its_own_limit(model: TweetLSTM) -> None:
    limits = [0, 1, 5, 3, 12, 2]
    longest = generate(model, PREFIXES, most=12)
    assert generate(model, PREFIXES, most=limits) == [made[:limit] for made, limit in zip(longest, limits, strict=True)]
    assert generate(model, [], most=5) == []
    with pytest.raises(ValueError, match="2 prefixes, but 1 limits"):
        generate(model, [[1], [2]], most=[3])


def test_the_seed_alone_decides_what_is_drawn(model: TweetLSTM) -> None:
    one, same, other = (generate(model, PREFIXES, most=12, sampling=Sampling(seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_tokens_are_drawn_as_often_as_they_are_likely(model: TweetLSTM) -> None:
    """4,000 first tokens after one prefix against the network's own probabilities, without tail or temperature."""
    drawn = generate(model, [[5, 6]] * 4_000, most=1, sampling=Sampling(temperature=1.0, top_p=1.0, seed=0))
    counts = torch.bincount(torch.tensor([made[0] if made else END for made in drawn]), minlength=20)
    expected = one_by_one(model, [5, 6])[-1].exp()
    off = (counts / 4_000 - expected).abs()
    assert (off < 4 * (expected * (1 - expected) / 4_000).sqrt() + 1e-3).all()  # four standard deviations


def test_top_p_and_temperature_leave_out_what_is_unlikely(model: TweetLSTM) -> None:
    logs = one_by_one(model, [5, 6])[-1]
    order = logs.argsort(descending=True)
    nucleus = {int(token) for token in order[: int((logs[order].exp().cumsum(0) < 0.5).sum()) + 1]}
    drawn = generate(model, [[5, 6]] * 500, most=1, sampling=Sampling(temperature=1.0, top_p=0.5, seed=0))
    assert {made[0] if made else END for made in drawn} == nucleus
    cold = generate(model, [[5, 6]] * 200, most=1, sampling=Sampling(temperature=0.01, top_p=1.0, seed=0))
    assert {made[0] if made else END for made in cold} == {int(order[0])}
