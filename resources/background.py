"""Work in native code that can be interrupted: a thread does it while the main thread stays free for signals.

Belongs here: giving work to that thread, watching and stopping it. Does not belong here: what it does.

Python delivers signals to the main thread only, and only between two of its own instructions: while the main thread
sits in native code (a batch of speech recognition takes seconds) nobody can stop it.

There is one such thread for the life of the process, and works wait for one another: OpenMP keeps a team of threads for
each thread it is called from, and a new caller for each recording made recognition take three times the CPU time.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

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
    def __init__(self, work: Callable[[Handle], T]) -> None:
        self.handle = Handle()
        self.result: list[T] = []
        self.error: BaseException | None = None
        # Not Thread.join: interrupted, it takes a running thread for an ended one (Python 3.11).
        self.ended = threading.Event()
        self._work = work

    def run(self) -> None:
        try:
            self.handle.check()  # nobody may be waiting any more
            self.result.append(self._work(self.handle))
        except Stopped:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()

    def stop(self, patience_s: float) -> None:
        self.handle._stop.set()
        self.ended.wait(patience_s)


class _Worker:
    """The thread, and what waits for it."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._jobs: SimpleQueue[_Job[Any]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            job.run()
            del job  # and with it the result: nothing is kept until the next one comes

    def take(self, job: _Job[Any]) -> None:
        if threading.current_thread() is self._thread:
            job.run()
        else:
            self._jobs.put(job)


_worker: _Worker | None = None
_starting = threading.Lock()
_stopping: list[_Job[Any]] = []


def _the_worker() -> _Worker:
    global _worker
    with _starting:
        if _worker is None or _worker.process != os.getpid():  # a forked process has no threads
            _worker = _Worker()
        return _worker


@atexit.register
def _wait_for_native_code() -> None:
    """Let stopped threads leave their native call before the interpreter goes.

    A thread that comes back from C++ into an interpreter being taken down is ended by force, which unwinds C++ frames
    that may not be unwound, and aborts the process (3 of 25 interrupted runs did so without this wait).
    """
    deadline = time.monotonic() + EXIT_PATIENCE_S
    for job in _stopping:
        job.ended.wait(max(0.0, deadline - time.monotonic()))


def in_background(work: Callable[[Handle], T], log: _Logger, task: str, unit: str) -> T:
    """Return `work(handle)`, computed in the background thread; its messages and its progress (in `unit`) go to `log`.

    Whatever interrupts the main thread (Ctrl-C, Dagster's Terminate) is raised here within `PATIENCE_S` seconds and
    tells the thread to stop at its next check. An exception of `work` is raised here as it is.
    """
    job = _Job(work)
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
        _the_worker().take(job)
        while not job.ended.wait(POLL_S):
            pass_on()
        pass_on()
    except BaseException:
        _stopping.append(job)
        job.stop(PATIENCE_S)
        raise
    if job.error is not None:
        raise job.error
    return job.result[0]
