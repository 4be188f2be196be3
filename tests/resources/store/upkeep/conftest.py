"""What the tests of upkeep share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.store.artifacts import Artifacts, Expected
from resources.store.types import Text
from resources.store.upkeep.collecting import Known
from resources.store.upkeep.references import Owner

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


@pytest.fixture
def known() -> Callable[..., Known]:
    """`known(*paths)`: an event log that names these manifests, each of another asset."""
    return lambda *paths: Known({path: Owner("a", None, "r") for path in paths}, frozenset(paths), frozenset(paths))


@pytest.fixture
def put(artifacts: Artifacts) -> Callable[..., str]:
    """Store a text under a run; return its manifest's path."""

    def store(text: str, run: str, asset: str = "a", partition: str | None = None) -> str:
        return artifacts.store(Text(text), asset, partition, run, 0).path

    return store


@pytest.fixture
def loaded(artifacts: Artifacts) -> Callable[..., object]:
    """What a run stored, by its manifest's path."""

    def load(path: str, run: str, asset: str = "a", partition: str | None = None) -> object:
        return artifacts.load(path, Expected(asset, partition, run, None))[0]

    return load
