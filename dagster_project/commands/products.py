"""A product as the command line sees it: its assets, its partitions, and what of a partition has to be made again.

Belongs here: choosing the smallest selection of assets that repairs a partition. Does not belong here: running it.
A product is an asset group whose assets share one partitions definition; where they do not, as in trainings, it is one
of the group's partitioned jobs.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from resources.errors import BadInput
from resources.notes.publication import Publication
from resources.store import records
from resources.store.io_manager import ArtifactStore

Selections = Mapping[tuple[dg.AssetKey, ...], Sequence[str]]
"""Partition keys by the assets to make for them, these in the order in which they are made."""


@dataclass(frozen=True)
class Product:
    """An asset group, or a job's part of it: its assets in the order in which they are made, and its partitions."""

    name: str
    assets: tuple[dg.AssetKey, ...]
    partitions: dg.PartitionsDefinition[str]
    parents: Mapping[dg.AssetKey, frozenset[dg.AssetKey]]

    def keys(self, instance: dg.DagsterInstance) -> list[str]:
        """All partition keys, oldest first."""
        return list(self.partitions.get_partition_keys(dynamic_partitions_store=instance))


def find(defs: dg.Definitions, name: str) -> Product:
    """The product called `name`: an asset group, or a partitioned job where a group's assets differ in partitions.

    BadInput lists those that can be had.
    """
    found = _products(defs)
    if name not in found:
        near = [other for other in found if other.startswith(f"{name}_")] or sorted(found)
        raise BadInput(f"There is no product {name!r}.", f"Choose one of: {', '.join(near)}.")
    return found[name]


def _products(defs: dg.Definitions) -> dict[str, Product]:
    graph = defs.resolve_asset_graph()
    partitioned = {
        key: graph.get(key).partitions_def
        for key in graph.toposorted_asset_keys
        if graph.get(key).is_materializable and graph.get(key).partitions_def is not None
    }
    groups: dict[str, list[dg.AssetKey]] = defaultdict(list)
    for key in partitioned:
        groups[graph.get(key).group_name or ""].append(key)
    selections = list(groups.items())
    for job in defs.resolve_all_job_defs():
        keys = job.asset_layer.executable_asset_keys
        if job.partitions_def is not None and keys and all(key in partitioned for key in keys):
            selections.append((job.name, [key for key in partitioned if key in keys]))
    found: dict[str, Product] = {}
    for name, keys_of in selections:
        definitions = [partitioned[key] for key in keys_of]
        # A job may be called like a group that is no product.
        if name not in found and definitions[0] is not None and all(other == definitions[0] for other in definitions):
            parents = {key: frozenset(graph.get(key).parent_keys) & set(keys_of) for key in keys_of}
            found[name] = Product(name, tuple(keys_of), definitions[0], parents)
    return found


def chosen(product: Product, instance: dg.DagsterInstance, keys: Sequence[str]) -> list[str]:
    """`keys` without repetitions, or all of the product's if none are given. BadInput names one that does not exist."""
    known = product.keys(instance)
    if not keys:
        return known
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=5, cutoff=0.4) or known[-5:]
            more = f" (of {len(known)})" if len(known) > len(near) else ""
            remedy = f"There are: {', '.join(near)}{more}." if known else f"{product.name} has no partitions yet."
            raise BadInput(f"{product.name} has no partition {key!r}.", remedy)
    return list(dict.fromkeys(keys))


def everything(product: Product, keys: Iterable[str]) -> Selections:
    """All assets for each key."""
    return _grouped(product, {key: set(product.assets) for key in keys})


def missing(product: Product, instance: dg.DagsterInstance, store: ArtifactStore, keys: Iterable[str]) -> Selections:
    """For each key what has no materialization, or whose manifest or blobs are gone or damaged, whose
    library files are gone, or what a blocking check refused.

    Nothing else is made again: what was made from a lost artifact is still good, and what a lost one is made from too.
    """
    return _grouped(product, {key: _lost(product, instance, store, key) for key in keys})


def failed(product: Product, instance: dg.DagsterInstance, store: ArtifactStore, keys: Iterable[str]) -> Selections:
    """For each key whose latest run failed or was canceled: what that run was to make and did not, and what is missing.

    A key without any run is not failed; `missing` finds it.
    """
    found: dict[str, set[dg.AssetKey]] = {}
    for key in keys:
        run = latest_run(product, instance, key)
        if run is not None and run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
            found[key] = _unmade(product, instance, run, key) | _lost(product, instance, store, key)
    return _grouped(product, found)


def layers(product: Product, assets: Iterable[dg.AssetKey]) -> list[tuple[dg.AssetKey, ...]]:
    """`assets` in parts that Dagster backfills whole; each part may need what the parts before it make.

    An asset backfill goes from the assets that have no ancestor in it to their children, and on: it never comes to one
    that is tied to it only by assets left out, and yet counts as successful (ran).
    """
    ancestors: dict[dg.AssetKey, set[dg.AssetKey]] = {}
    for asset in product.assets:  # parents come first
        ancestors[asset] = set(product.parents[asset]).union(*(ancestors[parent] for parent in product.parents[asset]))
    left, found = set(assets), []
    while left:
        part: set[dg.AssetKey] = set()
        for asset in product.assets:
            if asset in left and (not ancestors[asset] & left or product.parents[asset] & part):
                part.add(asset)
        while late := {asset for asset in part if ancestors[asset] & (left - part)}:
            part -= late
        found.append(tuple(asset for asset in product.assets if asset in part))
        left -= part
    return found


def latest_run(product: Product, instance: dg.DagsterInstance, key: str) -> dg.DagsterRun | None:
    """The newest run of `key` that makes an asset of this product."""
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": key}), limit=20):
        if _planned(product, instance, run):
            return run
    return None


def library_pdf(store: ArtifactStore, instance: dg.DagsterInstance, key: str) -> Path | None:
    """The PDF of a recording in the library, if it is published and there."""
    record = records.latest(instance, dg.AssetKey("published"), key)
    if record is None or record.manifest is None or store.missing(record.manifest):
        return None
    publication = store.load(record)
    if not isinstance(publication, Publication):
        return None
    pdf = Path(store.library) / publication.folder / "notes.pdf"
    return pdf if pdf.is_file() else None


def _grouped(product: Product, wanted: Mapping[str, set[dg.AssetKey]]) -> Selections:
    groups: dict[tuple[dg.AssetKey, ...], list[str]] = defaultdict(list)
    for key, assets in wanted.items():
        if selection := tuple(asset for asset in product.assets if asset in assets):
            groups[selection].append(key)
    return groups


def _lost(product: Product, instance: dg.DagsterInstance, store: ArtifactStore, key: str) -> set[dg.AssetKey]:
    refused: dict[str, Collection[dg.AssetKey]] = {}  # by run: most assets of a key come from one
    lost = set()
    for asset in product.assets:
        record = records.latest(instance, asset, key)
        if record is not None and record.run not in refused:
            refused[record.run] = records.refused(instance, record.run)
        if record is None or asset in refused[record.run] or not _whole(store, record):
            lost.add(asset)
    return lost


def _whole(store: ArtifactStore, record: records.Record) -> bool:
    if record.manifest is None:  # reported by hand: there is nothing of it that could be lost
        return True
    if store.missing(record.manifest):
        return False
    if Publication.__name__ not in store.artifacts.manifest(record.manifest).detail.values():
        return True
    publication = store.load(record)
    assert isinstance(publication, Publication)
    folder = Path(store.library) / publication.folder
    # Only what is gone: a person may have written into a file, and nobody may undo that unasked.
    return all((folder / name).is_file() for name in publication.files)


def _planned(product: Product, instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[dg.AssetKey]:
    """The assets of the product that a run was to make."""
    if run.asset_selection:
        return set(product.assets) & run.asset_selection
    planned = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    keys = {entry.dagster_event.asset_key for entry in planned if entry.dagster_event}
    return {asset for asset in product.assets if asset in keys}


def _unmade(product: Product, instance: dg.DagsterInstance, run: dg.DagsterRun, key: str) -> set[dg.AssetKey]:
    """What the run was to make and did not; for a re-execution, that is all its predecessors left over as well."""
    made = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    kept = {e.dagster_event.asset_key for e in made if e.dagster_event} - set(records.refused(instance, run.run_id))
    return _planned(product, instance, run) - kept
