"""The watcher of folders whose files are worked on together: a real folder, a real Dagster instance."""

import json
import os
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from resources.errors import MissingOriginal
from resources.intake.batch_events import Batches
from resources.intake.batches import files_of, take_in
from resources.intake.files import Names
from sensors import batches as watcher
from sensors.batches import batch_sensor
from sensors.inbox import Limits

NAMES = Names(taken=frozenset({".csv", ".png"}), never=frozenset())
PARTITIONS = dg.DynamicPartitionsDefinition(name="things")
EACH = Batches("dropped", "things", NAMES, "work", "worked")
WHOLE = Batches("dropped", None, NAMES, "work", "worked")


@dg.asset(partitions_def=PARTITIONS, deps=[dg.AssetKey("dropped")], name="worked")
def each() -> None:
    """Stands for predictions of a batch."""


@dg.asset(deps=[dg.AssetKey("dropped")], name="worked")
def whole() -> None:
    """Stands for a dataset made of a whole folder."""


class Place:
    """A home with an inbox. `run_keys` are those asked for so far, `events` what was reported."""

    def __init__(self, home, instance, batches):
        self.home, self.instance, self.batches = home, instance, batches
        self.inbox, self.log = home / "inbox", home / "failures.log"
        self.inbox.mkdir()
        self.run_keys, self.events, self.observations = [], [], []
        self.limits, self.options, self.cursor = {}, {}, None
        self.restart()

    def restart(self):
        """Definitions loaded anew, as by another process: what the sensor remembers is gone."""
        limits = Limits(disk=self.home, **({"settle_seconds": 0.0, "min_free_bytes": 0} | self.limits))
        sensor = batch_sensor(
            name="watch", batches=self.batches, folder=self.inbox, limits=limits, failures=self.log, description="",
            **self.options,
        )  # fmt: skip
        asset = each if self.batches.partitions else whole
        self.definitions = dg.Definitions(
            assets=[dg.AssetSpec("dropped", partitions_def=asset.partitions_def), asset],
            jobs=[dg.define_asset_job("work", [asset], executor_def=dg.in_process_executor)],
            sensors=[sensor],
        )
        self.sensor = self.definitions.resolve_sensor_def("watch")

    def tick(self, events=True, partitions=True, runs=True):
        """One tick in the daemon's order; switched off: killed before that."""
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.definitions,
            cursor=self.cursor,
        ) as context:
            data = self.sensor.evaluate_tick(context)
        if events:
            for event in data.asset_events:
                self.instance.report_runless_asset_event(event)
                (self.observations if isinstance(event, dg.AssetObservation) else self.events).append(event)
        if partitions:
            for request in data.dynamic_partitions_requests or []:
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        if runs:
            self.cursor = data.cursor
            for asked in data.run_requests or []:
                self.run_keys.append(asked.run_key)
                self.start(asked.run_key, asked.tags)
        return data

    def start(self, run_key, tags, status=dg.DagsterRunStatus.STARTED):
        self.instance.run_storage.add_run(
            dg.DagsterRun("work", str(uuid.uuid4()), tags={**tags, "dagster/run_key": run_key}, status=status)
        )

    def ticks(self, count=3):
        for _ in range(count):
            data = self.tick()
        return data

    def write(self, name, text):
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def names(self, partition=None):
        return [file.name for file in files_of(self, "dropped", partition)]

    def keys(self):
        return self.instance.get_dynamic_partitions("things")

    def log_lines(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def place(tmp_path, instance):
    return Place(tmp_path, instance, EACH)


@pytest.fixture
def folder(tmp_path, instance):
    return Place(tmp_path, instance, WHOLE)


@pytest.fixture
def clock(monkeypatch):
    """A clock the test sets: ticks read it, files do not."""
    now = SimpleNamespace(time=time.time())
    monkeypatch.setattr(watcher.time, "time", lambda: now.time)
    return now


# Batches that are partitions


def test_what_lies_together_is_one_batch_one_event_one_partition_one_run(place):
    place.write("holiday/b.png", "2")
    place.write("holiday/sub/a.png", "1")
    before = [(path, path.stat()) for path in place.inbox.rglob("*.png")]
    assert place.ticks(4).skip_message == "2 files known."
    (key,) = place.keys()
    assert place.run_keys == [key]
    assert key.startswith("holiday~")
    assert len(place.events) == 1
    assert place.names(key) == ["holiday/b.png", "holiday/sub/a.png"]
    (run,) = place.instance.get_runs()
    assert run.tags["scriptorium/file"] == "holiday/b.png and 1 more"
    for path, stat in before:
        assert path.stat().st_mtime_ns == stat.st_mtime_ns
        assert path.stat().st_ctime_ns == stat.st_ctime_ns


def test_later_files_are_a_batch_of_their_own(place):
    place.write("a.png", "1")
    place.ticks()
    place.write("b.png", "2")
    place.ticks()
    assert [key.partition("~")[0] for key in place.run_keys] == ["a", "b"]
    assert place.names(place.keys()[1]) == ["b.png"]


def test_nothing_is_taken_while_anything_changes(place, clock):
    place.limits = {"settle_seconds": 10.0}
    place.restart()
    place.write("a.png", "1")
    for _ in range(4):
        place.tick()
        clock.time += 4
        place.write("b.png", str(clock.time))
    assert not place.run_keys
    place.tick()
    clock.time += 9
    assert "waiting" in place.tick().skip_message
    clock.time += 1.5
    place.tick()
    (key,) = place.run_keys
    assert place.names(key) == ["a.png", "b.png"]


def test_a_constant_drip_does_not_starve_what_has_settled(place, clock):
    place.limits = {"settle_seconds": 10.0}
    place.restart()
    for number in range(20):  # 80 s, a new file every 4 s
        place.write(f"{number:02}.png", str(number))
        place.tick()
        clock.time += 4
    assert len(place.run_keys) == 1
    names = place.names(place.run_keys[0])
    assert names == [f"{number:02}.png" for number in range(13)]  # first seen at 0 ... 48 s, taken at 60 s


@pytest.mark.parametrize(
    "reached",
    [
        {"events": False, "partitions": False, "runs": False},
        {"partitions": False, "runs": False},
        {"runs": False},
    ],
    ids=["before events", "before partitions", "before runs"],
)
@pytest.mark.parametrize("restart", [False, True], ids=["daemon alone", "sensor's process too"])
@pytest.mark.parametrize("mode", ["place", "folder"])
def test_a_tick_that_dies_is_made_good_by_the_next(request, mode, reached, restart):
    place = request.getfixturevalue(mode)
    place.write("a.csv", "1")
    assert place.tick(**reached).run_requests
    if restart:
        place.restart()
    place.ticks(4)
    assert len(place.run_keys) == len(place.events) == 1
    assert list(place.keys()) == (place.run_keys if place.batches.partitions else [])


def test_a_run_that_never_left_not_started_is_asked_for_again(place):
    place.write("a.png", "1")
    (asked,) = place.tick(runs=False).run_requests
    place.start(asked.run_key, {"dagster/sensor_name": "watch"}, dg.DagsterRunStatus.NOT_STARTED)
    assert place.tick(runs=False).run_requests


def test_runs_deleted_after_the_work_was_done_are_not_made_again(place):
    place.write("a.png", "1")
    place.ticks()
    job = place.definitions.resolve_job_def("work")
    assert job.execute_in_process(instance=place.instance, partition_key=place.run_keys[0]).success
    for run in place.instance.get_runs():
        place.instance.run_storage.delete_run(run.run_id)
    place.restart()
    place.ticks()
    assert len(place.run_keys) == 1


def test_copied_renamed_and_touched_files_make_no_work_and_are_found_again(place):
    first, second = place.write("a.png", "1"), place.write("b.png", "2")
    place.ticks()
    (key,) = place.keys()
    first.rename(place.inbox / "z.png")
    os.utime(second, (1, 1))
    place.write("copy.png", "2")
    place.ticks()
    assert len(place.run_keys) == 1
    assert len(place.events) == 2, "told once where they lie now"
    assert [file.path.name for file in files_of(place, "dropped", key)] == ["z.png", "b.png"]
    assert place.names(key) == ["a.png", "b.png"], "the batch is the one it was"
    place.restart()
    place.ticks()
    assert (len(place.run_keys), len(place.events)) == (1, 2)


def test_a_folder_with_something_new_in_it_is_taken_whole(place):
    place.write("a.png", "1")
    place.ticks()
    place.write("more/a.png", "1")
    place.write("more/b.png", "2")
    place.ticks()
    assert place.names(place.run_keys[1]) == ["more/a.png", "more/b.png"]


def test_an_edited_file_is_a_new_batch(place):
    place.write("a.png", "1")
    place.ticks()
    place.write("a.png", "22")
    place.ticks()
    assert len(set(place.run_keys)) == 2


def test_more_than_a_batch_holds_becomes_several_each_file_once(tmp_path, instance):
    place = Place(tmp_path, instance, Batches("dropped", "things", NAMES, "work", "worked", most=4))
    for number in range(10):
        place.write(f"{number}.png", str(number))
    place.ticks(5)
    assert [len(place.names(key)) for key in place.run_keys] == [4, 4, 2]
    assert sorted(name for key in place.run_keys for name in place.names(key)) == [f"{n}.png" for n in range(10)]


def test_reading_goes_on_over_ticks_within_the_budget(place):
    place.limits = {"bytes_per_tick": 1000}
    place.restart()
    for number in range(5):
        place.write(f"{number}.png", str(number) * 600)
    assert "the rest follows" in place.tick().skip_message
    assert "the rest follows" in place.tick().skip_message
    place.tick()
    assert len(place.names(place.run_keys[0])) == 5


def test_files_wait_while_the_product_cannot_work(place):
    answers = ["There is no champion yet."]
    place.options = {"ready": lambda instance: answers[0]}
    place.restart()
    assert place.tick().skip_message == "0 files known."
    place.write("a.png", "1")
    assert "no champion" in place.ticks().skip_message
    assert not place.events
    answers[0] = None
    place.tick()
    assert len(place.run_keys) == len(place.keys()) == 1


def test_other_files_and_other_inboxes_are_left_alone(place, opened):
    place.options = {"exclude": [place.inbox / "predict"]}
    place.restart()
    for name in ["notes.txt", ".hidden.png", "a.png.part", "unknown", "predict/q.png"]:
        place.write(name, "x")
    place.write("predicted/q.png", "1")
    with opened() as paths:
        place.ticks()
    assert [Path(path).name for path in paths if path.startswith(str(place.inbox) + "/") and Path(path).is_file()] == [
        "q.png"
    ]
    assert place.names(place.run_keys[0]) == ["predicted/q.png"]
    assert not place.log_lines()


def test_a_bad_file_is_refused_once_and_blocks_no_other(place):
    place.write("good.png", "1")
    (place.inbox / "out.png").symlink_to("/etc/passwd")
    (place.inbox / "nowhere.png").symlink_to(place.inbox / "gone.png")
    Path(os.fsdecode(os.fsencode(place.inbox) + b"/caf\xe9.png")).write_text("2")
    place.ticks()
    place.restart()
    place.ticks()
    assert place.names(place.run_keys[0]) == ["good.png"]
    assert len(place.run_keys) == 1
    problems = sorted(str(seen.metadata["problem"].value) for seen in place.observations)
    assert len(place.log_lines()) == len(problems) == 3
    assert "nowhere" in problems[0]
    assert "outside the inbox" in problems[1]
    assert "not valid UTF-8" in problems[2]
    (place.inbox / "out.png").unlink()
    place.write("out.png", "a file now")
    place.ticks()
    assert place.names(place.run_keys[1]) == ["out.png"]


def test_a_report_that_was_lost_is_made_again_but_logged_once(folder):
    folder.write("good.csv", "1")
    (folder.inbox / "bad.csv").symlink_to(folder.inbox / "gone.csv")
    folder.tick(events=False, runs=False)
    folder.ticks()
    assert len(folder.observations) == len(folder.log_lines()) == len(folder.run_keys) == 1
    assert folder.names() == ["good.csv"]


@pytest.mark.root
def test_an_unreadable_file_is_refused_and_taken_once_it_is_readable(nobodys, monkeypatch):
    other, become = nobodys
    other.inbox.rmdir()
    place = Place(other.home, other.instance, EACH)
    file = place.write("a.png", "1")
    place.write("b.png", "2")
    with become():
        file.chmod(0)
        place.ticks()
        assert place.names(place.run_keys[0]) == ["b.png"]
        (line,) = place.log_lines()
        assert "chmod a+r" in line
        file.chmod(0o644)
        place.ticks()
        assert place.names(place.run_keys[1]) == ["a.png"]


def test_an_error_that_passes_is_tried_again_and_one_that_stays_is_refused(place, clock, monkeypatch):
    """The one thing here that is not real: a disk that answers EIO can't be had in a test."""
    bad = place.write("a.png", "1").stat().st_ino
    place.write("b.png", "2")
    real = os.read

    def read(descriptor, count):
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(5, "Input/output error")
        return real(descriptor, count)

    monkeypatch.setattr("resources.intake.identity.os.read", read)
    place.ticks()
    assert place.names(place.run_keys[0]) == ["b.png"]
    assert not place.log_lines()
    for _ in range(5):
        clock.time += 200  # longer than the longest wait between two tries
        place.ticks(2)
    (line,) = place.log_lines()
    assert "5 attempts" in line
    assert len(place.run_keys) == 1


def test_a_wiped_asset_is_reported_again(place):
    place.write("a.png", "1")
    place.ticks()
    place.instance.wipe_assets([dg.AssetKey("dropped")])
    place.tick(runs=False)
    assert len(place.events) == 2
    assert place.names(place.run_keys[0]) == ["a.png"]


def test_a_batch_named_at_the_command_line_counts_once_it_has_a_run(place):
    place.write("a.png", "1")
    taken = take_in(place.instance, EACH, [place.inbox / "a.png"])
    place.instance.report_runless_asset_event(taken.event)
    assert place.tick(runs=False).run_requests, "its command was killed"
    place.start(taken.run_key, {})
    place.ticks()
    assert not place.run_keys


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
@pytest.mark.parametrize("mode", ["place", "folder"])
def test_what_the_command_line_has_begun_is_not_begun_again(request, mode, status):
    place = request.getfixturevalue(mode)
    taken = take_in(place.instance, place.batches, [place.write("a.csv", "1")])
    place.instance.report_runless_asset_event(taken.event)
    place.start(taken.run_key, {}, status)
    place.ticks()
    assert not place.run_keys


def test_a_missing_inbox_and_a_full_disk_say_what_to_do(place):
    place.inbox.rmdir()
    assert "Make the folder" in place.tick().skip_message
    place.inbox.mkdir()
    place.limits = {"min_free_bytes": 10**18}
    place.restart()
    assert "Free some space" in place.tick().skip_message


def test_the_cursor_does_not_grow(place, clock):
    place.limits = {"settle_seconds": 10.0}
    place.restart()
    for number in range(200):
        place.write(f"{number}.png", str(number))
    place.tick()
    assert len(place.cursor) < 150  # a digest of 64 characters and two times


# A whole folder


def test_a_folder_is_one_batch_whatever_changes(folder):
    first = folder.write("a.csv", "1")
    folder.write("sub/b.csv", "2")
    folder.ticks()
    assert sorted(folder.names()) == ["a.csv", "sub/b.csv"]
    folder.write("c.csv", "3")
    folder.ticks()
    assert len(folder.names()) == 3
    folder.write("c.csv", "33")
    folder.ticks()
    first.unlink()
    folder.ticks()
    assert sorted(folder.names()) == ["c.csv", "sub/b.csv"]
    assert len(set(folder.run_keys)) == len(folder.run_keys) == 4
    assert not folder.keys()


def test_a_folder_that_becomes_what_it_was_is_run_again(folder):
    """Its newest dataset is of other contents; and Dagster starts no second run with the same key."""
    folder.write("a.csv", "1")
    folder.ticks()
    extra = folder.write("b.csv", "2")
    folder.ticks()
    extra.unlink()
    folder.tick(runs=False)
    folder.restart()
    folder.ticks()
    assert len(set(folder.run_keys)) == 3
    assert folder.names() == ["a.csv"]


def test_names_and_times_make_no_difference_to_a_folder(folder):
    folder.write("a.csv", "1")
    other = folder.write("b.csv", "2")
    folder.ticks()
    order = [file.digest for file in files_of(folder, "dropped", None)]
    (folder.inbox / "a.csv").rename(folder.inbox / "z.csv")
    os.utime(other, (1, 1))
    folder.ticks()
    folder.restart()
    folder.ticks()
    assert len(folder.run_keys) == 1
    assert len(folder.events) == 2
    assert sorted(folder.names()) == ["b.csv", "z.csv"]
    assert [file.digest for file in files_of(folder, "dropped", None)] == order


def test_an_emptied_folder_asks_for_nothing(folder):
    file = folder.write("a.csv", "1")
    folder.ticks()
    file.unlink()
    folder.ticks()
    assert len(folder.run_keys) == len(folder.events) == 1


def test_a_folder_is_left_alone_after_other_files_were_named(folder, clock):
    folder.limits = {"settle_seconds": 10.0}
    folder.restart()

    def settle():
        folder.tick()
        clock.time += 11
        folder.tick()
        return folder.tick().skip_message

    folder.write("a.csv", "1")
    settle()
    elsewhere = folder.home / "elsewhere.csv"
    elsewhere.write_text("9")
    taken = take_in(folder.instance, WHOLE, [elsewhere])
    folder.instance.report_runless_asset_event(taken.event)
    folder.start(taken.run_key, {})
    settle()
    assert len(folder.run_keys) == 1
    assert folder.names() == ["elsewhere.csv"]
    (folder.inbox / "a.csv").rename(folder.inbox / "b.csv")
    assert "waiting" not in settle(), "compared once"
    assert len(folder.run_keys) == 1, "only a name"
    folder.write("c.csv", "3")
    settle()
    assert sorted(folder.names()) == ["b.csv", "c.csv"]
    assert len(folder.run_keys) == 2


def test_a_run_that_was_never_made_is_made_though_other_files_were_named_since(folder):
    folder.write("a.csv", "1")
    folder.tick(runs=False)
    elsewhere = folder.home / "elsewhere.csv"
    elsewhere.write_text("9")
    taken = take_in(folder.instance, WHOLE, [elsewhere])
    folder.instance.report_runless_asset_event(taken.event)
    folder.start(taken.run_key, {})
    folder.ticks()
    assert len(folder.run_keys) == 1
    assert folder.names() == ["a.csv"], "the run reads the newest event"


def test_deleted_runs_of_a_folder_are_not_made_again(folder):
    folder.write("a.csv", "1")
    folder.ticks()
    assert folder.definitions.resolve_job_def("work").execute_in_process(instance=folder.instance).success
    for run in folder.instance.get_runs():
        folder.instance.run_storage.delete_run(run.run_id)
    folder.restart()
    folder.ticks()
    assert len(folder.run_keys) == 1


def test_a_folder_with_too_many_files_says_so(tmp_path, instance):
    folder = Place(tmp_path, instance, Batches("dropped", None, NAMES, "work", most=2))
    for number in range(3):
        folder.write(f"{number}.csv", str(number))
    assert "more than one batch holds" in folder.tick().skip_message


def test_an_edit_between_event_and_run_is_seen_by_the_run_and_by_the_next_tick(folder):
    file = folder.write("a.csv", "1")
    folder.tick()
    file.write_text("22")
    with pytest.raises(MissingOriginal, match=r"a\.csv.* has changed"):
        files_of(folder, "dropped", None)
    folder.tick()
    assert folder.names() == ["a.csv"]
    assert len(folder.run_keys) == 2


def test_a_tick_over_ten_thousand_known_files_is_quick_and_opens_none(place, opened):
    for number in range(10_000):
        place.write(f"{number:05}.png", str(number))
    place.ticks(3)
    assert len(place.run_keys) == 2
    start = time.process_time()
    with opened() as paths:
        data = place.tick()
    took = time.process_time() - start
    assert data.skip_message == "10,000 files known."
    assert not [path for path in paths if path.endswith(".png")]
    assert took < 2  # a tick comes every 5 s; measured 0.26 s
    place.restart()
    assert place.tick().skip_message == "10,000 files known.", "from Dagster's events alone"
    assert json.loads(place.cursor)[0] == ""
