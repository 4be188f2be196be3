"""What the tests of upkeep share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

DAY_S = 86_400


@pytest.fixture
def age(root: Path) -> Callable[..., None]:
    """Make everything that lies in the store so many days older."""

    def make_older(days: float = 30) -> None:
        for path in [*root.rglob("*")]:
            if path.is_file():
                status = path.stat()
                os.utime(path, (status.st_atime - days * DAY_S, status.st_mtime - days * DAY_S))

    return make_older
