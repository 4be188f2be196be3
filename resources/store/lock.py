"""The one lock file of a store: many may write at once, but nobody while garbage is collected.

Belongs here: taking and giving back that lock. Does not belong here: what is collected (`collecting.py`).
A value counts as garbage until its manifest is written, and an object that lay there already may be old enough to be
collected: so whoever stores one holds the lock, shared, from its first object to its manifest. Readers need none: a
file that is open or mapped stays whole when its name is removed. The lock ends with the process that holds it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = "lock"


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the store under `root` for writing, beside other writers; waits while garbage is collected."""
    with _held(root, fcntl.LOCK_SH):
        yield


@contextmanager
def collecting(root: Path) -> Iterator[None]:
    """Hold the store under `root` alone; waits for its writers."""
    with _held(root, fcntl.LOCK_EX):
        yield


@contextmanager
def _held(root: Path, how: int) -> Iterator[None]:
    descriptor = os.open(root / _NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
