"""`scriptorium correct`: from an edited file to everything that people open, and back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from assets.recordings.correcting import TRANSCRIPT, is_correction
from dagster_project.commands import correct as command
from dagster_project.commands import running, versions
from dagster_project.definitions import build_defs
from resources.errors import BadInput
from resources.store import records

BELOW = {"subtitles", "summary", "notes", "published"}


def _stale(instance: dg.DagsterInstance, defs: dg.Definitions, key: str) -> set[str]:
    resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), LoadingContextForTest(instance))
    return {name for name in BELOW if resolver.get_status(dg.AssetKey(name), key) == StaleStatus.STALE}


def test_corrections_reach_what_people_open_and_are_given_up_only_when_told(
    house: Any, clip: Callable[[Path, float], Path], cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    house.home.mkdir()
    (house.home / "cache").symlink_to(cache)
    done = house.scriptorium("notes", str(clip(tmp_path / "bridge.mp4", 9.0)))
    assert done.returncode == 0, done.stderr
    [key] = house.keys()
    library, defs = house.pdf(key).parent, build_defs(house.settings)
    heard = (library / "transcript.txt").read_text()
    assert heard.startswith("Good morning.")
    first, second = tmp_path / "first.txt", tmp_path / "second.srt"
    first.write_text(heard.replace("Good morning", "Good evening"))

    def latest() -> records.Record:
        with house.instance() as instance:
            record = records.latest(instance, TRANSCRIPT, key)
        assert record is not None
        return record

    original = latest()
    # In the Launchpad: the transcript alone. What is made of it is then out of date, and stays as it is.
    with house.instance() as instance:
        assert not _stale(instance, defs, key)
        ran = defs.resolve_job_def("recordings").execute_in_process(
            instance=instance,
            partition_key=key,
            asset_selection=[TRANSCRIPT],
            run_config={"ops": {"transcript": {"config": {"correction": str(first)}}}},
        )
        assert ran.success
        assert _stale(instance, defs, key) == BELOW - {"published"}, "which follows once the notes are made"
    assert (library / "transcript.txt").read_text() == heard

    with running.Interrupts() as interrupts:
        # The command with the same file makes that, and nothing is corrected twice.
        assert command.correct(house.settings, "bridge", first, force=False, verbose=False, interrupts=interrupts)
        assert house.made(house.runs()[0]) == BELOW
        assert (library / "transcript.txt").read_text().startswith("Good evening.")
        out, err = capfd.readouterr()
        assert out == f"{library / 'notes.pdf'}\n"
        assert "nothing to correct" in err

        second.write_text((library / "transcript.srt").read_text().replace("evening", "night"))
        assert command.correct(house.settings, "bridge.mp4", second, force=False, verbose=False, interrupts=interrupts)
        run = house.runs()[0]
        assert house.made(run) == {"transcript", *BELOW}
        assert run.tags["scriptorium/corrected"] == "second.srt"
        assert (library / "transcript.txt").read_text().startswith("Good night.")
        assert "Good night." in (library / "notes.md").read_text()
        assert "second.srt: 1 of " in capfd.readouterr().err
        corrected = latest()
        assert is_correction(corrected)

        assert command.discard(house.settings, key, verbose=False, interrupts=interrupts)
        assert (library / "transcript.txt").read_text() == heard
        assert latest().digest == original.digest
        runs = len(house.runs())
        assert command.discard(house.settings, key, verbose=False, interrupts=interrupts)
        assert "no correction to discard" in capfd.readouterr().err
        assert len(house.runs()) == runs

    # Versions of the transcript go both ways, and what is restored is protected only if it was corrected.
    assert versions.restore(house.settings, "transcript", key, corrected.run)
    assert is_correction(latest())
    assert versions.restore(house.settings, "transcript", key, original.run)
    assert not is_correction(latest())
    capfd.readouterr()
    assert versions.show(house.settings, "transcript", key)
    listed = capfd.readouterr().out.splitlines()
    assert ["corrected" in line for line in listed] == [False, False, True, False, True, True, False]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    keys = {
        "talk~0123456789abcdef": "Talk.mp4",
        "talk-two~1123456789abcdef": "two.mp3",
        "x~2123456789abcdef": "two.mp3",
    }
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("recordings", list(keys))
        for key, name in keys.items():
            event = dg.AssetMaterialization("recording", partition=key, metadata={"name": name})
            instance.report_runless_asset_event(event)
        yield instance


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("talk~0123456789abcdef", "talk~0123456789abcdef"),
        ("talk~", "talk~0123456789abcdef"),
        ("talk-t", "talk-two~1123456789abcdef"),
        ("Talk.mp4", "talk~0123456789abcdef"),
        ("/somewhere/Talk.mp4", "talk~0123456789abcdef"),
    ],
    ids=["key", "beginning", "another beginning", "file", "path"],
)
def test_a_recording_is_found_by_key_beginning_or_file(three: dg.DagsterInstance, name: str, key: str) -> None:
    assert command.find(three, name) == key


@pytest.mark.parametrize(
    ("name", "message"),
    [("talk", "Several recordings"), ("two.mp3", "Several recordings"), ("", "no recording"), ("tolk", "no recording")],
    ids=["beginning of two", "file of two", "nothing", "mistyped"],
)
def test_what_could_be_meant_is_named(three: dg.DagsterInstance, name: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as raised:
        command.find(three, name)
    assert "talk" in raised.value.remedy
