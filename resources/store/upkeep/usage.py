"""What takes how much room in a store.

Belongs here: adding up manifests, objects and leftovers. Does not belong here: showing it (`jobs/upkeep.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resources.store.upkeep.leftovers import tree_bytes
from resources.store.upkeep.references import Entry, Owner, objects, references

OTHER = "(no product)"
"""The product of an asset that no product claims any more."""


@dataclass(frozen=True)
class Room:
    """What an asset or product takes: `bytes` of all its versions, `distinct` bytes of the objects they are made of.

    An object that two assets share counts as a whole for each, so `distinct` need not add up.
    """

    partitions: int
    versions: int
    bytes: int
    distinct: int


@dataclass(frozen=True)
class Artifact:
    """One version of a value and its size."""

    owner: Owner
    manifest: str
    bytes: int


@dataclass(frozen=True)
class Object:
    """One object, its size, how many manifests name it, and one of those it belongs to."""

    digest: str
    bytes: int
    manifests: int
    owner: Owner


@dataclass(frozen=True)
class Usage:
    """Sizes in bytes. `logical`: all versions of all values; `distinct`: the objects they are made of, each once."""

    products: dict[str, Room]
    assets: dict[str, Room]
    logical: int
    distinct: int
    objects: int
    object_bytes: int
    unreferenced: int
    unreferenced_bytes: int
    damaged_manifests: int
    leftovers: dict[str, int]
    largest_artifacts: tuple[Artifact, ...]
    largest_objects: tuple[Object, ...]

    @property
    def dedup_ratio(self) -> float:
        """How many times larger the store would be if equal content were stored each time; 1 for an empty one."""
        return self.logical / self.distinct if self.distinct else 1.0


def usage(root: Path, groups: Mapping[str, str], cache: Path | None = None, largest: int = 20) -> Usage:
    """Add up the store under `root`. `groups`: product of each asset. `largest`: how many of the largest to name.

    Raises: OSError if the store can't be listed.
    """
    found = references(root)
    by_digest = found.by_digest()
    present = {digest: status.st_size for digest, status in objects(root)}
    named = {digest: size for entry in found.entries.values() for _, digest, size in entry.files}
    by_asset: dict[str, list[Entry]] = defaultdict(list)
    by_product: dict[str, list[Entry]] = defaultdict(list)
    for entry in found.entries.values():
        by_asset[entry.owner.asset].append(entry)
        by_product[groups.get(entry.owner.asset, OTHER)].append(entry)
    unreferenced = present.keys() - named.keys()
    artifacts = sorted(found.entries.items(), key=lambda item: (-item[1].bytes, item[0]))[:largest]
    biggest = sorted(named.items(), key=lambda item: (-item[1], item[0]))[:largest]
    return Usage(
        products=_rooms(by_product),
        assets=_rooms(by_asset),
        logical=sum(entry.bytes for entry in found.entries.values()),
        distinct=sum(named.values()),
        objects=len(present),
        object_bytes=sum(present.values()),
        unreferenced=len(unreferenced),
        unreferenced_bytes=sum(present[digest] for digest in unreferenced),
        damaged_manifests=len(found.damaged),
        leftovers={
            "scratch": tree_bytes(root / "scratch"),
            "bad": tree_bytes(root / "bad"),
            "temporary": tree_bytes(root / "tmp"),
            "cache": tree_bytes(cache) if cache else 0,
        },
        largest_artifacts=tuple(Artifact(entry.owner, path, entry.bytes) for path, entry in artifacts),
        largest_objects=tuple(
            Object(digest, size, len(by_digest[digest]), found.entries[min(by_digest[digest])].owner)
            for digest, size in biggest
        ),
    )


def _rooms(groups: Mapping[str, list[Entry]]) -> dict[str, Room]:
    """Largest first."""
    rooms = {name: _room(entries) for name, entries in groups.items()}
    return dict(sorted(rooms.items(), key=lambda item: (-item[1].distinct, item[0])))


def _room(entries: list[Entry]) -> Room:
    sizes = {digest: size for entry in entries for _, digest, size in entry.files}
    partitions = Counter((entry.owner.asset, entry.owner.partition) for entry in entries)
    return Room(len(partitions), len(entries), sum(entry.bytes for entry in entries), sum(sizes.values()))
