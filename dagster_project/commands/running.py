"""One run of a job in this process, as `scriptorium notes` does it: recorded like any other run, and stoppable.

Belongs here: creating the run, executing it, Ctrl-C, and reading why a run failed. Does not belong here: what is shown.
"""

from __future__ import annotations

import _thread
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from dagster_project.commands import terminal
from dagster_project.instance import CLI_TAG, LOCATION, WORKSPACE
from resources.progress import Step

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.remote_origin import RemoteJobOrigin


@dataclass(frozen=True)
class Failure:
    """Why a step failed: `problem` in one line, and `remedy` if the error came with one."""

    step: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.step}: {self.problem} {self.remedy}".strip()


class Stopped(Exception):
    """Ctrl-C: the run is canceled, and nothing more is begun."""


class Interrupts:
    """Takes Ctrl-C from the start of a command to its end, and cancels the run that is being executed.

    Dagster takes an interrupt it was not told of for a crash, and a daemon would start the run again. So a thread waits
    for the signal, notes the wish to cancel in the run, and then hands the interrupt to the main thread. Enter it
    before other threads exist: those started later inherit that the signal is not for them. SIGTERM is left alone:
    child processes inherit what is blocked, and Dagster ends its own with it. A terminated command counts as crashed.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._over = False
        self._current: tuple[dg.DagsterInstance, dg.DagsterRun] | None = None
        self._watcher = threading.Thread(target=self._watch, name="ctrl-c", daemon=True)

    def __enter__(self) -> Self:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        signal.pthread_kill(self._watcher.ident or 0, signal.SIGINT)
        self._watcher.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    @contextmanager
    def canceling(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[None]:
        """While the block runs, the signal is for `run`."""
        self._current = (instance, run)
        try:
            yield
        finally:
            self._current = None

    def _watch(self) -> None:
        import dagster as dg

        while True:
            signal.sigwait({signal.SIGINT})
            if self._over:
                return
            current, again, self.stopped = self._current, self.stopped, True
            if current is not None:
                instance, run = current
                if again:
                    instance.report_run_canceled(run, "Canceled twice at the terminal.")
                    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
                    os._exit(130)
                status = instance.get_run_by_id(run.run_id)
                if status is not None and not status.is_finished and status.status != dg.DagsterRunStatus.CANCELING:
                    instance.report_run_canceling(status, "Canceled at the terminal.")
            elif again:
                os._exit(130)
            _thread.interrupt_main()


class Stages:
    """Tells a row which asset is made now, and how far it is."""

    def __init__(self, row: terminal.Row, assets: list[str]) -> None:
        self._row, self._assets, self._now = row, assets, ""

    def event(self, event: dg.DagsterEvent) -> None:
        name = event.step_key or ""
        if event.event_type_value == "STEP_START" and name in self._assets:
            self._now = f"{name} ({self._assets.index(name) + 1}/{len(self._assets)})"
            self._row.stage(self._now)
        elif event.event_type_value == "ENGINE_EVENT" and "pool" in (event.message or ""):
            self._row.stage("waiting for the device, another run has it")

    def step(self, step: Step) -> None:
        self._row.progress(step.done, step.total, step.left_s)


def run_here(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    partition: str | None,
    assets: Sequence[dg.AssetKey] | None,
    tags: Mapping[str, str],
    interrupts: Interrupts,
    on_event: Callable[[dg.DagsterEvent], None],
    config: Mapping[str, Mapping[str, Any]] | None = None,
) -> dg.DagsterRun:
    """Execute `assets` (None: all) of `job` for `partition` in this process and return the ended run.

    `partition` is None for a job without partitions; `config` is each asset's own, by its name.

    The run is kept in `instance` with `tags`, so that the UI shows it and can re-execute it. Call it from the main
    thread, inside `Interrupts`: a first Ctrl-C cancels the run at the next safe point, a second one at once.
    """
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run_iterator

    of_partition = {} if partition is None else {"dagster/partition": partition}
    run = instance.create_run_for_job(
        job,
        asset_selection=frozenset(assets) if assets is not None else None,
        run_config={
            # Dagster writes its events to the console as well; whoever calls this shows them better.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": {asset: {"config": dict(said)} for asset, said in (config or {}).items()},
        },
        tags={**tags, **of_partition, CLI_TAG: f"{socket.gethostname()}:{os.getpid()}"},
        remote_job_origin=_origin(job.name),
    )
    with interrupts.canceling(instance, run):
        for event in execute_run_iterator(InMemoryJob(job), run, instance):
            on_event(event)
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None, "a run that was just executed is in the instance"
    return ended


def failures(instance: dg.DagsterInstance, run_id: str) -> list[Failure]:
    """The failed steps of a run, in order; a run that failed outside of any step gives one with the step `run`."""
    import dagster as dg

    found = _refused(instance, run_id)
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is None:
            continue
        data = event.step_failure_data
        step = event.step_key or "run"
        if data.user_failure_data is not None:
            metadata = data.user_failure_data.metadata
            problem = metadata.get("problem")
            remedy = metadata.get("what_to_do")
            found.append(
                Failure(
                    step,
                    _one_line(str(problem.value) if problem else data.user_failure_data.description or "failed"),
                    _one_line(str(remedy.value)) if remedy else "",
                )
            )
        elif data.error is not None:
            innermost = data.error
            while innermost.cause is not None:
                innermost = innermost.cause
            if innermost.cls_name != "DagsterAssetCheckFailedError":  # its checks are told already
                found.append(Failure(step, _one_line(innermost.message)))
    if found:
        return found
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        event = entry.dagster_event
        error = event.job_failure_data.error if event else None
        found.append(Failure("run", _one_line((error.message if error else None) or entry.user_message or "failed")))
    return found


def _refused(instance: dg.DagsterInstance, run_id: str) -> list[Failure]:
    """The blocking checks that failed in a run, in their own words."""
    import dagster as dg

    found = []
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event is None:
            continue
        check = entry.dagster_event.asset_check_evaluation_data
        if check.blocking and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            said = f"its check {check.check_name} failed. {check.description or ''}"
            found.append(Failure(check.asset_key.to_user_string(), _one_line(said)))
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]


def _origin(job_name: str) -> RemoteJobOrigin:
    """Where this job is found in the workspace; without it the UI can't re-execute the run, nor the daemon retry it."""
    from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
    from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    [location] = [
        origin for origin in WorkspaceFileTarget([str(WORKSPACE)]).create_origins() if origin.location_name == LOCATION
    ]
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job_name)
