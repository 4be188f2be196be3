"""How fast a training was, and how long its device waited.

Belongs here: both clocks, samples a second, peak memory, the device's waits. Does not belong here: metrics
(`loop.py`). Pure: torch alone.
"""

from __future__ import annotations

import resource
import sys
import time

import torch


class Clock:
    """Measures one `fit`. Told when each batch is begun and ended; reads the device once an epoch.

    The warm-up is all up to the end of the first step: set-up, compiling, choosing kernels, first allocations.
    The device waits from the end of one step's work to the begin of the next batch's: on CUDA by events in its own
    stream, so that a host which is ahead of it counts as no wait. On the CPU the waits are the loop's own work.
    """

    def __init__(self, device: str, epochs_s: float = 0.0) -> None:
        """`epochs_s`: seconds that earlier runs of this training have taken."""
        self._cuda = device.startswith("cuda")
        self._device, self._before_s = device, epochs_s
        self._begun = time.perf_counter()
        self._warm: float | None = None
        self._warm_samples = 0
        self._marks: list[tuple[object, object]] = []
        self._last: object | None = None
        self._epoch_begun = self._begun
        self._epoch_samples = self._samples = 0
        self._busy_s = self._waited_s = self._stepping_s = 0.0
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(device)

    def epoch_begins(self) -> None:
        self._epoch_begun, self._epoch_samples, self._last = time.perf_counter(), 0, None
        self._marks = []

    def batch_begins(self) -> None:
        if self._last is not None:
            self._marks.append((self._last, self._now()))

    def batch_ends(self, samples: int) -> None:
        self._last = self._now()
        self._epoch_samples += samples
        if self._warm is None:
            if self._cuda:
                torch.cuda.synchronize(self._device)
            self._warm, self._warm_samples = time.perf_counter(), samples

    def steps_end(self) -> tuple[float, float]:
        """All steps of an epoch are done; (seconds, samples a second) of them. Waits for the device."""
        if self._cuda:
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        # The first step of all is warm-up: neither its time nor its samples count.
        first = self._stepping_s == 0.0 and self._warm is not None and self._epoch_begun <= self._warm
        begun = self._warm if first and self._warm is not None else self._epoch_begun
        samples = self._epoch_samples - (self._warm_samples if first else 0)
        seconds = now - begun
        self._stepping_s += seconds
        self._samples += samples
        self._waited_s += sum(self._between(earlier, later) for earlier, later in self._marks)
        whole = now - self._epoch_begun
        return whole, samples / seconds if samples and seconds > 0 else self._epoch_samples / max(whole, 1e-9)

    def _now(self) -> object:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def _between(self, earlier: object, later: object) -> float:
        if isinstance(earlier, float) and isinstance(later, float):
            return later - earlier
        return float(earlier.elapsed_time(later)) / 1e3  # type: ignore[attr-defined]  # CUDA events

    @property
    def wall_s(self) -> float:
        """Seconds since the training began, with the warm-up, and with what earlier runs of it took."""
        return self._before_s + time.perf_counter() - self._begun

    @property
    def train_s(self) -> float:
        """The same without this run's warm-up."""
        warm = self._warm if self._warm is not None else self._begun
        return self._before_s + time.perf_counter() - warm

    @property
    def samples_per_s(self) -> float:
        """Samples a second while stepping in this run, validation and warm-up left out; 0 if there was no step."""
        return self._samples / self._stepping_s if self._stepping_s > 0 else 0.0

    @property
    def device_wait_share(self) -> float:
        """Of the time spent stepping, the share in which the device had nothing to do; 0 if there was no step."""
        return min(1.0, self._waited_s / self._stepping_s) if self._stepping_s > 0 else 0.0

    @property
    def peak_memory_bytes(self) -> int:
        """CUDA: the most that torch had allocated during this training; MPS: what is allocated now; CPU: the most that
        this process ever had in memory.
        """
        if self._cuda:
            return int(torch.cuda.max_memory_allocated(self._device))
        if self._device == "mps":
            return int(torch.mps.driver_allocated_memory())
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
