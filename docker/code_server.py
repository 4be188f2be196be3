"""What the `code` container does: prepare the home, become Dagster's code server, clear what a former container left.

Runs are processes of this container. A run that counts as running when it starts was ended with the container before;
nobody else would ever notice, so it is failed here, and the daemon starts it again. (A run that had not yet begun is
left to the daemon, which gives up on it after the start timeout of dagster.yaml.) Process ids are no help: those of the
former container mean something else in this one.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import dagster as dg
import grpc
import healthy

from dagster_project.instance import CLI_TAG, LOCATION, opened
from dagster_project.settings import Settings

RUNNING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
START_S = 300
# A daemon that did not go down with this container takes a moment to find the new code server. Told of a failed run
# before that, it does not find the job, and gives up on the retry for good.
RECONNECT_S = 10


def serve() -> None:
    """Become the code server; where runs were cut off, leave a process behind that clears them."""
    with opened(Settings()) as instance:
        cut_off = [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=RUNNING)) if _ran_here(run)]
    if cut_off:
        # By way of a shell that ends at once: its child falls to init, which collects it, as the code server would not.
        subprocess.run(["sh", "-c", '"$@" &', "sh", sys.executable, __file__, *cut_off], check=True)
    server = ["dagster", "code-server", "start", "-h", "0.0.0.0", "-p", "4000"]
    os.execvp(server[0], [*server, "-m", "dagster_project.definitions", "--location-name", LOCATION])


def clear(run_ids: list[str]) -> None:
    """Once the code server serves, fail these runs and give back their pool slots."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with contextlib.suppress(grpc.RpcError):
            if healthy.code():
                break
        time.sleep(1)
    time.sleep(RECONNECT_S)
    message = "The container of this run was stopped."
    with opened(Settings()) as instance:
        for run in instance.get_runs(dg.RunsFilter(run_ids=run_ids, statuses=RUNNING)):
            if run.status == dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, message)
            else:
                # The status before the event: the daemon looks once at a run whose failure it finds in the log, and a
                # run that it catches between the two, not yet failed, is never retried.
                event = dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, run.job_name, message=message)
                instance.run_storage.handle_run_event(run.run_id, event, datetime.now(UTC))
                instance.report_run_failed(run, message)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            sys.stderr.write(f"run {run.run_id} was cut off with a former container and is failed\n")


def _ran_here(run: dg.DagsterRun) -> bool:
    """False for a run of the `scriptorium` command on another host. A retry inherits the tag, but not the place."""
    command = run.tags.get(CLI_TAG)
    return command is None or run.parent_run_id is not None or command.startswith(f"{socket.gethostname()}:")


if __name__ == "__main__":
    clear(sys.argv[1:]) if sys.argv[1:] else serve()
