"""Which objects the manifests name, and which objects are there.

Belongs here: reading all manifests of a store, and listing its objects. Does not belong here: what follows from that
(`collecting.py`, `verifying.py`, `usage.py`), and which manifests the event log knows (`known.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from resources.store import manifests
from resources.store.manifests import UNPARTITIONED, DamagedManifest


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose value it is: asset, partition (None: unpartitioned), and the run that made it."""

    asset: str
    partition: str | None
    run: str

    def __str__(self) -> str:
        return self.asset if self.partition is None else f"{self.asset} [{self.partition}]"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one sound manifest says: whose value it is, and the (name, digest, size) of each file."""

    owner: Owner
    files: tuple[tuple[str, str, int], ...]

    @property
    def bytes(self) -> int:
        return sum(size for _, _, size in self.files)


@dataclass(frozen=True)
class References:
    """All manifests of a store by their paths relative to its root; of the damaged ones, what is wrong with each."""

    entries: dict[str, Entry] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    def by_digest(self) -> dict[str, set[str]]:
        """Digest of each object that sound manifests name -> the paths of those manifests."""
        found: dict[str, set[str]] = {}
        for path, entry in self.entries.items():
            for _, digest, _ in entry.files:
                found.setdefault(digest, set()).add(path)
        return found


def references(root: Path, earlier: References | None = None) -> References:
    """Read every manifest that is on the disk now. A damaged one is reported, never an error.

    Manifests never change, so those that are in `earlier` already, sound, are not read again.
    """
    known: Mapping[str, Entry] = earlier.entries if earlier else {}
    found = References()
    for path in manifests.stored(root):
        if path in known:
            found.entries[path] = known[path]
            continue
        try:
            manifest = manifests.read(root, path)
        except FileNotFoundError:  # collected a moment ago
            continue
        except DamagedManifest as error:
            found.damaged[path] = str(error)
        except OSError as error:  # a bad sector, or no right to read it
            found.damaged[path] = f"it can't be read ({error.strerror})"
        else:
            files = tuple((file.name, sys.intern(file.digest), file.size) for file in manifest.files)
            found.entries[path] = Entry(Owner(sys.intern(manifest.asset), manifest.partition, manifest.run), files)
    return found


def owner_by_path(path: str) -> Owner:
    """Whose manifest lies at `path`, as far as its path tells: names too long for a file name come cut."""
    _, asset, partition, file = PurePosixPath(path).parts
    run = PurePosixPath(file).stem.rpartition("-")[0]
    return Owner(unquote(asset), None if partition == UNPARTITIONED else unquote(partition), unquote(run))


def objects(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Digest and status of each object that is there, in no order."""
    try:
        folders = list(os.scandir(root / "objects"))
    except FileNotFoundError:
        return
    for folder in folders:
        if not folder.is_dir(follow_symlinks=False):
            continue
        for entry in os.scandir(folder):
            if len(entry.name) == 64 and entry.name[:2] == folder.name:
                try:
                    yield entry.name, entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # collected a moment ago
                    continue
