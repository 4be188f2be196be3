"""Verification: every object is read again in turn, a killed run goes on, and damage is named with whom it concerns."""

import logging
import os
import signal
import sqlite3
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest
from blake3 import blake3

from resources.store.artifacts import Artifacts
from resources.store.blobs import Blobs
from resources.store.filesystem import FileSystem, using
from resources.store.types import Text
from resources.store.upkeep.collecting import Known
from resources.store.upkeep.references import Owner
from resources.store.upkeep.verifying import CHECKPOINT, Problem, Use, verify

DAY_S = 86_400
NOW = 2_000_000_000.0
log = logging.getLogger(__name__)


class Readings(FileSystem):
    """Notes every object that is opened, and ends the process with SIGKILL in place of opening the n-th."""

    def __init__(self, kill_at: int = 0) -> None:
        self.opened: list[str] = []
        self._kill_at = kill_at

    def open(self, path: Path) -> FileIO:
        if path.parent.parent.name == "objects":
            self.opened.append(path.name)
            if len(self.opened) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().open(path)


@pytest.fixture
def put(artifacts: Artifacts) -> Callable[..., tuple[str, str]]:
    """Store a text; return its manifest's path and its object's digest."""

    def store(text: str, run: str = "r", asset: str = "a", partition: str | None = None) -> tuple[str, str]:
        transfer = artifacts.store(Text(text), asset, partition, run, 0)
        return transfer.path, transfer.manifest.files[0].digest

    return store


@pytest.fixture
def spoil(root: Path) -> Callable[[str], None]:
    """Change one byte of an object, its size, times and place as they were."""

    def flip(digest: str) -> None:
        path = Blobs(root).path(digest)
        status = path.stat()
        content = bytearray(path.read_bytes())
        content[0] ^= 1
        path.chmod(0o644)
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return flip


def test_every_object_is_read_once_until_it_is_due_again(root: Path, put: Callable[..., tuple[str, str]]) -> None:
    digests = {put(f"text {i}", f"r{i}")[1] for i in range(4)}
    readings = Readings()
    with using(readings):
        first = verify(root, log, every_days=30, now=NOW)
        assert (first.objects, first.checked, first.due, first.problems) == (4, 4, 0, ())
        assert first.bytes == 4 * len("text 0")
        assert sorted(readings.opened) == sorted(digests)
        assert verify(root, log, every_days=30, now=NOW + 29 * DAY_S).checked == 0
        late = put("written later", "r9")[1]
        readings.opened.clear()
        assert verify(root, log, every_days=30, now=NOW + 29.5 * DAY_S).checked == 1
        assert readings.opened == [late]
        assert verify(root, log, every_days=30, now=NOW + 31 * DAY_S).checked == 4
        assert verify(root, log, every_days=30, now=NOW - DAY_S).checked == 5  # the clock was set back


def test_a_budget_ends_the_run_and_the_next_one_goes_on(root: Path, put: Callable[..., tuple[str, str]]) -> None:
    digests = {put("x" * 1000 + f"{i}", f"r{i}")[1] for i in range(6)}
    readings, seen = Readings(), []
    with using(readings):
        for budget, count in ((2002, 2), (1, 1), (1500, 2), (10**9, 1)):
            done = verify(root, log, budget_bytes=budget, now=NOW)
            seen.append((done.checked, done.bytes, done.due))
            assert done.checked == count
        assert seen == [(2, 2002, 4), (1, 1001, 3), (2, 2002, 1), (1, 1001, 0)]
        assert len(readings.opened) == 6
        assert set(readings.opened) == digests
        readings.opened.clear()
        assert verify(root, log, budget_s=1e-9, now=NOW + 40 * DAY_S).checked == 1  # never none
        assert len(readings.opened) == 1


def test_objects_checked_longest_ago_come_first(root: Path, put: Callable[..., tuple[str, str]]) -> None:
    texts = sorted((f"text {i}" for i in range(4)), key=lambda text: blake3(text.encode()).digest())
    readings = Readings()
    with using(readings):
        for turn, i in enumerate((2, 0, 3)):
            put(texts[i], f"r{i}")
            assert verify(root, log, now=NOW + turn).checked == 1
        put(texts[1], "r1")  # never checked: before all others
        readings.opened.clear()
        assert verify(root, log, now=NOW + 40 * DAY_S).checked == 4
    assert readings.opened == [blake3(texts[i].encode()).hexdigest() for i in (1, 2, 0, 3)]


def test_a_killed_run_goes_on_at_the_object_where_it_was(
    root: Path, put: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.store.upkeep.verifying._SAVE_AFTER", 1)
    digests = sorted(put(f"text {i}", f"r{i}")[1] for i in range(10))
    pid = os.fork()
    if not pid:
        try:
            with using(Readings(kill_at=7)):
                verify(root, log)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    readings = Readings()
    with using(readings):
        done = verify(root, log)
    assert readings.opened == digests[6:]
    assert (done.checked, done.due) == (4, 0)


@pytest.mark.parametrize("how", ["deleted", "garbage"])
def test_the_checkpoint_may_be_lost_at_any_time(root: Path, put: Callable[..., tuple[str, str]], how: str) -> None:
    put("one")
    assert verify(root, log).checked == 1
    (root / CHECKPOINT).unlink() if how == "deleted" else (root / CHECKPOINT).write_bytes(b"no database" * 100)
    assert verify(root, log).checked == 1
    assert verify(root, log).checked == 0


def test_the_checkpoint_forgets_objects_that_are_gone(root: Path, put: Callable[..., tuple[str, str]]) -> None:
    path, digest = put("one")
    verify(root, log)
    (root / path).unlink()
    Blobs(root).path(digest).unlink()
    verify(root, log)
    with sqlite3.connect(root / CHECKPOINT) as database:
        assert database.execute("select count(*) from checked").fetchone() == (0,)


def test_a_damaged_object_is_set_aside_and_named_with_all_that_use_it(
    root: Path, put: Callable[..., tuple[str, str]], spoil: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    first, digest = put("shared", "r1", "notes", "k~1")
    second, _ = put("shared", "r2", "summary")
    other, _ = put("sound", "r3")
    spoil(digest)
    known = Known({}, frozenset({first, other}), frozenset({first, second, other}))
    done = verify(root, log, known=known, now=NOW)
    (problem,) = done.problems
    assert (problem.what, problem.name) == ("damaged object", digest)
    uses = (Use(first, Owner("notes", "k~1", "r1"), True), Use(second, Owner("summary", None, "r2"), False))
    assert problem.uses == uses
    assert problem.matters
    assert [path.name[:64] for path in (root / "bad").iterdir()] == [digest]
    assert f"Object {digest} holds " in caplog.text
    # It is not checked, so it is named every time until it is there again.
    (again,) = verify(root, log, known=known, now=NOW).problems
    assert again == Problem("missing object", digest, "is gone", uses)
    put("shared", "r4", "notes", "k~1")
    mended = verify(root, log, known=known, now=NOW)
    assert (mended.checked, mended.problems) == (1, ())


def test_an_earlier_version_that_is_lost_is_named_but_no_reason_to_act(
    root: Path, put: Callable[..., tuple[str, str]], spoil: Callable[[str], None]
) -> None:
    earlier, digest = put("first", "r1")
    latest, _ = put("second", "r2")
    known = Known({}, frozenset({latest}), frozenset({earlier, latest}))
    spoil(digest)
    (news,) = verify(root, log, known=known).problems
    assert news.matters  # the damage itself is news once
    (no_news,) = verify(root, log, known=known).problems
    assert (no_news.what, no_news.matters) == ("missing object", False)
    (root / earlier).unlink()  # collected
    assert verify(root, log, known=known).problems == ()


def test_damaged_and_missing_manifests_are_named(root: Path, put: Callable[..., tuple[str, str]]) -> None:
    damaged, digest = put("one", "r1", "no/tes", "k~1")
    gone, _ = put("two", "r2", "summary", "k~1")
    (root / damaged).chmod(0o644)
    (root / damaged).write_bytes((root / damaged).read_bytes().replace(digest.encode(), b"0" * 64))
    (root / gone).unlink()
    owners = {damaged: Owner("no/tes", "k~1", "r1"), gone: Owner("summary", "k~1", "r2")}
    done = verify(root, log, known=Known(owners, frozenset(owners), frozenset(owners)))
    named = [(problem.what, problem.name, problem.uses[0].owner, problem.matters) for problem in done.problems]
    assert named == [
        ("damaged manifest", damaged, owners[damaged], True),
        ("missing manifest", gone, owners[gone], True),
    ]
    assert "checksum" in done.problems[0].detail
    # Without an event log the path says whose it is.
    (problem,) = verify(root, log).problems
    assert problem.uses == (Use(damaged, owners[damaged], True),)


def test_an_object_that_may_not_be_read_is_named_and_left_where_it_is(
    root: Path, put: Callable[..., tuple[str, str]]
) -> None:
    path, digest = put("secret")

    class Denied(FileSystem):
        def open(self, path: Path) -> FileIO:
            if path.name == digest:
                raise PermissionError(13, "Permission denied")
            return super().open(path)

    with using(Denied()):
        (problem,) = verify(root, log).problems
    assert (problem.what, problem.detail) == ("damaged object", "can't be read (Permission denied)")
    assert [use.manifest for use in problem.uses] == [path]
    assert Blobs(root).path(digest).exists()
    assert verify(root, log).checked == 1


def test_an_event_log_of_another_home_gives_no_all_clear(root: Path, put: Callable[..., tuple[str, str]]) -> None:
    _, digest = put("needed")
    Blobs(root).path(digest).unlink()
    (problem,) = verify(root, log, known=Known({}, frozenset(), frozenset())).problems
    assert problem.matters


def test_a_store_that_was_never_used_is_sound(home: Path) -> None:
    assert verify(home / "none", log).problems == ()
    assert not (home / "none").exists()
