"""Progress of long work: a line in the run's log at a human pace, and every step to a listener.

Belongs here: counting, rate and time left. Does not belong here: drawing it (`dagster_project/commands/terminal.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


class Logger(Protocol):
    """What progress is written to: a Dagster context's log, or one of Python's."""

    def info(self, msg: str) -> object: ...


@dataclass(frozen=True)
class Step:
    """One report: `done` of `total` in `unit`; `left_s` is the estimated time left in seconds, if known."""

    task: str
    done: float
    total: float
    unit: str
    left_s: float | None


_listeners: list[Callable[[Step], None]] = []


@contextmanager
def listening(listener: Callable[[Step], None]) -> Iterator[None]:
    """Hand every step of every `Progress` in this process to `listener` while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class Progress:
    """Counts `total` units of `task`; logs at most every `every_s` seconds, and once at the end."""

    def __init__(self, log: Logger, task: str, total: float, unit: str, every_s: float = 10.0) -> None:
        self._log, self._task, self._total, self._unit, self._every_s = log, task, total, unit, every_s
        self._start = self._last_line = time.monotonic()

    def update(self, done: float) -> None:
        """Report that `done` of the total units are finished (not an increment)."""
        now = time.monotonic()
        elapsed = now - self._start
        rate = done / elapsed if elapsed > 0 else 0.0
        left_s = (self._total - done) / rate if rate > 0 else None
        for listener in _listeners:
            listener(Step(self._task, done, self._total, self._unit, left_s))
        finished = done >= self._total
        if finished or now - self._last_line >= self._every_s:
            self._last_line = now
            left = "" if finished or left_s is None else f", {left_s:.0f} s left"
            self._log.info(f"{self._task}: {done:.0f}/{self._total:.0f} {self._unit}, {rate:.1f} {self._unit}/s{left}")
