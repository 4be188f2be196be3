"""The loss in chunks is the plain one, forwards and backwards, and never holds more logits than a chunk's."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from assets.tweets.chunked_loss import IGNORED, cross_entropy_sum, positions_at_once  # noqa: E402

pytestmark = pytest.mark.train


class Problem:
    """Hidden states (6, 7, 5), targets of 11 kinds with some ignored, and an output layer that notes its calls."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.hidden = torch.randn(6, 7, 5, generator=generator, requires_grad=True)
        self.weight = torch.randn(11, 5, generator=generator, requires_grad=True)
        self.targets = torch.randint(0, 11, (6, 7), generator=generator)
        self.targets[torch.rand(6, 7, generator=generator) < 0.2] = IGNORED
        self.calls: list[int] = []

    def logits(self, some: Any) -> Any:
        self.calls.append(len(some))
        return some @ self.weight.T

    def gradients(self, loss: Any) -> list[Any]:
        return list(torch.autograd.grad(loss, [self.hidden, self.weight]))


@pytest.mark.parametrize("chunk", [1, 4, 10, 41, 42, 100])
def test_it_equals_the_plain_loss_and_so_do_the_gradients(chunk: int) -> None:
    problem = Problem()
    plain = functional.cross_entropy(
        (problem.hidden @ problem.weight.T).flatten(0, 1), problem.targets.flatten(), reduction="sum"
    )
    ours = cross_entropy_sum(problem.hidden, problem.targets, problem.logits, chunk)
    assert torch.allclose(ours, plain, rtol=1e-6)
    for mine, theirs in zip(problem.gradients(ours), problem.gradients(plain), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_no_more_than_a_chunk_of_logits_is_there_at_once_and_none_are_kept() -> None:
    """The memory that autograd keeps for the backward pass is counted: with a chunk, no tensor of the logits' size."""
    problem, kept = Problem(), []

    def pack(tensor: Any) -> Any:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = cross_entropy_sum(problem.hidden, problem.targets, problem.logits, 4)
    assert max(problem.calls) == 4
    # What is kept is what goes in (the hidden states, sliced, and the targets), never logits (a chunk of them: 44).
    assert max(kept, default=0) <= problem.hidden.numel() == 210
    assert 44 not in kept
    problem.gradients(loss)
    assert len(problem.calls) == 2 * 11, "computed once forwards and once more backwards"


def test_without_gradients_each_chunk_is_computed_once() -> None:
    problem = Problem()
    with torch.no_grad():
        cross_entropy_sum(problem.hidden, problem.targets, problem.logits, 4)
    assert sum(problem.calls) == 42


def test_ignored_targets_do_not_count() -> None:
    problem = Problem()
    every = torch.full((6, 7), IGNORED)
    assert cross_entropy_sum(problem.hidden, every, problem.logits, 10).item() == 0


def test_a_chunk_has_a_position_even_for_a_huge_vocabulary() -> None:
    assert positions_at_once(10**9, torch.device("cpu")) == 1
    assert positions_at_once(8192, torch.device("cpu")) < positions_at_once(8192, torch.device("cuda"))
