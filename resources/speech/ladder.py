"""What to do when a device's memory does not suffice: smaller batches, coarser numbers, and at last the CPU.

Belongs here: the order of the steps, and a record of those that were taken. Does not belong here: loading a model
(`recogniser.py`), what is done with it (`decoding.py`, `redecode.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from resources.speech.recogniser import COMPUTE_TYPE, DeviceFull, Recogniser, device_errors

T = TypeVar("T")

BATCH = {"cuda": 16, "cpu": 8}
"""Windows decoded at once, to begin with. On two cores more than 8 gain nothing; on a GPU 16 fill it."""

SMALL_NUMBERS = "int8_float16"


class Ladder:
    """A model on a device and a batch size, both lowered step by step whenever memory runs out.

    batch 16 → 8 → 4 → 2 → 1 → int8 → CPU. The model stays the same, so the words do but for rounding. A device that
    was asked for by name (`pinned`) is never left: DeviceFull is raised instead. `load(device, compute_type, anew)`
    gives the model; `batch_size` 0 means the device's own.
    """

    def __init__(
        self,
        load: Callable[[str, str, bool], Recogniser],
        device: str,
        batch_size: int,
        pinned: bool,
        say: Callable[[str], None],
    ) -> None:
        self._load, self._pinned, self._say = load, pinned, say
        self.steps: list[str] = []
        self._device, self._compute_type = device, COMPUTE_TYPE[device]
        self._recogniser: Recogniser | None = None
        self._anew = False
        self._asked = batch_size
        self.batch_size = batch_size or BATCH[device]

    def recogniser(self) -> Recogniser:
        """The loaded model. Raises DeviceFull if it fits nowhere, and what loading raises."""
        while self._recogniser is None:
            message = None
            try:
                self._recogniser = self._load(self._device, self._compute_type, self._anew)
            except DeviceFull as error:
                if not self._can_lower():
                    raise
                message = error.message
            if message is not None:
                self._lower(message)
                continue
            if self._recogniser is None:
                continue
            self._anew = False
            if self._recogniser.device != self._device:
                # The loader found the device unusable and took the CPU; it has said so.
                self._device, self._compute_type = self._recogniser.device, self._recogniser.compute_type
                self.batch_size = self._asked or BATCH[self._device]
        return self._recogniser

    def run(self, work: Callable[[Recogniser, int], T]) -> T:
        """`work(recogniser, batch_size)`, again one step further down each time memory runs out. Raises DeviceFull."""
        while True:
            model = self.recogniser()
            try:
                with device_errors():
                    return work(model, self.batch_size)
            except DeviceFull as error:
                if self.batch_size == 1 and not self._can_lower():
                    raise
                message = error.message  # and not the error: its frames hold the model
            finally:
                del model
            if self.batch_size > 1:
                self._step(f"batch of {self.batch_size} to {self.batch_size // 2}", message)
                self.batch_size //= 2
            else:
                self._lower(message)

    def reload(self) -> None:
        """Load the same model anew before its next use: only then do its random numbers begin where they began."""
        self._recogniser, self._anew = None, True

    def _can_lower(self) -> bool:
        return self._device == "cuda" and (self._compute_type != SMALL_NUMBERS or not self._pinned)

    def _lower(self, message: str) -> None:
        self._recogniser = None
        if self._compute_type != SMALL_NUMBERS:
            self._step(f"{self._compute_type} to {SMALL_NUMBERS}", message)
            self._compute_type = SMALL_NUMBERS
        else:
            self._step(f"{self._device} to cpu", message)
            self._device, self._compute_type = "cpu", COMPUTE_TYPE["cpu"]
            self.batch_size = min(self._asked or BATCH["cpu"], BATCH["cpu"])

    def _step(self, step: str, message: str) -> None:
        self.steps.append(step)
        self._say(f"{message} Going on: {step}.")
