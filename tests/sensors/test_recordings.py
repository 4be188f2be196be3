"""What the recordings' inbox takes, when, and how often."""

import os
import shutil
import time

import dagster as dg
import pytest
from blake3 import blake3
from dagster._core.definitions.data_version import extract_data_version_from_entry

from resources.intake import identity
from resources.intake.forgotten import FORGOTTEN, Forgotten

HOUR = 3600.0


def metadata(event):
    return {name: value.value for name, value in event.metadata.items()}


def test_an_empty_inbox_says_so(place):
    data = place.tick()
    assert not data.run_requests
    assert data.skip_message == "0 files known."


def test_a_missing_inbox_says_what_to_do(place):
    place.inbox.rmdir()
    assert "Make the folder" in place.tick().skip_message


def test_a_new_file_becomes_one_event_one_partition_one_run(place, video):
    folder = place.inbox / "week 1" / "x.mp4"  # a folder, whatever it is called
    folder.mkdir(parents=True)
    file = video(folder / "Лекция_№ 1.mp4")
    digest = blake3(file.read_bytes()).hexdigest()
    before = file.stat()
    place.ticks(4)
    key = f"lektsiia-no-1~{digest[:16]}"
    assert place.keys() == [key] == place.run_keys
    (event,) = place.events
    said = metadata(event)
    assert event.partition == key
    assert said["path"] == str(file)
    assert (said["name"], said["title"]) == ("Лекция_№ 1.mp4", "Лекция № 1")
    assert (said["size"], said["mtime_ns"], said["digest"]) == (before.st_size, str(before.st_mtime_ns), digest)
    assert said["duration_s"] == pytest.approx(2.0, abs=0.2)
    assert "mp4" in said["container"]
    assert said["streams"].count("\n") == 1
    assert "audio" in said["streams"]
    assert said["created"].endswith("+00:00")
    record = place.instance.get_latest_data_version_record(dg.AssetKey("recording"), partition_key=key)
    assert extract_data_version_from_entry(record.event_log_entry).value == digest
    (run,) = place.instance.get_runs()
    assert run.tags["scriptorium/file"] == "Лекция_№ 1.mp4"
    assert run.tags["dagster/sensor_name"] == "recordings"
    # The original is as it was, to the byte and the nanosecond.
    assert blake3(file.read_bytes()).hexdigest() == digest
    assert (file.stat().st_mtime_ns, file.stat().st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)


def test_a_known_file_is_not_opened_again(place, wav, opened):
    wav(place.inbox / "a.wav")
    place.ticks(3)
    with opened() as paths:
        data = place.tick()
    assert not [path for path in paths if path.startswith(str(place.inbox)) and path.endswith(".wav")]
    assert data.skip_message == "1 files known."
    assert place.tick().cursor is None


def test_a_growing_file_is_taken_once_and_whole(place, wav):
    whole = wav(place.home / "whole.wav", seconds=6).read_bytes()
    place.settings = {"settle_seconds": 0.8}
    part = len(whole) // 10
    with (place.inbox / "a.wav").open("wb") as file:
        for start in range(0, len(whole), part):
            file.write(whole[start : start + part])
            file.flush()
            assert not place.tick().run_requests
            time.sleep(0.15)
    place.until(lambda: bool(place.run_keys))
    place.ticks(3)
    assert place.run_keys == [f"a~{blake3(whole).hexdigest()[:16]}"]


def test_a_file_that_lay_there_long_is_taken_at_the_second_look(place, wav):
    """The first look proves nothing where the file server's clock is behind ours."""
    place.settings = {"settle_seconds": 0.5}
    wav(place.inbox / "a.wav")
    time.sleep(0.6)
    assert not place.tick().run_requests
    assert place.tick().run_requests


@pytest.mark.parametrize("age", [HOUR, -HOUR])
def test_a_copy_that_keeps_its_time_settles_like_any_other(place, wav, age):
    """`cp -p` sets an old time on bytes that are new; a camera's clock may be ahead."""
    place.settings = {"settle_seconds": 0.5}
    file = wav(place.inbox / "a.wav")
    os.utime(file, (time.time() - age, time.time() - age))
    start = time.monotonic()
    place.until(lambda: bool(place.run_keys), seconds=5)
    assert time.monotonic() - start >= 0.4


@pytest.mark.parametrize("name", ["a.wav.part", ".a.wav", "a.wav.crdownload", "~$a.wav", "a.wav~", "A.WAV.TMP"])
def test_an_unfinished_download_waits_for_its_real_name(place, wav, name):
    file = wav(place.inbox / name)
    place.ticks(3)
    assert not place.run_keys
    file.rename(place.inbox / "a.wav")
    place.ticks(2)
    assert len(place.run_keys) == 1
    assert not place.log_lines()


def test_an_edited_file_is_another_recording(place, wav):
    file = wav(place.inbox / "a.wav", tone=440)
    place.ticks(2)
    wav(file, tone=550)
    place.ticks(3)
    assert len(set(place.run_keys)) == len(place.run_keys) == 2
    assert len(place.keys()) == 2


def test_a_deleted_file_leaves_everything_as_it_is(place, wav):
    wav(place.inbox / "a.wav").unlink(missing_ok=False)
    place.ticks(2)
    file = wav(place.inbox / "b.wav")
    place.ticks(2)
    file.unlink()
    place.ticks(3)
    assert len(place.run_keys) == len(place.keys()) == len(place.events) == 1


def test_a_file_that_comes_and_goes_between_looks_stops_nothing(place, wav):
    place.settings = {"settle_seconds": 0.3}
    gone, stays = wav(place.inbox / "a.wav", tone=300), wav(place.inbox / "b.wav", tone=400)
    place.tick()
    gone.unlink()
    place.until(lambda: bool(place.run_keys))
    assert place.run_keys[0].startswith(stays.stem)
    assert not place.log_lines()


def test_a_renamed_file_is_reported_where_it_lies_and_nothing_runs(place, wav):
    file = wav(place.inbox / "a.wav")
    place.ticks(3)
    moved = file.rename(place.inbox / "better name.wav")
    place.ticks(4)
    assert len(place.run_keys) == len(place.keys()) == 1
    first, second = place.events
    assert metadata(second)["path"] == str(moved)
    assert first.partition == second.partition
    assert first.tags == second.tags


def test_a_copy_under_another_name_is_no_work(place, wav):
    file = wav(place.inbox / "a.wav")
    place.ticks(3)
    shutil.copy(file, place.inbox / "b.wav")
    place.ticks(4)
    assert len(place.run_keys) == len(place.keys()) == len(place.events) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_when_only_the_copy_is_left_it_is_reported_and_downstream_stays_fresh(place, wav, lost):
    from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
    from dagster._core.loader import LoadingContextForTest

    file = wav(place.inbox / "a.wav")
    place.ticks(3)
    (key,) = place.keys()
    definitions = place.definitions()
    definitions.resolve_job_def("recordings").execute_in_process(instance=place.instance, partition_key=key)
    copy = shutil.copy(file, place.inbox / "b.wav")
    place.ticks(2)
    file.unlink()
    if lost:
        place.lose_ledger()
    place.ticks(4)
    assert len(place.run_keys) == len(place.keys()) == 1
    assert [metadata(event)["path"] for event in place.events] == [str(file), str(copy)]
    graph = definitions.get_repository_def().asset_graph
    status = CachingStaleStatusResolver(place.instance, graph, LoadingContextForTest(place.instance))
    assert status.get_status(dg.AssetKey("published"), key) == StaleStatus.FRESH


def test_a_copy_takes_over_when_the_original_is_overwritten(place, wav):
    file = wav(place.inbox / "a.wav", tone=440)
    copy = shutil.copy(file, place.inbox / "b.wav")
    place.ticks(4)
    key, path = place.keys()[0], metadata(place.events[0])["path"]
    other = copy if path == str(file) else str(file)
    wav(type(file)(path), tone=550)
    place.ticks(5)
    assert len(place.run_keys) == 2
    latest = {event.partition: metadata(event)["path"] for event in place.events}
    assert latest[key] == str(other)
    assert len(latest) == 2


def test_two_identical_files_at_once_are_one_run(place, wav):
    shutil.copy(wav(place.inbox / "a.wav"), place.inbox / "b.wav")
    place.ticks(4)
    assert len(place.run_keys) == len(place.keys()) == len(place.events) == 1


def test_one_name_with_other_bytes_is_another_key(place, wav):
    (place.inbox / "sub").mkdir()
    wav(place.inbox / "a.wav", tone=440)
    wav(place.inbox / "sub" / "a.wav", tone=550)
    place.ticks(3)
    assert len(set(place.run_keys)) == 2
    assert all(key.startswith("a~") for key in place.run_keys)


def test_a_touched_file_is_the_same_recording_with_a_new_time(place, wav):
    file = wav(place.inbox / "a.wav")
    place.ticks(3)
    os.utime(file, (1_000_000_000, 1_000_000_000))
    place.ticks(4)
    assert len(place.run_keys) == 1
    assert metadata(place.events[-1])["mtime_ns"] == "1000000000000000000"


def test_keys_that_collide_are_told_apart_by_the_whole_digest(place, wav):
    digest = blake3(wav(place.inbox / "a.wav").read_bytes()).hexdigest()
    taken = f"a~{digest[:16]}"
    other = {"path": "/elsewhere", "size": 1, "mtime_ns": "1", "digest": digest[:16] + "0" * 48}
    place.instance.add_dynamic_partitions("recordings", [taken])
    place.instance.report_runless_asset_event(dg.AssetMaterialization("recording", partition=taken, metadata=other))
    place.ticks(3)
    assert place.run_keys == [f"a~{digest[:24]}"]
    assert place.keys() == [taken, f"a~{digest[:24]}"]
    # With the ledger lost, and under another name, the bytes are still found by their longer key.
    place.lose_ledger()
    (place.inbox / "a.wav").rename(place.inbox / "z.wav")
    place.ticks(3)
    assert len(place.keys()) == 2


def test_a_large_file_is_read_over_several_ticks_and_holds_up_no_other(place, wav, monkeypatch):
    monkeypatch.setattr(identity, "READ_BYTES", 2**18)
    large = wav(place.inbox / "large.wav", seconds=2)
    with large.open("r+b") as file:
        file.truncate(8 * 10**6)
    digest = blake3(large.read_bytes()).hexdigest()
    place.settings = {"hash_budget_mb": 2}
    data = place.tick()
    assert "being read" in data.skip_message
    wav(place.inbox / "small.wav")
    place.tick()
    assert [key[:6] for key in place.run_keys] == ["small~"]
    ticks = 2
    while len(place.run_keys) < 2:
        place.tick()
        ticks += 1
        assert ticks < 12
    assert 4 <= ticks <= 6  # 8 MB at 2 MB a tick, and the small file's share
    assert place.run_keys[1] == f"large~{digest[:16]}"


def test_a_large_file_begun_by_a_process_that_died_is_read_again(place, wav, monkeypatch):
    monkeypatch.setattr(identity, "READ_BYTES", 2**18)
    large = wav(place.inbox / "large.wav")
    with large.open("r+b") as file:
        file.truncate(5 * 10**6)
    place.settings = {"hash_budget_mb": 2}
    place.tick()
    identity._begun.clear()
    place.until(lambda: bool(place.run_keys), pause=0)
    assert place.run_keys == [f"large~{blake3(large.read_bytes()).hexdigest()[:16]}"]


def test_a_file_that_changes_between_two_parts_gets_no_mixed_digest(place, wav, monkeypatch):
    monkeypatch.setattr(identity, "READ_BYTES", 2**18)
    large = wav(place.inbox / "large.wav")
    with large.open("r+b") as file:
        file.truncate(5 * 10**6)
    place.settings = {"hash_budget_mb": 2}
    place.tick()
    with large.open("r+b") as file:
        file.seek(100)
        file.write(b"\1\2\3")
    place.until(lambda: bool(place.run_keys), pause=0)
    place.ticks(3)
    assert place.run_keys == [f"large~{blake3(large.read_bytes()).hexdigest()[:16]}"]


def test_nothing_is_taken_in_while_the_disk_is_low(place, wav):
    wav(place.inbox / "a.wav")
    place.settings = {"min_free_gb": 10.0**9}
    data = place.tick()
    assert "Free some space" in data.skip_message
    place.settings = {}
    place.ticks(2)
    assert len(place.run_keys) == 1


def test_a_thousand_files_are_taken_by_fifties_each_once(place, wav):
    for number in range(1000):
        wav(place.inbox / f"{number:04}.wav", seconds=1.1 + number / 100, tone=1, rate=100)
    data = place.tick()
    assert len(data.run_requests) == 50
    for _ in range(19):
        place.tick()
    assert "1,000 files known" in place.tick().skip_message
    place.ticks(2)
    assert len(place.run_keys) == len(set(place.run_keys)) == len(place.keys()) == 1000
    assert len(place.events) == 1000


def test_what_was_forgotten_after_it_was_looked_into_is_not_asked_for(place, wav):
    file = wav(place.inbox / "a.wav")
    data = place.tick(runs=False, partitions=False, events=False)  # looked into, and the daemon was killed
    assert data.run_requests
    Forgotten(place.ledger).note(FORGOTTEN, blake3(file.read_bytes()).hexdigest())
    for _ in range(2):
        data = place.tick()
        assert not data.run_requests
        assert not data.asset_events
        assert not data.dynamic_partitions_requests
    assert place.keys() == []


def test_a_folder_names_the_language_also_of_a_file_that_is_moved_into_it_later(place, wav):
    file = wav(place.inbox / "talk.wav")
    place.ticks(4)
    (event,) = place.events
    assert "language" not in event.metadata
    folder = place.inbox / "Ru" / "week 1"
    folder.mkdir(parents=True)
    file.rename(folder / "talk.wav")
    place.ticks(4)
    assert len(place.events) == 2
    assert place.events[-1].metadata["language"].value == "ru"
    assert len(place.run_keys) == 1, "nothing is listened to again unasked"
