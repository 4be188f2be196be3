"""A bank of networks computes what each network alone would, and its members never see each other."""

import pytest

torch = pytest.importorskip("torch")

from assets.housing.network import Bank, Network, edges, encoded  # noqa: E402

pytestmark = pytest.mark.train


def member(bank: Bank, number: int, columns: int, hidden: list[int]) -> Network:
    """One network of a bank on its own."""
    network = Network(columns, hidden, 0.0)
    weights = {name: getattr(bank, name.replace(".", "_"))[number].detach().clone() for name in network.state_dict()}
    network.load_state_dict(weights)
    return network


def test_each_member_is_a_network_of_its_own() -> None:
    bank = Bank(5, 3, [7, 4], seed=1)
    x = torch.randn(5, 11, 3)
    shared = torch.randn(6, 3)
    for number in range(5):
        alone = member(bank, number, 3, [7, 4])
        assert torch.allclose(bank(x)[number], alone(x[number]), atol=1e-6)
        assert torch.allclose(bank(shared)[number], alone(shared), atol=1e-6)


def test_training_together_is_training_alone() -> None:
    bank = Bank(3, 2, [8], seed=0)
    alone = member(bank, 1, 2, [8])
    x, y = torch.randn(3, 20, 2), torch.randn(3, 20)
    both = [torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1) for net in (bank, alone)]
    for _ in range(30):
        for optimizer in both:
            optimizer.zero_grad()
        (bank(x) - y).square().mean(1).sum().backward()
        (alone(x[1]) - y[1]).square().mean().backward()
        for optimizer in both:
            optimizer.step()
    assert torch.allclose(bank(x)[1], alone(x[1]), atol=1e-4)
    assert (bank(x)[0] - bank(x)[1]).abs().max() > 0.1


def test_first_weights_follow_the_seed_and_differ_between_members() -> None:
    before = torch.get_rng_state()
    first, same, other = Bank(2, 3, [4], seed=1), Bank(2, 3, [4], seed=1), Bank(2, 3, [4], seed=2)
    assert torch.equal(first.layers_0_weight, same.layers_0_weight)
    assert not torch.equal(first.layers_0_weight, other.layers_0_weight)
    assert not torch.equal(first.layers_0_weight[0], first.layers_0_weight[1])
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_differs_between_members_and_only_while_training() -> None:
    bank = Bank(2, 3, [64], dropout=0.5, seed=0)
    with torch.no_grad():
        for name, weights in bank.named_parameters():
            weights[1] = weights[0] if "weight" in name or "bias" in name else weights[1]
    x = torch.randn(9, 3)
    assert torch.equal(bank.eval()(x)[0], bank(x)[1])
    assert not torch.allclose(bank.train()(x)[0], bank(x)[1])


def test_the_encoding_is_what_its_definition_says() -> None:
    torch.manual_seed(0)
    x = torch.randn(40, 3)
    x[:, 2] = (x[:, 2] > 1).float()  # nearly all zeros: most of its edges coincide
    at = edges(x, 4)
    assert torch.allclose(at[[0, 2, 4]], torch.stack([x.amin(0), x.median(0).values, x.amax(0)]), atol=0.2)
    made = encoded(x, at)
    assert made.shape == (40, 3 * 5)
    assert torch.equal(made[:, :3], x)
    for row in range(40):
        for column in range(3):
            for b in range(4):
                low, high = at[b, column].item(), at[b + 1, column].item()
                value = x[row, column].item()
                share = float(value > low) if high == low else min(1.0, max(0.0, (value - low) / (high - low)))
                # Of the rows, (4 - b - 1/2) quarters lie above the middle of bin b.
                assert made[row, 3 + 3 * b + column].item() == pytest.approx(share - (3.5 - b) / 4, abs=1e-4)
    assert torch.equal(encoded(x, edges(x, 1)[:1]), x)


def test_the_encoding_of_many_splits_is_that_of_each() -> None:
    x = torch.randn(2, 30, 3)
    at = torch.stack([edges(one, 5) for one in x])
    for split in range(2):
        assert torch.equal(encoded(x, at)[split], encoded(x[split], at[split]))
