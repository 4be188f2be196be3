"""What the tests of batches share: a real folder with its sensor, a real Dagster instance, a clock the test sets."""

import time
import uuid
from types import SimpleNamespace

import dagster as dg
import pytest

from resources.intake.batch_events import Batches
from resources.intake.batches import files_of
from resources.intake.files import Names
from sensors import batches as watcher
from sensors.batches import batch_sensor
from sensors.inbox import Limits

NAMES = Names(taken=frozenset({".csv", ".png"}), never=frozenset())
PARTITIONS = dg.DynamicPartitionsDefinition(name="things")
EACH = Batches("dropped", "things", NAMES, "work", "worked")
WHOLE = Batches("dropped", None, NAMES, "work", "worked")


@dg.asset(partitions_def=PARTITIONS, deps=[dg.AssetKey("dropped")], name="worked")
def each() -> None:
    """Stands for predictions of a batch."""


@dg.asset(deps=[dg.AssetKey("dropped")], name="worked")
def whole() -> None:
    """Stands for a dataset made of a whole folder."""


class Place:
    """A home with an inbox. `run_keys` are those asked for so far, `events` what was reported."""

    def __init__(self, home, instance, batches):
        self.home, self.instance, self.batches = home, instance, batches
        self.inbox, self.log = home / "inbox", home / "failures.log"
        self.inbox.mkdir(exist_ok=True)
        self.run_keys, self.events, self.observations = [], [], []
        self.limits, self.options, self.cursor = {}, {}, None
        self.restart()

    def restart(self):
        """Definitions loaded anew, as by another process: what the sensor remembers is gone."""
        limits = Limits(disk=self.home, **({"settle_seconds": 0.0, "min_free_bytes": 0} | self.limits))
        sensor = batch_sensor(
            name="watch", batches=self.batches, folder=self.inbox, limits=limits, failures=self.log, description="",
            **self.options,
        )  # fmt: skip
        asset = each if self.batches.partitions else whole
        self.definitions = dg.Definitions(
            assets=[dg.AssetSpec("dropped", partitions_def=asset.partitions_def), asset],
            jobs=[dg.define_asset_job("work", [asset], executor_def=dg.in_process_executor)],
            sensors=[sensor],
        )
        self.sensor = self.definitions.resolve_sensor_def("watch")

    def tick(self, events=True, partitions=True, runs=True):
        """One tick in the daemon's order; switched off: killed before that."""
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.definitions,
            cursor=self.cursor,
        ) as context:
            data = self.sensor.evaluate_tick(context)
        if events:
            for event in data.asset_events:
                self.instance.report_runless_asset_event(event)
                (self.observations if isinstance(event, dg.AssetObservation) else self.events).append(event)
        if partitions:
            for request in data.dynamic_partitions_requests or []:
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        if runs:
            self.cursor = data.cursor
            for asked in data.run_requests or []:
                self.run_keys.append(asked.run_key)
                self.start(asked.run_key, asked.tags)
        return data

    def start(self, run_key, tags, status=dg.DagsterRunStatus.STARTED):
        self.instance.run_storage.add_run(
            dg.DagsterRun("work", str(uuid.uuid4()), tags={**tags, "dagster/run_key": run_key}, status=status)
        )

    def ticks(self, count=3):
        for _ in range(count):
            data = self.tick()
        return data

    def write(self, name, text):
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def names(self, partition=None):
        return [file.name for file in files_of(self, "dropped", partition)]

    def keys(self):
        return self.instance.get_dynamic_partitions("things")

    def log_lines(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def place(tmp_path, instance):
    return Place(tmp_path, instance, EACH)


@pytest.fixture
def folder(tmp_path, instance):
    return Place(tmp_path, instance, WHOLE)


@pytest.fixture
def clock(monkeypatch):
    """A clock the test sets: ticks read it, files do not."""
    now = SimpleNamespace(time=time.time())
    monkeypatch.setattr(watcher.time, "time", lambda: now.time)
    return now


@pytest.fixture
def place_of(tmp_path, instance):
    """Make a place of other batches."""
    return lambda batches: Place(tmp_path, instance, batches)
