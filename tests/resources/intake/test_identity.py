"""Slugs, keys, names made fit to be shown, and hashing in parts."""

import os

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from resources.intake import identity
from resources.intake.identity import FileChanged, FileStat, begun, digest_some, partition_key, shown, slug
from resources.store.types import safe_name

DIGEST = blake3(b"x").hexdigest()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Lecture 01 (final).mp4", "lecture-01-final"),
        ("Лекция №1.mp4", "lektsiia-no1"),
        ("../../etc/passwd.mp4", "passwd"),
        ("🎉.mp4", "untitled"),
        ("-rf.mp4", "rf"),
        ("a.b.c.mp4", "a-b-c"),
        ("x" * 250, "x" * 60),
    ],
)
def test_slugs(name, expected):
    assert slug(name) == expected


@given(st.binary(min_size=1).filter(lambda name: not {0, ord("/")} & set(name)))
def test_every_name_gives_a_key_that_is_a_safe_file_name(name):
    key = partition_key(os.fsdecode(name), DIGEST)
    assert safe_name(key) == key
    assert key.endswith(f"~{DIGEST[:16]}")
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-~")


@given(st.binary(min_size=1))
def test_every_name_can_be_shown(name):
    line = shown(os.fsdecode(name))
    assert line.isprintable()
    assert len(line) <= 200
    line.encode("utf-8")


def test_what_can_be_printed_is_shown_as_it_is():
    assert shown("Лекция «1» 🎉.mp4") == "Лекция «1» 🎉.mp4"
    assert shown("a\nb\x1b[31m") == "a\\nb\\x1b[31m"


@pytest.fixture
def large(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "READ_BYTES", 1000)
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 50)
    return path


def test_a_file_hashed_in_parts_has_the_digest_of_the_whole(large):
    stat, path = FileStat.of(large.stat()), str(large)
    calls, read = 0, 0
    digest = None
    while digest is None:
        digest, count = digest_some(path, stat, allowance=3000)
        calls, read = calls + 1, read + count
        assert begun(path, stat) == (0 if digest else read)
    assert digest == blake3(large.read_bytes()).hexdigest()
    assert (calls, read) == (5, large.stat().st_size)


def test_a_deadline_that_has_passed_still_lets_one_block_through(large):
    digest, read = digest_some(str(large), FileStat.of(large.stat()), deadline=0.0)
    assert (digest, read) == (None, 1000)


def test_an_empty_file_has_a_digest(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    assert digest_some(str(path), FileStat.of(path.stat()), allowance=0) == (blake3(b"").hexdigest(), 0)


def test_progress_is_told(large):
    seen: list[int] = []
    digest_some(str(large), FileStat.of(large.stat()), read=seen.append)
    assert seen[-1] == large.stat().st_size
    assert seen == sorted(seen)


@pytest.mark.parametrize("change", ["append", "cut", "rewrite", "replace"])
def test_a_file_that_is_another_one_is_not_hashed(large, change):
    stat, path = FileStat.of(large.stat()), str(large)
    digest_some(path, stat, allowance=3000)
    if change == "append":
        with large.open("ab") as file:
            file.write(b"more")
    elif change == "cut":
        os.truncate(large, 500)
    elif change == "rewrite":
        data = bytearray(large.read_bytes())
        data[0] ^= 1
        large.write_bytes(data)
        os.utime(large, ns=(stat.mtime_ns, stat.mtime_ns))  # the time is put back; ctime gives it away
    else:
        other = large.with_name("other")
        other.write_bytes(large.read_bytes())
        other.rename(large)
    with pytest.raises(FileChanged):
        digest_some(path, stat)
    assert begun(path, stat) == 0


def test_files_begun_and_never_finished_do_not_pile_up(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "READ_BYTES", 10)
    for number in range(50):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * 100)
        digest_some(str(path), FileStat.of(path.stat()), allowance=1)
    assert len(identity._begun) <= 16
