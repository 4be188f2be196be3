"""What MLflow keeps of trainings, and that its failures are sentences. With the real MLflow, in temporary homes."""

import math
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resources.tracking import Tracked, Tracking

pytestmark = pytest.mark.train

EPOCHS = [
    {"epoch": i + 1, "loss": 1 / (i + 1), "val_loss": 2 / (i + 1), "accuracy": 1 - 1 / (i + 2), "seconds": 2.0}
    for i in range(400)
]


SCRIPT = """
import sys
from resources.tracking import Tracking
assert not [name for name in ("mlflow", "numpy", "sqlalchemy") if name in sys.modules]
{before}
tracking = Tracking(uri="sqlite:///" + sys.argv[1] + "/mlflow.db", artifacts=sys.argv[1] + "/mlflow")
done = tracking.training("other", sys.argv[2], params={{}}, epochs=[{{"epoch": 1, "loss": 1.0}}], metrics={{}},
                         pictures={{}}, card_json=b"{{}}", tags={{}})
crowned = tracking.crowned("other", run_id=done.run_id, preset="a", checkpoint_digest=sys.argv[2], metrics={{}})
print(done.warning, crowned)
"""


def process(home: Path, preset: str, before: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT.format(before=before), str(home), preset]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def two_at_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home whose database two processes made at the same time, and what they printed. It takes seconds: once."""
    home = tmp_path_factory.mktemp("home")
    both = [process(home, name) for name in ("a", "b")]
    return home, ["".join(each.communicate(timeout=150)) for each in both]


@pytest.fixture
def empty(two_at_once: tuple[Path, list[str]]) -> bytes:
    """A database as MLflow makes it, with nothing of the products the tests use."""
    return (two_at_once[0] / "mlflow.db").read_bytes()


@pytest.fixture
def tracking(tmp_path: Path, empty: bytes) -> Tracking:
    """A home whose path has what a URL would trip over."""
    home = tmp_path / "a home, 100 % é"
    home.mkdir()
    (home / "mlflow.db").write_bytes(empty)
    return Tracking(uri=f"sqlite:///{home}/mlflow.db", artifacts=str(home / "mlflow"))


@pytest.fixture
def client(tracking: Tracking) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking.uri, tracking.uri)


def train(tracking: Tracking, preset: str = "tiny", **changes: Any) -> Tracked:
    values: dict[str, Any] = {
        "params": {"epochs": 400, "optimizer": {"learning_rate": 0.1}, "long": "x" * 10_000},
        "epochs": EPOCHS,
        "metrics": {"val_loss": 0.25, "wall_s": 12.5, "infinite": math.inf},
        "pictures": {"curves": b"a picture"},
        "card_json": b'{"product": "cifar10"}',
        "tags": {"dagster_run_id": "run-1", "dataset_digest": "d" * 64},
    }
    return tracking.training("cifar10", preset, **(values | changes))


def test_a_training_is_a_run_with_curves_parameters_pictures_and_its_card(tracking: Tracking, client: Any) -> None:
    tracked = train(tracking)
    assert tracked.warning is None
    run = client.get_run(tracked.run_id)
    assert (run.info.run_name, run.info.status) == ("tiny", "FINISHED")
    assert client.get_experiment(run.info.experiment_id).name == "cifar10"
    assert run.info.end_time - run.info.start_time == 800_000  # 400 epochs of 2 s, in ms
    history = client.get_metric_history(tracked.run_id, "val_loss")  # 1,600 points: more than one call takes
    assert [(point.step, point.value) for point in history] == [(e["epoch"], e["val_loss"]) for e in EPOCHS]
    assert history[-1].timestamp - history[0].timestamp == 399 * 2_000
    assert run.data.metrics["final_val_loss"] == 0.25
    assert run.data.metrics["wall_s"] == 12.5
    assert "infinite" not in run.data.metrics
    assert run.data.params["optimizer.learning_rate"] == "0.1"
    assert len(run.data.params["long"]) == 6_000
    assert (run.data.tags["dagster_run_id"], run.data.tags["dataset_digest"]) == ("run-1", "d" * 64)
    folder = Path(tracking.artifacts, "cifar10", tracked.run_id or "", "artifacts")
    assert (folder / "plots/curves.png").read_bytes() == b"a picture"
    assert (folder / "card.json").read_bytes() == b'{"product": "cifar10"}'


def test_values_that_are_not_finite_are_left_out(tracking: Tracking, client: Any) -> None:
    tracked = train(
        tracking, epochs=[{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": math.nan}, {"epoch": 3, "loss": 2}]
    )
    assert tracked.warning is None
    assert [point.step for point in client.get_metric_history(tracked.run_id, "loss")] == [1, 3]


def test_an_evaluation_joins_the_run_of_its_training(tracking: Tracking, client: Any) -> None:
    tracked = train(tracking)
    done = tracking.finished(
        tracked.run_id, checkpoint_digest="abc", metrics={"val_loss": 0.3}, pictures={"confusion": b"a matrix"}
    )
    assert done is None
    run = client.get_run(tracked.run_id)
    assert run.data.tags["checkpoint_digest"] == "abc"
    assert run.data.metrics["evaluation/val_loss"] == 0.3
    assert len(client.get_metric_history(tracked.run_id, "val_loss")) == len(EPOCHS)  # the curve is left alone
    assert {item.path for item in client.list_artifacts(tracked.run_id, "plots")} == {
        "plots/curves.png",
        "plots/confusion.png",
    }
    assert "checkpoint.json" in {item.path for item in client.list_artifacts(tracked.run_id)}
    assert tracking.finished(None, checkpoint_digest="abc", metrics={}, pictures={}) is None


def test_the_alias_follows_the_champion_and_a_digest_has_one_version(tracking: Tracking, client: Any) -> None:
    tracked = train(tracking)
    tracking.finished(tracked.run_id, checkpoint_digest="abc", metrics={}, pictures={})

    def crown(digest: str, preset: str = "tiny", run_id: str | None = None) -> Any:
        warning = tracking.crowned(
            "cifar10", run_id=run_id, preset=preset, checkpoint_digest=digest, metrics={"accuracy": 0.9}
        )
        assert warning is None
        return client.get_model_version_by_alias("cifar10", "champion")

    first = crown("abc", run_id=tracked.run_id)
    assert first.run_id == tracked.run_id
    assert first.tags["checkpoint_digest"] == "abc"
    assert "tiny: accuracy 0.9. The weights lie in the store as checkpoint abc." in first.description
    assert crown("abc").version == first.version
    baseline = crown("def", preset="majority")  # of which MLflow has no run
    assert baseline.version != first.version
    assert client.get_run(baseline.run_id).data.tags["preset"] == "majority"
    pointer = Path(tracking.artifacts, "cifar10", baseline.run_id, "artifacts/checkpoint.json")
    assert pointer.read_text() == '{"checkpoint": "def"}'
    assert crown("abc").version == first.version
    assert len(client.search_model_versions("name = 'cifar10'")) == 2


def test_each_file_has_a_registered_model_of_its_own(tracking: Tracking, client: Any) -> None:
    models = {"sentiment.one~0123": "aaa", "sentiment.two~4567": "bbb"}
    for model, digest in models.items():
        told = {"run_id": None, "preset": "tiny", "checkpoint_digest": digest, "metrics": {}}
        assert tracking.crowned("sentiment", model=model, **told) is None
    found = {model: client.get_model_version_by_alias(model, "champion") for model in models}
    assert {model: version.tags["checkpoint_digest"] for model, version in found.items()} == models
    runs = [client.get_run(version.run_id) for version in found.values()]
    assert {client.get_experiment(run.info.experiment_id).name for run in runs} == {"sentiment"}


def test_the_run_of_a_champion_is_found_by_its_digest(tracking: Tracking, client: Any) -> None:
    tracked = train(tracking)
    tracking.finished(tracked.run_id, checkpoint_digest="abc", metrics={}, pictures={})
    assert tracking.crowned("cifar10", run_id=None, preset="tiny", checkpoint_digest="abc", metrics={}) is None
    assert client.get_model_version_by_alias("cifar10", "champion").run_id == tracked.run_id


def test_a_deleted_experiment_comes_back(tracking: Tracking, client: Any) -> None:
    train(tracking)
    client.delete_experiment(client.get_experiment_by_name("cifar10").experiment_id)
    assert train(tracking).warning is None


def every_call(tracking: Tracking) -> list[str | None]:
    return [
        train(tracking).warning,
        tracking.finished("run", checkpoint_digest="a", metrics={}, pictures={}),
        tracking.crowned("cifar10", run_id=None, preset="tiny", checkpoint_digest="a", metrics={}),
    ]


def broken(home: Path) -> None:
    (home / "mlflow.db").write_bytes(b"this is no database, but long enough to be taken for one" * 100)


def folder_in_its_place(home: Path) -> None:
    (home / "mlflow.db").mkdir()


def other_schema(home: Path) -> None:
    with sqlite3.connect(home / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0a8213491aaa'")


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "not a database": (broken, "not a database"),
    "a folder": (folder_in_its_place, "unable to open"),
    "made by another MLflow": (other_schema, "schema"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_database_is_a_warning(tmp_path: Path, empty: bytes, fault: str) -> None:
    breaking, said = FAULTS[fault]
    if breaking is other_schema:
        (tmp_path / "mlflow.db").write_bytes(empty)
    breaking(tmp_path)
    start = time.monotonic()
    for warning in every_call(Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=str(tmp_path / "mlflow"))):
        assert warning is not None
        assert said in warning
        assert "The same numbers are in the asset's metadata and the store." in warning
    # MLflow alone retries what can't be opened for 100 s; three calls here and the import take a few.
    assert time.monotonic() - start < 30


def test_a_home_that_can_not_be_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for warning in every_call(Tracking(uri=f"sqlite:///{tmp_path}/file/mlflow.db", artifacts=str(tmp_path / "mlflow"))):
        assert warning is not None
        assert "file" in warning


def test_a_lost_artifact_folder_is_a_warning_that_keeps_the_run(tracking: Tracking, client: Any) -> None:
    Path(tracking.artifacts).write_text("no folder")
    tracked = train(tracking)
    assert tracked.warning is not None
    assert client.get_run(tracked.run_id).info.status == "FAILED"


@pytest.mark.root
def test_a_folder_one_may_not_write_is_a_warning(tmp_path: Path, empty: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    tracking = Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=str(tmp_path / "mlflow"))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # root writes everything, so another user asks
        os.setuid(65534)
        try:
            warning = tracking.finished("run", checkpoint_digest="a", metrics={}, pictures={})
            os.write(writer, str(warning).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert b"Permission denied" in os.read(reader, 2_000)


def test_a_locked_database_is_waited_for_a_few_seconds_only(tracking: Tracking) -> None:
    train(tracking)
    other = sqlite3.connect(tracking.uri.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    start = time.monotonic()
    warning = tracking.finished("run", checkpoint_digest="a", metrics={}, pictures={})
    waited = time.monotonic() - start
    assert warning is not None
    assert "database is locked" in warning
    assert waited < 10  # 4 s, on a busy machine
    other.execute("ROLLBACK")
    assert train(tracking).warning is None


def test_a_call_that_hangs_is_left_behind(tracking: Tracking) -> None:
    """Another process holds the lock under which the database is made, and does not give it back."""
    import fcntl

    path = Path(tracking.uri.removeprefix("sqlite:///") + ".lock")
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        hasty = Tracking(uri=tracking.uri, artifacts=tracking.artifacts, patience_s=0.5)
        start = time.monotonic()
        tracked = train(hasty)
        assert time.monotonic() - start < 5
    assert tracked.run_id is None
    assert tracked.warning is not None


def test_switched_off_it_says_and_writes_nothing(tmp_path: Path) -> None:
    off = Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=str(tmp_path / "mlflow"), enabled=False)
    assert every_call(off) == [None, None, None]
    assert list(tmp_path.iterdir()) == []


def test_two_processes_make_the_database_at_once_and_quietly(two_at_once: tuple[Path, list[str]]) -> None:
    home, said = two_at_once
    assert said == ["None None\n"] * 2
    with sqlite3.connect(home / "mlflow.db") as database:
        assert database.execute("SELECT name FROM experiments WHERE name != 'Default'").fetchall() == [("other",)]
        assert database.execute("SELECT count(*) FROM runs").fetchall() == [(2,)]
        assert database.execute("SELECT count(*) FROM model_versions").fetchall() == [(2,)]


def test_without_mlflow_there_is_a_warning(tmp_path: Path) -> None:
    missing = process(tmp_path, "a", before='sys.modules["mlflow"] = None  # what import then says: not found')
    out, noise = missing.communicate(timeout=60)
    assert out.count("mlflow is not installed (make setup EXTRAS=train)") == 2, noise
