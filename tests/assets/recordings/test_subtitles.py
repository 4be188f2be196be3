import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.recordings.subtitles import subtitles
from dagster_project.partitions import recordings_partitions
from resources.speech.documents import Segment, Transcript, Word
from resources.speech.subtitles import read_srt, read_vtt
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Files

KEY = "lecture~0123456789abcdef"
TEXT = "Вода тяжелее всего при четырёх градусах. Поэтому зимой на дне озера остаётся тёплый слой, а лёд плавает сверху."


def _transcript() -> Transcript:
    words = [
        Word(start_s=i * 0.5, end_s=i * 0.5 + 0.45, text=text, probability=0.9) for i, text in enumerate(TEXT.split())
    ]
    segment = Segment(
        start_s=0,
        end_s=words[-1].end_s,
        text=TEXT,
        words=words,
        avg_logprob=-0.2,
        no_speech_prob=0,
        compression_ratio=1.5,
    )
    return Transcript(
        language="ru",
        language_probability=0.99,
        duration_s=10,
        speech_s=9,
        segments=[segment],
        model="base",
        model_source="embedded",
        device="cpu",
        compute_type="int8",
        reason="set by name",
        settings={},
    )


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[Transcript], tuple[dg.ExecuteInProcessResult, Files]]]:
    """Materializes `subtitles` of a transcript, and loads them from the store."""

    @dg.asset(partitions_def=recordings_partitions)
    def transcript() -> dg.MaterializeResult[Transcript]:
        return dg.MaterializeResult(value=given[-1])

    given: list[Transcript] = []
    store = ArtifactStore(root=str(tmp_path / "store"), library=str(tmp_path / "library"))
    resources = {"store": store, "io_manager": ArtifactIOManager(store=store)}
    defs = dg.Definitions(assets=[transcript, subtitles], resources=resources)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("recordings", [KEY])

        def made(said: Transcript) -> tuple[dg.ExecuteInProcessResult, Files]:
            given.append(said)
            result = dg.materialize([transcript, subtitles], partition_key=KEY, instance=instance, resources=resources)
            files = defs.load_asset_value("subtitles", instance=instance, partition_key=KEY)
            assert isinstance(files, Files)
            return result, files

        yield made


def test_every_format_is_stored_and_the_subtitles_are_checked(make: Any) -> None:
    result, files = make(_transcript())
    assert sorted(files) == [f"transcript.{suffix}" for suffix in ("json", "md", "srt", "txt", "vtt")]
    text = {name: files.path(name).read_text(encoding="utf-8") for name in files}
    cues = read_srt(text["transcript.srt"])
    assert cues == read_vtt(text["transcript.vtt"])
    assert " ".join(line for cue in cues for line in cue.lines) == TEXT
    assert text["transcript.txt"] == f"{TEXT}\n"
    assert text["transcript.md"] == f"**0:00:00** {TEXT}\n"
    assert json.loads(text["transcript.json"])["text"] == TEXT
    (event,) = result.asset_materializations_for_node("subtitles")
    assert event.metadata["cues"].value == len(cues) == 2
    assert str(event.metadata["preview"].value).startswith("- **0:00:00** Вода")
    assert _checks(result) == {"cues_readable_by_players": True, "cues_readable_by_people": True}


def test_without_speech_the_files_are_valid_and_empty(make: Any) -> None:
    result, files = make(_transcript().model_copy(update={"segments": []}))
    text = {name: files.path(name).read_text(encoding="utf-8") for name in files}
    assert (text["transcript.srt"], text["transcript.vtt"], text["transcript.txt"]) == ("", "WEBVTT\n", "")
    assert text["transcript.md"] == "No words were recognised in this recording.\n"
    assert json.loads(text["transcript.json"])["segments"] == []
    assert _checks(result) == {"cues_readable_by_players": True, "cues_readable_by_people": True}


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
