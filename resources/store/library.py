"""What people open: copies of finished files under readable names.

Belongs here: publishing into a folder, and saying what is missing there. Does not belong here: the store's own files.
Copies are ordinary files (or reflinks, which share blocks but not changes), never links into the store: a person may
edit or delete them, and the store is none the worse. Everything here can be rebuilt from the store.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path, PurePosixPath

from resources.errors import BadInput
from resources.store import durable, filesystem
from resources.store.durable import NewFile
from resources.store.types import safe_name

_RECORD = ".published.json"
_log = logging.getLogger(__name__)


class Library:
    """The folder `root`; `tmp` is the store's folder for temporary files, used where it is on the same disk."""

    def __init__(self, root: Path, tmp: Path) -> None:
        self._root, self._tmp = root, tmp

    def publish(self, folder: str, files: Mapping[str, Path]) -> dict[str, str]:
        """Make `<root>/<folder>/` hold these files; return name -> BLAKE3 digest (hex).

        Each file is replaced as a whole, one that is the same already is left alone. Names published here earlier and
        no longer wanted are removed, unless somebody has changed them; files of others are never touched. One that
        somebody changed, or put here under such a name, is kept as `<name> (yours).<suffix>`.
        Raises: DiskFull; OSError if the folder can't be written.
        """
        where = self._folder(folder)
        with durable.room(self._root):
            durable.make_folder(self._root, self._root)
            durable.make_folder(where, self._root)
            earlier = _read_record(where)
            # The record names a file before it is written, so that no crash leaves one that nobody knows to remove.
            digests = {safe_name(name): durable.hash_file(files[name]) for name in sorted(files)}
            coming = {name: sorted({*earlier.get(name, []), digest}) for name, digest in digests.items()}
            self._write_record(where, {**earlier, **coming})
            for name, digest in digests.items():
                _spare(where / name, [digest, *earlier.get(name, [])])
                self._place(files[name], where / name, digest)
            for name in sorted(earlier.keys() - digests.keys()):
                if _holds(where / name, earlier[name]):
                    filesystem.current.unlink(where / name)
            durable.sync_folder(where)
            self._write_record(where, {name: [digest] for name, digest in digests.items()})
            return digests

    def _folder(self, folder: str) -> Path:
        path = PurePosixPath(folder)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in folder:
            raise ValueError(f"{folder!r} is no folder inside the library")
        return self._root / path

    def _place(self, source: Path, final: Path, digest: str) -> None:
        if _holds(final, [digest]):
            return

        def copy(file: NewFile) -> None:
            with filesystem.current.open(source) as original:
                found = _clone(original, file)
            if found != digest:
                raise BadInput(f"{source} changed while it was being published.", "Run this again.")

        self._put(final, copy)

    def _write_record(self, where: Path, record: dict[str, list[str]]) -> None:
        if _read_record(where) != record:
            content = json.dumps({"published": record}, indent=1, sort_keys=True).encode()
            self._put(where / _RECORD, lambda file: file.write(content))

    def _put(self, final: Path, write: Callable[[NewFile], object]) -> None:
        """Let `write` fill a temporary file, then put it in its place.

        The temporary file lies in the store if that is the same disk. If not, it has to lie in the library: in a
        hidden folder beside those that people open.
        """
        for tmp, within in ((self._tmp, self._tmp.parent), (self._root / ".tmp", self._root)):
            with durable.room(tmp):
                durable.make_folder(tmp, within)
            if tmp.stat().st_dev != final.parent.stat().st_dev:
                continue
            durable.sweep(tmp)
            try:
                with durable.temporary(tmp, durable.READ_WRITE) as file:
                    write(file)
                    durable.finish(file)
                    durable.replace(file.path, final)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:  # one disk, mounted twice
                    raise
        raise OSError(errno.EXDEV, f"{self._root} spans several file systems", str(final))


def _spare(path: Path, digests: list[str]) -> None:
    """Give what is not ours another name, before a file of ours takes its own."""
    if not (path.exists() or path.is_symlink()) or _holds(path, digests):
        return
    number = 1
    while True:
        again = "" if number == 1 else f" {number}"
        other = path.with_name(f"{path.stem} (yours{again}){path.suffix}")
        if not (other.exists() or other.is_symlink()):
            break
        number += 1
    filesystem.current.replace(path, other)
    durable.sync_folder(path.parent)
    _log.warning("%s was changed by somebody; it is %s now", path, other.name)


def _clone(source: FileIO, target: NewFile) -> str:
    """Copy by reflink if the file system can, else byte by byte; return the digest of what arrived."""
    if durable.reflink(source, target):
        return durable.hash_file(target.path)
    return durable.copy_hashed(source, target)[0]


def _holds(path: Path, digests: list[str]) -> bool:
    """Whether `path` is an ordinary file with one of these contents."""
    return path.is_file() and not path.is_symlink() and durable.hash_file(path) in digests


def _read_record(where: Path) -> dict[str, list[str]]:
    """Name -> digests it may hold, of what was published here; empty if nothing was or the record is damaged."""
    try:
        record = json.loads(durable.read_bytes(where / _RECORD))["published"]
        return {safe_name(name): [str(digest) for digest in digests] for name, digests in record.items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}
