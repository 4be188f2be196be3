"""What MLflow keeps of trainings: runs with curves, pictures and cards, and a registered model with alias `champion`.

Belongs here: writing that down, so that nothing of it can hurt a training: every failure is a sentence in the result,
and none takes long. Does not belong here: what a training or evaluation reports (`training/results.py`), the weights
(they lie in the store; MLflow holds their digest). mlflow is imported when something is written. Clients are given
their address, and no run is "active", so that two runs in one process do not mix.
"""

import fcntl
import json
import logging
import math
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from resources.store.types import safe_name

_SQLITE = "sqlite:///"
_METRICS, _PARAMS, _VALUE = 1000, 100, 6000  # the most MLflow takes at once, and characters of a parameter
_LOCKED_S = 4.0  # how long a database that somebody else writes is waited for
_REASON = 300  # characters of a warning's cause
_DIGEST, _ALIAS, _CARD, _POINTER = "checkpoint_digest", "champion", "card.json", "checkpoint.json"


@dataclass(frozen=True)
class Tracked:
    """The MLflow run that was written, if one was, and what went wrong, if something did."""

    run_id: str | None
    warning: str | None


class Tracking(dg.ConfigurableResource):
    """MLflow, for looking and comparing. No method raises or waits longer than `patience_s` for MLflow's sake."""

    uri: str = Field(description="MLflow's database: sqlite:///<absolute path>, or the address of a server.")
    artifacts: str = Field(description="Folder for the pictures and cards of new experiments.")
    enabled: bool = Field(default=True, description="False: nothing is written, and nothing said.")
    patience_s: float = Field(
        default=90.0,
        gt=0,
        description="A call gives up after so many seconds. The first one makes the database, which takes 10.",
    )

    def training(
        self,
        product: str,
        preset: str,
        *,
        params: Mapping[str, Any],
        epochs: Sequence[Mapping[str, float]],
        metrics: Mapping[str, float],
        pictures: Mapping[str, bytes],
        card_json: bytes,
        tags: Mapping[str, str],
    ) -> Tracked:
        """Write a finished training as a run of experiment `product`, named `preset`.

        `epochs` become curves over the epoch's number; `metrics` are final numbers, written as `final_<name>` where a
        curve has that name. `params` may be nested. `pictures` are PNGs by name, in `plots/`; `card_json` is card.json.
        """
        written: list[str] = []

        def write() -> None:
            from mlflow.entities import Metric

            client = self._client()
            spent_ms = int(1000 * sum(row.get("seconds", 0.0) for row in epochs))
            start = int(time.time() * 1000) - spent_ms
            experiment = self._experiment(client, product)
            run_tags = {"product": product, "preset": preset, **tags}
            run_id = client.create_run(
                experiment, start_time=start, run_name=preset, tags={name: str(tag) for name, tag in run_tags.items()}
            ).info.run_id
            written.append(run_id)
            points: list[Metric] = []
            curves: set[str] = set()
            at = float(start)
            for i, row in enumerate(epochs):
                at += 1000 * row.get("seconds", 0.0)
                step = int(row.get("epoch", i + 1))
                numbers = _finite({name: value for name, value in row.items() if name != "epoch"})
                curves |= numbers.keys()
                points += [Metric(name, value, int(at), step) for name, value in numbers.items()]
            points += [
                Metric(f"final_{name}" if name in curves else name, value, int(at), len(epochs))
                for name, value in _finite(metrics).items()
            ]
            try:
                _log(client, run_id, points, _flat(params))
                _attach(client, run_id, pictures, {_CARD: card_json})
            except Exception:
                client.set_terminated(run_id, "FAILED")
                raise
            client.set_terminated(run_id, "FINISHED", start + spent_ms)

        warning = self._bounded(write)
        return Tracked(written[0] if written else None, warning)

    def finished(
        self,
        run_id: str | None,
        *,
        checkpoint_digest: str,
        metrics: Mapping[str, float],
        pictures: Mapping[str, bytes],
    ) -> str | None:
        """Add an evaluation to a training's run: `evaluation/<metric>`, pictures, the checkpoint's digest.

        The digest is a tag, by which the run is found, and in checkpoint.json among the artifacts.
        Returns: a warning, or None. Without a run there is nothing to add to: the training has said why.
        """

        def write() -> None:
            from mlflow.entities import Metric

            client = self._client()
            client.set_tag(run_id, _DIGEST, checkpoint_digest)
            now = int(time.time() * 1000)
            _log(
                client,
                run_id,
                [Metric(f"evaluation/{name}", value, now, 0) for name, value in _finite(metrics).items()],
            )
            _attach(client, run_id, pictures, _pointer(checkpoint_digest))

        return None if run_id is None else self._bounded(write)

    def crowned(
        self,
        product: str,
        *,
        run_id: str | None,
        preset: str,
        checkpoint_digest: str,
        metrics: Mapping[str, float],
        model: str | None = None,
    ) -> str | None:
        """Let the alias `champion` of the registered model `model` (that of the product's name where none is given)
        name this checkpoint, trained or baseline.

        A checkpoint has one version, however often it is crowned. The version's source is its run's artifacts; the
        run is looked up by the digest where `run_id` is None, and a small one is made if there is none.
        Returns: a warning, or None.
        """

        registered = model or product

        def write() -> None:
            client = self._client()
            self._registered(client, registered)
            versions = client.search_model_versions(f"name = '{safe_name(registered)}'", max_results=10_000)
            version = next((each.version for each in versions if each.tags.get(_DIGEST) == checkpoint_digest), None)
            if version is None:
                run = self._run_of(client, product, preset, run_id, checkpoint_digest)
                numbers = ", ".join(f"{name} {value:.4g}" for name, value in _finite(metrics).items())
                version = client.create_model_version(
                    registered,
                    run.info.artifact_uri,
                    run.info.run_id,
                    tags={_DIGEST: checkpoint_digest, "preset": preset},
                    description=f"{preset}: {numbers}. The weights lie in the store as checkpoint {checkpoint_digest}.",
                ).version
            with self._by_itself():  # MLflow inserts the alias if it found none: two at once would both
                client.set_registered_model_alias(registered, _ALIAS, version)

        return self._bounded(write)

    def _experiment(self, client: Any, product: str) -> str:
        """The experiment's id. Made if there is none, brought back if somebody deleted it."""
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(product)
        if found is None:
            place = Path(self.artifacts, safe_name(product)).absolute().as_uri()
            try:
                return str(client.create_experiment(product, artifact_location=place))
            except MlflowException:  # another process was faster
                found = client.get_experiment_by_name(product)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _registered(self, client: Any, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.get_registered_model(model)
        except MlflowException:
            try:
                client.create_registered_model(model)
            except MlflowException:  # another process was faster, else this says what is wrong
                client.get_registered_model(model)

    def _run_of(self, client: Any, product: str, preset: str, run_id: str | None, digest: str) -> Any:
        """The run that made a checkpoint."""
        if run_id is not None:
            return client.get_run(run_id)
        experiment = self._experiment(client, product)
        found = client.search_runs([experiment], f"tags.{_DIGEST} = '{safe_name(digest)}'", max_results=1)
        if found:
            return found[0]
        tags = {"product": product, "preset": preset, _DIGEST: digest}
        run = client.create_run(experiment, run_name=preset, tags=tags)
        _attach(client, run.info.run_id, {}, _pointer(digest))
        client.set_terminated(run.info.run_id, "FINISHED")
        return run

    def _client(self) -> Any:
        """MLflow's client, with its database made and answering. One process at a time makes the database."""
        database = self._database()
        if database is None:
            return _mlflow_client(self.uri)
        database.parent.mkdir(parents=True, exist_ok=True)
        with self._by_itself():
            # MLflow tries for minutes to open what can't be opened: this says at once what is wrong.
            with closing(sqlite3.connect(database, timeout=_LOCKED_S)) as probe:
                probe.execute("BEGIN IMMEDIATE")
                probe.rollback()
            return _mlflow_client(self.uri)

    def _database(self) -> Path | None:
        return Path(self.uri.removeprefix(_SQLITE)) if self.uri.startswith(_SQLITE) else None

    def _by_itself(self) -> AbstractContextManager[None]:
        """No other process of this home does the same meanwhile; a server's database looks after that itself."""
        database = self._database()
        return (
            nullcontext() if database is None else _alone(database.with_name(f"{database.name}.lock"), self.patience_s)
        )

    def _bounded(self, write: Callable[[], None]) -> str | None:
        """Run `write` and say what went wrong, if anything; a call that hangs is left behind in its own thread."""
        if not self.enabled:
            return None
        failed: list[str] = []

        def work() -> None:
            try:
                write()
            except ImportError as error:
                name = (error.name or "a library").partition(".")[0]
                failed.append(f"{name} is not installed (make setup EXTRAS=train)")
            except Exception as error:
                failed.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=work, name="mlflow", daemon=True)
        thread.start()
        thread.join(self.patience_s)
        if thread.is_alive():
            failed.append(f"it did not answer within {self.patience_s:g} s")
        if not failed:
            return None
        cause = " ".join(failed[0].split())
        cause = cause if len(cause) <= _REASON else f"{cause[:_REASON]}…"
        return (
            f"MLflow ({self.uri}) was not written: {cause}. The same numbers are in the asset's metadata and the store."
        )


def _mlflow_client(uri: str) -> Any:
    # Before the import, which would start the reporting of usage to MLflow's makers.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow.tracking import MlflowClient

    # Its errors are told in a sentence (`_bounded`), not as tracebacks; migrations are nobody's news.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def _alone(path: Path, patience_s: float) -> Iterator[None]:
    """Hold the lock file at `path`; TimeoutError after `patience_s`. The lock ends with its process."""
    until = time.monotonic() + patience_s
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise TimeoutError(f"another process has held {path} for {patience_s:g} s") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _finite(numbers: Mapping[str, Any]) -> dict[str, float]:
    """Those that are numbers and finite: MLflow would draw infinity as 1.8e308, and nothing else would be seen."""
    return {name: float(x) for name, x in numbers.items() if isinstance(x, int | float) and math.isfinite(x)}


def _pointer(digest: str) -> dict[str, bytes]:
    """What lies in a run's artifacts instead of weights."""
    return {_POINTER: json.dumps({"checkpoint": digest}).encode()}


def _flat(params: Mapping[str, Any], before: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = str(value)[:_VALUE]
    return flat


def _log(client: Any, run_id: str | None, points: Sequence[Any], params: Mapping[str, str] | None = None) -> None:
    """In as few calls as MLflow allows: one a number would take minutes."""
    from mlflow.entities import Param

    pairs = [Param(name, value) for name, value in (params or {}).items()]
    for start in range(0, len(pairs), _PARAMS):
        client.log_batch(run_id, params=pairs[start : start + _PARAMS])
    for start in range(0, len(points), _METRICS):
        client.log_batch(run_id, metrics=points[start : start + _METRICS])


def _attach(
    client: Any, run_id: str | None, pictures: Mapping[str, bytes], others: Mapping[str, bytes] | None = None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (plots := Path(folder) / "plots").mkdir()
        for name, png in pictures.items():
            (plots / f"{safe_name(name)}.png").write_bytes(png)
        for name, content in (others or {}).items():
            (Path(folder) / safe_name(name)).write_bytes(content)
        client.log_artifacts(run_id, folder)
