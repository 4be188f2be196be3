"""Work in native code that can be interrupted: a thread does it while the main thread stays free for signals.

Belongs here: starting, watching and stopping one such thread. Does not belong here: what it does.

Python delivers signals to the main thread only, and only between two of its own instructions: while the main thread
sits in native code (a batch of speech recognition takes seconds) nobody can stop it.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from resources.progress import Progress

T = TypeVar("T")

POLL_S = 0.2
PATIENCE_S = 3.0
EXIT_PATIENCE_S = 60.0


class _Logger(Protocol):
    def info(self, msg: str) -> object: ...


class Stopped(Exception):
    """Raised by `Handle.check` in the thread once nobody waits for its result any more."""


class Handle:
    """The thread's side: says things, reports progress, and asks between two steps whether to go on."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._messages: SimpleQueue[str] = SimpleQueue()
        self._progress: tuple[float, float] | None = None

    def check(self) -> None:
        """Raise `Stopped` if the work was interrupted. Call it between steps that take seconds."""
        if self._stop.is_set():
            raise Stopped

    def say(self, message: str) -> None:
        """Have the main thread log `message`: a run's log is not written from two threads."""
        self._messages.put(message)

    def report(self, done: float, total: float) -> None:
        """Say how much is done; the main thread hands it to `Progress`."""
        self._progress = (done, total)


class _Job(Generic[T]):
    def __init__(self, work: Callable[[Handle], T], task: str) -> None:
        self.handle = Handle()
        self.result: list[T] = []
        self.error: BaseException | None = None
        self._work = work
        self.thread = threading.Thread(target=self._run, name=task, daemon=True)

    def _run(self) -> None:
        try:
            self.result.append(self._work(self.handle))
        except Stopped:
            pass
        except BaseException as error:
            self.error = error

    def stop(self, patience_s: float) -> None:
        self.handle._stop.set()
        self.thread.join(patience_s)


_stopping: list[threading.Thread] = []


@atexit.register
def _wait_for_native_code() -> None:
    """Let stopped threads leave their native call before the interpreter goes.

    A thread that comes back from C++ into an interpreter being taken down is ended by force, which unwinds C++ frames
    that may not be unwound, and aborts the process (3 of 25 interrupted runs did so without this wait).
    """
    deadline = time.monotonic() + EXIT_PATIENCE_S
    for thread in _stopping:
        thread.join(max(0.0, deadline - time.monotonic()))


def in_background(work: Callable[[Handle], T], log: _Logger, task: str, unit: str) -> T:
    """Return `work(handle)`, computed in a thread; its messages and its progress (in `unit`) go to `log`.

    Whatever interrupts the main thread (Ctrl-C, Dagster's Terminate) is raised here within `PATIENCE_S` seconds and
    tells the thread to stop at its next check. An exception of `work` is raised here as it is.
    """
    job = _Job(work, task)
    progress: Progress | None = None
    shown: tuple[float, float] | None = None

    def pass_on() -> None:
        nonlocal progress, shown
        try:
            while True:
                log.info(job.handle._messages.get_nowait())
        except Empty:
            pass
        now = job.handle._progress
        if now is not None and now != shown:
            progress = progress or Progress(log, task, now[1], unit)
            progress.update(now[0])
            shown = now

    try:
        job.thread.start()
        while job.thread.is_alive():
            job.thread.join(POLL_S)
            pass_on()
        pass_on()
    except BaseException:
        _stopping.append(job.thread)
        job.stop(PATIENCE_S)
        raise
    if job.error is not None:
        raise job.error
    return job.result[0]
