"""One training, run by Lightning: epochs over device batches, metrics once an epoch, resumable at every epoch.

Belongs here: what every product's training has in common. Does not belong here: what happens as an epoch ends
(`keeper.py`), networks and losses (`assets/<product>/`), where the state is kept and what a person sees (`trainer.py`).
Pure: torch and Lightning.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch

from resources.training.batches import DeviceBatches
from resources.training.keeper import Keeper, Training
from resources.training.module import TrainedModule
from resources.training.plan import Plan
from resources.training.state import STATE, State, StateIO, Unreadable, fits, saved_state

_log = logging.getLogger(__name__)


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
    keeper = Keeper(module, train, plan, state, on_epoch, on_step)
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


def _lightning(plan: Plan, keeper: Keeper, state: State | None) -> lightning.Trainer:
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
