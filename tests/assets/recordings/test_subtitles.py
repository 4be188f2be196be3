from pathlib import Path

import dagster as dg

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


def test_subtitles_are_stored_in_both_formats_and_checked(tmp_path: Path) -> None:
    @dg.asset(partitions_def=recordings_partitions)
    def transcript() -> dg.MaterializeResult[Transcript]:
        return dg.MaterializeResult(value=_transcript())

    store = ArtifactStore(root=str(tmp_path / "store"), library=str(tmp_path / "library"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("recordings", [KEY])
        resources = {"store": store, "io_manager": ArtifactIOManager(store=store)}
        result = dg.materialize([transcript, subtitles], partition_key=KEY, instance=instance, resources=resources)
        defs = dg.Definitions(assets=[transcript, subtitles], resources=resources)
        files = defs.load_asset_value("subtitles", instance=instance, partition_key=KEY)
    assert isinstance(files, Files)
    assert sorted(files) == ["transcript.srt", "transcript.vtt"]
    cues = read_srt(files.path("transcript.srt").read_text(encoding="utf-8"))
    assert cues == read_vtt(files.path("transcript.vtt").read_text(encoding="utf-8"))
    assert " ".join(line for cue in cues for line in cue.lines) == TEXT
    (event,) = result.asset_materializations_for_node("subtitles")
    assert event.metadata["cues"].value == len(cues) == 2
    assert str(event.metadata["preview"].value).startswith("- **0:00:00** Вода")
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "cues_readable_by_players": True,
        "cues_readable_by_people": True,
    }
