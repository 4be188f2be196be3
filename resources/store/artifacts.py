"""Values in, values out: codec, blobs and manifest together, on a local disk.

Belongs here: storing one value, loading one, saying what of one is gone, and the errors that name the artifact.
Does not belong here: Dagster (`io_manager.py`), and which manifest to read (`records.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from resources.errors import CorruptArtifact, DiskFull, MissingArtifact, ScriptoriumError
from resources.store import codecs, durable, lock, manifests
from resources.store.blobs import Blobs, DamagedBlob, MissingBlob
from resources.store.manifests import DamagedManifest, Manifest, StoredFile
from resources.store.placement import Placed, Placement
from resources.store.tensor_files import TensorFile
from resources.store.types import Tensors


@dataclass(frozen=True)
class Transfer:
    """What one store or load moved: bytes really written, read or copied to a device, and seconds.

    Of tensors: `device` where they are kept or lent, `how` they came there, a `warning` if it isn't where they belong.
    """

    manifest: Manifest
    path: str
    moved: int
    seconds: float
    device: str | None = None
    how: str | None = None
    warning: str | None = None

    @property
    def gb_per_s(self) -> float | None:
        """10^9 bytes per second really moved; None if nothing was."""
        return self.moved / self.seconds / 1e9 if self.moved and self.seconds > 0 else None


@dataclass(frozen=True)
class Expected:
    """What the event log says about a manifest. None in `data_version` is not compared."""

    asset: str
    partition: str | None
    run: str
    data_version: str | None

    def __str__(self) -> str:
        return describe(self.asset, self.partition, self.run)


def describe(asset: str, partition: str | None, run: str | None = None) -> str:
    """`asset "notes", partition "a~0123", run 4f…` for messages."""
    text = f'asset "{asset}"' + ("" if partition is None else f', partition "{partition}"')
    return text if run is None else f"{text}, run {run}"


def make_again(asset: str, partition: str | None) -> str:
    """The remedy for an artifact that is gone or damaged."""
    which = "" if partition is None else f' for partition "{partition}"'
    return f'Materialize "{asset}"{which} again, then what depends on it.'


class Artifacts:
    """The store under `root`. Tensors go to `device` (as `resources.device.choose` takes it), by way of `placement`."""

    def __init__(self, root: Path, placement: Placement | None = None, device: str = "auto") -> None:
        self.root = root.absolute()
        self.placement, self._device = placement or Placement(), device
        self.tmp = self.root / "tmp"
        self._blobs = Blobs(self.root)
        with durable.room(self.root):
            durable.make_folder(self.root, self.root)
            durable.make_folder(self.tmp, self.root)
        durable.sweep(self.tmp)

    def store(self, value: object, asset: str, partition: str | None, run: str, attempt: int) -> Transfer:
        """Make `value` durable: every file, then the manifest.

        Raises: UnsupportedValue, MissingExtra, DiskFull; OSError if the store can't be written.
        """
        what, start = describe(asset, partition), time.perf_counter()
        codec = codecs.for_value(value, what)
        encoded = codec.encode(value, what)
        try:
            with durable.room(self.root), lock.writing(self.root):
                blobs = {name: self._blobs.add(encoded.files[name]) for name in sorted(encoded.files)}
                path, manifest = manifests.write(
                    self.root,
                    Manifest(
                        asset=asset,
                        partition=partition,
                        run=run,
                        attempt=attempt,
                        kind=codec.kind,
                        detail=encoded.detail,
                        files=[StoredFile(name=name, size=b.size, digest=b.digest) for name, b in blobs.items()],
                        tensors=encoded.tensors,
                    ),
                )
        except DiskFull as full:
            raise DiskFull(f"{what} could not be stored. {full.message}", full.remedy) from full
        device = None
        for name, content in encoded.files.items():
            if isinstance(content, TensorFile):
                device = self.placement.keep(blobs[name].digest, content)
        moved = sum(blob.size for blob in blobs.values() if blob.written)
        return Transfer(manifest, path, moved, time.perf_counter() - start, device)

    def load(self, path: str, expected: Expected, device: str | None = None) -> tuple[object, Transfer]:
        """The value whose manifest is at `path` (relative to the root), verified; tensors on `device`.

        Raises: MissingArtifact, CorruptArtifact, OutdatedArtifact, MissingExtra, MissingDevice.
        """
        start, moved = time.perf_counter(), 0
        placed: Placed | None = None
        manifest = self._manifest(path, expected)
        files = {file.name: file for file in manifest.files}

        def read(name: str) -> bytes:
            nonlocal moved
            content = self._blobs.read(files[name].digest, files[name].size)
            moved += len(content)
            return content

        def local(name: str) -> Path:
            nonlocal moved
            if self._blobs.verify(files[name].digest, files[name].size):
                moved += files[name].size
            return self._blobs.path(files[name].digest)

        def tensors(name: str) -> Tensors:
            nonlocal moved, placed
            digest, size = files[name].digest, files[name].size
            path, nbytes = self._blobs.path(digest), manifest.tensor_bytes(name)
            where = self.placement.device(device or self._device).name
            if not path.is_file():  # nothing is lent that could not be read again
                self._blobs.verify(digest, size)
            try:
                placed = self.placement.place(digest, path, where, nbytes, lambda: self._blobs.verify(digest, size))
            except FileNotFoundError:  # gone between verifying and mapping it
                raise MissingBlob(digest) from None
            moved += placed.moved
            return placed.tensors

        codec = codecs.for_kind(manifest.kind, str(expected))
        try:
            value = codec.decode(manifest.detail, codecs.Access(list(files), read, local, tensors), str(expected))
        except MissingBlob as error:
            raise MissingArtifact(
                f"{expected}: {_name_of(manifest, error.digest)} is gone from the store (object {error.digest}).",
                make_again(expected.asset, expected.partition),
            ) from error
        except DamagedBlob as error:
            aside = f" The damaged file is now {error.set_aside}." if error.set_aside else ""
            raise CorruptArtifact(
                f"{expected}: {_name_of(manifest, error.digest)} is not what was stored:"
                f" expected digest {error.digest}, found {error.found}.{aside}",
                make_again(expected.asset, expected.partition),
            ) from error
        transfer = Transfer(manifest, path, moved, time.perf_counter() - start)
        if placed is not None:
            transfer = replace(transfer, device=placed.device, how=placed.how, warning=placed.warning)
        return value, transfer

    def missing(self, path: str, thorough: bool = False) -> list[str]:
        """Names of files that are gone or damaged; `[path]` if the manifest itself is. Empty means all is well.

        Damaged objects are set aside on the way. `thorough` reads every byte even if it was verified before.
        """
        try:
            manifest = manifests.read(self.root, path)
        except (FileNotFoundError, DamagedManifest):
            return [path]
        return [file.name for file in manifest.files if not self._is_sound(file, thorough)]

    def manifest(self, path: str) -> Manifest:
        """The manifest at a path relative to the root. Raises: FileNotFoundError, DamagedManifest."""
        return manifests.read(self.root, path)

    def object_path(self, digest: str, size: int | None = None) -> Path | None:
        """The verified read-only file with this content; None if the store has none."""
        try:
            self._blobs.verify(digest, size)
        except (MissingBlob, DamagedBlob):
            return None
        return self._blobs.path(digest)

    def _is_sound(self, file: StoredFile, thorough: bool) -> bool:
        try:
            self._blobs.verify(file.digest, file.size, thorough)
        except (MissingBlob, DamagedBlob):
            return False
        return True

    def _manifest(self, path: str, expected: Expected) -> Manifest:
        remedy = make_again(expected.asset, expected.partition)
        try:
            manifest = manifests.read(self.root, path)
        except FileNotFoundError as error:
            raise MissingArtifact(f"{expected}: its manifest {self.root / path} is gone.", remedy) from error
        except DamagedManifest as error:
            raise self._damaged(path, expected, str(error)) from error
        says = (manifest.asset, manifest.partition, manifest.run)
        if says != (expected.asset, expected.partition, expected.run):
            raise self._damaged(path, expected, f"it belongs to {describe(*says)}")
        if expected.data_version not in (None, manifest.data_version):
            raise self._damaged(
                path, expected, f"expected digest {expected.data_version}, found {manifest.data_version}"
            )
        return manifest

    def _damaged(self, path: str, expected: Expected, how: str) -> ScriptoriumError:
        return CorruptArtifact(
            f"{expected}: its manifest {self.root / path} is not what was stored: {how}.",
            make_again(expected.asset, expected.partition),
        )


def _name_of(manifest: Manifest, digest: str) -> str:
    return ", ".join(file.name for file in manifest.files if file.digest == digest)
