"""One small JSON file per materialization, saying which blobs the value is made of.

Belongs here: the manifest's fields, where it lies, writing it create-only, reading it with its checksum.
Does not belong here: which manifest is the right one to read (the event log knows: `records.py`).
Paths are relative to the store's root, so that a home can be moved.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resources.errors import ScriptoriumError
from resources.store import durable
from resources.store.tensor_files import value_bytes
from resources.store.types import safe_name

UNPARTITIONED = "@all"  # quote() never yields an "@", so no partition key is stored under this name
_MAX_COMPONENT = 180


class StoredFile(BaseModel):
    """One file of a value: its name, its size in bytes and the BLAKE3 digest (hex) of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    size: int = Field(ge=0)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class StoredTensor(BaseModel):
    """One tensor of a file: its name, safetensors' name of its dtype (`F32`, `BF16`, `U8` ...), its shape."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    name: str
    dtype: str
    shape: list[int]


class Manifest(BaseModel):
    """What one materialization stored. `kind` names the codec, `detail` is what that codec needs besides the files.

    `tensors` lists what the safetensors files hold; None for a value without any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: Literal[1] = 1
    asset: str
    partition: str | None
    run: str
    attempt: int
    kind: str
    detail: dict[str, str]
    files: list[StoredFile]
    tensors: list[StoredTensor] | None = None

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size for file in self.files)

    def tensor_bytes(self, file: str) -> int:
        """Bytes of the values of all tensors in a file, without its header."""
        return sum(value_bytes(tensor.dtype, tensor.shape) for tensor in self.tensors or [] if tensor.file == file)

    @property
    def data_version(self) -> str:
        """BLAKE3 (hex) of the sorted (name, digest) list: equal content, equal version."""
        return data_version({file.name: file.digest for file in self.files})


class UnreadableStore(ScriptoriumError):
    """A folder of the store can't be listed."""


class DamagedManifest(Exception):
    """The file is there but is not the manifest that was written."""


def data_version(digests: dict[str, str]) -> str:
    """BLAKE3 (hex) of the sorted (name, digest) list."""
    return blake3(_canonical([[name, digests[name]] for name in sorted(digests)])).hexdigest()


def component(name: str) -> str:
    """`name` as one file name that no other name gets: percent-encoded, long ones cut and completed by a digest."""
    quoted = quote(name, safe="~")
    if quoted[:1] in (".", ""):  # hidden, "." and "..", or empty
        quoted = "%2E" + quoted[1:] if quoted else "%"
    if len(quoted) > _MAX_COMPONENT:
        quoted = f"{quoted[: _MAX_COMPONENT - 17]}%{blake3(name.encode()).hexdigest()[:16]}"
    return quoted


def folder(asset: str, partition: str | None) -> PurePosixPath:
    """Where an asset's manifests for one partition lie, relative to the store's root."""
    return PurePosixPath("assets", component(asset), UNPARTITIONED if partition is None else component(partition))


def write(root: Path, manifest: Manifest) -> tuple[str, Manifest]:
    """Write the manifest durably and never over another; return its path relative to `root`, and what was written.

    A run that was resumed may come here twice with the same attempt: the next free number is taken.
    """
    where = root / folder(manifest.asset, manifest.partition)
    durable.make_folder(where, root)
    durable.make_folder(root / "tmp", root)
    while True:
        with durable.temporary(root / "tmp") as file:
            file.write(_seal(manifest))
            durable.finish(file)
            final = where / f"{component(manifest.run)}-{manifest.attempt}.json"
            try:
                durable.create_only(file.path, final)
            except FileExistsError:
                manifest = manifest.model_copy(update={"attempt": manifest.attempt + 1})
                continue
        return final.relative_to(root).as_posix(), manifest


def read(root: Path, relative: str) -> Manifest:
    """Read and check the manifest at a path relative to `root`. Raises: FileNotFoundError, DamagedManifest."""
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or path.parts[:1] != ("assets",) or path.suffix != ".json":
        raise DamagedManifest(f"{relative!r} is no path of a manifest")
    try:
        content = durable.read_bytes(root / path)
    except OSError as error:
        if error.errno not in (errno.EIO, errno.EISDIR):  # a bad sector; a folder in its place
            raise
        raise DamagedManifest(f"it can't be read ({error.strerror})") from error
    try:
        fields = json.loads(content)
        checksum = fields.pop("checksum")
        manifest = Manifest.model_validate(fields)
        for file in manifest.files:
            safe_name(file.name)
    except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
        raise DamagedManifest(f"it can't be read as a manifest ({type(error).__name__})") from error
    found = _checksum(manifest)
    if checksum != found:
        raise DamagedManifest(f"its checksum should be {checksum} and is {found}")
    return manifest


def stored(root: Path) -> Iterator[str]:
    """The paths, relative to `root`, of all manifests that are there, sound or not, in no order.

    Raises: UnreadableStore if a folder can't be listed: its manifests must not count as gone.
    """
    for asset in _folders(root / "assets"):
        for partition in _folders(asset):
            for file in _listed(partition):
                if file.name.endswith(".json"):
                    yield Path(file.path).relative_to(root).as_posix()


def _folders(folder: Path) -> Iterator[Path]:
    for entry in _listed(folder):
        if entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except FileNotFoundError:  # none yet, or collected a moment ago
        return []
    except OSError as error:
        raise UnreadableStore(
            f"{folder} can't be listed ({error.strerror}), so it can't be told which manifests are there.",
            "Give this user the right to read it, or check the disk.",
        ) from error


def _seal(manifest: Manifest) -> bytes:
    fields = {**_fields(manifest), "checksum": _checksum(manifest)}
    return json.dumps(fields, indent=1, ensure_ascii=False).encode() + b"\n"


def _checksum(manifest: Manifest) -> str:
    return blake3(_canonical(_fields(manifest))).hexdigest()


def _fields(manifest: Manifest) -> dict[str, Any]:
    """What is written and summed: manifests without tensors have no such field, as the first ones had none."""
    return manifest.model_dump(mode="json", exclude=None if manifest.tensors is not None else {"tensors"})


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
