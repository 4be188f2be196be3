"""Which checkpoint is meant: a preset's latest, the champion, or one by its digest.

Belongs here: finding and loading it. Does not belong here: choosing a champion (`champion.py`).
"""

import re
from collections.abc import Sequence

import dagster as dg

from resources.errors import BadInput
from resources.store import records
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint

CHAMPION = "champion"
_DIGEST = re.compile(r"[0-9a-f]{6,64}\Z")
"""Shorter beginnings are typing errors rather than digests."""
_SHORT = re.compile(r"[0-9a-f]{1,5}\Z")


def chosen(
    instance: dg.DagsterInstance, store: ArtifactStore, product: str, name: str, device: str | None = None
) -> tuple[Checkpoint, Record]:
    """The checkpoint of `product` called `name`, and the materialization it comes from.

    `name` is `champion`, a preset, or the beginning of a checkpoint's data version (6 or more hex digits).
    Raises: BadInput if there is none, or several; what loading raises.
    """
    record = find(instance, product, name)
    value = store.load(record, device)
    assert isinstance(value, Checkpoint), "assets of these names return checkpoints"
    return value, record


def find(instance: dg.DagsterInstance, product: str, name: str) -> Record:
    """The materialization of the checkpoint called `name`, as in `chosen`."""
    if name == CHAMPION:
        record = records.latest(instance, dg.AssetKey(f"{product}_champion"), None)
        if record is None:
            raise BadInput(f"{product} has no champion yet.", f"Run `scriptorium train {product}` first.")
        return record
    asset = dg.AssetKey(f"{product}_checkpoint")
    presets = sorted(instance.get_materialized_partitions(asset))
    if name in presets:
        record = records.latest(instance, asset, name)
        assert record is not None, "the partition was just listed as materialized"
        return record
    champion = dg.AssetKey(f"{product}_{CHAMPION}")
    found = by_digest(instance, product, [[(asset, preset) for preset in presets], [(champion, None)]], name)
    if found is not None:
        return found
    there = f"There are: {', '.join([CHAMPION, *presets])}" if presets else f"Run `scriptorium train {product}` first"
    if _SHORT.match(name):
        there = f"Of a digest give 6 digits or more. {there}"
    raise BadInput(
        f"{product} has no checkpoint {name!r}.",
        f"{there}; digests are listed by `scriptorium versions {product}_checkpoint PRESET`.",
    )


def checkpoint_digest(record: Record) -> str:
    """The data version of the checkpoint itself, also where it was found as the champion, whose event names it."""
    if record.asset.endswith(f"_{CHAMPION}") and record.event is not None:
        return str(record.event.metadata["checkpoint"].value)
    return record.digest or ""


def by_digest(
    instance: dg.DagsterInstance,
    product: str,
    places: Sequence[Sequence[tuple[dg.AssetKey, str | None]]],
    start: str,
) -> Record | None:
    """The checkpoint whose data version begins with `start` (6 or more hex digits); None if there is none.

    `places` are assets with their partitions, in groups: the first group that has such a checkpoint counts. Champions
    come after checkpoints: they are checkpoints stored with their evaluations, under digests of their own.
    Raises: BadInput if several begin so.
    """
    if not _DIGEST.match(start):
        return None
    for group in places:
        every = [record for asset, partition in group for record in records.versions(instance, asset, partition)]
        found = [record for record in every if record.digest and record.digest.startswith(start)]
        versions = {record.digest for record in found}
        if len(versions) > 1:
            raise BadInput(
                f"{len(versions)} checkpoints of {product} begin with {start!r}.", "Give more of its digest."
            )
        if found:
            return found[0]
    return None
