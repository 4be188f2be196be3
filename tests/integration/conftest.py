"""A home with the real definitions in it, and short recordings cut from the samples."""

import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from dagster_project.definitions import build_defs
from dagster_project.settings import Settings
from resources.intake.intake import Intake
from resources.intake.recordings import recordings

RATE = 16_000


@dataclass
class Home:
    """The platform in one folder, driven without a daemon."""

    settings: Settings
    instance: dg.DagsterInstance
    defs: dg.Definitions = field(init=False)

    def __post_init__(self) -> None:
        self.settings.homes.make()
        self.defs = build_defs(self.settings)

    @property
    def library(self) -> Path:
        return self.settings.homes.library / "recordings"

    def having(self, **changes: object) -> "Home":
        """The same home under other settings."""
        return Home(self.settings.model_copy(update=changes), self.instance)

    def take_in(self, path: Path) -> str:
        with Intake(recordings(self.settings.min_recording_s), self.instance, self.settings.homes.intake) as intake:
            taken = intake.take_in(path)
        self.instance.add_dynamic_partitions("recordings", [taken.key])
        if taken.event:
            self.instance.report_runless_asset_event(taken.event)
        return taken.key

    def run(self, key: str, assets: list[str] | None = None, job: str = "recordings") -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=key,
            asset_selection=[dg.AssetKey(name) for name in assets] if assets else None,
            raise_on_error=False,
        )

    def version(self, asset: str, key: str) -> str:
        """The data version of the latest materialization."""
        (record,) = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key]), limit=1
        ).records
        assert record.asset_materialization is not None
        return str((record.asset_materialization.tags or {})["dagster/data_version"])


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> Iterator[Home]:
    place = tmp_path / "home"
    place.mkdir()
    (place / "cache").symlink_to(cache)
    settings = Settings(_env_file=None, home=place, speech_model="tiny.en", offline=True)
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        yield Home(settings, instance)


def _sound(path: Path) -> np.ndarray:
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.fixture(scope="session")
def speech(repo: Path) -> np.ndarray:
    """All sound of the sample lecture: int16, 16 kHz, mono."""
    return _sound(repo / "samples" / "lecture.mp4")


@pytest.fixture
def wav(tmp_path: Path) -> Callable[[str, np.ndarray], Path]:
    """Writes samples (16 kHz, mono) to a WAV file of that name and returns its path."""

    def write(name: str, samples: np.ndarray) -> Path:
        with wave.open(str(tmp_path / name), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.astype("<i2").tobytes())
        return tmp_path / name

    return write


@pytest.fixture
def clip(wav: Callable[[str, np.ndarray], Path], speech: np.ndarray) -> Path:
    """The first 16 seconds of the lecture."""
    return wav("A clip.wav", speech[: 16 * RATE])
