"""From a safetensors file onto a device: the one place where another way of loading would be put.

Belongs here: reading and moving tensors. Does not belong here: whether they fit, and what is kept (`placement.py`).
A faster loader is worth its risk only where it was measured and compared byte by byte on that machine
(`benchmarks/gpu_check.py`); none is here yet. Host memory is never pinned tensor by tensor: that is slower than a
plain copy, and the pinned memory is never given back. Pure: torch and safetensors are imported when they are needed.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any, Protocol

from resources.errors import MissingExtra
from resources.store.tensor_files import TIED

# Where a lost connection kills a process that has the file mapped: these are read instead.
_NETWORK = ("nfs", "cifs", "smb", "lustre", "ceph", "9p", "afs", "gpfs", "beegfs", "fuse")


class Loader(Protocol):
    """Brings tensors onto a device. Both methods raise torch's out-of-memory error and leave nothing behind then."""

    def read(self, path: Path, device: str) -> dict[str, Any]: ...

    def move(self, tensors: dict[str, Any], device: str) -> dict[str, Any]: ...


class Safetensors:
    """The safetensors library: on the CPU the file is mapped, onto a device it goes by a buffer of the library's."""

    def read(self, path: Path, device: str) -> dict[str, Any]:
        """The tensors of a file by name; those that were one tensor under several names are one again."""
        with _library().safe_open(path, framework="pt", device=device, backend=_backend(path)) as file:
            tensors = dict(file.get_tensors())
            tied = json.loads((file.metadata() or {}).get(TIED, "{}"))
        return tensors | {name: tensors[same] for name, same in tied.items()}

    def move(self, tensors: dict[str, Any], device: str) -> dict[str, Any]:
        """Copies of tensors on `device`; those that are one tensor stay one."""
        moved: dict[int, Any] = {}
        for tensor in tensors.values():
            if id(tensor) not in moved:
                moved[id(tensor)] = tensor.to(device)
        return {name: moved[id(tensor)] for name, tensor in tensors.items()}


def _library() -> Any:
    try:
        import safetensors
        import torch  # noqa: F401 (safetensors asks for it late, and in other words)
    except ImportError as error:
        raise MissingExtra(
            f"Tensors need {error.name}, which is not installed.", "Install it with: make setup EXTRAS=train"
        ) from error
    return safetensors


def _backend(path: Path) -> str:
    """safetensors' way of reading: `mmap`, or `pread` on a network file system."""
    return "pread" if _file_system(path.stat().st_dev).startswith(_NETWORK) else "mmap"


@functools.cache
def _file_system(device: int) -> str:
    """The type of the mounted file system with this device number; empty where the system doesn't say.

    Source: man 5 proc_pid_mountinfo (field 3 is major:minor, the type follows the lone dash).
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(" - ")[2].split()[0] for line in lines if line.split()[2] == number), "")
