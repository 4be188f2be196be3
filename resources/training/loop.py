"""One training, run by Lightning: epochs over device batches, metrics once an epoch, resumable at every epoch.

Belongs here: what every product's training has in common. Does not belong here: networks and losses
(`assets/<product>/`), where the state is kept and what a person sees (`trainer.py`). Pure: torch and Lightning.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from resources.errors import ScriptoriumError
from resources.training.batches import DeviceBatches
from resources.training.clocks import Clock
from resources.training.recipe import Recipe
from resources.training.state import STATE, State, StateIO, Unreadable, fits, saved_state

_log = logging.getLogger(__name__)
_TIMES = ("seconds", "samples_per_s")
"""Of an epoch, what differs from run to run: a payload holds nothing of it."""
_STATE_SHARE = 10
"""Saving the state takes at most about a tenth of a training: after a save that took t, none for ten times t."""
_SEEDS = 1_000_003  # as in batches.py: no two epochs of two seeds share a stream


class Diverged(ScriptoriumError):
    """A loss is no number any more."""


class TrainedModule(lightning.LightningModule):
    """A network with its loss. Subclasses give `training_step`, `validation_step` and `configure_optimizers`.

    Metrics go to `tally`, not to Lightning's `log`: they stay on the device and are read once an epoch. Those that are
    no means over samples come from `epoch_metrics`.
    """

    monitor: tuple[str, Literal["min", "max"]] = ("val_loss", "min")
    """The epoch's number by which the best epoch is known (`keep: best`, `patience`), and whether low or high is good.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tallies: dict[str, tuple[Tensor, int]] = {}

    def tally(self, name: str, value: Tensor, count: int) -> None:
        """Count a mean over `count` samples (0-d tensor) towards this epoch's mean `name`, e.g. `loss`, `val_loss`."""
        total = value.detach().float() * count
        before = self._tallies.get(name)
        self._tallies[name] = (total, count) if before is None else (before[0] + total, before[1] + count)

    def take_tallies(self) -> dict[str, float]:
        """The means since the last call, by name, in the order in which they first came."""
        tallies, self._tallies = self._tallies, {}
        if not tallies:
            return {}
        sums = torch.stack([total for total, _ in tallies.values()]).tolist()  # the epoch's one wait for the device
        return {name: value / count for (name, (_, count)), value in zip(tallies.items(), sums, strict=True)}

    def epoch_metrics(self) -> dict[str, float]:
        """Further numbers of the epoch that ends, by name: called once after its validation. None by default."""
        return {}


@dataclass(frozen=True)
class Plan:
    """How to run a training. `device` is torch's name of it; the rest as in `Recipe`."""

    epochs: int
    device: str = "cpu"
    precision: str = "auto"
    gradient_clip: float | None = None
    seed: int = 0
    compile: bool = False
    time_limit_s: float | None = None
    patience: int | None = None
    keep: str = "last"

    @classmethod
    def of(cls, recipe: Recipe, device: str) -> Plan:
        return cls(
            epochs=recipe.epochs,
            device=device,
            precision=recipe.precision,
            gradient_clip=recipe.gradient_clip,
            seed=recipe.seed,
            compile=recipe.compile,
            time_limit_s=recipe.time_limit_s,
            patience=recipe.patience,
            keep=recipe.keep,
        )

    @property
    def lightning_precision(self) -> str:
        if self.precision != "auto":
            return self.precision
        return "bf16-mixed" if self.device.startswith("cuda") else "32-true"


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


def seeded(seed: int) -> None:
    """Seed what first weights are drawn from. Call it before making a module."""
    torch.manual_seed(seed)


def fit(
    module: TrainedModule,
    train: DeviceBatches,
    validation: DeviceBatches | None,
    plan: Plan,
    *,
    state: State | None = None,
    on_begin: Callable[[int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    warn: Callable[[str], object] = _log.warning,
) -> Training:
    """Train `module` as planned; go on where an earlier run of the same training was killed, if `state` has it.

    `on_begin` gets the number of epochs that an earlier run has done, before anything is trained; `on_epoch` gets each
    epoch's numbers as it ends, `on_step` the steps done and the steps in all after each. A state that can't be used is
    said to `warn`, and the training begins anew.
    Raises: Diverged if a loss is no number; torch's out-of-memory errors.
    """
    keeper = _Keeper(module, train, plan, state, on_epoch, on_step)
    saved = _usable(state, module, keeper.state_key, warn)
    if saved is not None:
        keeper.load_state_dict(saved["callbacks"][keeper.state_key])
    if on_begin is not None:
        on_begin(keeper.epochs_done)
    if saved is not None and keeper.over:  # killed between its last epoch and the store
        module.load_state_dict(saved["state_dict"])
    else:
        if plan.compile and isinstance(getattr(module, "network", None), torch.nn.Module):
            module.network.compile()  # type: ignore[union-attr]  # in place, so that names stay as they are
        with _quiet():
            _lightning(plan, keeper, state).fit(
                module,
                train_dataloaders=train,
                val_dataloaders=validation,
                ckpt_path=None if saved is None else STATE,
                weights_only=True,
            )
    return keeper.training()


def _usable(
    state: State | None, module: TrainedModule, callback: str, warn: Callable[[str], object]
) -> dict[str, Any] | None:
    try:
        saved = saved_state(state)
    except Unreadable as error:
        warn(f"What an earlier run of this training left can't be read ({error}); it begins anew.")
        return None
    if saved is not None and not fits(saved, module, callback, module.monitor):
        warn("What an earlier run of this training left is of another network or metric; it begins anew.")
        return None
    return saved


def _lightning(plan: Plan, keeper: _Keeper, state: State | None) -> lightning.Trainer:
    kind, _, index = plan.device.partition(":")
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(kind, kind),
        devices=[int(index or 0)] if kind == "cuda" else 1,
        precision=plan.lightning_precision,  # type: ignore[arg-type]  # one of its names
        max_epochs=plan.epochs,
        gradient_clip_val=plan.gradient_clip,
        callbacks=[keeper],
        plugins=[] if state is None else [StateIO(state)],
        # Logging, bars and summaries cost more than a small network's step; the keeper does what is needed of them.
        logger=False,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        benchmark=kind == "cuda",
    )


class _Keeper(Checkpoint):
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice: on devices it found, on DataLoader workers, on its own products."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
