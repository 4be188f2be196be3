"""The way from a partition key to the file, and what is said when the file is not what it was."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from blake3 import blake3

from assets.recordings.source import Original, original, recording
from dagster_project.partitions import recordings_partitions
from resources.errors import MissingOriginal

KEY = "talk~0123456789abcdef"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("recordings", [KEY, "other~0"])
        yield instance


@pytest.fixture
def report(instance: dg.DagsterInstance, tmp_path: Path) -> Callable[..., Path]:
    """Write a file and report it as the recording of KEY."""

    def reported(name: str = "talk.mp3", content: bytes = b"sound", **more: str) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        digest = blake3(content).hexdigest()
        metadata = {
            "path": dg.MetadataValue.path(str(path)),
            "name": name,
            "size": len(content),
            "mtime_ns": str(path.stat().st_mtime_ns),
            "digest": digest,
            "duration_s": 61.5,
            "title": "A talk",
            "created": "2026-03-02T10:00:00+01:00",
            **more,
        }
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                "recording", partition=KEY, metadata=metadata, tags={"dagster/data_version": digest}
            )
        )
        return path

    return reported


@pytest.fixture
def look(instance: dg.DagsterInstance) -> Callable[[], Original]:
    def looked() -> Original:
        found: list[Original] = []

        @dg.asset(partitions_def=recordings_partitions, deps=[recording])
        def asks(context: dg.AssetExecutionContext) -> None:
            found.append(original(context))

        dg.materialize([asks], partition_key=KEY, instance=instance)
        return found[0]

    return looked


def test_the_language_of_its_folder(report: Callable[..., Path], look: Callable[[], Original]) -> None:
    report()
    assert look().language is None
    report(language="ru")
    assert look().language == "ru"


def test_a_recording_without_a_date_has_its_files(
    report: Callable[..., Path], look: Callable[[], Original], tmp_path: Path
) -> None:
    report()
    assert not look().dated_by_file
    (tmp_path / "talk.mp3").write_bytes(b"sound")
    changed = datetime.fromtimestamp((tmp_path / "talk.mp3").stat().st_mtime, UTC)
    stat_ns = str((tmp_path / "talk.mp3").stat().st_mtime_ns)
    report("copy.mp3", created=changed.isoformat(timespec="seconds"), mtime_ns=stat_ns)
    assert look().dated_by_file


def test_found(report: Callable[..., Path], look: Callable[[], Original]) -> None:
    path = report()
    assert look() == Original(
        path=path,
        name="talk.mp3",
        digest=blake3(b"sound").hexdigest(),
        size=5,
        mtime_ns=path.stat().st_mtime_ns,
        created=datetime(2026, 3, 2, 9, tzinfo=UTC),
        duration_s=61.5,
        title="A talk",
    )


def test_latest_event_counts(report: Callable[..., Path], look: Callable[[], Original]) -> None:
    report("first.mp3").unlink()
    again = report("again.mp3")
    assert look().path == again


def test_touched_but_the_same(report: Callable[..., Path], look: Callable[[], Original]) -> None:
    os.utime(report(), ns=(0, 0))
    assert look().name == "talk.mp3"


def test_never_taken_in(look: Callable[[], Original]) -> None:
    with pytest.raises(MissingOriginal, match=f'No recording was ever taken in as "{KEY}"'):
        look()


def test_gone(report: Callable[..., Path], look: Callable[[], Original]) -> None:
    report("a\nb.mp3").unlink()
    with pytest.raises(MissingOriginal, match=r'"a\\nb.mp3" is not where it was any more') as caught:
        look()
    assert "Put it back, or put a copy into the inbox" in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"other", b"longer than before"])
def test_other_bytes(report: Callable[..., Path], look: Callable[[], Original], content: bytes) -> None:
    path = report()
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))
    with pytest.raises(MissingOriginal, match="holds something else now"):
        look()


def test_folder_in_its_place(report: Callable[..., Path], look: Callable[[], Original]) -> None:
    path = report()
    path.unlink()
    path.mkdir()
    with pytest.raises(MissingOriginal):
        look()
