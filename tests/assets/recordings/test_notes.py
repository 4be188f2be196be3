"""The asset `notes`, materialized through the real store from stored transcripts, summaries and slides."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pypdf
import pytest
from blake3 import blake3
from PIL import Image

from assets.recordings.notes import notes
from assets.recordings.source import recording
from dagster_project.partitions import recordings_partitions
from resources.media.slide_index import INDEX, Slide, write_index
from resources.notes.typesetting import Typesetter
from resources.speech.documents import Quality, Segment, Transcript, Word
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Files
from resources.summary.documents import Bullet, Chapter, KeyTerm, Summary

KEY = "talk~0123456789abcdef"
SAID = "Trees lift water without any pump. Leaves pull it up from the roots."
Run = Callable[..., dg.ExecuteInProcessResult]


def transcribed(text: str = SAID, language: str = "en") -> Transcript:
    words = [
        Word(start_s=number / 2, end_s=number / 2 + 0.4, text=word, probability=0.9)
        for number, word in enumerate(text.split())
    ]
    segment = Segment(
        start_s=0, end_s=9, text=text, words=words, avg_logprob=-0.1, no_speech_prob=0, compression_ratio=1.2
    )
    return Transcript(
        language=language,
        language_probability=0.99,
        duration_s=10,
        segments=[segment],
        model="base",
        model_source="the cache",
        device="cpu",
        compute_type="int8",
        reason="asked for",
        settings={},
    )


def pictured(count: int) -> Files:
    buffer = io.BytesIO()
    Image.new("RGB", (320, 180), (20, 90, 60)).save(buffer, "JPEG")
    index = [
        Slide(name=f"slide-{number:03d}.jpg", time_s=number * 2.0, width=320, height=180) for number in range(count)
    ]
    return Files({INDEX: write_index(index), **{slide.name: buffer.getvalue() for slide in index}})


@pytest.fixture
def run(tmp_path: Path, cache: Path) -> Run:
    """Take in a file, store the inputs, materialize `notes`."""
    instance = dg.DagsterInstance.ephemeral(str(tmp_path / "dagster"))
    instance.add_dynamic_partitions("recordings", [KEY])
    original = tmp_path / "a talk.mp4"
    original.write_bytes(b"the bytes of a recording")
    stat = original.stat()
    metadata = {
        "path": dg.MetadataValue.path(str(original)),
        "name": original.name,
        "size": stat.st_size,
        "mtime_ns": str(stat.st_mtime_ns),
        "digest": blake3(original.read_bytes()).hexdigest(),
        "duration_s": 10.0,
        "title": "How trees lift water",
        "created": datetime(2026, 3, 14, 9, 5, tzinfo=UTC).isoformat(),
    }
    instance.report_runless_asset_event(dg.AssetMaterialization(recording.key, partition=KEY, metadata=metadata))
    store = ArtifactStore(root=str(tmp_path / "store"), library=str(tmp_path / "library"))

    def run(heard: Transcript | None = None, slide_count: int = 2) -> dg.ExecuteInProcessResult:
        value = heard or transcribed()

        @dg.asset(partitions_def=recordings_partitions)
        def transcript() -> Transcript:
            return value

        @dg.asset(partitions_def=recordings_partitions)
        def summary() -> Summary:
            points = [Bullet(time_s=0, text=segment.text) for segment in value.segments]
            return Summary(
                language=value.language,
                bullets=points,
                key_terms=[KeyTerm(term="water", times_s=[1.0])] if points else [],
                method="extractive",
                reason="built in",
                chapters=[Chapter(start_s=0, end_s=9, title="A pull from above", points=points)] if points else [],
            )

        @dg.asset(partitions_def=recordings_partitions)
        def slides() -> Files:
            return pictured(slide_count)

        return dg.materialize(
            [transcript, summary, slides, notes],
            partition_key=KEY,
            instance=instance,
            resources={"io_manager": ArtifactIOManager(store=store), "typesetter": Typesetter(cache=str(cache))},
            raise_on_error=False,
        )

    return run


def test_notes_hold_a_pdf_markdown_and_the_slides(run: Run) -> None:
    result = run()
    assert result.success
    files = result.output_for_node("notes")
    assert list(files) == ["notes.docx", "notes.md", "notes.pdf", "slide-000.jpg", "slide-001.jpg"]
    content = files["notes.pdf"]
    pdf = pypdf.PdfReader(io.BytesIO(content if isinstance(content, bytes) else content.read_bytes()))
    text = " ".join(" ".join(page.extract_text() for page in pdf.pages).split())
    for part in ("How trees lift water", "a talk.mp4 · 14 March 2026 · 0:00:10", "Trees lift water without any pump."):
        assert part in text


def test_every_check_is_returned_and_passes(run: Run) -> None:
    evaluations = run().get_asset_check_evaluations()
    assert {check.check_name: check.passed for check in evaluations} == {
        "pdf_opens_and_holds_summary": True,
        "all_transcript_words_in_pdf": True,
        "all_glyphs_available": True,
    }


def test_a_sign_without_a_glyph_warns_and_does_not_stop(run: Run) -> None:
    result = run(transcribed(SAID + " 🌳"))
    assert result.success
    [warned] = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert warned.check_name == "all_glyphs_available"
    assert warned.severity == dg.AssetCheckSeverity.WARN
    [event] = result.asset_materializations_for_node("notes")
    # Once in the summary, once in the chapter's point, once in the transcript.
    assert event.metadata["glyphs_replaced"].value == 3


def test_metadata_shows_the_first_page_and_a_preview(run: Run) -> None:
    [event] = run().asset_materializations_for_node("notes")
    picture = str(event.metadata["first_page"].value)
    assert picture.startswith("![first page of the notes](data:image/png;base64,")
    assert len(picture) < 100_000
    assert str(event.metadata["preview"].value).startswith("# How trees lift water")
    assert "data:" not in str(event.metadata["preview"].value)
    assert event.metadata["pages"].value == 3
    assert event.metadata["words"].value == len(SAID.split())
    assert event.metadata["slides"].value == 2
    assert event.metadata["chapters"].value == 1
    assert event.metadata["warnings"].value == "none"


def test_a_recording_in_which_nobody_speaks_has_notes_that_say_so(run: Run) -> None:
    quality = Quality(vad_threshold=0.5, kept_share=1, covered_share=1)
    silent = transcribed().model_copy(update={"segments": [], "quality": quality})
    result = run(silent, slide_count=0)
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    [event] = result.asset_materializations_for_node("notes")
    assert event.metadata["words"].value == 0
    assert event.metadata["chapters"].value == 0
    assert str(event.metadata["warnings"].value).startswith("- In this recording no speech was found")
    content = result.output_for_node("notes")["notes.pdf"]
    pdf = pypdf.PdfReader(io.BytesIO(content if isinstance(content, bytes) else content.read_bytes()))
    assert "no words were recognised in 0:00:10 of sound" in " ".join(pdf.pages[0].extract_text().split())


def test_the_same_inputs_give_the_same_data_version(run: Run) -> None:
    versions = [run().asset_materializations_for_node("notes")[0].tags["dagster/data_version"] for _ in range(2)]
    assert versions[0] == versions[1]
    assert run(slide_count=1).asset_materializations_for_node("notes")[0].tags["dagster/data_version"] != versions[0]


def test_without_slides_there_are_only_the_two_files(run: Run) -> None:
    assert list(run(slide_count=0).output_for_node("notes")) == ["notes.docx", "notes.md", "notes.pdf"]
