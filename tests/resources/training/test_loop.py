"""A training learns, records its epochs, ends when told, and goes on after a kill as if nothing had been."""

import logging
from typing import Any

import pytest

pytestmark = pytest.mark.train


class Killed(BaseException):
    """Stands for SIGKILL in this process: nothing of the loop may catch it."""


@pytest.fixture(autouse=True)
def _state_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.training.keeper._STATE_SHARE", 0)  # these epochs are shorter than a save


def _fit(problem: Any, state: Any = None, die_after: int = 0, learning_rate: float = 1e-2, **plan: Any) -> Any:
    from resources.training.loop import fit
    from resources.training.plan import Plan

    def on_epoch(numbers: dict[str, float]) -> None:
        if numbers["epoch"] == die_after:
            raise Killed

    module, train, validation = problem(learning_rate)
    return fit(module, train, validation, Plan(**{"epochs": 6, **plan}), state=state, on_epoch=on_epoch)


def test_it_learns_and_records_every_epoch(problem: Any) -> None:
    training = _fit(problem, epochs=12)
    assert [numbers["epoch"] for numbers in training.epochs] == list(range(1, 13))
    # The target's variance is 8: the first epochs are near that, and a fit explains nine tenths of it.
    assert training.epochs[0]["val_loss"] > 2.0
    assert training.epochs[-1]["val_loss"] < 0.8
    assert {"loss", "val_loss", "lr", "seconds", "samples_per_s"} <= training.epochs[0].keys()
    assert training.epochs[0]["lr"] > training.epochs[-1]["lr"]
    assert 0 < training.train_s < training.wall_s
    assert 0 <= training.device_wait_share <= 1
    assert training.samples_per_s > 0
    assert training.peak_memory_bytes > 10_000_000  # a process with torch in it has more than 10 MB
    assert training.resumed_from == 0


def test_a_killed_training_goes_on_and_ends_like_an_uninterrupted_one(problem: Any, state: Any) -> None:
    import torch

    whole = _fit(problem)
    with pytest.raises(Killed):
        _fit(problem, state, die_after=4)
    resumed = _fit(problem, state)
    assert resumed.resumed_from == 3  # the fourth epoch's end was not saved
    assert [n["epoch"] for n in resumed.epochs] == [1, 2, 3, 4, 5, 6]
    assert [(n["loss"], n["val_loss"]) for n in resumed.epochs] == [(n["loss"], n["val_loss"]) for n in whole.epochs]
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)


def test_a_training_killed_after_its_last_epoch_is_not_trained_again(problem: Any, state: Any) -> None:
    import torch

    first = _fit(problem, state)
    again = _fit(problem, state)
    assert again.resumed_from == 6
    assert again.epochs == first.epochs
    assert all(torch.equal(first.weights[name], again.weights[name]) for name in first.weights)


def test_two_trainings_of_one_seed_are_equal(problem: Any) -> None:
    first, second = _fit(problem), _fit(problem)
    assert [n["loss"] for n in first.epochs] == [n["loss"] for n in second.epochs]


def test_the_best_epoch_is_kept_on_request_also_over_a_kill(problem: Any, state: Any) -> None:
    import torch

    from resources.training.loop import fit
    from resources.training.plan import Plan

    with pytest.raises(Killed):  # this learning rate makes the loss go up and down
        _fit(problem, state, die_after=7, learning_rate=0.3, epochs=10, keep="best")
    training = _fit(problem, state, learning_rate=0.3, epochs=10, keep="best")
    losses = [numbers["val_loss"] for numbers in training.epochs]
    assert training.kept_epoch == losses.index(min(losses)) + 1
    module, train, validation = problem(0.3)
    module.load_state_dict(training.weights)
    module.eval()
    with torch.no_grad():
        loss = torch.cat([(module.network(b["x"]) - b["y"]) ** 2 for b in validation]).mean()
    assert float(loss) == pytest.approx(min(losses), rel=1e-5)  # the mean of two batches' means, in another order
    assert fit(module, train, validation, Plan(epochs=1, keep="last")).kept_epoch == 1


def test_it_stops_when_the_loss_no_longer_falls(problem: Any) -> None:
    training = _fit(problem, learning_rate=0.3, epochs=40, patience=2, keep="best")
    assert len(training.epochs) == training.kept_epoch + 2 < 40
    assert training.stopped == "val_loss has not fallen for 2 epochs"


def test_the_module_says_which_metric_decides_and_which_way(problem: Any, state: Any) -> None:
    from resources.training.loop import fit
    from resources.training.plan import Plan

    scores = [0.2, 0.6, 0.6, 0.5, 0.4]

    def watched() -> Any:
        module, train, validation = problem()
        module.monitor = ("val_score", "max")
        module.epoch_metrics = lambda: {"val_score": scores[module.current_epoch]}
        return module, train, validation

    plan = Plan(epochs=5, keep="best", patience=3)
    module, train, validation = watched()
    training = fit(module, train, validation, plan, state=state)
    assert [numbers["val_score"] for numbers in training.epochs] == scores
    assert list(training.epochs[0])[:4] == ["epoch", "loss", "val_loss", "val_score"]
    assert training.kept_epoch == 2  # the first of the equals, though val_loss fell all the time
    best = training.weights["network.0.weight"]
    assert not best.equal(_fit(problem, epochs=5).weights["network.0.weight"])
    stopped = fit(*watched(), Plan(epochs=5, keep="best", patience=2))
    assert (stopped.stopped, len(stopped.epochs)) == ("val_score has not risen for 2 epochs", 4)


def test_a_state_judged_by_another_metric_begins_anew(problem: Any, state: Any) -> None:
    from resources.training.loop import fit
    from resources.training.plan import Plan

    with pytest.raises(Killed):
        _fit(problem, state, die_after=3)
    module, train, validation = problem()
    module.monitor = ("val_score", "max")
    said: list[str] = []
    assert fit(module, train, validation, Plan(epochs=6), state=state, warn=said.append).resumed_from == 0
    assert "metric" in said[0]


def test_frozen_weights_are_among_the_result_and_not_among_the_copies(problem: Any, state: Any) -> None:
    import io

    import torch

    from resources.training.loop import fit
    from resources.training.plan import Plan
    from resources.training.state import STATE

    module, train, validation = problem()
    module.network[0].requires_grad_(False)
    first = module.network[0].weight.clone()
    training = fit(module, train, validation, Plan(epochs=3, keep="best"), state=state)
    assert training.weights.keys() == module.state_dict().keys()
    assert torch.equal(training.weights["network.0.weight"], first)
    saved = torch.load(io.BytesIO(state[STATE]), weights_only=True)
    assert saved["callbacks"]["epochs"]["best"].keys() == {"network.3.weight", "network.3.bias"}


def test_how_much_an_earlier_run_has_done_is_told_before_training(problem: Any, state: Any) -> None:
    from resources.training.loop import fit
    from resources.training.plan import Plan

    told: list[int] = []
    with pytest.raises(Killed):
        _fit(problem, state, die_after=3)
    for _ in range(2):
        fit(*problem(), Plan(epochs=6), state=state, on_begin=told.append)
    assert told == [2, 6]


def test_it_stops_at_the_time_limit_and_a_resumed_one_does_not_start_anew(problem: Any, state: Any) -> None:
    training = _fit(problem, state, epochs=10_000, time_limit_s=0.3)
    # It is looked at after each epoch, so there is one; all would take half a minute at least, 3 ms each.
    assert 1 <= len(training.epochs) < 10_000  # whatever the machine does in 0.3 s, it is not all of them
    assert "time limit of 0.3 s" in str(training.stopped)
    assert _fit(problem, state, epochs=10_000, time_limit_s=0.3).epochs == training.epochs


def test_a_loss_that_is_no_number_says_what_to_do(problem: Any) -> None:
    from resources.training.keeper import Diverged

    with pytest.raises(Diverged, match="learning rate"):
        _fit(problem, learning_rate=1e18)


def test_gradients_are_clipped(problem: Any) -> None:
    free, clipped = _fit(problem, epochs=1), _fit(problem, epochs=1, gradient_clip=1e-9)
    # AdamW divides by the gradient's own size, so clipping shows only below its epsilon of 1e-8.
    assert clipped.epochs[0]["loss"] > free.epochs[0]["loss"]


def test_bf16_is_what_a_gpu_gets_unless_told(problem: Any) -> None:
    from resources.training.plan import Plan

    said = [Plan(1, device).lightning_precision for device in ("cpu", "mps", "cuda", "cuda:1")]
    assert said == ["32-true", "32-true", "bf16-mixed", "bf16-mixed"]
    assert Plan(1, "cuda", precision="32-true").lightning_precision == "32-true"


def test_bf16_trains_too(problem: Any) -> None:
    assert _fit(problem, epochs=4, precision="bf16-mixed").epochs[-1]["val_loss"] < 8


def test_nothing_is_said_by_the_library(
    problem: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        _fit(problem, epochs=1)
    assert caplog.text == ""
    assert capfd.readouterr().out == ""


def test_steps_are_told_across_epochs(problem: Any) -> None:
    from resources.training.loop import fit
    from resources.training.plan import Plan

    heard: list[tuple[int, int]] = []
    module, train, validation = problem()
    fit(module, train, validation, Plan(epochs=2), on_step=lambda done, total: heard.append((done, total)))
    assert heard == [(step, 10) for step in range(1, 11)]


def test_a_tally_is_the_mean_over_samples(problem: Any) -> None:
    import torch

    module, _, _ = problem()
    module.tally("loss", torch.tensor(1.0), 3)
    module.tally("loss", torch.tensor(5.0), 1)
    module.tally("mae", torch.tensor(2.0), 2)
    assert module.take_tallies() == {"loss": 2.0, "mae": 2.0}
    assert module.take_tallies() == {}


def test_a_compiled_network_keeps_the_names_of_its_weights(problem: Any) -> None:
    import torch

    torch.compiler.set_stance("force_eager")  # no C++ compiler is needed for that
    try:
        compiled = _fit(problem, epochs=1, compile=True)
    finally:
        torch.compiler.set_stance("default")
    assert compiled.weights.keys() == _fit(problem, epochs=1).weights.keys()


@pytest.mark.parametrize("damage", ["no pickle at all", "of another layout", "of another network"])
def test_a_state_that_cannot_be_used_is_said_and_the_training_begins_anew(
    problem: Any, state: Any, damage: str
) -> None:
    import io

    import torch

    from resources.training.loop import fit
    from resources.training.plan import Plan
    from resources.training.state import STATE

    with pytest.raises(Killed):
        _fit(problem, state, die_after=3)
    saved = torch.load(io.BytesIO(state[STATE]), weights_only=True)
    if damage == "of another layout":
        saved["callbacks"] = {}
    elif damage == "of another network":
        saved["state_dict"]["network.0.weight"] = torch.zeros(3, 3)
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    state[STATE] = b"no pickle" if damage == "no pickle at all" else buffer.getvalue()

    said: list[str] = []
    module, train, validation = problem()
    training = fit(module, train, validation, Plan(epochs=6), state=state, warn=said.append)
    assert training.resumed_from == 0
    assert [n["loss"] for n in training.epochs] == [n["loss"] for n in _fit(problem).epochs]
    assert len(said) == 1
    assert "begins anew" in said[0]


def test_a_removed_state_is_none(problem: Any, state: Any) -> None:
    from resources.training.state import STATE, StateIO

    with pytest.raises(Killed):
        _fit(problem, state, die_after=3)
    StateIO(state).remove_checkpoint(STATE)
    assert _fit(problem, state).resumed_from == 0
