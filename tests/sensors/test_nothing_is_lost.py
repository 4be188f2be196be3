"""The daemon killed between any two steps, the ledger and the runs deleted: nothing is lost, nothing is done twice."""

import sqlite3
import time

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status


@pytest.mark.parametrize(
    "reached",
    [
        {"events": False, "partitions": False, "runs": False},
        {"partitions": False, "runs": False},
        {"runs": False},
    ],
    ids=["before events", "before partitions", "before runs"],
)
@pytest.mark.parametrize("lost", [False, True], ids=["ledger kept", "ledger lost"])
def test_a_tick_that_dies_is_made_good_by_the_next(place, wav, reached, lost):
    wav(place.inbox / "a.wav")
    assert place.tick(**reached).run_requests
    if lost:
        place.lose_ledger()
    place.ticks(4)
    assert len(place.run_keys) == len(place.keys()) == 1
    assert len(place.events) == 1, "what Dagster has already is not reported again"


def test_it_is_asked_until_a_run_exists(place, wav):
    wav(place.inbox / "a.wav")
    for _ in range(4):
        assert len(place.tick(runs=False).run_requests) == 1
    place.ticks(3)
    assert len(place.run_keys) == 1


def test_a_run_that_never_left_not_started_is_asked_for_again(place, wav):
    """Dagster's daemon then launches that very run."""
    wav(place.inbox / "a.wav")
    (asked,) = place.tick(runs=False).run_requests
    place.start(asked.run_key, dict(asked.tags), Status.NOT_STARTED)
    assert place.tick(runs=False).run_requests


def test_a_run_about_to_start_at_the_command_line_is_waited_for(place, wav, monkeypatch):
    wav(place.inbox / "a.wav")
    (asked,) = place.tick(runs=False).run_requests
    place.start(asked.run_key, {}, Status.NOT_STARTED)
    assert not place.tick().run_requests
    now = time.time
    monkeypatch.setattr("resources.intake.intake.time.time", lambda: now() + 120)
    assert place.tick(runs=False).run_requests, "it was killed before it started"


@pytest.mark.parametrize("status", [Status.STARTED, Status.SUCCESS, Status.FAILURE, Status.CANCELED])
def test_any_run_past_its_start_counts_whoever_started_it(place, wav, status):
    wav(place.inbox / "a.wav")
    (asked,) = place.tick(runs=False).run_requests
    place.start(asked.run_key, {}, status)
    place.ticks(3)
    assert not place.run_keys


def test_a_run_of_another_sensor_does_not_count(place, wav):
    wav(place.inbox / "a.wav")
    (asked,) = place.tick(runs=False).run_requests
    place.start(asked.run_key, {"dagster/sensor_name": "tweets"}, Status.SUCCESS)
    assert place.tick().run_requests


def test_a_deleted_ledger_costs_reading_and_nothing_else(place, wav):
    for number in range(5):
        wav(place.inbox / f"{number}.wav", tone=300 + number)
    (place.inbox / "bad.mp4").write_text("no film")
    place.ticks(4)
    keys, lines = list(place.run_keys), place.log_lines()
    place.lose_ledger()
    place.ticks(4)
    assert place.run_keys == keys
    assert len(place.events) == 5
    assert len(place.observations) == 1
    assert place.log_lines() == lines
    assert len(lines) == 1


def test_pruned_runs_are_not_made_again_where_the_notes_exist(place, wav):
    wav(place.inbox / "a.wav")
    place.ticks(3)
    (key,) = place.keys()
    place.definitions().resolve_job_def("recordings").execute_in_process(instance=place.instance, partition_key=key)
    for run in place.instance.get_runs():
        place.instance.run_storage.delete_run(run.run_id)
    place.lose_ledger()
    place.ticks(3)
    assert len(place.run_keys) == 1


def test_a_new_dagster_home_starts_over_though_the_ledger_is_old(place, wav):
    wav(place.inbox / "a.wav")
    place.ticks(3)
    with dg.DagsterInstance.local_temp() as other:
        place.instance = other
        place.ticks(3)
        assert len(place.run_keys) == 2
        assert len(place.keys()) == 1


def _garbage(path):
    path.write_bytes(b"no database at all " * 1000)


def _flipped(path):
    with sqlite3.connect(path) as db:
        db.executemany(
            "insert into files (asset, path, size, mtime_ns, ctime_ns, inode, state, since)"
            " values ('recording', ?, 1, 1, 1, 1, 'taken', 1)",
            [(b"/x/%d" % i,) for i in range(2000)],
        )
    db.close()
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 64] = b"\xff" * 64
    path.write_bytes(data)


def _tables_gone(path):
    with sqlite3.connect(path) as db:
        db.execute("drop table files")
    db.close()


@pytest.mark.parametrize("damage", [_garbage, _flipped, _tables_gone])
def test_a_damaged_ledger_is_set_aside_and_made_anew(place, wav, damage):
    wav(place.inbox / "a.wav")
    place.ticks(3)
    damage(place.ledger)
    wav(place.inbox / "b.wav", tone=700)
    place.ticks(5)
    assert sorted(key[0] for key in place.run_keys) == ["a", "b"]
    assert len(list(place.home.glob("intake.sqlite.damaged-*"))) == 1


def test_a_ledger_that_is_locked_makes_the_tick_wait(place, wav, monkeypatch):
    wav(place.inbox / "a.wav")
    place.ticks(3)
    connect = sqlite3.connect
    monkeypatch.setattr(
        "resources.intake.ledger_file.sqlite3.connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.1})
    )
    with sqlite3.connect(place.ledger, isolation_level=None) as other:
        other.execute("begin exclusive")
        wav(place.inbox / "b.wav", tone=700)
        assert "locked" in place.tick().skip_message
        other.execute("rollback")
    other.close()
    place.ticks(2)
    assert len(place.run_keys) == 2
    assert not list(place.home.glob("intake.sqlite.damaged-*"))
