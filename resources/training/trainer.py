"""The trainer as a resource: the device, what a person sees of a training, and its state in the store's scratch.

Belongs here: what Dagster and the library are told. Does not belong here: the loop (`loop.py`), the checkpoint's
metadata (`results.py`).
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from blake3 import blake3
from pydantic import Field

from resources.device import Torch, choose, ran_out
from resources.errors import MissingExtra, ScriptoriumError
from resources.progress import Progress
from resources.store.io_manager import ArtifactStore
from resources.training.recipe import Recipe

if TYPE_CHECKING:
    from resources.training.batches import DeviceBatches
    from resources.training.keeper import Training
    from resources.training.module import TrainedModule

_EVERY_S = 10.0
"""Epochs may take milliseconds: the run's log gets a line about them at this pace, the text log gets them all."""
_HIDDEN = {"epoch", "lr", "seconds", "samples_per_s"}


class DeviceFull(ScriptoriumError):
    """The device's memory did not suffice for a training."""


class Trainer(dg.ConfigurableResource):
    """Trains what assets give it. Its state outlives a kill: the same training under another run goes on from it."""

    store: dg.ResourceDependency[ArtifactStore]
    device_setting: str = Field(
        default="auto", description="Where to train: `auto`, `cpu`, `cuda`, `cuda:<n>` or `mps`."
    )
    cache: str = Field(description="Folder for downloads; what lies in it can be deleted at any time.")
    offline: bool = Field(default=False, description="Never ask a model hub for pretrained weights.")

    def device(self) -> str:
        """torch's name of the device to compute on. Raises: MissingDevice, MissingExtra."""
        needed()
        return choose(self.device_setting, Torch()).name

    def fit(
        self,
        context: dg.AssetExecutionContext,
        module: "TrainedModule",
        train: "DeviceBatches",
        validation: "DeviceBatches | None",
        recipe: Recipe,
        *,
        inputs: str,
        text_log: str | None = None,
        text_log_head: Sequence[str] = (),
    ) -> "Training":
        """Train `module` for this asset and partition, or go on with a training that was killed.

        `inputs` names all that decides the result: data version, recipe, code version. `text_log` is a file in the
        library, such as `housing/training_log.txt`, which gets a line per epoch as it ends. With a `text_log_head` the
        file is complete in itself: these lines come first where the training begins, a note where it goes on, samples
        a second stand in each epoch's line, and how it ended, or why not, comes last.
        Raises: Diverged; DeviceFull.
        """
        from resources.training.loop import fit
        from resources.training.plan import Plan

        device = str(train.device)
        asset = context.asset_key.to_user_string()
        partition = context.partition_key if context.has_partition_key else None
        state = self.store.scratch(asset, partition, blake3(inputs.encode()).hexdigest())
        name = f"{asset} [{partition}]" if partition else asset
        context.log.info(f"training {name} on {device}: {recipe.epochs} epochs, {train.samples:,} samples")
        steps = Progress(context.log, f"training {name}", recipe.epochs * len(train), "steps", _EVERY_S)
        with (
            _text_log(None if text_log is None else Path(self.store.library) / text_log, name) as write,
            _Epochs(context.log, recipe.epochs, write, text_log_head) as seen,
        ):
            try:
                training = fit(
                    module,
                    train,
                    validation,
                    Plan.of(recipe, device),
                    state=state,
                    on_begin=seen.begin,
                    on_epoch=seen,
                    on_step=lambda done, total: steps.update(done),
                    warn=context.log.warning,
                )
            except RuntimeError as error:
                if ran_out(error, device):
                    raise DeviceFull(
                        f"{device} ran out of memory while training {name} with batches of {recipe.batch_size}.",
                        "Use a smaller batch_size, or SCRIPTORIUM_DEVICE=cpu.",
                    ) from error
                raise
            seen.end(training)
        context.log.info(_summary(name, training))
        return training

    def note(self, text_log: str, line: str) -> None:
        """Add to a text log of the library what is known only when a training has ended."""
        with _text_log(Path(self.store.library) / text_log, text_log) as write:
            write(line)


def needed() -> None:
    """Raises: MissingExtra with the command that installs what trainings need, if it is not there."""
    try:
        import lightning
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"Training needs the package {error.name}, which is not installed.",
            "Install it: make setup EXTRAS=offline,train",
        ) from error
    del lightning


class _Epochs:
    """Hears of each epoch: a line in the run's log at a human pace, one in the text log always."""

    def __init__(self, log: Any, total: int, write: Callable[[str], object], head: Sequence[str]) -> None:
        self._log, self._total, self._write, self._head = log, total, write, head
        self._last = time.monotonic()

    def begin(self, done: int) -> None:
        """`done` epochs were done by an earlier run of this training."""
        if self._head and done:
            self._write(f"Goes on after epoch {done}/{self._total}, where an earlier run ended")
        elif self._head:
            for line in self._head:
                self._write(line)

    def end(self, training: "Training") -> None:
        if self._head:
            self._write(f"Done: the weights of epoch {training.kept_epoch} are kept" + _stopped(training))

    def __enter__(self) -> "_Epochs":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Where the training ended before its time, Terminate included; only a kill leaves nobody to say so."""
        if error is not None and self._head:
            reason = " ".join(str(error).split()) or type(error).__name__
            self._write(f"Not finished: {reason}")

    def __call__(self, numbers: dict[str, float]) -> None:
        epoch = int(numbers["epoch"])
        metrics = [f"{name}: {value:.4f}" for name, value in numbers.items() if name not in _HIDDEN]
        line = " - ".join([f"Epoch {epoch}/{self._total}", *metrics])
        self._write(f"{line} - samples/s: {numbers['samples_per_s']:.1f}" if self._head else line)
        if epoch in (1, self._total) or time.monotonic() - self._last >= _EVERY_S:
            self._last = time.monotonic()
            self._log.info(line)


@contextmanager
def _text_log(path: Path | None, name: str) -> Iterator[Callable[[str], object]]:
    """A function that appends a line `2023-12-03 01:18:50,145 - INFO - …` at once, for who reads along."""
    if path is None:
        yield lambda line: None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s - %(levelname)s - %(message)s"))
    logger = logging.Logger(name)  # of nobody else: what this process logs elsewhere does not belong in the file
    logger.addHandler(handler)
    try:
        yield logger.info
    finally:
        handler.close()


def _summary(name: str, training: "Training") -> str:
    resumed = f" ({training.resumed_from} of them by an earlier run)" if training.resumed_from else ""
    return (
        f"trained {name}: {len(training.epochs)} epochs{resumed} in {training.wall_s:.1f} s"
        f" ({training.train_s:.1f} s without warm-up), {training.samples_per_s:,.0f} samples/s, the device waited"
        f" {training.device_wait_share:.1%} of the time{_stopped(training)}"
    )


def _stopped(training: "Training") -> str:
    return f"; stopped because {training.stopped}" if training.stopped else ""
