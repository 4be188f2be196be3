"""Dagster's own sensor daemon, killed for real between two of its steps: the run still comes, once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

DEFINITIONS = """
import os
from pathlib import Path

import dagster as dg
from sensors.recordings import recordings_inbox

home = Path(os.environ["TEST_HOME"])
PARTITIONS = dg.DynamicPartitionsDefinition(name="recordings")

@dg.asset(partitions_def=PARTITIONS, deps=[dg.AssetKey("recording")])
def published() -> None: ...

defs = dg.Definitions(
    assets=[dg.AssetSpec("recording", partitions_def=PARTITIONS), published],
    jobs=[dg.define_asset_job("recordings", [published], executor_def=dg.in_process_executor)],
    sensors=[recordings_inbox(
        folder=home / "inbox", ledger=home / "intake.sqlite", failures=home / "failures.log", disk=home,
        settle_seconds=0, min_free_gb=0,
    )],
)
"""

DAEMON = """
import logging, os, signal, sys, time
import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget, create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon import sensor

definitions, killed_in = sys.argv[1:]
if killed_in:
    setattr(sensor, killed_in, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
target = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(
    LoadableTargetOrigin(executable_path=sys.executable, python_file=definitions, attribute="defs"), "here"
))
with dg.DagsterInstance.get() as instance, create_test_daemon_workspace_context(target, instance) as workspace:
    def iterate():
        for error in sensor.execute_sensor_iteration(workspace, logging.getLogger("daemon"), None, None):
            if error:
                sys.exit(str(error))

    end = time.monotonic() + 60
    while not instance.get_runs_count():
        iterate()
        if time.monotonic() > end:
            sys.exit("no run came")
        time.sleep(0.5)
    time.sleep(3.5)  # the sensor's interval is 3 s: one more tick, which must add nothing
    iterate()
"""


def daemon(home: Path, killed_in: str = "") -> int:
    """Dagster's sensor daemon in a process of its own, until a run exists; returns how the process ended."""
    environment = {**os.environ, "DAGSTER_HOME": str(home / "dagster"), "TEST_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", DAEMON, str(home / "definitions.py"), killed_in],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-3000:]
    return done.returncode


@pytest.mark.parametrize(
    "step",
    [
        "_handle_dynamic_partitions_requests",
        "_handle_run_requests_and_automation_condition_evaluations",
        "_submit_run_requests",
    ],
)
def test_a_daemon_killed_between_its_steps_still_starts_the_run(tmp_path, wav, step):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "dagster").mkdir()
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    wav(tmp_path / "inbox" / "a.wav")
    assert daemon(tmp_path, killed_in=step) == -signal.SIGKILL
    assert daemon(tmp_path) == 0
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        (key,) = instance.get_dynamic_partitions("recordings")
        (run,) = instance.get_runs()
        assert run.tags["dagster/run_key"] == run.tags["dagster/partition"] == key
        assert run.status == dg.DagsterRunStatus.QUEUED
        events = instance.fetch_materializations(dg.AssetKey("recording"), limit=10).records
        assert len(events) == 1
