"""Which sentiment checkpoint is meant: a file's champion, the pooled one, or one by its digest.

Belongs here: the names of this product, whose partitions are files. Does not belong here: what is the same for every
product (`resources/training/choosing.py`).
"""

from collections.abc import Collection

import dagster as dg

from assets.sentiment.recipe import PRODUCT
from resources.errors import BadInput
from resources.intake.identity import slug
from resources.store import records
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint
from resources.training.choosing import CHAMPION, by_digest

POOLED = "pooled"
CHECKPOINT, BASELINE = dg.AssetKey(f"{PRODUCT}_checkpoint"), dg.AssetKey(f"{PRODUCT}_baseline")
OF_FILE, OF_ALL = dg.AssetKey(f"{PRODUCT}_champion"), dg.AssetKey(f"{PRODUCT}_pooled_champion")


def chosen(
    instance: dg.DagsterInstance, store: ArtifactStore, name: str, device: str | None = None
) -> tuple[Checkpoint, Record, str]:
    """The checkpoint called `name`, the materialization it comes from, and which one that is, in words.

    `name` is `champion` (the pooled champion, else that of the newest file), `pooled`, a file's partition key or an
    unambiguous beginning of it, or the beginning of a checkpoint's data version (6 or more hex digits).
    Raises: BadInput if there is none, or several; what loading raises.
    """
    record, said = find(instance, name)
    value = store.load(record, device)
    assert isinstance(value, Checkpoint), "assets of these names return checkpoints"
    return value, record, said


def find(instance: dg.DagsterInstance, name: str) -> tuple[Record, str]:
    """The materialization of the checkpoint called `name`, as in `chosen`, and which one it is."""
    pooled = records.latest(instance, OF_ALL, None) if name in (CHAMPION, POOLED) else None
    if pooled is not None:
        return pooled, "the pooled champion"
    if name == POOLED:
        raise BadInput(
            f"{PRODUCT} has no pooled champion.",
            "Set SCRIPTORIUM_SENTIMENT_VALIDATION to a file of labelled tweets, and materialize"
            f" {OF_ALL.to_user_string()}.",
        )
    files = sorted(instance.get_materialized_partitions(OF_FILE))
    if name == CHAMPION:
        champions = [found for file in files if (found := records.latest(instance, OF_FILE, file)) is not None]
        if not champions:
            raise BadInput(f"{PRODUCT} has no champion yet.", f"Run `scriptorium train {PRODUCT}` first.")
        newest = max(champions, key=lambda record: record.timestamp)
        return newest, f"the champion of {newest.partition}, the newest"
    file = file_named(files, name)
    if file is not None:
        record = records.latest(instance, OF_FILE, file)
        assert record is not None, "the partition was just listed as materialized"
        return record, f"the champion of {file}"
    found = by_data_version(instance, name)
    if found is not None:
        return found, f"the checkpoint {found.digest} of {found.partition or 'all files'}"
    there = f"There are: {', '.join([CHAMPION, *files])}." if files else f"Run `scriptorium train {PRODUCT}` first."
    raise BadInput(f"{PRODUCT} has no checkpoint {name!r}.", there)


def by_data_version(instance: dg.DagsterInstance, start: str) -> Record | None:
    """The checkpoint or baseline, else the champion, whose data version begins so; None if there is none.

    Raises: BadInput if several begin so.
    """
    made = [
        (asset, file)
        for asset in (CHECKPOINT, BASELINE)
        for file in sorted(instance.get_materialized_partitions(asset))
    ]
    crowned: list[tuple[dg.AssetKey, str | None]] = [
        (OF_FILE, file) for file in sorted(instance.get_materialized_partitions(OF_FILE))
    ]
    return by_digest(instance, PRODUCT, [made, [*crowned, (OF_ALL, None)]], start)


def file_named(keys: Collection[str], name: str) -> str | None:
    """The one of these partition keys that `name` is, or begins, or was made from as a file's name; None if none is.

    Raises: BadInput if several are.
    """
    if name in keys:
        return name
    of_name = [key for key in keys if key.partition("~")[0] == slug(name)]
    found = of_name or [key for key in keys if key.startswith(name)]
    if len(found) > 1:
        raise BadInput(f"Several files are called {name!r}: {', '.join(sorted(found))}.", "Give more of the key.")
    return found[0] if found else None
