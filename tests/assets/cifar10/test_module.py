"""The optimiser, the course of the learning rates, and that each network learns."""

import signal
from collections.abc import Mapping
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from assets.cifar10 import network  # noqa: E402
from assets.cifar10.module import Cifar10Module, one_cycle  # noqa: E402
from assets.cifar10.muon import Muon, orthogonalised  # noqa: E402
from assets.cifar10.recipe import Cifar10Recipe  # noqa: E402
from assets.cifar10.training import prepare  # noqa: E402
from resources.training.loop import fit  # noqa: E402
from resources.training.plan import Plan  # noqa: E402

pytestmark = pytest.mark.train


def _recipe(**fields: Any) -> Cifar10Recipe:
    return Cifar10Recipe(**{"description": "A test.", "network": "tiny", "width": 4, **fields})


FAST = {
    "network": "fast",
    "width": 8,
    "optimizer": "muon",
    "learning_rate": 0.24,
    "bias_learning_rate": 10,
    "head_learning_rate": 100,
    "warm_up": 0,
    "whitening_epochs": 1,
}


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    share = one_cycle(100, 0.2)
    rates = [share(step) for step in range(101)]
    assert 0 < rates[0] < 0.05  # 1/21: the first of 20 steps up
    assert rates[20] == 1.0 == max(rates)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[99] > 0 == rates[100] == share(1000)


def test_without_a_warm_up_it_starts_at_the_peak_and_no_steps_are_none() -> None:
    assert [one_cycle(4, 0)(step) for step in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert one_cycle(0, 0)(0) == 0.0


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (10, 10)])
def test_orthogonalised_keeps_singular_vectors_and_levels_singular_values(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator)
    got = orthogonalised(matrix, steps=5)
    values = torch.linalg.svdvals(got)
    # "0.5 to 1.5" is what the iteration gives; a square random matrix has a value too small to be lifted in 5 steps.
    assert values[: min(shape) - 1].min() > 0.4
    assert values.max() < 1.5
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    level = left.T @ got @ right.T
    assert (level - torch.diag(level.diagonal())).abs().max() < 1e-3  # of the same singular vectors


def test_the_plain_steps_of_muon_are_those_of_sgd() -> None:
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4)) for _ in range(2)]
    options = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
    ours = Muon([{"params": [weights[0]]}], **options)
    theirs = torch.optim.SGD([weights[1]], **options)
    for number in range(5):
        for weight, optimizer in zip(weights, (ours, theirs), strict=True):
            optimizer.zero_grad()
            (weight * (number + 1)).sin().sum().backward()
            optimizer.step()
    assert torch.allclose(*weights, atol=1e-6)


def test_filters_keep_their_norm_under_muon() -> None:
    weight = torch.nn.Parameter(torch.randn(8, 3, 3, 3))
    optimizer = Muon([{"params": [weight], "orthogonal": True}], lr=0.0, momentum=0.6, nesterov=True)
    weight.sum().backward()
    optimizer.step()
    assert weight.norm().item() == pytest.approx(8**0.5, rel=1e-5)


def _groups(recipe: Cifar10Recipe, steps: int) -> tuple[Any, Any]:
    module = Cifar10Module(network.build(recipe.network, 4, recipe.width), recipe)
    return module._optimizer(steps)


def test_every_trained_parameter_is_in_one_group() -> None:
    for fields in ({}, {"network": "resnet18"}, FAST):
        recipe = _recipe(**fields)
        module = Cifar10Module(network.build(recipe.network, 4, recipe.width), recipe)
        optimizer, courses = module._optimizer(10)
        grouped = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        assert sorted(map(id, grouped)) == sorted(map(id, trained))
        assert len(courses) == len(optimizer.param_groups)


def test_all_that_sgd_trains_shrinks_alike() -> None:
    optimizer, _ = _groups(_recipe(**FAST, weight_decay=0.01), 10)
    shrink = {g["lr"]: g["lr"] * g["weight_decay"] for g in optimizer.param_groups if not g["orthogonal"]}
    assert set(shrink) == {10, 100}
    assert list(shrink.values()) == pytest.approx([0.0024, 0.0024])  # 0.24 x 0.01


def test_the_bias_of_the_whitening_stands_still_after_its_epochs(bands: Mapping[str, Any]) -> None:
    recipe = _recipe(**FAST, epochs=3, batch_size=120)
    prepared = prepare(bands, recipe, "cpu")
    seen: list[Any] = []
    bias, weight = prepared.network.whitening.bias, prepared.network.whitening.weight.clone()

    fit(
        prepared.module,
        prepared.train,
        None,
        Plan.of(recipe, "cpu"),
        on_epoch=lambda numbers: seen.append(bias.detach().clone()),
    )

    assert seen[0].abs().max() > 0
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(weight, prepared.network.whitening.weight)


# Four classes: chance is 25 %. Widths and epochs are the least that do it with room to spare (measured: 100 %).
@pytest.mark.parametrize(
    "fields",
    [
        {"learning_rate": 0.2, "epochs": 6},
        {"network": "resnet18", "learning_rate": 0.1, "epochs": 3, "translate": 1, "cutout": 4},
        {**FAST, "epochs": 3, "translate": 1, "label_smoothing": 0.2},
    ],
    ids=["tiny", "resnet18", "fast"],
)
def test_each_network_learns(bands: Mapping[str, Any], fields: dict[str, Any]) -> None:
    recipe = _recipe(**{"batch_size": 48, **fields})
    prepared = prepare(bands, recipe, "cpu")
    training = fit(prepared.module, prepared.train, prepared.validation, Plan.of(recipe, "cpu"))
    assert training.epochs[-1]["val_accuracy"] > 0.9
    assert training.epochs[-1]["loss"] < training.epochs[0]["loss"]


def test_a_training_that_was_killed_ends_in_the_same_bits(
    bands: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.training.keeper._STATE_SHARE", 0)  # save after every epoch, however short
    recipe = _recipe(**FAST, epochs=4, batch_size=120, translate=2, cutout=4)

    class Kept(dict[str, bytes]):
        put = dict.__setitem__

    class Killed(BaseException):
        pass

    def train(state: Any = None, die_after: int = 0) -> Any:
        def on_epoch(numbers: dict[str, float]) -> None:
            if die_after and numbers["epoch"] > die_after:
                raise Killed

        prepared = prepare(bands, recipe, "cpu")
        return fit(
            prepared.module, prepared.train, prepared.validation, Plan.of(recipe, "cpu"), state=state, on_epoch=on_epoch
        )

    state = Kept()
    with pytest.raises(Killed):
        train(state, die_after=2)
    resumed, whole = train(state), train()

    assert resumed.resumed_from == 2
    assert all(torch.equal(resumed.weights[name], value) for name, value in whole.weights.items())


def test_a_signal_ends_a_training_in_the_middle_of_a_backward_pass(
    bands: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.training.keeper._STATE_SHARE", 0)  # save after every epoch, however short

    class Terminated(BaseException):
        pass

    def terminate(number: int, frame: Any) -> None:
        raise Terminated

    class Kept(dict[str, bytes]):
        put = dict.__setitem__

    # The first epoch is two steps. Their backward passes take about 0.3 s of CPU each, the last layer's share of it is
    # a few ms; the signal comes after 10 ms of the third one's.
    recipe, state = _recipe(network="resnet18", width=8, epochs=2, batch_size=240), Kept()
    prepared = prepare(bands, recipe, "cpu")
    module = prepared.module
    assert module is not None

    def before_backward(loss: Any) -> None:
        if module.global_step == 2:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)  # of this process's own time: a busy machine changes nothing

    monkeypatch.setattr(module, "on_before_backward", before_backward)
    before = signal.signal(signal.SIGVTALRM, terminate)
    try:
        with pytest.raises(Terminated):
            fit(module, prepared.train, prepared.validation, Plan.of(recipe, "cpu"), state=state)
    finally:
        signal.signal(signal.SIGVTALRM, before)
    gradients = {name: parameter.grad is not None for name, parameter in module.network.named_parameters()}
    assert gradients["head.weight"], "the backward pass had begun"
    assert not gradients["stem.0.weight"], "it was not waited for"

    again = prepare(bands, recipe, "cpu")
    assert again.module is not None
    training = fit(again.module, again.train, again.validation, Plan.of(recipe, "cpu"), state=state)
    assert (training.resumed_from, len(training.epochs)) == (1, 2)
    assert not any(each._forward_hooks for each in again.module.modules()), "nothing stays behind"
