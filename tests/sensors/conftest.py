"""A real inbox, a real Dagster instance, real media; ticks are applied in the order the daemon applies them."""

import contextlib
import math
import os
import struct
import sys
import tempfile
import time
import uuid
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from resources.intake.ledger import FileRow
from resources.intake.recordings import recordings_intake
from sensors.failures import failures_sensor
from sensors.recordings import recordings_inbox

PARTITIONS = dg.DynamicPartitionsDefinition(name="recordings")


@dg.asset(partitions_def=PARTITIONS, deps=[dg.AssetKey("recording")])
def published(context: dg.AssetExecutionContext) -> None:
    """Stands for the whole chain; a tag makes it fail."""
    if context.run.tags.get("fail"):
        raise dg.Failure(
            "The disk\nis full.", metadata={"error": "DiskFull", "problem": "No room.", "what_to_do": "Free some."}
        )


_opened: list[str] | None = None


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(_listen)  # stays for the process, and does nothing unless a test asks for it


@contextlib.contextmanager
def opening() -> Iterator[list[str]]:
    """The paths this process opens meanwhile, as Python's own audit reports them."""
    global _opened
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def write_wav(path: Path, seconds: float = 2.0, tone: int = 440, rate: int = 8000) -> Path:
    """Write a tone; another `tone` gives other bytes."""
    frames = b"".join(
        struct.pack("<h", int(8000 * math.sin(2 * math.pi * tone * i / rate))) for i in range(round(seconds * rate))
    )
    with wave.open(os.fspath(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(frames)
    return path


def write_video(path: Path, seconds: float = 2.0, sound: bool = True, shade: int = 0) -> Path:
    """Write an MP4 with a grey picture, and a tone if `sound`."""
    import av
    import numpy as np

    with av.open(os.fspath(path), "w", format="mp4") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        tone = out.add_stream("aac", rate=16000) if sound else None
        for i in range(int(seconds * 10)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), (i * 5 + shade) % 255, np.uint8), format="rgb24")
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        if tone is not None:
            wave_ = (np.sin(np.arange(int(16000 * seconds)) * 0.1 + shade) * 8000).astype(np.int16)
            for start in range(0, len(wave_) - 1024, 1024):
                block = av.AudioFrame.from_ndarray(wave_[None, start : start + 1024], format="s16", layout="mono")
                block.sample_rate, block.pts = 16000, start
                out.mux(tone.encode(block))
            out.mux(tone.encode(None))
    return path


@dataclass
class Place:
    """A home with an inbox, and the sensor that watches it. `run_keys` are those asked for so far."""

    home: Path
    instance: dg.DagsterInstance
    settings: dict[str, float] = field(default_factory=dict)
    run_keys: list[str] = field(default_factory=list)
    events: list[dg.AssetMaterialization] = field(default_factory=list)
    observations: list[dg.AssetObservation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox, self.ledger, self.log = self.home / "inbox", self.home / "intake.sqlite", self.home / "failures.log"
        self.inbox.mkdir(exist_ok=True)

    def definitions(self) -> dg.Definitions:
        sensor = recordings_inbox(
            folder=self.inbox,
            ledger=self.ledger,
            failures=self.log,
            disk=self.home,
            **({"settle_seconds": 0.0, "min_free_gb": 0.0} | self.settings),  # type: ignore[arg-type]
        )
        return dg.Definitions(
            assets=[dg.AssetSpec("recording", partitions_def=PARTITIONS), published],
            jobs=[dg.define_asset_job("recordings", [published], executor_def=dg.in_process_executor)],
            sensors=[sensor, failures_sensor(log=self.log)],
        )

    def evaluate(self) -> SensorExecutionData:
        """Run the sensor's function, and apply nothing of it."""
        definitions = self.definitions()
        with dg.build_sensor_context(
            instance=self.instance, instance_ref=self.instance.get_ref(), definitions=definitions
        ) as context:
            return definitions.resolve_sensor_def("recordings").evaluate_tick(context)

    def tick(self, runs: bool = True, partitions: bool = True, events: bool = True) -> SensorExecutionData:
        """One tick as the daemon does it: events, then partitions, then runs. Switched off: killed before that."""
        data = self.evaluate()
        if events:
            for event in data.asset_events:
                self.instance.report_runless_asset_event(event)
                if isinstance(event, dg.AssetMaterialization):
                    self.events.append(event)
                elif isinstance(event, dg.AssetObservation):
                    self.observations.append(event)
        if partitions:
            for request in data.dynamic_partitions_requests or []:
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        if runs:
            for asked in data.run_requests or []:
                self.run_keys.append(str(asked.run_key))
                self.start(str(asked.run_key), dict(asked.tags))
        return data

    def start(
        self, key: str, tags: dict[str, str], status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED
    ) -> dg.DagsterRun:
        """Create the run that the daemon would create (its snapshots left out, which take most of the time)."""
        return self.instance.run_storage.add_run(
            dg.DagsterRun(
                job_name="recordings",
                run_id=str(uuid.uuid4()),
                tags={**tags, "dagster/run_key": key, "dagster/partition": key},
                status=status,
            )
        )

    def ticks(self, count: int = 3) -> None:
        for _ in range(count):
            self.tick()

    def until(self, reached: Callable[[], bool], seconds: float = 20.0, pause: float = 0.1) -> None:
        """Tick until `reached`; fails after `seconds`."""
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, "it never came to that"
            self.tick()
            time.sleep(pause)

    def keys(self) -> Sequence[str]:
        return self.instance.get_dynamic_partitions("recordings")

    def log_lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def ledger_row(self, name: str) -> FileRow | None:
        with recordings_intake(self.instance, self.ledger, 1.0) as intake:
            return intake.ledger.file(str(self.inbox / name))

    def lose_ledger(self) -> None:
        for path in self.home.glob("intake.sqlite*"):
            path.unlink()


class Desk:
    """Definitions on an instance. A tick is applied as the daemon applies it; runs are made, and not executed."""

    definitions: dg.Definitions

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursors: dict[str, str | None] = {}
        self.said: str | None = None

    def evaluate(self, sensor: str) -> SensorExecutionData:
        """Run the sensor's function, and apply nothing of it."""
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.definitions,
            cursor=self.cursors.get(sensor),
        ) as context:
            return self.definitions.resolve_sensor_def(sensor).evaluate_tick(context)

    def tick(self, sensor: str) -> list[dg.DagsterRun]:
        """The runs that the daemon makes of one tick; none has a run key that was there before."""
        data = self.evaluate(sensor)
        self.said, self.cursors[sensor] = data.skip_message, data.cursor
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        for request in data.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        targets = self.definitions.resolve_sensor_def(sensor).targets
        only = targets[0].job_name if len(targets) == 1 else "?"
        return [self.make(asked, dg.DagsterRunStatus.STARTING, only) for asked in data.run_requests or []]

    def make(self, asked: dg.RunRequest, status: dg.DagsterRunStatus, only: str = "?") -> dg.DagsterRun:
        """The run of a request; one that names no job is for the `only` one its sensor has."""
        assert not self.instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": str(asked.run_key)}))
        tags = {**asked.tags, "dagster/run_key": str(asked.run_key)}
        if asked.partition_key is not None:
            tags["dagster/partition"] = asked.partition_key
        run = dg.DagsterRun(asked.job_name or only, str(uuid.uuid4()), tags=tags, status=status)
        return self.instance.run_storage.add_run(run)

    def end(self, run: dg.DagsterRun, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None) -> None:
        """The run ends, as its own process or the daemon reports it."""
        event = dg.DagsterEvent(f"PIPELINE_{status.value}", run.job_name, message="ended")
        self.instance.report_dagster_event(event, run.run_id)
        if tags:
            self.instance.add_run_tags(run.run_id, tags)


@pytest.fixture
def desk() -> type[Desk]:
    """Makes a desk of an instance; its `definitions` are the test's to set."""
    return Desk


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A real instance; in memory where the machine has such a folder, for SQLite waits for the disk at every event."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder,
        dg.DagsterInstance.local_temp(folder) as local,
    ):
        yield local


@pytest.fixture
def place(tmp_path: Path, instance: dg.DagsterInstance) -> Place:
    return Place(tmp_path, instance)


@pytest.fixture
def nobodys() -> Iterator[tuple[Place, Callable[[], contextlib.AbstractContextManager[None]]]]:
    """A place that belongs to another user, and a context in which this process is that user. Needs root."""
    import av  # noqa: F401 - what is imported late must be there before the packages become unreadable
    import blake3  # noqa: F401
    import slugify  # noqa: F401

    import resources.media.container  # noqa: F401

    nobody = 65534

    @contextlib.contextmanager
    def become() -> Iterator[None]:
        for folder, _, names in os.walk(home):
            for path in [Path(folder), *(Path(folder) / name for name in names)]:
                os.chown(path, nobody, nobody, follow_symlinks=False)
        os.setegid(nobody)
        os.seteuid(nobody)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "dagster").mkdir()
        with dg.DagsterInstance.local_temp(str(home / "dagster")) as local:
            yield Place(home, local), become


@pytest.fixture
def opened():  # type: ignore[no-untyped-def]
    return opening


@pytest.fixture
def wav():  # type: ignore[no-untyped-def]
    return write_wav


@pytest.fixture
def video():  # type: ignore[no-untyped-def]
    return write_video
