"""The cache of known files: what counts as known, damage, other instances, a full disk."""

import os
import sqlite3
import subprocess

import pytest

from resources.intake.identity import FileStat
from resources.intake.ledger import IGNORED, REFUSED, SETTLING, TAKEN, FileRow, Ledger, LedgerUnavailable

STAT = FileStat(10, 1, 2, 3)
DIGEST = "ab" * 32


@pytest.fixture
def path(tmp_path):
    return tmp_path / "intake.sqlite"


def test_a_taken_file_is_known_by_size_time_and_inode_a_refused_one_by_ctime_too():
    taken, refused = FileRow(STAT, TAKEN, 0, "k"), FileRow(STAT, REFUSED, 0, None)
    chmod = STAT._replace(ctime_ns=99)
    assert taken.knows(chmod)
    assert not refused.knows(chmod)
    assert not FileRow(STAT, IGNORED, 0, None).knows(chmod)
    for change in ({"size": 11}, {"mtime_ns": 5}, {"inode": 4}):
        assert not taken.knows(STAT._replace(**change))
    assert not FileRow(STAT, SETTLING, 0, None).knows(STAT)


def test_rows_come_back_as_they_were_whatever_the_name(path):
    names = ["/in/a.mp4", "/in/new\nline", os.fsdecode(b"/in/caf\xe9"), "/in/" + "🎉" * 60]
    with Ledger(path, "recording", "one") as ledger:
        ledger.settling([(name, STAT) for name in names], 5.0)
        for name in names:
            assert ledger.file(name) == FileRow(STAT, SETTLING, 5.0, None)
        assert set(ledger.files("/in")) == set(names)


def test_rows_are_told_apart_by_folder_and_asset(path):
    with Ledger(path, "recording", "one") as ledger, Ledger(path, "tweets", "one") as other:
        ledger.take("/in/a", STAT, "a~1", DIGEST)
        ledger.take("/in2/b", STAT, "b~1", DIGEST[::-1])
        other.take("/in/c", STAT, "c~1", DIGEST)
        assert list(ledger.files("/in")) == ["/in/a"]
        assert list(other.files("/in")) == ["/in/c"]
        assert ledger.key_of(DIGEST) == "a~1"
        assert other.key_of(DIGEST) == "c~1"
        assert ledger.copies("a~1", "/in2") == []


def test_a_taken_file_stays_open_until_it_is_closed_and_a_new_copy_opens_it_again(path):
    with Ledger(path, "recording", "one") as ledger:
        ledger.take("/in/a", STAT, "a~1", DIGEST)
        (original,) = ledger.unanswered()
        assert (original.key, original.path, original.digest) == ("a~1", "/in/a", DIGEST)
        ledger.reported("a~1", "/in/a", 10, 1, close=True)
        assert ledger.unanswered() == []
        ledger.take("/in/copy", STAT, "a~1", DIGEST)
        (original,) = ledger.unanswered()
        assert original.path == "/in/a", "what was reported last"
        assert [copy for copy, _ in ledger.copies("a~1", "/in")] == ["/in/a", "/in/copy"]
        ledger.forget(["/in/a", "/in/copy"])
        assert ledger.copies("a~1", "/in") == []


def test_strays_are_keys_whose_reported_path_does_not_hold_them_any_more(path):
    with Ledger(path, "recording", "one") as ledger:
        for name, key in (("same", "a~1"), ("gone", "b~1"), ("edited", "c~1"), ("only", "d~1")):
            ledger.take(f"/in/{name}", STAT, key, DIGEST)
        ledger.take("/elsewhere/file", STAT, "e~1", DIGEST)
        assert ledger.strays("/in") == []
        for key in "abce":
            ledger.take(f"/in/copy of {key}", STAT, f"{key}~1", DIGEST)
        ledger.forget(["/in/gone", "/in/only"])
        ledger.settling([("/in/edited", STAT)], 1.0)
        assert [stray.key for stray in ledger.strays("/in")] == ["b~1", "c~1", "e~1"]


def test_what_was_written_is_there_after_closing(path):
    with Ledger(path, "recording", "one") as ledger:
        ledger.take("/in/a", STAT, "a~1", DIGEST)
    with Ledger(path, "recording", "one") as ledger:
        assert ledger.key_of(DIGEST) == "a~1"
        assert ledger.set_aside is None


def test_a_ledger_of_another_instance_is_emptied(path):
    with Ledger(path, "recording", "one") as ledger:
        ledger.take("/in/a", STAT, "a~1", DIGEST)
    with Ledger(path, "recording", "two") as ledger:
        assert ledger.files("/in") == {}
        assert ledger.unanswered() == []


def test_a_ledger_of_another_version_is_made_anew(path):
    with sqlite3.connect(path) as db:
        db.execute("create table files (old text)")
        db.execute("pragma user_version = 99")
    db.close()
    with Ledger(path, "recording", "one") as ledger:
        assert ledger.files("/in") == {}


def test_garbage_is_set_aside(path):
    path.write_bytes(b"garbage" * 1000)
    with Ledger(path, "recording", "one") as ledger:
        assert ledger.set_aside is not None
        assert ledger.set_aside.read_bytes().startswith(b"garbage")
        ledger.take("/in/a", STAT, "a~1", DIGEST)


def test_damage_met_later_is_set_aside_and_said(path):
    with Ledger(path, "recording", "one") as ledger:
        ledger.settling(((f"/in/{number}", STAT) for number in range(3000)), 1.0)
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(LedgerUnavailable, match="damaged"), Ledger(path, "recording", "one") as ledger:
        ledger.files("/in")
    with Ledger(path, "recording", "one") as ledger:
        assert ledger.files("/in") == {}


def test_a_folder_in_its_place_is_said(path):
    path.mkdir()
    with pytest.raises(LedgerUnavailable, match="can't be used"):
        Ledger(path, "recording", "one")


@pytest.mark.root
def test_a_full_disk_is_said_and_a_sound_ledger_is_left_alone(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small], check=True)
    try:
        path = small / "intake.sqlite"
        with Ledger(path, "recording", "one") as ledger:
            ledger.take("/in/a", STAT, "a~1", DIGEST)
        with pytest.raises(LedgerUnavailable, match="full"), Ledger(path, "recording", "one") as ledger:
            ledger.settling(((f"/in/{number}" + "x" * 200, STAT) for number in range(9000)), 1.0)
        assert not list(small.glob("*.damaged-*"))
        with Ledger(path, "recording", "one") as ledger:
            assert list(ledger.files("/in")) == ["/in/a"]
    finally:
        subprocess.run(["umount", small], check=True)
