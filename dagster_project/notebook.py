"""What was made, in a notebook or a script: `from dagster_project.notebook import load`.

Belongs here: the few functions a person calls there, thin over Dagster's own loading of assets. Does not belong here:
how values are found and read (`resources/store/io_manager.py`). Nothing is made from here.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from dagster_project.commands import products, versions
from dagster_project.definitions import build_defs
from dagster_project.instance import opened
from dagster_project.settings import Settings
from resources.errors import ScriptoriumError

_one_at_a_time = threading.RLock()


def load(asset: str, key: str | None = None, *, device: str | None = None, run: str | None = None) -> object:
    """The value of an asset's partition, as an asset that takes it would get it; files are read-only paths.

    `key` is the partition, left out for an asset that has none. `device` (`cpu`, `cuda`, `cuda:1`, `mps`) says where
    tensors go; left out, the platform chooses. `run` (a run id, or its beginning, as `scriptorium versions` shows it)
    asks for what that run made instead of the latest.
    Raises: BadInput if there is no such asset, partition or run; MissingArtifact, CorruptArtifact, OutdatedArtifact,
    MissingExtra as loading an input does.
    """
    defs = build_defs(settings := Settings())
    with _here(settings) as instance:
        asset_key, partition = versions.find(defs, instance, asset, key)
        if run is not None:
            record = versions.pick(versions.known(instance, asset_key, partition), run)
            return versions.store_of(defs).load(record, device)
        try:
            with _quiet(), defs.get_asset_value_loader(instance) as loader:
                metadata = {} if device is None else {"device": device}
                return loader.load_asset_value(asset_key, partition_key=partition, input_definition_metadata=metadata)
        except dg.Failure as failure:
            if not isinstance(failure.__cause__, ScriptoriumError):
                raise
            raise failure.__cause__.with_traceback(None) from None  # a line, not forty


def keys(product: str = "recordings") -> list[str]:
    """The partition keys of a product, oldest first. BadInput lists the products if there is none of that name."""
    settings = Settings()
    with _here(settings) as instance:
        return products.find(build_defs(settings), product).keys(instance)


@contextmanager
def _here(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance, with the environment left as it was: the kernel may look at another home next."""
    with _one_at_a_time:  # the environment and the level of logging belong to the whole process
        before = {name: os.environ.get(name) for name in ("SCRIPTORIUM_HOME", "DAGSTER_HOME")}
        try:
            with opened(settings) as instance:
                yield instance
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dagster's line about each load; warnings are shown."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)
