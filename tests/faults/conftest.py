"""One daemon for the faults of this folder, recordings for it, and a hand on its workers."""

import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import av
import dagster as dg
import pytest

from dagster_project.commands.daemon import Daemon
from dagster_project.instance import opened, prepare
from dagster_project.settings import Settings

Clip = Callable[[Path, float], Path]


@pytest.fixture(scope="session")
def clip(repo: Path) -> Clip:
    """Make a recording of the first seconds of the sample lecture, video and sound, copied without decoding."""

    def make(target: Path, seconds: float) -> Path:
        with av.open(str(repo / "samples" / "lecture.mp4")) as source, av.open(str(target), "w") as out:
            streams = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
            for packet in source.demux():
                if packet.dts is not None and packet.dts * packet.time_base < seconds:
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
        return target

    return make


class Works:
    """A home with a daemon that works on it."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance = settings, instance
        self.inbox, self.library = settings.homes.recordings_inbox, settings.homes.library / "recordings"

    @property
    def environment(self) -> dict[str, str]:
        """Of a command in this home, rather than in the test's own."""
        home = self.settings.homes
        return {**os.environ, "SCRIPTORIUM_HOME": str(home.home), "DAGSTER_HOME": str(home.dagster)}

    def runs(self, stem: str) -> list[dg.DagsterRun]:
        """The runs of the recording whose file has this stem, oldest first."""
        found = [
            run for run in self.instance.get_runs() if run.tags.get("dagster/partition", "").startswith(f"{stem}~")
        ]
        return found[::-1]

    def wait(
        self, stem: str, number: int, what: Callable[[dg.DagsterRun], bool], within_s: float = 180
    ) -> dg.DagsterRun:
        """Wait until the `number`th run of the recording is as `what` wants it."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            runs = self.runs(stem)
            if len(runs) >= number and what(runs[number - 1]):
                return runs[number - 1]
            time.sleep(0.1)
        raise AssertionError(f"run {number} of {stem} did not come: {[(r.run_id, r.status) for r in self.runs(stem)]}")

    def steps(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> list[str]:
        """The steps of a run's events of a kind."""
        return [entry.step_key or "" for entry in self.instance.all_logs(run.run_id, of_type=kind)]

    def pid(self, run: dg.DagsterRun) -> int | None:
        """The process that works on a run, once it has said so."""
        for entry in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            message = entry.dagster_event.message if entry.dagster_event else None
            if message and message.startswith("Started process for run (pid: "):
                return int(message.partition("pid: ")[2].rstrip(")."))
        return None

    def kill_in(self, run: dg.DagsterRun, stage: str, within_s: float = 120) -> None:
        """SIGKILL a run's process while it is in `stage`, some milliseconds after it has said that it begins.

        The run's own event log is read directly: asking Dagster takes longer than the shortest stages do.
        """
        end = time.monotonic() + within_s
        while (pid := self.pid(run)) is None and time.monotonic() < end:
            time.sleep(0.02)
        assert pid is not None, "the run's process did not start"
        events = self.settings.homes.dagster / "history" / "runs" / f"{run.run_id}.db"
        asked = "select 1 from event_logs where dagster_event_type = ? and step_key = ?"
        with closing(sqlite3.connect(f"{events.as_uri()}?mode=ro", uri=True, timeout=5)) as log:
            while not log.execute(asked, ("STEP_START", stage)).fetchone():
                assert time.monotonic() < end, f"{stage} was not reached"
                time.sleep(0.003)
        os.kill(pid, signal.SIGKILL)
        over = self.steps(run, dg.DagsterEventType.STEP_SUCCESS)
        assert stage not in over, f"{stage} was over before the signal came"


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Works]:
    """A home with its daemon, stopped by its process id at the end."""
    home = tmp_path_factory.mktemp("works") / "home"
    home.mkdir()
    (home / "cache").symlink_to(cache)
    settings = Settings(home=home, speech_model="tiny.en")
    environment = {"SCRIPTORIUM_SPEECH_MODEL": "tiny.en", "SCRIPTORIUM_SETTLE_SECONDS": "0"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIPTORIUM_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        # The shipped settings, but for how long things wait for each other: these tests are many and short.
        config = prepare(settings) / "dagster.yaml"
        patched = re.sub(r"max_concurrent_runs: \d+", "max_concurrent_runs: 8", config.read_text())
        config.write_text(patched.replace("poll_interval_seconds: 10", "poll_interval_seconds: 2"))
        with opened(settings) as instance, Daemon(instance, home / "dagster", print, environment) as daemon:
            daemon.ensure()
            yield Works(settings, instance)
