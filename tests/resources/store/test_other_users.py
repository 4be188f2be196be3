"""Another user reads a store and changes nothing; another process in the way is no error."""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.store.artifacts import Artifacts
from resources.store.types import File

Load = Callable[[Artifacts, str], bytes]
Child = Callable[[Callable[[], object]], Callable[[], int]]


@pytest.mark.root
def test_another_user_reads_all_and_changes_nothing(child: Child, load: Load) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        before = os.umask(0o022)
        try:
            artifacts = Artifacts(Path(name) / "store")
            stored = artifacts.store(File("x", b"for everybody"), "a", "k", "run", 0)
            load(Artifacts(artifacts.root), stored.path)
        finally:
            os.umask(before)

        def as_nobody() -> None:
            os.setgid(65534)
            os.setuid(65534)
            own = Artifacts(artifacts.root)
            assert load(own, stored.path) == b"for everybody"
            for path in artifacts.root.rglob("*"):
                assert not os.access(path, os.W_OK), path
            with pytest.raises(PermissionError):
                own.store(File("x", b"mine"), "a", "k", "run", 1)

        assert child(as_nobody)() == 0


def test_a_busy_or_locked_memory_of_verifications_is_no_error(artifacts: Artifacts, load: Load) -> None:
    stored = artifacts.store(File("x", b"x"), "a", "k", "run", 0)
    load(artifacts, stored.path)
    with sqlite3.connect(artifacts.root / "verified.sqlite") as database:
        database.execute("begin exclusive")
        start = time.monotonic()
        assert load(artifacts, stored.path) == b"x"
        assert time.monotonic() - start < 20
