"""Short recordings, homes that hold some, and the installed commands as subprocesses."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import dagster as dg
import pytest

from dagster_project.commands import products
from dagster_project.definitions import build_defs
from dagster_project.settings import Settings
from resources.store.io_manager import ArtifactStore

Command = Callable[..., subprocess.CompletedProcess[str]]
Clip = Callable[[Path, float], Path]


def _clip(repo: Path, target: Path, seconds: float) -> Path:
    """The first seconds of the sample lecture, video and sound, copied without decoding."""
    with av.open(str(repo / "samples" / "lecture.mp4")) as source, av.open(str(target), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return target


@pytest.fixture(scope="session")
def clip(repo: Path) -> Clip:
    return lambda target, seconds: _clip(repo, target, seconds)


class House:
    """A home of its own, and the commands run in it."""

    def __init__(self, home: Path, repo: Path) -> None:
        self.home, self.repo = home, repo
        self.environment = {
            **os.environ,
            "SCRIPTORIUM_HOME": str(home),
            "SCRIPTORIUM_SPEECH_MODEL": "tiny.en",
            "SCRIPTORIUM_SETTLE_SECONDS": "1",
            "DAGSTER_HOME": str(home / "dagster"),
        }
        self.settings = Settings(home=home, speech_model="tiny.en")

    def run(self, module: str, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.repo,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def scriptorium(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return self.run("dagster_project.cli", *arguments, timeout=timeout)

    def dagster(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return self.run("dagster", *arguments, timeout=timeout)

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home / "dagster"))

    def keys(self) -> list[str]:
        with self.instance() as instance:
            return list(instance.get_dynamic_partitions("recordings"))

    def runs(self) -> list[dg.DagsterRun]:
        """All runs, newest first."""
        with self.instance() as instance:
            return list(instance.get_runs())

    def made(self, run: dg.DagsterRun) -> set[str]:
        """The assets a run has made."""
        with self.instance() as instance:
            logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
            return {
                entry.dagster_event.asset_key.to_user_string()
                for entry in logs
                if entry.dagster_event and entry.dagster_event.asset_key
            }

    def pdf(self, key: str) -> Path:
        return self.home / "library" / "recordings" / key / "notes.pdf"

    @property
    def store(self) -> ArtifactStore:
        store = (build_defs(self.settings).resources or {})["store"]
        assert isinstance(store, ArtifactStore)
        return store

    @property
    def product(self) -> products.Product:
        return products.find(build_defs(self.settings), "recordings")


@pytest.fixture(scope="session")
def new_house(repo: Path) -> Callable[[Path], House]:
    """Makes an empty home in a folder."""
    return lambda folder: House(folder / "home", repo)


@pytest.fixture
def house(tmp_path: Path, new_house: Callable[[Path], House]) -> House:
    """An empty home."""
    return new_house(tmp_path)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, repo: Path, clip: Clip, cache: Path) -> House:
    """A home with two recordings that notes were made of. Tests that share it leave it whole."""
    folder = tmp_path_factory.mktemp("furnished")
    house = House(folder / "home", repo)
    house.home.mkdir()
    (house.home / "cache").symlink_to(cache)
    recordings = folder / "talks"
    recordings.mkdir()
    clip(recordings / "bridge.mp4", 9.0)
    clip(recordings / "cable.mp4", 12.0)
    done = house.scriptorium("notes", str(recordings))
    assert done.returncode == 0, done.stderr
    return house


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
