"""Partial results that a retry finds again.

Belongs here: the folder of one attempt at one value, and its upkeep. Does not belong here: finished values.
A scratch is named by asset, partition and the digest of inputs, config and code version, so that a retry with another
run id finds it, and no other config does.
"""

from __future__ import annotations

import errno
import logging
import os
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from blake3 import blake3

from resources.store import durable, filesystem
from resources.store.manifests import UNPARTITIONED, component
from resources.store.types import safe_name

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_TRIES = 50
_HEADER_SIZE = 65  # 64 hex digits and a line end

# Of this process, not of a resource: Dagster hands the asset and the IO manager different copies of the store.
_opened: dict[tuple[Path, str, str | None], list[Scratch]] = {}


def open_scratch(root: Path, asset: str, partition: str | None, digest: str) -> Scratch:
    """The scratch under a store's root for one asset, partition and digest. It is made when first written to."""
    where = root / "scratch" / component(asset) / (UNPARTITIONED if partition is None else component(partition))
    scratch = Scratch(root, where / component(digest))
    opened = _opened.setdefault((root, asset, partition), [])
    if opened and opened[0].folder != scratch.folder:
        opened.clear()  # of another config: not this attempt's to delete
    opened.append(scratch)
    return scratch


def delete_opened(root: Path, asset: str, partition: str | None) -> None:
    """Delete the scratch that this process opened last for an asset's partition, if it opened one."""
    for scratch in _opened.pop((root, asset, partition), []):
        scratch.delete()


class Scratch:
    """Small durable items by name, and a private folder for big temporary files.

    Several processes may use the same scratch at once: items are replaced as a whole, and each has its own folder.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self.folder = root, folder
        self._work: Path | None = None
        self._unlock: Callable[[], object] = lambda: None

    def put(self, name: str, content: bytes) -> None:
        """Keep `content` under a flat safe name, durably, in place of what was there. Raises: DiskFull."""
        final = self._item(name)
        with durable.room(self._root):
            durable.make_folder(self._root / "tmp", self._root)
            with durable.temporary(self._root / "tmp", durable.READ_WRITE) as file:
                file.write(_seal(content))
                durable.finish(file)

                def place() -> None:
                    if not file.path.exists():
                        return  # the try before moved it there, and another process, being done, deleted it since
                    durable.make_folder(final.parent, self._root)
                    durable.replace(file.path, final)

                _persist(place)

    def get(self, name: str) -> bytes | None:
        """What was put under `name`; None if nothing was, or if it is not what was put any more."""
        path = self._item(name)
        try:
            sealed = durable.read_bytes(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            sealed = b""
        content = sealed[_HEADER_SIZE:]
        if sealed != _seal(content):
            _log.warning("%s is damaged and will be made again", path)
            return None
        return content

    @property
    def path(self) -> Path:
        """A folder of this process's own for big files being written. Nothing in it is found again by a retry."""
        if self._work is None:
            with durable.room(self.folder):
                self._work, descriptor = _persist(self._make_work)
            self._unlock = weakref.finalize(self, os.close, descriptor)
            self._clear_dead()
        return self._work

    def delete(self) -> None:
        """Remove the items, this process's folder, and those of dead processes.

        The IO manager calls it once the asset's value is stored; an asset need not, and must not before it returns
        a file that lies in `path`.
        """
        if self._work is not None:
            filesystem.current.remove_tree(self._work)
            self._work = None
            self._unlock()
        filesystem.current.remove_tree(self.folder / "items")
        self._clear_dead()
        with suppress(OSError):  # not empty: another process still works here
            for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
                filesystem.current.rmdir(folder)

    def _item(self, name: str) -> Path:
        return self.folder / "items" / safe_name(name)

    def _make_work(self) -> tuple[Path, int]:
        """A new folder and the descriptor that keeps it locked. Raises: FileNotFoundError if it was deleted at once."""
        work = self.folder / f"work-{uuid.uuid4().hex}"
        durable.make_folder(work, self._root)
        descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        durable.lock(descriptor, wait=True)
        if not work.is_dir():  # another process saw it before it was locked, and took it for a dead one's
            os.close(descriptor)
            raise FileNotFoundError(work)
        return work, descriptor

    def _clear_dead(self) -> None:
        """Remove the folders of processes that were killed, so that a retry does not need the space twice."""
        found: list[Path] = []
        with suppress(FileNotFoundError):  # another process, being done, has just removed it all
            found += self.folder.glob("work-*")
        for work in found:
            if work == self._work:
                continue
            with suppress(OSError):
                descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    if durable.lock(descriptor):
                        filesystem.current.remove_tree(work)
                finally:
                    os.close(descriptor)


def _seal(content: bytes) -> bytes:
    return blake3(content).hexdigest().encode() + b"\n" + content


def _persist(make: Callable[[], _T]) -> _T:
    """Call `make` again while another process that used the same scratch deletes folders under its feet."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return make()
    return make()
