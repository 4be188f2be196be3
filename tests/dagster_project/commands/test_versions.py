"""Earlier materializations are listed, made the latest again by one command, and what follows is made by another."""

import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.commands import out_of_date, versions
from dagster_project.instance import opened
from dagster_project.settings import Settings
from resources.errors import BadInput, CorruptArtifact, MissingArtifact
from resources.notes.publication import Publication
from resources.store import records
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.lock import collecting
from resources.store.records import Record
from resources.store.types import Text
from resources.store.upkeep.collecting import Ages, collect
from resources.store.upkeep.known import EventLog

KEYS = dg.StaticPartitionsDefinition(["k", "other"])


class Bench:
    """A home whose definitions are a few small assets: `source` returns what it is told."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.store = ArtifactStore(root=str(self.settings.homes.store), library=str(self.settings.homes.library))
        told = self.told = {"text": "one", "sound": True}

        @dg.asset(
            partitions_def=KEYS,
            dagster_type=Text,
            code_version="1",
            check_specs=[dg.AssetCheckSpec("sound", asset="source", blocking=True)],
        )
        def source() -> dg.MaterializeResult:
            check = dg.AssetCheckResult(passed=bool(told["sound"]))
            return dg.MaterializeResult(value=Text(str(told["text"])), check_results=[check])

        @dg.asset(partitions_def=KEYS, code_version="1")
        def follower(source: Text) -> Text:
            return Text(f"after {source}")

        @dg.asset(partitions_def=KEYS, code_version="1")
        def last(follower: Text) -> Text:
            return follower

        @dg.asset(code_version="1")
        def gathered(source: dict[str, Text]) -> Text:
            return Text(" ".join(source.values()))

        @dg.asset(code_version="1")
        def listing() -> Publication:
            return Publication(folder=f"folder {told['text']}", files={})

        resources = {"store": self.store, "io_manager": ArtifactIOManager(store=self.store)}
        self.defs = dg.Definitions(
            [source, follower, last, gathered, listing, dg.AssetSpec("outside")], resources=resources
        )
        self.instance: dg.DagsterInstance

    def make(self, asset: str, text: str, key: str | None = "k", sound: bool = True) -> str:
        """A run of an asset (or several, as a selection), whose `source` returns `text`; its id."""
        self.told.update(text=text, sound=sound)
        job = self.defs.resolve_implicit_global_asset_job_def()
        chosen = [dg.AssetKey(name) for name in asset.split()]
        with opened(self.settings) as instance:
            result = job.execute_in_process(
                instance=instance, partition_key=key, asset_selection=chosen, raise_on_error=False
            )
        assert result.success == sound
        return result.run_id

    def latest(self, asset: str = "source", key: str | None = "k") -> Record:
        with opened(self.settings) as instance:
            record = records.latest(instance, dg.AssetKey(asset), key)
        assert record is not None
        return record

    def value(self, asset: str = "source", key: str | None = "k") -> object:
        return self.store.load(self.latest(asset, key))

    def objects(self, record: Record) -> list[Path]:
        assert record.manifest is not None
        files = self.store.artifacts.manifest(record.manifest).files
        return [self.store.artifacts.root / "objects" / file.digest[:2] / file.digest for file in files]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    bench = Bench(tmp_path / "home")
    monkeypatch.setattr(versions, "build_defs", lambda settings: bench.defs)
    return bench


@pytest.fixture
def listed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[list[str]]]:
    """What `show` prints about an asset: run, time, size, version, state, and a note if there is one."""

    def read(asset: str = "source", key: str | None = "k") -> list[list[str]]:
        capsys.readouterr()
        assert versions.show(bench.settings, asset, key)
        head, *lines = capsys.readouterr().out.splitlines()
        assert head.split() == ["run", "time", "size", "version", "state"]
        return [re.split(" {2,}", line) for line in lines]

    return read


def test_every_version_is_listed_newest_first(bench: Bench, listed: Callable[..., list[list[str]]]) -> None:
    runs = [bench.make("source", text) for text in ("one", "two", "three", "one")]
    found = listed()
    assert [line[0] for line in found] == [run[:8] for run in runs[::-1]]
    assert [line[2] for line in found] == ["3 B", "5 B", "3 B", "3 B"]
    assert [line[4:] for line in found] == [["ok", "latest"], ["ok"], ["ok"], ["ok", f"same content as {runs[3][:8]}"]]
    assert found[0][3] == found[3][3] == (bench.latest().digest or "")[:12] != found[1][3]


def test_what_is_gone_damaged_or_refused_is_said(bench: Bench, listed: Callable[..., list[list[str]]]) -> None:
    for text in ("collected", "damaged", "lost", "fine"):
        bench.make("source", text)
        record = bench.latest()
        if text == "collected":
            assert record.manifest is not None
            (bench.store.artifacts.root / record.manifest).unlink()
        elif text == "damaged":
            [file] = bench.objects(record)
            file.chmod(0o644)
            file.write_text("DAMAGED")
        elif text == "lost":
            [file] = bench.objects(record)
            file.unlink()
    bench.make("source", "refused", sound=False)
    with opened(bench.settings) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("source", partition="k"))
    states = [line[4] for line in listed()]
    assert states == ["empty", "refused", "ok", "damaged", "damaged", "collected"]


def test_an_earlier_version_becomes_the_latest(
    bench: Bench, listed: Callable[..., list[list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = bench.make("source follower last", "one"), bench.make("source follower last", "two")
    capsys.readouterr()
    assert versions.restore(bench.settings, "source", "k", first[:6])
    out, err = capsys.readouterr()
    assert bench.value() == "one"
    assert "the latest now" in err
    assert "Out of date now: follower; once that is made again, last as well." in err
    assert out.rstrip().endswith(
        "asset materialize -m dagster_project.definitions --select follower,last --partition k"
    )
    assert [(line[0], *line[4:]) for line in listed()] == [
        (first[:8], "ok", "latest, restored"), (second[:8], "ok"), (first[:8], "ok"),
    ]  # fmt: skip
    bench.make("follower last", "not asked for")
    assert bench.value("last") == "after one"
    assert versions.restore(bench.settings, "source", "k", first)
    out, err = capsys.readouterr()
    assert "is the latest already" in err
    assert out == ""
    assert len(listed()) == 3
    assert versions.restore(bench.settings, "source", "k", second)
    assert bench.value() == "two"
    assert versions.restore(bench.settings, "source", "k", first)
    assert bench.value() == "one"
    assert capsys.readouterr().err.endswith("Nothing that is made of source is out of date.\n")


def test_a_version_made_of_other_inputs_is_said_to_be_out_of_date_itself(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    first = bench.make("source follower", "one")
    bench.make("source follower", "two")
    assert versions.restore(bench.settings, "follower", "k", first)
    assert bench.value("follower") == "after one"
    assert "Dagster shows follower itself as out of date" in capsys.readouterr().err


def test_what_is_gone_or_damaged_is_not_restored(bench: Bench) -> None:
    damaged, collected = bench.make("source", "damaged"), bench.make("source", "collected")
    manifest = bench.latest().manifest
    assert manifest is not None
    bench.make("source", "fine")
    (bench.store.artifacts.root / manifest).unlink()
    with pytest.raises(MissingArtifact, match=f"run {collected} was collected"):
        versions.restore(bench.settings, "source", "k", collected)
    with opened(bench.settings) as instance:
        record = records.of_run(instance, dg.AssetKey("source"), "k", damaged)
    assert record is not None
    [file] = bench.objects(record)
    file.chmod(0o644)
    file.write_text("DAMAGED")
    with pytest.raises(CorruptArtifact, match=rf"run {damaged}: text.txt is gone or not what was stored"):
        versions.restore(bench.settings, "source", "k", damaged)
    assert bench.value() == "fine"


def test_what_is_restored_is_not_collected_and_what_was_collected_is_not_restored(
    bench: Bench, listed: Callable[..., list[list[str]]]
) -> None:
    runs = [bench.make("source", text) for text in ("one", "two", "three")]
    assert versions.restore(bench.settings, "source", "k", runs[0])
    with opened(bench.settings) as instance:
        mark = EventLog(instance, keep_versions=2)
        collect(bench.store.artifacts.root, mark, Ages(grace=0), dry_run=False, now=time.time() + 60)
    assert [(line[0], line[4]) for line in listed()] == [
        (runs[0][:8], "ok"), (runs[2][:8], "ok"), (runs[1][:8], "collected"), (runs[0][:8], "ok"),
    ]  # fmt: skip
    assert bench.value() == "one"
    with pytest.raises(MissingArtifact, match="was collected"):
        versions.restore(bench.settings, "source", "k", runs[1])
    assert versions.restore(bench.settings, "source", "k", runs[2])
    assert bench.value() == "three"


def test_what_a_blocking_check_refused_is_not_restored(bench: Bench) -> None:
    refused = bench.make("source", "wrong", sound=False)
    bench.make("source", "right")
    with pytest.raises(BadInput, match="was refused by its check sound"):
        versions.restore(bench.settings, "source", "k", refused)
    assert bench.value() == "right"


def test_a_copy_in_the_library_is_not_restored(bench: Bench) -> None:
    first, second = bench.make("listing", "a", None), bench.make("listing", "b", None)
    with pytest.raises(BadInput, match="would copy nothing"):
        versions.restore(bench.settings, "listing", None, first)
    assert bench.latest("listing", None).run == second


def test_restoring_waits_while_garbage_is_collected(bench: Bench) -> None:
    first, second = bench.make("source", "one"), bench.make("source", "two")
    done = threading.Event()

    def restore() -> None:
        versions.restore(bench.settings, "source", "k", first)
        done.set()

    thread = threading.Thread(target=restore)
    with collecting(bench.store.artifacts.root):
        thread.start()
        assert not done.wait(1.5)
        assert bench.latest().run == second
    thread.join(20)
    assert done.is_set()
    assert bench.latest().run == first


@pytest.mark.parametrize(
    ("asset", "key", "run", "said"),
    [
        ("sauce", "k", "", "There is no asset 'sauce'. There are: source."),
        ("source", "ka", "", "source has no partition 'ka'. There are: k"),
        ("source", None, "", "source has partitions, and none was named. There are:"),
        ("listing", "k", "", "listing has no partitions."),
        ("source", "k", "zz", "Runs that did, newest first:"),
        ("source", "k", "", "No run that begins with ''"),
        ("source", "other", "", '"source", partition "other" was never materialized.'),
    ],
)
def test_what_is_not_there_is_answered_in_words(bench: Bench, asset: str, key: str | None, run: str, said: str) -> None:
    bench.make("source", "one")
    with pytest.raises((BadInput, MissingArtifact)) as caught:
        versions.restore(bench.settings, asset, key, run)
    assert said in str(caught.value)


def test_the_beginning_of_a_run_must_be_enough() -> None:
    found = [Record("a", None, run, f"{run}.json", None, None, 0.0) for run in ("abc1", "abc2", "abc1", "")]
    assert versions.pick(found, "abc1") is found[0]
    with pytest.raises(BadInput, match="Several runs begin with 'abc': abc1, abc2"):
        versions.pick(found, "abc")


def test_what_was_never_made_does_not_follow(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    first = bench.make("source follower", "one")
    bench.make("source follower", "two")
    assert versions.restore(bench.settings, "source", "k", first)
    assert capsys.readouterr().out.endswith("--select follower --partition k\n")


def test_what_follows_may_have_other_partitions(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.make("source", "-", key="other")
    first = bench.make("source follower gathered", "one")
    bench.make("source", "two")
    bench.make("gathered", "-", key=None)
    assert versions.restore(bench.settings, "source", "k", first)
    with opened(bench.settings) as instance:
        found = out_of_date.below(bench.defs, instance, dg.AssetKey("source"), "k")
    assert [tuple(key) for key in found.now] == [(dg.AssetKey("gathered"), None)]  # the follower is of the first
    assert found.then == []
    [command] = capsys.readouterr().out.splitlines()
    assert command.endswith("--select gathered")


def test_the_way_back_to_a_transcript_and_from_there_to_the_notes(
    house, clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A larger model was tried, and the smaller one's transcript is wanted again."""
    monkeypatch.setenv("DAGSTER_HOME", str(house.home / "dagster"))
    recording = clip(tmp_path / "bridge.mp4", 9.0)
    assert house.scriptorium("notes", str(recording)).returncode == 0
    house.environment["SCRIPTORIUM_SPEECH_MODEL"] = "base"
    assert house.scriptorium("notes", "--again", str(recording)).returncode == 0
    second, first = (run.run_id for run in house.runs())
    [key] = house.keys()
    notes = house.pdf(key).with_name("notes.md")
    assert "Speech recognition:** base" in notes.read_text()

    assert versions.restore(house.settings, "transcript", key, first)
    command, err = capsys.readouterr()
    assert "Out of date now: subtitles, summary, notes; once that is made again, published as well." in err
    environment = {name: value for name, value in house.environment.items() if not name.endswith("_HOME")}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert house.made(house.runs()[0]) == {"subtitles", "summary", "notes", "published"}
    assert "Speech recognition:** tiny.en" in notes.read_text()
    with house.instance() as instance:
        assert (
            out_of_date.below(versions.build_defs(house.settings), instance, dg.AssetKey("transcript"), key).now == []
        )
    done = house.scriptorium("restore", "transcript", key, second[:8])
    assert done.returncode == 0, done.stderr
    assert "Out of date now: subtitles, summary, notes;" in done.stderr
    listed = house.scriptorium("versions", "transcript", key).stdout.splitlines()
    assert listed[1].startswith(second[:8])
    assert listed[1].endswith("latest, restored")
    assert house.scriptorium("versions", "transcript", "nobody").returncode == 1
    assert house.scriptorium("restore", "transcript", key, second, "more").returncode == 2
