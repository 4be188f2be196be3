"""The asset with real weights, a real store and a real instance; interrupted as a person or Dagster interrupts it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import dagster as dg
import numpy as np
import pytest

from assets.recordings.transcript import _digest, transcript
from dagster_project.partitions import recordings_partitions
from resources.progress import listening
from resources.speech.documents import Transcript
from resources.speech.recognition import Speech
from resources.store import records
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


Materialize = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def materialize(instance: dg.DagsterInstance, cache: Path, tmp_path: Path) -> Materialize:
    """Materialize `transcript` of a sound, with the config that is given."""
    store = ArtifactStore(root=str(tmp_path / "store"), library=str(tmp_path / "library"))

    def run(sound: Path, **config: Any) -> dg.ExecuteInProcessResult:
        @dg.asset(partitions_def=recordings_partitions)
        def audio() -> dg.MaterializeResult[File]:
            return dg.MaterializeResult(value=File("audio.flac", sound))

        return dg.materialize(
            [audio, transcript],
            partition_key=KEY,
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {"transcript": {"config": config}}},
            resources={
                "speech": Speech(model="tiny.en", cache=str(cache), offline=True),
                "store": store,
                "io_manager": ArtifactIOManager(store=store),
            },
        )

    return run


def test_a_transcript_is_stored_with_what_people_want_to_see(
    repo: Path, tmp_path: Path, materialize: Materialize, taken_in: Callable[..., Path]
) -> None:
    original = taken_in()
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
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == dict.fromkeys(
        (
            "words_found",
            "words_within_recording",
            "language_probability",
            "speech_kept",
            "speech_covered",
            "nothing_left_out",
        ),
        True,
    )
    assert shown["kept_share"] > 0.9
    assert shown["covered_share"] > 0.6
    assert (shown["language_source"], shown["dropped"], shown["device_steps"]) == ("model", 0, "none")
    assert "wer" not in shown
    said = made.text.upper().replace("GOOD MORNING", "Good evening")
    original.with_name("board meeting.ref.txt").write_text(said)
    again = materialize(sound)
    assert _version(again) == _version(result), "nor does a reference change the content"
    shown = _shown(again)
    assert shown["wer"] == pytest.approx(1 / shown["reference_words"], abs=1e-4)
    assert 0 < shown["cer"] < shown["wer"]
    scratch = tmp_path / "store" / "scratch"
    assert not [path for path in scratch.rglob("*") if path.is_file()], "what a retry would need is not kept"


def test_silence_gives_a_transcript_without_words_and_a_warning(tmp_path: Path, materialize: Materialize) -> None:
    result = materialize(_flac(None, tmp_path / "silent.flac", 3))
    assert result.success
    made = result.asset_value(transcript.key)
    assert (made.segments, made.duration_s, made.speech_s) == ([], 3.0, 0.0)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert [name for name, check in checks.items() if not check.passed] == ["words_found"]
    assert checks["words_found"].severity == dg.AssetCheckSeverity.WARN
    assert _shown(result)["preview"] == "No words were recognised in this recording."


@pytest.fixture
def taken_in(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., Path]:
    """The recording that the sound is of, as it was taken in; what is said of it besides."""

    def report(**more: str) -> Path:
        original = tmp_path / "board meeting.m4a"
        original.write_bytes(b"its bytes do not matter here")
        about = {"path": str(original), "name": original.name, "title": "", "digest": "0" * 64, **more}
        about |= {"created": "2026-01-02T03:04:05+00:00", "mtime_ns": str(original.stat().st_mtime_ns)}
        metadata = {**about, "size": original.stat().st_size, "duration_s": 3.0}
        instance.report_runless_asset_event(dg.AssetMaterialization("recording", partition=KEY, metadata=metadata))
        return original

    return report


@pytest.mark.parametrize(
    ("folder", "config", "language", "source"),
    [("en", {}, "en", "folder"), ("ru", {"language": "EN"}, "en", "set")],
    ids=["folder", "config before folder"],
)
def test_the_language_is_pinned(
    repo: Path,
    tmp_path: Path,
    materialize: Materialize,
    taken_in: Callable[..., Path],
    folder: str,
    config: dict[str, str],
    language: str,
    source: str,
) -> None:
    taken_in(language=folder)
    result = materialize(_flac(repo / "samples" / "lecture.mp4", tmp_path / "a.flac", 4), **config)
    made = result.asset_value(transcript.key)
    assert (made.language, made.language_source, made.language_probability) == (language, source, 1.0)
    assert _shown(result)["language_source"] == source


def test_what_was_heard_in_another_language_is_not_taken_up_again(tmp_path: Path) -> None:
    (tmp_path / "audio.flac").write_bytes(b"sound")
    assert len({_digest(tmp_path / "audio.flac", language) for language in ("ru", "en", None)}) == 3


def test_a_language_the_model_lacks_is_named_with_the_file_and_its_folder(
    repo: Path, tmp_path: Path, materialize: Materialize, taken_in: Callable[..., Path]
) -> None:
    taken_in(language="ru")
    result = materialize(_flac(repo / "samples" / "lecture.mp4", tmp_path / "a.flac", 4))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    problem = str(data.metadata["problem"].value)
    assert problem.startswith('"board meeting.m4a": ')
    assert "named ru" in problem


def test_a_language_that_there_is_not_fails_before_any_work(tmp_path: Path, materialize: Materialize) -> None:
    result = materialize(_flac(None, tmp_path / "silent.flac", 3), language="russian")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "'russian' is no language that Whisper knows: af, am" in str(failure.event_specific_data)


def test_a_reference_with_a_fault_is_named_and_stops_nothing(
    tmp_path: Path, materialize: Materialize, taken_in: Callable[..., Path]
) -> None:
    taken_in().with_name("board meeting.ref.txt").write_bytes(b"\xff")
    result = materialize(_flac(None, tmp_path / "silent.flac", 3))
    assert result.success
    assert "wer" not in _shown(result)
    assert "board meeting.ref.txt is not UTF-8 in line 1" in _shown(result)["reference_problem"]


def test_a_correction_is_kept_until_it_is_told_otherwise(
    repo: Path, tmp_path: Path, instance: dg.DagsterInstance, materialize: Materialize
) -> None:
    edited, sound = tmp_path / "edited.txt", _flac(repo / "samples" / "lecture.mp4", tmp_path / "a.flac", 4)
    first = materialize(sound)
    heard = first.asset_value(transcript.key)
    edited.write_text(heard.text.replace("Good morning", "Good evening"))
    second = materialize(sound, correction=str(edited))
    corrected = second.asset_value(transcript.key)
    assert corrected.text.startswith("Good evening.")
    assert (corrected.correction.name, corrected.correction.corrects) == ("edited.txt", _version(first))
    assert (_shown(first)["corrected"], _shown(second)["corrected"]) == (False, True)
    (event,) = second.asset_materializations_for_node("transcript")
    assert (event.tags or {})["corrected"] == "true"
    run = instance.get_run_by_id(second.run_id)
    assert run is not None
    assert run.tags["scriptorium/corrected"] == "edited.txt"

    edited.unlink()
    third = materialize(sound)
    assert (third.asset_value(transcript.key), _version(third)) == (corrected, _version(second))
    assert any("--discard" in (entry.user_message or "") for entry in instance.all_logs(third.run_id))

    anew = materialize(sound, replace_correction=True)
    assert _version(anew) == _version(first)
    # Nothing is left to protect; but if a person corrects it while it is being heard, that counts.
    correction = next(one for one in records.versions(instance, transcript.key, KEY) if one.run == second.run_id)
    meanwhile = [records.restoring(correction)]
    with listening(lambda step: meanwhile and instance.report_runless_asset_event(meanwhile.pop())):
        assert _version(materialize(sound)) == _version(second)
    assert not meanwhile


def test_a_correction_that_is_lost_is_not_replaced_unasked(
    repo: Path, tmp_path: Path, materialize: Materialize
) -> None:
    edited, sound = tmp_path / "edited.txt", _flac(repo / "samples" / "lecture.mp4", tmp_path / "a.flac", 4)
    first = materialize(sound)
    edited.write_text(first.asset_value(transcript.key).text.replace("Good morning", "Good evening"))
    second = materialize(sound, correction=str(edited))
    (tmp_path / "store" / str(_shown(second)["manifest"])).unlink()
    lost = materialize(sound)
    (failure,) = [event for event in lost.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert "the correction is lost" in str(data.metadata["problem"].value)
    assert "--discard" in str(data.metadata["what_to_do"].value)
    again = materialize(sound, correction=str(edited))
    assert _version(again) == _version(second), "it corrects what is still there"


def test_there_must_be_a_transcript_to_correct(tmp_path: Path, materialize: Materialize) -> None:
    (tmp_path / "edited.txt").write_text("Good morning")
    result = materialize(_flac(None, tmp_path / "silent.flac", 3), correction=str(tmp_path / "edited.txt"))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "no transcript that could be corrected" in str(failure.event_specific_data)


def _shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("transcript")
    return {name: value.value for name, value in event.metadata.items()}


def _version(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.asset_materializations_for_node("transcript")
    return (event.tags or {})["dagster/data_version"]


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
    kept = list((tmp_path / "store" / "scratch").rglob("*-*-*.json"))
    assert len(kept) >= 2, "the batch that was done, of two stretches, is there for a retry"
