"""What below an asset is out of date, and the commands that make it again.

Belongs here: asking Dagster for staleness, following it downstream, wording the commands. Does not belong here: what
made something out of date (`versions.py`).
Dagster looks at direct parents only, by their data versions, and not at an asset with 100 or more upstream partitions.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.loader import LoadingContext

from dagster_project.instance import dagster_home
from dagster_project.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import AssetKeyPartitionKey


@dataclass(frozen=True)
class Below:
    """What is made of an asset's partition, by asset key and partition, in the order in which it is made.

    `now` is out of date, `then` will be when that was made again. `itself` says that the asset is out of date, too.
    """

    now: list[AssetKeyPartitionKey] = field(default_factory=list)
    then: list[AssetKeyPartitionKey] = field(default_factory=list)
    itself: bool = False


class _Loading(LoadingContext):
    """What Dagster's resolver caches its queries in."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._loaders = instance, dict[type, Any]()

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._instance

    @property
    def loaders(self) -> dict[type, Any]:
        return self._loaders


def below(defs: dg.Definitions, instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str | None) -> Below:
    """What of all that follows from an asset's partition is out of date. What was never made is left out."""
    graph = defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, _Loading(instance))

    def status(key: AssetKeyPartitionKey) -> StaleStatus:
        return resolver.get_status(key.asset_key, key.partition_key)

    with partition_loading_context(dynamic_partitions_store=instance):
        now = {key for key in graph.get_children_partitions(asset, partition) if status(key) == StaleStatus.STALE}
        found, left = set(now), list(now)
        while left:
            for key in graph.get_children_partitions(*left.pop()) - found:
                if status(key) != StaleStatus.MISSING:
                    found.add(key)
                    left.append(key)
    place = {key: number for number, key in enumerate(graph.toposorted_asset_keys)}
    ordered = sorted(found, key=lambda key: (place[key.asset_key], key.partition_key or ""))
    itself = resolver.get_status(asset, partition) == StaleStatus.STALE
    return Below([key for key in ordered if key in now], [key for key in ordered if key not in now], itself)


def is_stale(defs: dg.Definitions, instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str | None) -> bool:
    """Whether the latest materialization was made by other code, or of other inputs, than there are now."""
    resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), _Loading(instance))
    with partition_loading_context(dynamic_partitions_store=instance):
        return resolver.get_status(asset, partition) == StaleStatus.STALE


def commands(settings: Settings, keys: Sequence[AssetKeyPartitionKey]) -> list[str]:
    """One command for each partition, that makes these anew and nothing else; they work in any folder."""
    by_partition: dict[str | None, list[str]] = defaultdict(list)
    for asset, partition in keys:
        by_partition[partition].append(asset.to_user_string())
    homes = {"SCRIPTORIUM_HOME": settings.homes.home, "DAGSTER_HOME": dagster_home(settings)}
    start = [f"{name}={shlex.quote(str(path))}" for name, path in homes.items()]
    start += [shlex.quote(_dagster()), "asset", "materialize", "-m", "dagster_project.definitions"]
    found = []
    for partition, assets in by_partition.items():
        words = [*start, "--select", shlex.quote(",".join(assets))]
        if partition is not None:
            words += ["--partition", shlex.quote(partition)]
        found.append(" ".join(words))
    return found


def _dagster() -> str:
    """The command `dagster` of this environment, with its folder where it would not be found without."""
    own = Path(sys.executable).parent / "dagster"
    found = shutil.which("dagster")
    return "dagster" if found and Path(found).resolve() == own.resolve() else str(own)
