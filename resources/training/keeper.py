"""What a training records of its epochs: their numbers, the best weights, and the state it goes on from after a kill.

Belongs here: what happens as an epoch ends. Does not belong here: Lightning's settings (`loop.py`), where the state is
kept (`state.py`). Pure: torch and Lightning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from resources.errors import ScriptoriumError
from resources.training.batches import DeviceBatches
from resources.training.clocks import Clock
from resources.training.module import TrainedModule
from resources.training.plan import Plan
from resources.training.state import STATE, State

_TIMES = ("seconds", "samples_per_s")
"""Of an epoch, what differs from run to run: a payload holds nothing of it."""
_STATE_SHARE = 10
"""Saving the state takes at most about a tenth of a training: after a save that took t, none for ten times t."""
_SEEDS = 1_000_003  # as in batches.py: no two epochs of two seeds share a stream


class Diverged(ScriptoriumError):
    """A loss is no number any more."""


@dataclass(frozen=True)
class Training:
    """What a training gave. `weights` are a state_dict on the CPU, of the last or the best epoch (`plan.keep`).

    `epochs` has a mapping per epoch: `epoch` (1 is the first), the tallies, `lr`, `seconds`, `samples_per_s`. `wall_s`
    has the warm-up in it, `train_s` has not; both count what earlier runs of the same training took. `stopped` says
    why it ended early. `resumed_from` is the number of epochs that were already done.
    """

    weights: dict[str, Tensor]
    epochs: list[dict[str, float]]
    kept_epoch: int
    wall_s: float
    train_s: float
    samples_per_s: float
    peak_memory_bytes: int
    device_wait_share: float
    stopped: str | None
    resumed_from: int

    @property
    def curve(self) -> tuple[dict[str, float], ...]:
        """The epochs' numbers for a card: without the times, which differ from run to run."""
        return tuple({name: value for name, value in epoch.items() if name not in _TIMES} for epoch in self.epochs)


class Keeper(Checkpoint):
    """Records each epoch, keeps the best weights, ends the training early, and saves its state.

    A `Checkpoint`, because Lightning calls these after all other callbacks, when an epoch is whole.
    """

    def __init__(
        self,
        module: TrainedModule,
        train: DeviceBatches,
        plan: Plan,
        state: State | None,
        on_epoch: Callable[[dict[str, float]], None] | None,
        on_step: Callable[[int, int], None] | None,
    ) -> None:
        self._module, self._train, self._plan, self._state = module, train, plan, state
        self._on_epoch, self._on_step = on_epoch, on_step
        self._epochs: list[dict[str, float]] = []
        self._best: dict[str, Tensor] | None = None
        self._best_value: float | None = None  # of what the module monitors
        self._best_epoch = 0
        self._stopped: str | None = None
        self._resumed_from = 0
        self._clock = Clock(plan.device)
        self._saved_at, self._save_s = -math.inf, 0.0
        self._numbers: tuple[float, float] = (0.0, 0.0)

    @property
    def state_key(self) -> str:
        return "epochs"

    @property
    def epochs_done(self) -> int:
        return len(self._epochs)

    @property
    def over(self) -> bool:
        """Whether nothing is left to train."""
        return self._stopped is not None or len(self._epochs) >= self._plan.epochs

    def state_dict(self) -> dict[str, Any]:
        return {
            "epochs": self._epochs,
            "best": self._best,
            "monitor": list(self._module.monitor),
            "best_value": self._best_value,
            "best_epoch": self._best_epoch,
            "stopped": self._stopped,
            "wall_s": self._clock.wall_s,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._epochs, self._best = list(state_dict["epochs"]), state_dict["best"]
        self._best_value, self._best_epoch = state_dict["best_value"], state_dict["best_epoch"]
        self._stopped, self._resumed_from = state_dict["stopped"], len(self._epochs)
        self._clock = Clock(self._plan.device, state_dict["wall_s"])

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        # Of the epoch's number alone, so that a training that goes on draws what the uninterrupted one drew.
        torch.manual_seed(self._plan.seed * _SEEDS + trainer.current_epoch)
        self._train.epoch = trainer.current_epoch
        self._train.before_batch = self._clock.batch_begins
        self._clock.epoch_begins()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._clock.batch_ends(len(next(iter(batch.values()))))
        if self._on_step is not None:
            done = trainer.current_epoch * len(self._train) + batch_idx + 1
            self._on_step(done, self._plan.epochs * len(self._train))
        if batch_idx == len(self._train) - 1:
            self._numbers = self._clock.steps_end()  # before validation, which is not part of it

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        seconds, rate = self._numbers
        means = {**self._module.take_tallies(), **self._module.epoch_metrics()}
        rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
        numbers = {"epoch": float(trainer.current_epoch + 1), **means, "lr": max(rates, default=0.0)}
        self._epochs.append({**numbers, "seconds": seconds, "samples_per_s": rate})
        if self._on_epoch is not None:
            self._on_epoch(self._epochs[-1])
        lost = [name for name in ("loss", "val_loss") if not math.isfinite(means.get(name, 0.0))]
        if lost:
            raise Diverged(
                f"{lost[0]} is no number after epoch {trainer.current_epoch + 1}.",
                "Lower the learning rate, or set gradient_clip; then train again.",
            )
        self._judge(means, trainer.current_epoch + 1)
        if self._stopped is not None:
            trainer.should_stop = True
        self._save(trainer)

    def _judge(self, means: dict[str, float], epoch: int) -> None:
        """Note the best epoch, and whether to end."""
        name, good = self._module.monitor
        value = means.get(name)
        if value is not None and self._improves(value):
            self._best_value, self._best_epoch = value, epoch
            if self._plan.keep == "best":
                self._best = _on_cpu(self._module, trained_only=True)
        if epoch >= self._plan.epochs:
            return
        patience, limit = self._plan.patience, self._plan.time_limit_s
        if patience is not None and value is not None and epoch - self._best_epoch >= patience:
            self._stopped = f"{name} has not {'fallen' if good == 'min' else 'risen'} for {patience} epochs"
        elif limit is not None and self._clock.wall_s >= limit:
            self._stopped = f"the time limit of {limit:g} s was reached"

    def _improves(self, value: float) -> bool:
        if self._best_value is None:
            return not math.isnan(value)
        return value < self._best_value if self._module.monitor[1] == "min" else value > self._best_value

    def _save(self, trainer: lightning.Trainer) -> None:
        if self._state is None or self._clock.wall_s - self._saved_at < _STATE_SHARE * self._save_s:
            return
        before = self._clock.wall_s
        trainer.save_checkpoint(STATE)
        self._saved_at = self._clock.wall_s
        self._save_s = self._saved_at - before

    def training(self) -> Training:
        best = self._best if self._plan.keep == "best" else None
        return Training(
            weights={**_on_cpu(self._module), **(best or {})},
            epochs=self._epochs,
            kept_epoch=len(self._epochs) if best is None else self._best_epoch,
            wall_s=self._clock.wall_s,
            train_s=self._clock.train_s,
            samples_per_s=self._clock.samples_per_s,
            peak_memory_bytes=self._clock.peak_memory_bytes,
            device_wait_share=self._clock.device_wait_share,
            stopped=self._stopped,
            resumed_from=self._resumed_from,
        )


def _on_cpu(module: torch.nn.Module, trained_only: bool = False) -> dict[str, Tensor]:
    """A copy of the state_dict; `trained_only`: without frozen parameters, which are the same in every epoch."""
    frozen = {name for name, p in module.named_parameters(remove_duplicate=False) if not p.requires_grad}
    left_out = frozen if trained_only else set()
    state = module.state_dict()
    return {name: each.detach().to("cpu", copy=True) for name, each in state.items() if name not in left_out}
