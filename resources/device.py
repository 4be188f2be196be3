"""Where tensors live and models run: one rule for all, how much memory there is, and how it is given back.

Belongs here: choosing a device, its free memory, out-of-memory by type. Does not belong here: what is kept on a device
(`store/residency.py`) and loading onto it (`store/placement.py`). Pure: torch is imported only when it is needed.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from resources.errors import ScriptoriumError

GIB = 1 << 30
HEADROOM_SHARE = 0.08
"""Of a device's memory this share, and never less than 1 GiB, is left to libraries, the screen and fragmentation."""


_CUDA_MEMORY_ALLOCATION = 2


class MissingDevice(ScriptoriumError):
    """A device that was asked for by name is not there, or may not be used."""


@dataclass(frozen=True)
class Choice:
    """A device by torch's name for it (`cpu`, `cuda:0`, `mps`), and why it was chosen."""

    name: str
    reason: str


class Backend(Protocol):
    """What a library can compute on. `cuda_free` has the free bytes of each CUDA device it sees, 0 where unknown."""

    def cuda_free(self) -> list[int]: ...

    def has_mps(self) -> bool: ...


class Torch:
    """What torch can compute on; nothing but the CPU where it isn't installed."""

    def cuda_free(self) -> list[int]:
        try:
            import torch
        except ImportError:
            return []
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count < 2:  # asking takes some hundred MB of the device for as long as this process lives
            return [0] * count
        return [self._free(index) for index in range(count)]

    def _free(self, index: int) -> int:
        import torch

        try:
            return int(torch.cuda.mem_get_info(index)[0])
        except RuntimeError:  # in use by another process that shares it with nobody
            return 0

    def has_mps(self) -> bool:
        try:
            import torch
        except ImportError:
            return False
        return bool(torch.backends.mps.is_available())


class CTranslate2:
    """What CTranslate2 can compute on: CUDA or the CPU. It doesn't say how much memory is free."""

    def cuda_free(self) -> list[int]:
        import ctranslate2

        return [0] * ctranslate2.get_cuda_device_count()

    def has_mps(self) -> bool:
        return False


def choose(wanted: str, backend: Backend, setting: str = "SCRIPTORIUM_DEVICE") -> Choice:
    """The device for `wanted`: `auto`, `cpu`, `cuda`, `cuda:<n>` or `mps`.

    `auto` is the CUDA device with most free memory, else MPS, else the CPU; a scheduler that granted no GPU is
    obeyed. `setting` names, for messages, what the user can change.
    Raises: MissingDevice if `wanted` is named and can't be had.
    """
    if wanted == "cpu":
        return Choice("cpu", "cpu was asked for")
    refused = _refused()
    free = [] if refused else backend.cuda_free()
    if wanted in ("auto", "cuda") and free:
        best = max(range(len(free)), key=free.__getitem__)
        why = f"{wanted} was asked for" if wanted == "cuda" else "a CUDA device is there"
        return Choice(f"cuda:{best}", f"{why}; of {len(free)} it has most memory free" if len(free) > 1 else why)
    if wanted in ("auto", "mps") and not refused and backend.has_mps():
        return Choice("mps", "mps was asked for" if wanted == "mps" else "no CUDA device, but Apple's GPU is there")
    if wanted == "auto":
        return Choice("cpu", refused or "no GPU is there, or none was granted")
    kind, _, number = wanted.partition(":")
    if kind == "cuda" and number.isdecimal() and int(number) < len(free):
        return Choice(f"cuda:{int(number)}", f"{wanted} was asked for")
    if kind not in ("cuda", "mps") or (number and not (kind == "cuda" and number.isdecimal())):
        raise MissingDevice(f"{wanted!r} is no device.", f"Set {setting} to auto, cpu, cuda, cuda:0 or mps.")
    there = f"there are {len(free)} CUDA devices" if free else "there is none, or none was granted"
    raise MissingDevice(
        f"The device {wanted} was asked for, but {refused or there}.",
        f"Set {setting}=auto, or check the driver (nvidia-smi) and what the scheduler granted.",
    )


def _refused() -> str | None:
    """Why no GPU may be used though one may be visible; None if none forbids it.

    Slurm, Kubernetes and Docker hide the devices they did not grant, so that no library sees them. Ray leaves them all
    visible to a task that asked for none.
    """
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    context: Any = ray.get_runtime_context()
    in_task = context.worker.mode == ray.WORKER_MODE
    return "Ray granted this task no GPU" if in_task and not context.get_accelerator_ids().get("GPU") else None


class Memory(Protocol):
    """The memory of one device, in bytes. `usable`: may still be allocated. `release`: give back what is cached."""

    def total(self) -> int: ...

    def usable(self) -> int: ...

    def release(self) -> None: ...


class CudaMemory:
    """A CUDA device: what the driver says is free, plus what torch's allocator has reserved and not handed out."""

    def __init__(self, name: str) -> None:
        self._name = name

    def total(self) -> int:
        import torch

        return int(torch.cuda.mem_get_info(self._name)[1])

    def usable(self) -> int:
        import torch

        free, total = torch.cuda.mem_get_info(self._name)
        reusable = torch.cuda.memory_reserved(self._name) - torch.cuda.memory_allocated(self._name)
        return int(free + reusable - headroom(total))

    def release(self) -> None:
        import torch

        gc.collect()
        torch.cuda.empty_cache()


class MpsMemory:
    """Apple's GPU: of the memory it shares with the CPU, what Metal recommends to use at most, less what is in use."""

    def total(self) -> int:
        import torch

        return int(torch.mps.recommended_max_memory())

    def usable(self) -> int:
        import torch

        most = torch.mps.recommended_max_memory()
        return int(most - torch.mps.driver_allocated_memory() - headroom(most))

    def release(self) -> None:
        import torch

        gc.collect()
        torch.mps.empty_cache()


class HostMemory:
    """The machine's memory, or the container's: what programs may take without swapping."""

    def total(self) -> int:
        return min([_machine()[1], *_container()[1:]])

    def usable(self) -> int:
        return min([_machine()[0], *_container()[:1]]) - headroom(self.total())

    def release(self) -> None:
        gc.collect()


def headroom(total: int) -> int:
    """Bytes to leave free of `total`."""
    return max(GIB, int(total * HEADROOM_SHARE))


def memory_of(name: str) -> Memory:
    """The memory of the device torch calls `name`."""
    if name.startswith("cuda"):
        return CudaMemory(name)
    return MpsMemory() if name == "mps" else HostMemory()


def ran_out(error: Exception, device: str) -> bool:
    """Whether `error`, raised while tensors were brought onto `device`, says that its memory did not suffice.

    It is told by type and code, never by its message. Metal has no type for it, and doesn't take every dtype: there
    whatever goes wrong in torch while loading counts.
    """
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    if device == "mps":
        return isinstance(error, RuntimeError | TypeError)
    # What CUDA itself says where torch's allocator was not asked, as for pinned memory (cudaErrorMemoryAllocation).
    return isinstance(error, torch.AcceleratorError) and getattr(error, "error_code", None) == _CUDA_MEMORY_ALLOCATION


def _machine() -> tuple[int, int]:
    """Bytes available and in all. Without psutil what is free altogether stands for what is available."""
    try:
        import psutil
    except ImportError:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_AVPHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES")
    memory = psutil.virtual_memory()
    return int(memory.available), int(memory.total)


def _container(folder: Path = Path("/sys/fs/cgroup")) -> tuple[int, ...]:
    """Bytes available to this container and in all; empty if it has no limit of its own (cgroup v2)."""
    try:
        limit, used = ((folder / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return (int(limit) - int(used), int(limit)) if limit != "max" else ()
    except (OSError, ValueError):
        return ()
