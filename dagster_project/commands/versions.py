"""`scriptorium versions` and `scriptorium restore`: the earlier materializations of an asset, and the way back to one.

Belongs here: naming an asset and its partition, listing what was made of it, making an earlier one the latest, and
saying what then has to be made again. Does not belong here: the events themselves (`resources/store/records.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from rich.console import Console
from rich.text import Text

from assets.recordings.correcting import is_correction
from dagster_project.commands import out_of_date, products
from dagster_project.definitions import build_defs
from dagster_project.instance import opened
from dagster_project.settings import Settings
from resources.errors import BadInput, CorruptArtifact, MissingArtifact
from resources.notes.publication import Publication
from resources.store import records
from resources.store.artifacts import describe
from resources.store.io_manager import ArtifactStore
from resources.store.lock import writing
from resources.store.records import Record
from resources.store.report import readable

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import AssetKeyPartitionKey

_SHORT = 8  # characters of a run id, as the Dagster UI shows it


@dataclass(frozen=True)
class Version:
    """One materialization: what is stored (`state` is ok, damaged, collected, refused or empty), and what to know."""

    record: Record
    state: str
    note: str


def show(settings: Settings, asset: str, key: str | None) -> bool:
    """Print every materialization of an asset's partition, newest first, on standard output.

    Raises: BadInput if there is no such asset or partition, MissingArtifact if it was never materialized.
    """
    defs = build_defs(settings)
    with opened(settings) as instance:
        asset_key, partition = find(defs, instance, asset, key)
        found = known(instance, asset_key, partition)
        listed = list(_examined(instance, store_of(defs), found))
    short = _short(found)
    rows = [("run", "time", "size", "version", "state", "")]
    for version in listed:
        record = version.record
        size = "-" if record.bytes is None else readable(record.bytes)
        content = (record.data_version or "-")[:12]
        rows.append((short[record.run], _time(record), size, content, version.state, version.note))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())  # noqa: T201  # the command's result
    return True


def restore(settings: Settings, asset: str, key: str | None, run: str) -> bool:
    """Make what run `run` (its id, or the beginning of it) stored the latest materialization again.

    The command that makes anew what is then out of date goes to standard output, the rest to standard error.
    Raises: BadInput if there is no such asset, partition or run, or if it can't be restored; MissingArtifact,
    CorruptArtifact if it is gone or damaged.
    """
    defs = build_defs(settings)
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    with opened(settings) as instance:
        asset_key, partition = find(defs, instance, asset, key)
        found = known(instance, asset_key, partition)
        chosen, store = pick(found, run), store_of(defs)
        what = f"{chosen.asset}{'' if partition is None else f' of {partition}'}"
        made = f"the version of run {chosen.run[:_SHORT]} ({_time(chosen)})"
        with writing(store.artifacts.root):  # nothing is collected from the check to the event
            _check(instance, store, asset_key, chosen)
            now = records.latest(instance, asset_key, partition)
            if now is not None and now.manifest == chosen.manifest:
                out.print(Text(f"{what}: {made} is the latest already."))
                return True
            instance.report_runless_asset_event(records.restoring(chosen))
        out.print(Text(f"{what}: {made} is the latest now."))
        _say_what_follows(defs, settings, instance, asset_key, partition, out)
    return True


def find(
    defs: dg.Definitions, instance: dg.DagsterInstance, asset: str, key: str | None
) -> tuple[dg.AssetKey, str | None]:
    """The asset of that name, and its partition (None: unpartitioned). BadInput names those that are near."""
    graph = defs.resolve_asset_graph()
    assets = {one.to_user_string(): one for one in graph.get_all_asset_keys()}
    if asset not in assets:
        near = difflib.get_close_matches(asset, assets, n=5) or sorted(assets)
        raise BadInput(f"There is no asset {asset!r}.", f"There are: {', '.join(near)}.")
    partitions = graph.get(assets[asset]).partitions_def
    if partitions is None:
        if key is not None:
            raise BadInput(f"{asset} has no partitions.", "Leave out the key.")
        return assets[asset], None
    product = products.Product(asset, (assets[asset],), partitions, {})
    try:
        [partition] = products.chosen(product, instance, [key or ""])
    except BadInput as error:
        if key is None:
            raise BadInput(f"{asset} has partitions, and none was named.", error.remedy) from None
        raise
    return assets[asset], partition


def known(instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str | None) -> list[Record]:
    """Every materialization of an asset's partition, newest first. MissingArtifact if there is none."""
    if found := records.versions(instance, asset_key, partition):
        return found
    name = asset_key.to_user_string()
    raise MissingArtifact(f"{describe(name, partition)} was never materialized.", f'Materialize "{name}" first.')


def pick(found: Sequence[Record], run: str) -> Record:
    """The newest of the records whose run begins with `run`. BadInput if none does, or those of several runs do."""
    matching = {record.run for record in found if run and record.run.startswith(run)}
    if len(matching) > 1:
        raise BadInput(f"Several runs begin with {run!r}: {', '.join(sorted(matching))}.", "Give more of the id.")
    if not matching:
        short = ", ".join(dict.fromkeys(record.run[:_SHORT] for record in found if record.run)) or "none"
        which = describe(found[0].asset, found[0].partition)
        raise BadInput(f"No run that begins with {run!r} made {which}.", f"Runs that did, newest first: {short}.")
    return next(record for record in found if record.run in matching)


def store_of(defs: dg.Definitions) -> ArtifactStore:
    """The artifact store of the definitions."""
    store = (defs.resources or {})["store"]
    assert isinstance(store, ArtifactStore)
    return store


def _examined(instance: dg.DagsterInstance, store: ArtifactStore, found: Sequence[Record]) -> Iterator[Version]:
    short, seen = _short(found), dict[str, str]()
    for number, record in enumerate(found):
        notes = ["latest"] * (number == 0) + ["restored"] * record.restored + ["corrected"] * is_correction(record)
        if record.digest is not None:
            first = seen.setdefault(record.digest, short[record.run])
            if first != short[record.run]:  # else it is the one that was restored
                notes.append(f"same content as {first}")
        yield Version(record, _state(instance, store, record), ", ".join(notes))


def _state(instance: dg.DagsterInstance, store: ArtifactStore, record: Record) -> str:
    if record.manifest is None:
        return "empty"
    if store.missing(record.manifest):
        return "damaged" if (store.artifacts.root / record.manifest).exists() else "collected"
    asset_key = dg.AssetKey.from_user_string(record.asset)
    return "refused" if asset_key in records.refused(instance, record.run) else "ok"


def _check(instance: dg.DagsterInstance, store: ArtifactStore, asset_key: dg.AssetKey, record: Record) -> None:
    """Raise what keeps a version from being restored."""
    what = describe(record.asset, record.partition, record.run)
    other = "Restore another version, or materialize the asset again."
    if record.manifest is None:
        raise BadInput(f"{what}: nothing was stored, so there is nothing to restore.", "Choose another run.")
    if checks := records.refused(instance, record.run).get(asset_key):
        raise BadInput(f"{what} was refused by its check {', '.join(checks)}.", other)
    if missing := store.missing(record.manifest, thorough=True):
        if not (store.artifacts.root / record.manifest).exists():
            raise MissingArtifact(f"{what} was collected: its manifest is gone.", other)
        raise CorruptArtifact(f"{what}: {', '.join(missing)} is gone or not what was stored.", other)
    if Publication.__name__ in store.artifacts.manifest(record.manifest).detail.values():
        raise BadInput(
            f"{what} is a list of what was copied into the library, and restoring it would copy nothing.",
            "Restore what it was copied from, and make this again.",
        )


def _say_what_follows(
    defs: dg.Definitions,
    settings: Settings,
    instance: dg.DagsterInstance,
    asset_key: dg.AssetKey,
    partition: str | None,
    out: Console,
) -> None:
    found = out_of_date.below(defs, instance, asset_key, partition)
    name = asset_key.to_user_string()
    if found.itself:
        out.print(
            Text(
                f"Dagster shows {name} itself as out of date: it was made of other inputs, or by other code, than now."
            )
        )
    if not found.now:
        out.print(Text(f"Nothing that is made of {name} is out of date."))
        return
    then = f"; once that is made again, {_names(found.then)} as well" if found.then else ""
    out.print(Text(f"Out of date now: {_names(found.now)}{then}. This makes it all again:"))
    for command in out_of_date.commands(settings, [*found.now, *found.then]):
        print(command)  # noqa: T201  # the command's result


def _names(keys: Sequence[AssetKeyPartitionKey]) -> str:
    return ", ".join(dict.fromkeys(key.asset_key.to_user_string() for key in keys))


def _short(found: Sequence[Record]) -> dict[str, str]:
    """The beginning of each run's id, as long as it has to be to tell them apart."""
    runs = {record.run for record in found}
    length = _SHORT
    while len({run[:length] for run in runs}) < len(runs):
        length += 1
    return {run: run[:length] or "-" for run in runs}


def _time(record: Record) -> str:
    return datetime.fromtimestamp(record.timestamp, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
