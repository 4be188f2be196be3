"""What is read, refused and left alone, how much of it in a tick, and what the tick says."""

import json
import os
import time
from pathlib import Path

import pytest


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
def test_an_unreadable_file_is_refused_and_taken_once_it_is_readable(nobodys, place):
    other, become = nobodys
    other.inbox.rmdir()
    place = type(place)(other.home, other.instance, place.batches)
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

    attempts = []

    def read(descriptor, count):
        if os.fstat(descriptor).st_ino == bad:
            attempts.append(descriptor)
            raise OSError(5, "Input/output error")
        return real(descriptor, count)

    monkeypatch.setattr("resources.intake.identity.os.read", read)
    place.ticks()
    assert place.names(place.run_keys[0]) == ["b.png"]
    assert len(attempts) == 1, "it waits before it tries again"
    assert not place.log_lines()
    for _ in range(5):
        clock.time += 200  # longer than the longest wait between two tries
        place.ticks(2)
    (line,) = place.log_lines()
    assert "5 attempts" in line
    assert len(place.run_keys) == 1


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
