"""The instance: its folder, its settings, and runs that lost their process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import EngineEventData
from dagster._core.scheduler.instigation import TickStatus

from dagster_project.instance import CLI_TAG, BadInstance, bury_orphans, dagster_home, opened, prepare
from dagster_project.settings import Settings


@pytest.fixture(autouse=True)
def _no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "höme with blanks")


def test_dagster_takes_the_first_settings(settings: Settings) -> None:
    with opened(settings) as instance:
        assert instance.root_directory == str(settings.homes.dagster)
        assert instance.run_coordinator.dequeue_interval_seconds == 1
        concurrency = instance.get_concurrency_config()
        assert concurrency.pool_config.default_pool_limit == 1
        assert concurrency.run_queue_config.max_concurrent_runs >= 3
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_enabled
        assert instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] == 5
        assert instance.get_sensor_settings()["use_threads"]
        assert not instance.telemetry_enabled
        kept_days = instance.get_tick_retention_settings(InstigatorType.SENSOR)
        assert kept_days[TickStatus.SKIPPED] == 1


def test_an_existing_dagster_yaml_is_kept(settings: Settings) -> None:
    home = prepare(settings)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    prepare(settings)
    assert (home / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"
    assert [path.name for path in home.iterdir() if "yaml" in path.name] == ["dagster.yaml"]


def test_a_wrong_dagster_yaml_is_told_with_the_reason(settings: Settings) -> None:
    (prepare(settings) / "dagster.yaml").write_text("run_retries:\n  enabled: perhaps\n")
    with pytest.raises(BadInstance, match=r"dagster\.yaml.*(run_retries|enabled)"), opened(settings):
        pass


def test_children_inherit_absolute_homes(settings: Settings) -> None:
    home = prepare(settings)
    code = "import os; print(os.environ['SCRIPTORIUM_HOME']); print(os.environ['DAGSTER_HOME'])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [str(settings.homes.home), str(home)]


def test_dagster_home_of_the_environment_wins(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    assert prepare(settings) == tmp_path / "elsewhere"
    assert (tmp_path / "elsewhere" / "dagster.yaml").is_file()
    monkeypatch.setenv("DAGSTER_HOME", "not/absolute")
    with pytest.raises(BadInstance, match="not an absolute path"):
        dagster_home(settings)


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInstance, match="can't be written"):
        prepare(Settings(home=tmp_path / "file"))


@dg.op
def _nothing() -> None:
    pass


@dg.job
def _job() -> None:
    _nothing()


def _started(instance: dg.DagsterInstance, tags: dict[str, str], parent: str | None = None) -> dg.DagsterRun:
    return instance.create_run_for_job(
        _job, tags=tags, status=dg.DagsterRunStatus.STARTED, parent_run_id=parent, root_run_id=parent
    )


def test_only_runs_whose_process_is_gone_are_buried(settings: Settings) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = socket.gethostname()
    with opened(settings) as instance:
        dead = _started(instance, {CLI_TAG: f"{here}:{gone.pid}"})
        alive = _started(instance, {CLI_TAG: f"{here}:{os.getpid()}"})
        far = _started(instance, {CLI_TAG: f"another-{here}:{gone.pid}"})
        retried = _started(instance, {CLI_TAG: f"{here}:{gone.pid}"}, parent=dead.run_id)
        worker = _started(instance, {})
        instance.report_engine_event(
            f"Started process for run (pid: {gone.pid}).",
            worker,
            EngineEventData({"pid": dg.MetadataValue.text(str(gone.pid))}),
        )
        assert [run.run_id for run in bury_orphans(instance, daemon_alive=True)] == [dead.run_id]
        assert [run.run_id for run in bury_orphans(instance, daemon_alive=False)] == [worker.run_id]
        states = {run.run_id: instance.get_run_by_id(run.run_id).status for run in (dead, alive, far, retried, worker)}
    assert states[dead.run_id] == states[worker.run_id] == dg.DagsterRunStatus.FAILURE
    assert {states[run.run_id] for run in (alive, far, retried)} == {dg.DagsterRunStatus.STARTED}
