"""The asset with real weights, a real store and a real instance; interrupted as a person or Dagster interrupts it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import dagster as dg
import numpy as np
import pytest

from assets.recordings.transcript import transcript
from dagster_project.partitions import recordings_partitions
from resources.speech.documents import Transcript
from resources.speech.recognition import Speech
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import File

KEY = "lecture~0123456789abcdef"


def _flac(source: Path | None, target: Path, seconds: float, times: int = 1) -> Path:
    """The first seconds of `source` (silence for None), so many times over, as 16 kHz mono FLAC."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    samples = np.zeros(int(16000 * seconds), np.int16)
    if source is not None:
        with av.open(str(source)) as container:
            pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        samples = np.concatenate([piece.to_ndarray()[0] for piece in pieces])[: len(samples)]
    samples = np.tile(samples, times)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("flac", rate=16000, layout="mono")
        for start in range(0, len(samples), 16000):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 16000], format="s16", layout="mono")
            frame.rate = 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp() as made:
        made.add_dynamic_partitions("recordings", [KEY])
        yield made


@pytest.fixture
def materialize(
    instance: dg.DagsterInstance, cache: Path, tmp_path: Path
) -> Callable[[Path], dg.ExecuteInProcessResult]:
    store = ArtifactStore(root=str(tmp_path / "store"), library=str(tmp_path / "library"))

    def run(sound: Path) -> dg.ExecuteInProcessResult:
        @dg.asset(partitions_def=recordings_partitions)
        def audio() -> dg.MaterializeResult[File]:
            return dg.MaterializeResult(value=File("audio.flac", sound))

        return dg.materialize(
            [audio, transcript],
            partition_key=KEY,
            instance=instance,
            raise_on_error=False,
            resources={
                "speech": Speech(model="tiny.en", cache=str(cache), offline=True),
                "store": store,
                "io_manager": ArtifactIOManager(store=store),
            },
        )

    return run


def test_a_transcript_is_stored_with_what_people_want_to_see(
    repo: Path, tmp_path: Path, materialize: Callable[[Path], dg.ExecuteInProcessResult]
) -> None:
    sound = _flac(repo / "samples" / "lecture.mp4", tmp_path / "short.flac", 20)
    result = materialize(sound)
    assert result.success
    made = result.asset_value(transcript.key)
    assert isinstance(made, Transcript)
    assert made.text.startswith("Good morning. Today we look at a question")
    (event,) = result.asset_materializations_for_node("transcript")
    shown = {name: value.value for name, value in event.metadata.items()}
    assert shown["duration_s"] == pytest.approx(20, abs=0.01)
    assert (shown["language"], shown["model"], shown["device"]) == ("en", "tiny.en", "cpu, int8")
    assert (shown["segments"], shown["words"]) == (len(made.segments), made.words)
    assert shown["speed"] == pytest.approx(made.duration_s / shown["wall_s"], rel=0.01)
    assert shown["preview"].startswith("- **0:00:00** Good morning.")
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "words_within_recording": True,
        "language_probability": True,
        "speech_covered": True,
    }
    again = materialize(sound)
    (second,) = again.asset_materializations_for_node("transcript")
    assert (second.tags or {})["dagster/data_version"] == (event.tags or {})["dagster/data_version"]
    assert not list((tmp_path / "store").rglob("*-000000.json")), "what a retry would need is not kept"


def test_silence_fails_by_name_and_is_not_tried_again(
    tmp_path: Path, instance: dg.DagsterInstance, materialize: Callable[[Path], dg.ExecuteInProcessResult]
) -> None:
    original = tmp_path / "board meeting.m4a"
    original.write_bytes(b"its bytes do not matter here")
    stat = original.stat()
    about = {"path": str(original), "name": original.name, "title": "", "digest": "0" * 64}
    about |= {"created": "2026-01-02T03:04:05+00:00"}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "recording",
            partition=KEY,
            metadata={
                **about,
                "size": stat.st_size,
                "mtime_ns": dg.MetadataValue.text(str(stat.st_mtime_ns)),
                "duration_s": 3.0,
            },
        )
    )
    result = materialize(_flac(None, tmp_path / "silent.flac", 3))
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert data.metadata["problem"].value == '"board meeting.m4a": Nobody speaks in this recording.'
    assert "loud enough" in str(data.metadata["what_to_do"].value)


RUN = """
import logging, sys
from pathlib import Path
import dagster as dg
from assets.recordings.transcript import transcript
from dagster_project.partitions import recordings_partitions
from resources.progress import listening
from resources.speech.recognition import Speech
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import File

sound, cache, home = map(Path, sys.argv[1:])
store = ArtifactStore(root=str(home / "store"), library=str(home / "library"))

@dg.asset(partitions_def=recordings_partitions)
def audio() -> dg.MaterializeResult[File]:
    return dg.MaterializeResult(value=File("audio.flac", sound))

(home / "dagster").mkdir()
report = listening(lambda step: print(step.done, flush=True))
with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance, report:
    instance.add_dynamic_partitions("recordings", ["a~0"])
    try:
        dg.materialize([audio, transcript], partition_key="a~0", instance=instance, raise_on_error=False, resources={
            "speech": Speech(model="tiny.en", cache=str(cache), offline=True, batch_size=2),
            "store": store, "io_manager": ArtifactIOManager(store=store)})
    finally:
        print("status", instance.get_runs()[0].status.value, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupted_transcription_ends_at_once_and_is_taken_up_again(
    repo: Path, cache: Path, tmp_path: Path, how: signal.Signals
) -> None:
    sound = _flac(repo / "samples" / "lecture.mp4", tmp_path / "long.flac", 112, times=8)
    running = subprocess.Popen(
        [sys.executable, "-c", RUN, str(sound), str(cache), str(tmp_path)],
        cwd=repo,
        env=os.environ | {"DAGSTER_HOME": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    done = next((line for line in running.stdout if float(line) > 0), None)
    assert done, "a batch is done, and the next one is being decoded"
    time.sleep(0.5)
    sent = time.monotonic()
    running.send_signal(how)
    output, errors = running.communicate(timeout=60)
    assert time.monotonic() - sent < 10
    assert running.returncode == 0, errors[-2000:]  # and not aborted by the native code it left
    assert output.endswith("status FAILURE\n")
    kept = list((tmp_path / "store" / "scratch").rglob("*-000000.json"))
    assert len(kept) == 1, "the batch that was done is there for a retry"
