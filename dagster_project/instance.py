"""Where Dagster keeps its runs, and with which settings: `DAGSTER_HOME` and its `dagster.yaml`.

Belongs here: preparing the homes, the first `dagster.yaml`, opening the instance, finding runs whose process is gone.
Does not belong here: the daemon (`daemon.py`) and what a run does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.settings import PROJECT_ROOT, Settings
from resources.errors import ScriptoriumError

if TYPE_CHECKING:
    import dagster as dg

WORKSPACE = PROJECT_ROOT / "workspace.yaml"
LOCATION = "scriptorium"
CLI_TAG = "scriptorium/cli"  # host and process id of the command that executes a run itself

_DAGSTER_YAML = """\
# Settings of this Dagster instance, written once by `scriptorium setup`. Yours to edit: it is never overwritten.
# Every key: https://docs.dagster.io/deployment/oss/dagster-yaml

# A dropped file should start soon: look at the queue every second, not every five.
run_queue:
  dequeue_interval_seconds: 1

concurrency:
  runs:
    # One run is one process for one recording. More than this only takes memory from each other.
    max_concurrent_runs: {max_concurrent_runs}
  pools:
    # Steps in a pool (`gpu`, `gpu_training`) run one at a time; the other steps of their runs go on meanwhile.
    default_limit: 1
    granularity: op

# A run whose process died is started again from the step it was in. A step that failed is not repeated:
# bad input stays bad, and an asset that a retry can mend asks for it itself.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false

run_monitoring:
  enabled: true
  poll_interval_seconds: 10
  # A process that does not come up, or does not go down, is given up on.
  start_timeout_seconds: 180
  cancel_timeout_seconds: 60
  # Without this the pool slot of a killed run is never given back, and every later run waits for it.
  free_slots_after_run_end_seconds: 5

# A slow inbox must not hold up the others.
sensors:
  use_threads: true
  num_workers: 4
  num_submit_workers: 4
schedules:
  use_threads: true
  num_workers: 2

# A sensor leaves a row per tick. Those that found nothing are of no use after a day.
retention:
  sensor:
    purge_after_days:
      skipped: 1
      success: 90
      failure: 30
  schedule:
    purge_after_days:
      skipped: 7
      success: 90
      failure: 90

# Nothing is reported to anybody.
telemetry:
  enabled: false
nux:
  enabled: false
"""


class BadInstance(ScriptoriumError):
    """`DAGSTER_HOME` or its `dagster.yaml` can't be used as it is."""


def dagster_home(settings: Settings) -> Path:
    """The folder of this instance: `DAGSTER_HOME` if set, else `dagster/` in the home. BadInstance if relative."""
    given = os.environ.get("DAGSTER_HOME")
    if not given:
        return settings.homes.dagster
    path = Path(given).expanduser()
    if not path.is_absolute():
        raise BadInstance(
            f"DAGSTER_HOME is {given!r}, which is not an absolute path.",
            "Set it to an absolute path, or unset it to use the home's own.",
        )
    return path.resolve()


def dagster_yaml() -> str:
    """The text of a first `dagster.yaml`, fitted to the number of cores of this machine."""
    cores = os.cpu_count() or 1
    return _DAGSTER_YAML.format(max_concurrent_runs=max(3, min(8, cores // 2)))


def prepare(settings: Settings) -> Path:
    """Make the homes, write `dagster.yaml` if there is none, and point this process and its children at them.

    Returns the Dagster home. An existing `dagster.yaml`, also an empty one, is left as it is.
    """
    home = dagster_home(settings)
    try:
        settings.homes.make()
        home.mkdir(parents=True, exist_ok=True)
        config = home / "dagster.yaml"
        if not config.exists():
            partial = home / f".dagster.yaml.{os.getpid()}"
            partial.write_text(dagster_yaml(), encoding="utf-8")
            partial.replace(config)
    except OSError as error:
        raise BadInstance(
            f"{error.filename or home} can't be written: {error.strerror}.",
            "Choose another place with SCRIPTORIUM_HOME, or give yourself write access.",
        ) from error
    os.environ["SCRIPTORIUM_HOME"] = str(settings.homes.home)
    os.environ["DAGSTER_HOME"] = str(home)
    # torch's threads spin while they wait for each other; on a machine that does something else as well, a small
    # training then takes many times as long. It is read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return home


@contextmanager
def opened(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The prepared instance. BadInstance with Dagster's own words if `dagster.yaml` is wrong."""
    home = prepare(settings)
    import dagster as dg

    try:
        instance = dg.DagsterInstance.get()
    except Exception as error:  # a wrong dagster.yaml surfaces as any of a dozen kinds
        reason = " ".join(str(error).split())
        raise BadInstance(
            f"Dagster can't use {home / 'dagster.yaml'}: {reason[:400]}",
            "Correct the file, or move it away and run `scriptorium setup` for a fresh one.",
        ) from error
    with instance:
        yield instance


def bury_orphans(instance: dg.DagsterInstance, *, daemon_alive: bool) -> list[dg.DagsterRun]:
    """Fail the runs that count as running though their process is gone, give back their pool slots, return them.

    Dagster's code server notices a dead worker only while it lives itself; after a power cut nobody does, and the run
    would occupy its place in the queue for ever. Once failed, the daemon retries it as it does after any crash. With
    a daemon alive only runs of this command are looked at: a daemon in a container has process ids of its own.
    """
    import dagster as dg

    unfinished = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    found = []
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        pid = _worker_pid(instance, run, daemon_alive)
        if pid is not None and not _alive(pid):
            found.append(run)
            message = "The process of this run is gone: killed together with its server, or the machine went down."
            if run.status == dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, message)
            else:
                instance.report_run_failed(run, message)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return found


def _worker_pid(instance: dg.DagsterInstance, run: dg.DagsterRun, daemon_alive: bool) -> int | None:
    if (tagged := run.tags.get(CLI_TAG)) and run.parent_run_id is None:  # a retry by the daemon inherits the tag
        host, _, pid = tagged.rpartition(":")
        return int(pid) if host == socket.gethostname() else None
    if daemon_alive:
        return None
    import dagster as dg

    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        value = event.engine_event_data.metadata.get("pid") if event else None
        if value is not None and event is not None and (event.message or "").startswith("Started process for run"):
            return int(str(value.value))
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # a killed process whose parent has not yet collected it is as good as gone
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
