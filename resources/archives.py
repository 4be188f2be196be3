"""Files out of an archive or a folder that somebody else made: tar (plain, gzip, bzip2, xz), zip, or unpacked.

Belongs here: which members may be read at all, and how much of them. Does not belong here: what they mean.

Nothing is unpacked onto the disk: members are handed over one by one, so no name can lead out of a folder and nothing
is left behind. Names are checked all the same, because their reader takes them for relative paths. Members that are
neither file nor folder (links, devices) are refused, hidden ones (and what macOS adds) are left out.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from resources.errors import BadInput, MissingOriginal
from resources.intake.identity import shown

_GOOD_COPY = "Get a good copy of it."


@dataclass(frozen=True)
class Limits:
    """How much may come out of an archive: members, bytes of one, and bytes of all.

    They end a zip bomb. The sum may be large, since no more than one member is in memory at a time.
    """

    members: int = 200_000
    member_bytes: int = 64 << 20
    total_bytes: int = 16 << 30


@dataclass(frozen=True)
class Member:
    """A file: its path within the archive or folder, with `/` between the parts, and its bytes."""

    name: str
    content: bytes


def members(path: Path, limits: Limits | None = None) -> Iterator[Member]:
    """Every regular file in `path`, an archive or a folder, which is recognised by its bytes.

    A folder's files come sorted by name, an archive's in its own order. Links in a folder are followed, since its owner
    made them. Raises: MissingOriginal if there is nothing at `path`; BadInput if it is no archive, damaged, encrypted,
    beyond the limits, or holds links or names that lead out of it.
    """
    limits = limits or Limits()
    try:
        if path.is_dir():
            found = _in_folder(path, limits)
        elif zipfile.is_zipfile(path):
            found = _in_zip(path, limits)
        else:
            found = _in_tar(path, limits)
        yield from _counted(found, path, limits)
    except FileNotFoundError as error:
        raise MissingOriginal(f"There is nothing at {path}.", "Check the path.") from error
    except PermissionError as error:
        raise BadInput(f"{error.filename or path} can't be read.", "Let this user read it.") from error
    except tarfile.FilterError as error:
        raise BadInput(f"{path.name} holds something that may not be in an archive: {error}.", _GOOD_COPY) from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
        raise BadInput(f"{path.name} is no archive, or it is damaged ({error}).", _GOOD_COPY) from error
    except RuntimeError as error:  # zipfile's answer to a password, or to a method that it lacks
        raise BadInput(f"{path.name} can't be unpacked: {error}.", "Pack it anew, without a password.") from error


def _counted(found: Iterator[Member], path: Path, limits: Limits) -> Iterator[Member]:
    total = 0
    for number, member in enumerate(found, 1):
        total += len(member.content)
        if number > limits.members:
            raise BadInput(f"{path.name} holds more than {limits.members:,} files.", "Split it.")
        if total > limits.total_bytes:
            raise BadInput(f"{path.name} unpacks to more than {limits.total_bytes:,} bytes.", "Split it.")
        yield member


def _in_folder(folder: Path, limits: Limits) -> Iterator[Member]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _is_hidden(name) or not path.is_file():
            continue
        with path.open("rb") as file:
            yield Member(name, _all_of(file, name, limits))


def _in_zip(path: Path, limits: Limits) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            _check_name(info.filename)
            if info.is_dir() or _is_hidden(info.filename):
                continue
            if (info.external_attr >> 16) & 0o170000 == 0o120000:  # the Unix file type says: a symbolic link
                raise BadInput(f"{path.name} holds a link ({shown(info.filename)}).", "Pack the files themselves.")
            with archive.open(info) as file:
                yield Member(info.filename, _all_of(file, info.filename, limits))


def _in_tar(path: Path, limits: Limits) -> Iterator[Member]:
    with (
        _unpacked(path) as stream,
        tarfile.open(fileobj=_Bounded(stream, limits.member_bytes), mode="r:") as archive,  # type: ignore[call-overload]
    ):
        for info in archive:
            # Python's own rules for archives from outside: nothing absolute, nothing above the folder, no device.
            name = tarfile.data_filter(info, "/archive").name
            if info.islnk() or info.issym():
                raise BadInput(f"{path.name} holds a link ({shown(name)}).", "Pack the files themselves.")
            if not info.isfile() or _is_hidden(name):
                continue
            file = archive.extractfile(info)
            if file is not None:
                yield Member(name, _all_of(file, name, limits))


def _unpacked(path: Path) -> Any:
    """The tar itself, whatever it was compressed with."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if start.startswith(b"BZh"):
        return bz2.open(path)
    if start == b"\xfd7zXZ\x00":
        return lzma.open(path)
    return path.open("rb")


class _Bounded:
    """The tar as `tarfile` reads it: never much at once, and only onwards.

    A header may ask for any number of bytes, and a size below zero would lead back, again and again (CVE-2025-8194).
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit = file, limit
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if size > self._limit + tarfile.BLOCKSIZE:
            raise BadInput(f"The archive has a part of more than {self._limit:,} bytes.", _GOOD_COPY)
        return self._file.read(size)

    def seek(self, position: int) -> int:
        if position < self._file.tell():
            raise tarfile.ReadError("a header leads back")
        return self._file.seek(position)


def _all_of(file: IO[bytes], name: str, limits: Limits) -> bytes:
    content = file.read(limits.member_bytes + 1)
    if len(content) > limits.member_bytes:
        raise BadInput(f"{shown(name)} has more than {limits.member_bytes:,} bytes.", "Take it out.")
    return content


def _check_name(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name.partition("/")[0]:
        raise BadInput(f"The archive holds a name that leads out of it: {shown(name)}.", _GOOD_COPY)


def _is_hidden(name: str) -> bool:
    return any((part.startswith(".") and part != ".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
