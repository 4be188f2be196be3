"""Dagster's daemon: whether one is alive, and one of our own for the length of a command.

Belongs here: heartbeats, starting and stopping the process. Does not belong here: what is waited for meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from dagster_project.instance import WORKSPACE, BadInstance
from dagster_project.settings import PROJECT_ROOT

if TYPE_CHECKING:
    import dagster as dg

_FRESH_S = 45.0
"""A daemon writes a heartbeat every 30 s; the newest of its several is never older than that plus a slow tick."""


def heartbeat_age(instance: dg.DagsterInstance) -> float | None:
    """Seconds since any part of a daemon last wrote a heartbeat; None if there is none."""
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return time.time() - max(beats) if beats else None


def alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon works on this instance. One that was killed counts as alive for another 45 s."""
    age = heartbeat_age(instance)
    return age is not None and age < _FRESH_S


class Daemon:
    """Makes sure a daemon works while the block runs: the one that is there, else one of our own.

    Never a second one: heartbeats tell of a foreign daemon, a lock file of one that another command has just started.
    Call `ensure()` first and while waiting: it takes over from a foreign daemon that has died, and raises BadInstance
    if our own did. Our own is started in a session of its own, so that Ctrl-C does not reach it, and ended by its
    process id; runs it has started come to their end by themselves.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        home: Path,
        say: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._instance, self._home, self._say, self._environment = instance, home, say, environment or {}
        self._log = home / "daemon.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._begun = 0.0

    @property
    def own(self) -> bool:
        """Whether the daemon is one we started."""
        return self._process is not None

    def __enter__(self) -> Self:
        return self

    def ensure(self) -> None:
        if self._process is not None:
            if self._process.poll() is not None:
                raise BadInstance(
                    f"The daemon stopped by itself (exit code {self._process.returncode}).", f"Look into {self._log}."
                )
        elif not alive(self._instance):
            self._start()

    def _start(self) -> None:
        lock = (self._home / "daemon.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another command is starting one; its heartbeats are about to come
            lock.close()
            return
        self._lock, self._begun = lock, time.time()
        self._say("no daemon is alive: starting one until this is done")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-w", str(WORKSPACE)],
                cwd=PROJECT_ROOT,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_default_signals,
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._wipe()
        if self._lock is not None:
            self._lock.close()

    def _wipe(self) -> None:
        """Remove our daemon's heartbeats, so that the next command does not take it for alive."""
        beats = self._instance.get_daemon_heartbeats().values()
        if len({beat.daemon_id for beat in beats}) == 1 and all(beat.timestamp >= self._begun for beat in beats):
            self._instance.wipe_daemon_heartbeats()


def _default_signals() -> None:
    """A shell that starts us in the background has us ignore SIGINT, and Dagster would then never stop (ran)."""
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
