"""The assets `audio` and `slides`, materialized through the real store from real files, whole and damaged."""

import base64
import io
import re
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import dagster as dg
import numpy as np
import pytest
from blake3 import blake3
from PIL import Image

from assets.recordings.audio import audio
from assets.recordings.slides import read_slides, slides
from resources.media.container import probe
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import File, Files

Run = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Take a file in and materialize `audio` and `slides` from it, in a store of its own unless one is given."""

    def materialized(path: Path, home: str = "home", **config: Any) -> dg.ExecuteInProcessResult:
        digest = blake3(path.read_bytes()).hexdigest()
        key, stat, store = (
            f"talk~{digest[:16]}",
            path.stat(),
            ArtifactStore(root=str(tmp_path / home / "store"), library=str(tmp_path / home / "library")),
        )
        metadata = {
            "path": dg.MetadataValue.path(str(path)),
            "name": path.name,
            "size": stat.st_size,
            "mtime_ns": str(stat.st_mtime_ns),
            "digest": digest,
            "duration_s": probe(path).duration_s,
            "title": "A talk",
            "created": "2026-03-02T09:00:00+00:00",
        }
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("recordings", [key])
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    "recording", partition=key, metadata=metadata, tags={"dagster/data_version": digest}
                )
            )
            return dg.materialize(
                [audio, slides],
                partition_key=key,
                instance=instance,
                resources={"store": store, "io_manager": ArtifactIOManager(store=store)},
                run_config={"ops": {name: {"config": values} for name, values in config.items()}},
                raise_on_error=False,
            )

    return materialized


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    events = result.get_asset_materialization_events()
    found = next(e.materialization for e in events if e.asset_key == dg.AssetKey(asset))
    return {name: value.value for name, value in found.metadata.items()}


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(found for found in result.get_asset_check_evaluations() if found.check_name == name)


def written(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def spoil(source: Path, target: Path, first: float, last: float) -> Path:
    """A copy of an MP4 with zeros in this part of its data."""
    content = bytearray(source.read_bytes())
    start = content.index(b"mdat") + 4
    length = len(content) - start
    hole = slice(start + int(first * length), start + int(last * length))
    content[hole] = bytes(hole.stop - hole.start)
    target.write_bytes(content)
    return target


def test_lecture(repo: Path, run: Run) -> None:
    result = run(repo / "samples/lecture.mp4")
    assert result.success
    sound: File = result.output_for_node("audio")
    assert sound.name == "audio.flac"
    facts = metadata(result, "audio")
    assert facts["duration_s"] == pytest.approx(114.4, abs=0.1)
    assert -30 < facts["loudness_lufs"] < -10  # speech is levelled to -23 (EBU R 128) to -16
    assert -10 < facts["peak_dbfs"] <= 0  # full scale is 0: loud, and not clipped
    assert (facts["damaged_packets"], facts["lost_s"], facts["silence_added_s"]) == (0, 0, 0)
    assert facts["source_stream"] == "aac, 16000 Hz, mono"
    assert len(facts["waveform"]) < 100_000
    encoded = re.fullmatch(r"!\[waveform\]\(data:image/png;base64,(.+)\)", facts["waveform"])
    assert encoded
    with Image.open(io.BytesIO(base64.b64decode(encoded[1]))) as image:
        assert image.format == "PNG"
    for name in ("duration_matches_container", "not_silent", "times_within_recording"):
        assert check(result, name).passed


def test_slides(repo: Path, run: Run) -> None:
    result = run(repo / "samples/lecture.mp4")
    found: Files = result.output_for_node("slides")
    index = read_slides(found)
    assert [*found] == sorted([*(slide.name for slide in index), "slides.json"])
    assert len(index) == 7
    facts = metadata(result, "slides")
    assert facts["slides"] == 7
    assert len(facts["contact_sheet"]) < 100_000
    assert facts["times"].startswith("0:00:00, 0:00:16, ")
    assert facts["slides_with_writing"] == 7
    assert re.fullmatch(r"(\d:\d\d:\d\d 0\.\d\d(, |$)){7}", facts["text_likeness"])
    assert "slides" not in metadata(result, "audio")


def test_settings_of_slides(repo: Path, run: Run) -> None:
    result = run(repo / "samples/lecture.mp4", slides={"max_slides": 3})
    assert metadata(result, "slides")["slides"] == 3


@pytest.mark.parametrize(
    ("asset", "setting", "value"),
    [("slides", "max_slides", 0), ("slides", "min_change", 2.0), ("audio", "max_lost_share", 1.5)],
)
def test_wrong_settings_fail_before_any_work(repo: Path, run: Run, asset: str, setting: str, value: float) -> None:
    result = run(repo / "samples/lecture_ru.mp3", **{asset: {setting: value}})
    failed = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert [event.step_key for event in failed] == [asset]
    assert setting in str(failed[0].event_specific_data)
    assert dg.AssetKey(asset) not in [event.asset_key for event in result.get_asset_materialization_events()]


def test_sound_alone_has_no_slides(repo: Path, run: Run) -> None:
    result = run(repo / "samples/lecture_ru.mp3")
    assert result.success
    assert [*result.output_for_node("slides")] == ["slides.json"]
    assert metadata(result, "slides")["slides"] == 0
    assert "contact_sheet" not in metadata(result, "slides")


def test_made_twice_is_the_same(repo: Path, run: Run) -> None:
    first, second = (run(repo / "samples/lecture.mp4", home=home) for home in ("one", "two"))
    for asset in ("audio", "slides"):
        assert metadata(first, asset)["digest"] == metadata(second, asset)["digest"]


def test_nothing_is_left_in_scratch(repo: Path, run: Run, tmp_path: Path) -> None:
    run(repo / "samples/lecture_ru.mp3")
    assert not [path for path in (tmp_path / "home/store/scratch").rglob("*") if path.is_file()]


def test_silence_gets_a_warning_and_the_chain_goes_on(run: Run, tmp_path: Path) -> None:
    result = run(written(tmp_path / "mute.wav", np.zeros(16_000 * 5)))
    assert result.success
    assert metadata(result, "audio")["duration_s"] == 5
    found = check(result, "not_silent")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    said = found.description or ""
    assert said.startswith('"mute.wav" holds only silence: its peak is at -96 dBFS.')
    assert "microphone" in said


def test_quiet_recording_gets_a_warning(run: Run, tmp_path: Path) -> None:
    ticks = np.arange(16_000 * 5)
    result = run(written(tmp_path / "far.wav", 60 * np.sin(ticks / 5)))
    assert result.success
    found = check(result, "not_silent")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "very quiet" in (found.description or "")


def test_little_damage_is_a_warning(repo: Path, run: Run, tmp_path: Path) -> None:
    result = run(spoil(repo / "samples/lecture.mp4", tmp_path / "scratched.mp4", 0.5, 0.54))
    assert result.success
    found = check(result, "duration_matches_container")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert '"scratched.mp4" is damaged' in (found.description or "")
    # 4 % of the file, 4.6 s of its 114 s, is overwritten; sound and picture take turns in it, but not evenly.
    assert 1.5 < metadata(result, "audio")["lost_s"] < 11  # a third of that, or more than twice as much


def test_half_lost_stops_the_run_unless_allowed(repo: Path, run: Run, tmp_path: Path) -> None:
    broken = spoil(repo / "samples/lecture.mp4", tmp_path / "broken.mp4", 0.5, 1.0)
    found = check(run(broken), "duration_matches_container")
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert "set max_lost_share of `audio` to 1" in (found.description or "")
    allowed = check(run(broken, audio={"max_lost_share": 1.0}), "duration_matches_container")
    assert (allowed.passed, allowed.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_pictures_that_go_on_after_the_sound(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "credits.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        picture = av.VideoFrame.from_image(Image.radial_gradient("L").resize((160, 90)).convert("RGB"))
        for tick in range(60):
            picture.pts, picture.time_base = tick, Fraction(1, 5)
            container.mux(video.encode(picture.reformat(format="yuv420p")))
        container.mux(video.encode(None))
        for second in range(4):
            wave_ = (8000 * np.sin(np.arange(16_000) / 6)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(wave_[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, second * 16_000
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    result = run(path)
    assert result.success
    found = check(result, "duration_matches_container")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "Nothing is damaged" in (found.description or "").replace("\n", " ")
    assert metadata(result, "audio")["lost_s"] < 0.5
