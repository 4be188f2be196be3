"""The upkeep jobs as Dagster runs them: on a real instance, a real store, and with what they show."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from jobs.upkeep import upkeep_jobs, upkeep_schedules
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Text

DAY_S = 86_400
OPS = {"verify_store": "verify_objects", "collect_garbage": "delete_garbage", "store_report": "measure_store"}
keys = dg.StaticPartitionsDefinition(["one", "two"])


@dg.asset(partitions_def=keys, group_name="recordings")
def words(context: dg.AssetExecutionContext) -> Text:
    return Text(f"{context.partition_key} {context.run_id}")


@dg.asset(group_name="reports")
def title() -> Text:
    return Text("always the same")


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    (home / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(home / "dagster"), {"telemetry": {"enabled": False}}) as instance:
        yield instance


@pytest.fixture
def root(home: Path) -> Path:
    return home / "store"


@pytest.fixture
def defs(home: Path, root: Path) -> dg.Definitions:
    """What a project has: assets, the store, the upkeep jobs and their schedules."""
    store = ArtifactStore(root=str(root), library=str(home / "library"))
    assets = [words, title]
    jobs = upkeep_jobs(assets, home / "cache")
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        schedules=upkeep_schedules(jobs),
        resources={"store": store, "io_manager": ArtifactIOManager(store=store)},
        executor=dg.in_process_executor,
    )


@pytest.fixture
def make(defs: dg.Definitions, instance: dg.DagsterInstance) -> Callable[..., str]:
    """Materialize an asset; return the path of its manifest."""

    def run(asset: str, partition: str | None = None) -> str:
        job = defs.resolve_implicit_job_def_def_for_assets([dg.AssetKey(asset)])
        assert job is not None
        done = job.execute_in_process(instance=instance, partition_key=partition, asset_selection=[dg.AssetKey(asset)])
        assert done.success
        (event,) = done.asset_materializations_for_node(asset)
        return str(event.metadata["manifest"].value)

    return run


@pytest.fixture
def run(defs: dg.Definitions, instance: dg.DagsterInstance) -> Callable[..., tuple[bool, str, dict[str, Any]]]:
    """Run an upkeep job: whether it succeeded, the failure's text, and the metadata it shows."""

    def execute(job: str, **config: Any) -> tuple[bool, str, dict[str, Any]]:
        done = defs.resolve_job_def(job).execute_in_process(
            instance=instance, run_config={"ops": {OPS[job]: {"config": config}}}, raise_on_error=False
        )
        if done.success:
            (event,) = [event for event in done.all_events if event.event_type_value == "STEP_OUTPUT"]
            return True, "", dict(event.step_output_data.metadata)
        (event,) = [event for event in done.all_events if event.is_step_failure]
        failure = event.step_failure_data.user_failure_data
        assert failure is not None, event.step_failure_data.error
        return False, str(failure.description), dict(failure.metadata)

    return execute


def rows(table: dg.TableMetadataValue) -> list[dict[str, Any]]:
    return [dict(record.data) for record in table.records]


def make_old(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 30 * DAY_S,) * 2)


def objects(root: Path) -> list[Path]:
    return [path for path in (root / "objects").rglob("*") if path.is_file()]


def test_verification_shows_what_it_read(make: Callable[..., str], run: Callable[..., Any], root: Path) -> None:
    make("words", "one"), make("words", "two"), make("title")
    ok, _, shown = run("verify_store")
    assert ok
    assert {name: shown[name].value for name in ("objects", "checked", "due", "problems")} == {
        "objects": 3, "checked": 3, "due": 0, "problems": 0
    }  # fmt: skip
    assert shown["bytes"].value == sum(path.stat().st_size for path in objects(root))
    assert rows(shown["problem_list"]) == []
    assert run("verify_store")[2]["checked"].value == 0
    make("words", "two")
    assert run("verify_store", budget_gb=1e-9)[2]["checked"].value == 1


def test_verification_fails_with_what_has_to_be_made_again(
    make: Callable[..., str], run: Callable[..., Any], root: Path
) -> None:
    make("words", "one")
    before = set(objects(root))
    manifest = make("words", "two")
    (bad,) = set(objects(root)) - before
    bad.chmod(0o644)
    bad.write_bytes(bad.read_bytes()[:-1])
    ok, text, shown = run("verify_store")
    assert not ok
    assert "materialize again, with what depends on it: words [two]." in text
    (row,) = rows(shown["problem_list"])
    assert (row["what"], row["asset"], row["partition"], row["version"], row["name"]) == (
        "damaged object", "words", "two", "latest", bad.name
    )  # fmt: skip
    assert row["run"] in manifest
    assert not bad.exists()
    assert len(list((root / "bad").iterdir())) == 1
    assert not run("verify_store")[0]  # until it is mended
    make("words", "two")
    ok, _, shown = run("verify_store")
    assert ok
    assert [row["version"] for row in rows(shown["problem_list"])] == ["earlier"]


def test_a_collection_lists_and_then_deletes(
    make: Callable[..., str], run: Callable[..., Any], root: Path, instance: dg.DagsterInstance
) -> None:
    kept = make("words", "one")
    gone = make("words", "two")
    instance.delete_run(Path(gone).name.rpartition("-")[0])
    make_old(root)
    ok, _, would = run("collect_garbage")
    assert ok
    assert would["dry_run"].value is True
    assert len(objects(root)) == 2
    ok, _, done = run("collect_garbage", dry_run=False)
    assert ok
    assert done["dry_run"].value is False
    for shown in (would, done):
        assert (shown["manifests"].value, shown["objects"].value) == (1, 1)
        assert gone in shown["names"].value
        counts = {row["what"]: row["count"] for row in rows(shown["parts"])}
        assert counts == {"manifests": 1, "objects": 1, "temporary": 0, "scratch": 0, "bad": 0, "cache": 0}
    assert len(objects(root)) == 1
    assert (root / kept).exists()
    assert not (root / gone).exists()


def test_a_collection_of_earlier_versions(make: Callable[..., str], run: Callable[..., Any], root: Path) -> None:
    versions = [make("words", "one") for _ in range(3)]
    make_old(root)
    assert run("collect_garbage", keep_versions=1)[2]["manifests"].value == 0  # they were needed a moment ago
    assert all((root / version).exists() for version in versions)


def test_a_collection_on_a_foreign_event_log_is_refused(
    defs: dg.Definitions, make: Callable[..., str], home: Path, root: Path
) -> None:
    make("words", "one")
    make_old(root)
    (home / "other").mkdir()
    with dg.DagsterInstance.local_temp(str(home / "other"), {"telemetry": {"enabled": False}}) as other:
        job = defs.resolve_job_def("collect_garbage")
        config = {"ops": {"delete_garbage": {"config": {"dry_run": False}}}}
        refused = job.execute_in_process(instance=other, run_config=config, raise_on_error=False)
        assert not refused.success
        (event,) = [event for event in refused.all_events if event.is_step_failure]
        assert event.step_failure_data.user_failure_data is not None
        assert event.step_failure_data.user_failure_data.metadata["error"].value == "ForeignEventLog"
        assert "trust_event_log" in str(event.step_failure_data.user_failure_data.description)
        assert len(objects(root)) == 1
        config["ops"]["delete_garbage"]["config"]["trust_event_log"] = True
        assert job.execute_in_process(instance=other, run_config=config).success
        assert objects(root) == []


def test_a_collection_stops_at_a_damaged_manifest(
    make: Callable[..., str], run: Callable[..., Any], root: Path
) -> None:
    manifest = root / make("words", "two")
    manifest.chmod(0o644)
    manifest.write_bytes(b"{}")
    make_old(root)
    ok, text, shown = run("collect_garbage", dry_run=False)
    assert not ok
    assert "The manifest of words [two], run " in text
    assert "materialize words [two] again" in text
    assert shown["objects"].value == 0
    assert len(objects(root)) == 1


def test_the_report_adds_up_by_product(make: Callable[..., str], run: Callable[..., Any], root: Path) -> None:
    make("words", "one"), make("title"), make("title")
    ok, _, shown = run("store_report")
    assert ok
    sizes = {row["name"]: (row["versions"], row["bytes"], row["distinct bytes"]) for row in rows(shown["products"])}
    assert sizes == {"recordings": (1, 40, 40), "reports": (2, 30, 15)}
    assert [row["name"] for row in rows(shown["assets"])] == ["words", "title"]
    assert shown["dedup_ratio"].value == pytest.approx(70 / 55, abs=0.001)
    assert (shown["bytes"].value, shown["objects"].value, shown["unreferenced_bytes"].value) == (55, 2, 0)
    assert [row["asset"] for row in rows(shown["largest_artifacts"])] == ["words [one]", "title", "title"]
    assert "data:image/png;base64," in shown["picture"].value
    assert len(shown["picture"].value) < 20_000


@pytest.mark.parametrize(
    ("job", "config"),
    [
        ("verify_store", {"every_days": 0}),
        ("verify_store", {"budget_gb": -1}),
        ("collect_garbage", {"grace_days": 0}),
        ("collect_garbage", {"keep_versions": -1}),
        ("collect_garbage", {"dryrun": False}),
        ("store_report", {"largest": 0}),
    ],
)
def test_a_wrong_config_fails_before_any_work(defs: dg.Definitions, job: str, config: dict[str, Any]) -> None:
    with pytest.raises((dg.DagsterInvalidConfigError, ValidationError), match=next(iter(config))):
        defs.resolve_job_def(job).execute_in_process(run_config={"ops": {OPS[job]: {"config": config}}})


def test_all_schedules_run_and_the_collection_is_dry_unless_told_otherwise(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance)
        found = {}
        for schedule in defs.schedules or []:
            assert isinstance(schedule, dg.ScheduleDefinition)
            assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
            (request,) = schedule.evaluate_tick(context).run_requests or []
            found[schedule.job_name] = (schedule.cron_schedule, request.run_config)
    dry = {"ops": {"delete_garbage": {"config": {"dry_run": True}}}}
    assert found == {
        "verify_store": ("0 3 * * *", {}),
        "collect_garbage": ("0 4 * * 0", dry),
        "store_report": ("30 4 * * 0", {}),
    }
    jobs = upkeep_jobs([], None)
    wet = next(s for s in upkeep_schedules(jobs, collect=True) if s.job_name == "collect_garbage")
    (request,) = wet.evaluate_tick(dg.build_schedule_context()).run_requests or []
    assert request.run_config["ops"]["delete_garbage"]["config"]["dry_run"] is False
