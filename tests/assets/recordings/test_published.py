from pathlib import Path

import dagster as dg
import pytest
from blake3 import blake3

from assets.recordings.published import published
from dagster_project.partitions import recordings_partitions
from resources.notes.publication import Publication
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Files

KEY = "lecture~0123456789abcdef"
SUBTITLES = {"transcript.srt": b"1\n00:00:00,000 --> 00:00:01,000\nHi\n", "transcript.vtt": b"WEBVTT\n"}


class Setup:
    """A store, a library and an instance; `notes` hold whatever `content` says."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.content = {"notes.pdf": b"%PDF-1.4", "notes.md": b"# Notes\n", "slide-001.jpg": b"jpeg"}
        self.store = ArtifactStore(root=str(home / "store"), library=str(home / "library"))
        self.library = home / "library" / "recordings" / KEY
        self.refused = False

        @dg.asset(
            partitions_def=recordings_partitions,
            dagster_type=Files,
            check_specs=[dg.AssetCheckSpec("pdf_opens_and_holds_summary", asset="notes", blocking=True)],
        )
        def notes() -> dg.MaterializeResult:
            result = dg.AssetCheckResult(passed=not self.refused, check_name="pdf_opens_and_holds_summary")
            return dg.MaterializeResult(value=Files(self.content), check_results=[result])

        @dg.asset(partitions_def=recordings_partitions)
        def subtitles() -> Files:
            return Files(SUBTITLES)

        self.assets = [notes, subtitles, published]
        instance.add_dynamic_partitions("recordings", [KEY])

    def run(self, *names: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            self.assets,
            selection=list(names) or None,
            partition_key=KEY,
            instance=self.instance,
            resources={"store": self.store, "io_manager": ArtifactIOManager(store=self.store)},
            raise_on_error=False,
        )

    @property
    def found(self) -> dict[str, bytes]:
        if not self.library.exists():
            return {}
        return {path.name: path.read_bytes() for path in self.library.iterdir() if not path.name.startswith(".")}


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path, dg.DagsterInstance.ephemeral(str(tmp_path / "dagster")))


def test_notes_and_subtitles_are_in_the_library_with_their_digests(setup: Setup) -> None:
    result = setup.run()
    assert result.success
    assert setup.found == {**setup.content, **SUBTITLES}
    value = result.output_for_node("published")
    assert value == Publication(
        folder=f"recordings/{KEY}",
        files={name: blake3(content).hexdigest() for name, content in setup.found.items()},
    )
    [event] = result.asset_materializations_for_node("published")
    assert event.metadata["pdf"].value == str(setup.library / "notes.pdf")
    assert Path(str(event.metadata["pdf"].value)).is_absolute()


def test_a_lost_library_is_filled_again_without_its_upstream(setup: Setup) -> None:
    setup.run()
    before = setup.found
    for path in setup.library.iterdir():
        path.unlink()
    assert setup.run("published").success
    assert setup.found == before


def test_a_slide_that_is_gone_leaves_the_library_and_a_strangers_file_stays(setup: Setup) -> None:
    setup.run()
    (setup.library / "my remarks.txt").write_text("mine")
    del setup.content["slide-001.jpg"]
    assert setup.run().success
    assert set(setup.found) == {"notes.pdf", "notes.md", *SUBTITLES, "my remarks.txt"}


def test_what_a_blocking_check_refused_is_not_published(setup: Setup) -> None:
    setup.refused = True
    assert not setup.run().success
    assert setup.found == {}


def test_twice_the_same_has_the_same_data_version(setup: Setup) -> None:
    versions = {
        setup.run().asset_materializations_for_node("published")[0].tags["dagster/data_version"] for _ in range(2)
    }
    assert len(versions) == 1
