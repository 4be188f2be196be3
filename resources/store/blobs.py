"""Content-addressed, write-once files: `objects/<first two hex>/<BLAKE3 hex>`.

Belongs here: putting bytes in, finding them again, verifying them, setting damaged ones aside.
Does not belong here: which artifact a blob is part of (`manifests.py`, `artifacts.py`).
"""

from __future__ import annotations

import errno
import logging
import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from resources.store import durable, filesystem
from resources.store.durable import Chunks, NewFile
from resources.store.verified import Verified

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_UNREADABLE = (errno.EIO, errno.EISDIR)  # a bad sector; a folder in the object's place
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Blob:
    """`written` is False if the store had the same content already."""

    digest: str
    size: int
    written: bool


class MissingBlob(Exception):
    """No object of this digest; `digest` says which."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"object {digest} is gone")
        self.digest = digest


class DamagedBlob(Exception):
    """The object holds other bytes; `found` is what they hash to, or why they can't be read."""

    def __init__(self, digest: str, found: str, set_aside: Path | None) -> None:
        super().__init__(f"object {digest} holds {found}")
        self.digest, self.found, self.set_aside = digest, found, set_aside


class Blobs:
    """The objects under a store's root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._objects, self._bad, self._tmp = root / "objects", root / "bad", root / "tmp"
        self._verified = Verified(root / "verified.sqlite")

    def path(self, digest: str) -> Path:
        """Where the object of this digest lies, or would lie."""
        if not _DIGEST.match(digest):
            raise ValueError(f"{digest!r} is no BLAKE3 digest")
        return self._objects / digest[:2] / digest

    def add(self, content: Path | bytes | Chunks) -> Blob:
        """Store bytes, a file's bytes, or chunks of bytes one after another, durably. The source is never changed.

        Raises: DiskFull; OSError if the source can't be read or the store can't be written.
        """
        if isinstance(content, bytes):
            digest, size = blake3(content).hexdigest(), len(content)
            if self._is_good(digest, size):
                return self._keep(digest, size)
        elif isinstance(content, Path) and content.parent.parent == self._objects and self._is_good(content.name, None):
            # One of our own objects handed on by an asset: it is here already.
            return self._keep(content.name, content.stat().st_size)
        durable.make_folder(self._tmp, self._root)
        with durable.temporary(self._tmp) as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                digest, size = _write(content, file)
                if self._is_good(digest, size):
                    return self._keep(digest, size)
            durable.finish(file)
            final = self.path(digest)
            durable.make_folder(final.parent, self._root)
            durable.replace(file.path, final)
        return Blob(digest, size, written=True)

    def verify(self, digest: str, size: int | None, thorough: bool = False) -> bool:
        """Make sure that the object is what its digest says; return whether its bytes were read for that.

        Read on first touch on this machine, later remembered by device, inode, size and mtime; always if `thorough`.
        A damaged object is moved to `bad/`. Raises: MissingBlob, DamagedBlob.
        """
        path = self.path(digest)
        try:
            file = filesystem.current.open(path)
        except FileNotFoundError:
            raise MissingBlob(digest) from None
        except OSError as error:
            raise self._unreadable(digest, error) from None
        with file:
            status = os.fstat(file.fileno())
            fits = size in (None, status.st_size)
            if fits and not thorough and self._verified.knows(status, digest):
                return False
            try:
                found = durable.hash_open(file)
            except OSError:
                found = self._hash_again(digest)
        if found != digest or not fits:
            raise DamagedBlob(digest, found, self._set_aside(digest, status))
        self._verified.remember(status, digest)
        return True

    def read(self, digest: str, size: int) -> bytes:
        """All bytes of an object, verified as they are in memory. Raises: MissingBlob, DamagedBlob."""
        try:
            content = durable.read_bytes(self.path(digest))
        except FileNotFoundError:
            raise MissingBlob(digest) from None
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            content = b""
        if len(content) != size or blake3(content).hexdigest() != digest:
            self.verify(digest, size, thorough=True)  # sets it aside and raises
            content = durable.read_bytes(self.path(digest))  # another process put a good one in its place meanwhile
            if blake3(content).hexdigest() != digest:
                raise DamagedBlob(digest, blake3(content).hexdigest(), None)
        return content

    def _is_good(self, digest: str, size: int | None) -> bool:
        """Whether the object is there and sound. A damaged one is out of the way afterwards."""
        try:
            self.verify(digest, size)
        except ValueError:
            return False
        except MissingBlob:
            return False
        except DamagedBlob as damaged:
            _log.warning("%s; set aside as %s and replaced", damaged, damaged.set_aside)
            return False
        return True

    def _keep(self, digest: str, size: int) -> Blob:
        # Another writer may have renamed it a moment ago and not have synced the folder yet.
        durable.sync_folder(self.path(digest).parent)
        return Blob(digest, size, written=False)

    def _hash_again(self, digest: str) -> str:
        """The digest of an object that could not be read just now: a loose cable is no reason to set it aside."""
        try:
            return durable.hash_file(self.path(digest))
        except FileNotFoundError:
            raise MissingBlob(digest) from None
        except OSError as error:
            raise self._unreadable(digest, error) from None

    def _unreadable(self, digest: str, error: OSError) -> MissingBlob | DamagedBlob:
        """What to raise for an object that can't be read, now set aside; errors of other kinds are raised here."""
        if error.errno not in _UNREADABLE:
            raise error
        try:
            status = self.path(digest).stat()
        except FileNotFoundError:
            return MissingBlob(digest)
        found = f"nothing that can be read ({error.strerror})"
        return DamagedBlob(digest, found, self._set_aside(digest, status))

    def _set_aside(self, digest: str, status: os.stat_result) -> Path | None:
        """Move the file that was found damaged to `bad/`; None if it can't be moved or is no longer there."""
        path, aside = self.path(digest), self._bad / f"{digest}-{uuid.uuid4().hex[:8]}"
        try:
            durable.make_folder(self._bad, self._root)
            filesystem.current.replace(path, aside)
            if aside.stat().st_ino != status.st_ino:  # a writer had just put a good one in its place
                filesystem.current.replace(aside, path)
                return None
        except OSError as error:
            _log.warning("can't set %s aside: %s", path, error)
            return None
        with suppress(OSError):
            durable.sync_folder(path.parent)
            durable.sync_folder(self._bad)
        return aside


def _write(content: Path | Chunks, file: NewFile) -> tuple[str, int]:
    """Write a file's bytes or chunks; return the digest and size of what was written."""
    if not isinstance(content, Path):
        return durable.write_hashed(content, file)
    with filesystem.current.open(content) as source:
        return durable.copy_hashed(source, file)
