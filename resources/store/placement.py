"""Stored tensors on the device where they are wanted: kept there, copied there, or left in host memory and said so.

Belongs here: the order in which these are tried, out of memory, tensors that somebody wrote into.
Does not belong here: which device (`resources/device.py`), the cache itself (`residency.py`), reading (`loader.py`).

One `Placement` serves a whole process: Dagster makes new resources for every run and step, but what is on a device
stays there. Keys are digests of content, so that an entry is right whatever run made it.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.device import Choice, Memory, Torch, choose, memory_of, ran_out
from resources.errors import ScriptoriumError
from resources.store.fingerprints import fingerprint
from resources.store.loader import Loader, Safetensors
from resources.store.residency import NoRoom, Residency
from resources.store.tensor_files import TensorFile
from resources.store.tensors import Tensors

HOST = "cpu"
READ, UPLOADED, RESIDENT = "read", "uploaded", "resident"
_HOST_SHARE = 4  # of the machine's memory a quarter is the most that is kept, unless a limit is set
_WASTE = 2  # tensors that hold more memory than so many times their own bytes are not kept
_log = logging.getLogger(__name__)


class ChangedInPlace(ScriptoriumError):
    """An asset wrote into tensors that it was lent, which others use too."""


@dataclass
class _Resident:
    """Tensors as they were when they came: torch's counts of in-place writes, and what their content is known by.

    That is the digest of their file for those that were just stored, and fingerprints for others.
    """

    tensors: dict[str, Any]
    writes: dict[str, int | None]
    digest: str | None
    fingerprints: dict[str, int]

    @classmethod
    def of(cls, tensors: Mapping[str, Any], digest: str | None = None) -> _Resident:
        return cls(dict(tensors), _writes(tensors), digest, {} if digest else _fingerprints(tensors))

    def written(self) -> list[str]:
        """Names of tensors that torch knows to have been written to since. Costs nothing."""
        return sorted(name for name, count in _writes(self.tensors).items() if count != self.writes[name])

    def changed(self) -> list[str]:
        """Names of tensors whose content is another one; all, where that can't be told. Reads them, where they are."""
        if self.digest is not None:
            return (self.written() or sorted(self.tensors)) if _digest(self.tensors) != self.digest else []
        found = _fingerprints(self.tensors)
        return sorted(name for name, number in found.items() if number != self.fingerprints[name])


@dataclass(frozen=True)
class Placed:
    """Tensors where they are now, how they came there, and how many bytes were moved for it.

    `warning` is set where they are not on the device that was wanted.
    """

    tensors: Tensors
    device: str
    how: str
    moved: int
    warning: str | None = None


class Placement:
    """The devices of this process and what is on them.

    In host memory only what an asset has just made is kept. What comes from a file is mapped anew for each reader:
    that costs nothing while the file is cached, and nobody else sees what a reader writes.
    """

    def __init__(
        self,
        loader: Loader | None = None,
        memory: Callable[[str], Memory] = memory_of,
        limit: int | None = None,
        checking: bool = False,
    ) -> None:
        """`limit`: bytes to keep at most per device. `checking`: let `changed` compare contents, not only counts."""
        self._loader = loader or Safetensors()
        self._memory, self._limit, self._checking = memory, limit, checking
        self._devices: dict[str, Residency[_Resident]] = {}
        self._chosen: dict[str, Choice] = {}
        self._lock = threading.Lock()
        # What each hand-out was, for as long as somebody has it; a step's loans are looked through when it is done.
        self._lent: weakref.WeakKeyDictionary[Tensors, tuple[_Resident, str, str]] = weakref.WeakKeyDictionary()

    def device(self, wanted: str) -> Choice:
        """The device for `wanted`, chosen once per process: one that is freer later would get everything twice.

        Raises: MissingDevice.
        """
        with self._lock:
            if wanted not in self._chosen:
                earlier = (choice for choice in self._chosen.values() if choice.name.startswith("cuda"))
                any_gpu = next(earlier, None) if wanted in ("auto", "cuda") else None
                self._chosen[wanted] = any_gpu or choose(wanted, Torch())
            return self._chosen[wanted]

    def place(self, digest: str, path: Path, device: str, nbytes: int, verify: Callable[[], object]) -> Placed:
        """The tensors of a file, `nbytes` large, on `device`, or in host memory with a warning if they don't fit there.

        Tried in this order: kept on the device; copied from host memory, if they are kept there; read from the file.
        What does not fit evicts what was lent longest ago. When the device runs out of memory all the same,
        everything not on loan is evicted and the load is tried once more, by way of host memory. `verify` is called
        before the file is read; what it raises is passed on.
        """

        def read(where: str) -> dict[str, Any]:
            verify()
            return self._loader.read(path, where)

        if device == HOST:
            return self._on_host(digest, nbytes, read)
        residents = self._residents(device)
        self._drop_changed(residents, digest, device)
        for last in (False, True):
            try:
                return self._on_device(residents, digest, device, nbytes, read, by_host=last)
            except NoRoom as full:
                why = f"{_gb(full.wanted)} do not fit into the {_gb(full.free)} that {device} has left"
                break
            except Exception as error:
                if not ran_out(error, device):
                    raise
                why = f"{device} ran out of memory while {_gb(nbytes)} were brought there, also at the second try"
            # Out of the `except` block: while an exception is handled, its traceback holds the tensors of the failure.
            if not last:
                freed = residents.evict()
                _log.warning("%s ran out of memory; evicted %s and trying again", device, _gb(freed))
        residents.evict()
        placed = self._on_host(digest, nbytes, read)
        return Placed(placed.tensors, HOST, placed.how, placed.moved, f"{why}: they are in host memory.")

    def keep(self, digest: str, file: TensorFile) -> str | None:
        """Keep tensors that were just stored where they are; that device, or None if they are not kept.

        Not kept are tensors on several devices, those there is no room for, and views of something much larger.
        """
        devices = {_name(tensor.device) for tensor in file.tensors.values()}
        if len(devices) != 1 or _held(file.tensors) > _WASTE * file.nbytes:
            return None
        (device,) = devices
        residents = self._residents(device)
        try:
            self._drop_changed(residents, digest, device)
            resident = _Resident.of(file.tensors, digest if device == HOST else None)
        except RuntimeError as error:  # what is stored is stored: that it can't be kept too is no failure
            if not ran_out(error, device):
                raise
            return None
        return device if residents.keep(digest, resident, file.nbytes) else None

    def changed(self, lent: Tensors) -> list[str]:
        """Names of tensors in this hand-out that were written to, as far as torch counts; all of them if `checking`.

        They are not lent again.
        """
        if (known := self._lent.get(lent)) is None:
            return []
        resident, digest, device = known
        names = resident.changed() if self._checking else resident.written()
        if names:
            self._residents(device).drop(digest)
        return names

    def evict(self) -> int:
        """Drop everything that is not on loan, on all devices; bytes dropped. For whoever needs the memory himself."""
        return sum(residents.evict() for residents in list(self._devices.values()))

    def kept(self, device: str) -> int:
        """Bytes kept on a device."""
        return self._residents(device).nbytes

    def _on_device(
        self,
        residents: Residency[_Resident],
        digest: str,
        device: str,
        nbytes: int,
        read: Callable[[str], dict[str, Any]],
        by_host: bool,
    ) -> Placed:
        how = RESIDENT

        def bring() -> _Resident:
            nonlocal how
            host = self._residents(HOST)
            self._drop_changed(host, digest, HOST)
            loan = host.borrow(digest)
            how = READ if loan is None else UPLOADED
            try:
                if loan is not None:
                    return _Resident.of(self._loader.move(loan.value.tensors, device))
                return _Resident.of(self._loader.move(read(HOST), device) if by_host else read(device))
            finally:
                if loan is not None:
                    loan.give_back()

        loan = residents.lend(digest, nbytes, bring)
        if how == UPLOADED:
            self._residents(HOST).drop(digest)
        tensors = self._hand_out(loan.value, digest, device)
        weakref.finalize(tensors, loan.give_back)
        return Placed(tensors, device, how, 0 if how == RESIDENT else nbytes)

    def _on_host(self, digest: str, nbytes: int, read: Callable[[str], dict[str, Any]]) -> Placed:
        residents = self._residents(HOST)
        self._drop_changed(residents, digest, HOST)
        loan = residents.borrow(digest)
        if loan is not None:
            tensors = self._hand_out(loan.value, digest, HOST)
            weakref.finalize(tensors, loan.give_back)
            return Placed(tensors, HOST, RESIDENT, 0)
        mapped = read(HOST)
        # Nobody shares these, but who writes into them would, on a device, write into what others use.
        tensors = self._hand_out(_Resident.of(mapped), digest, HOST) if self._checking else Tensors(mapped)
        return Placed(tensors, HOST, READ, nbytes)

    def _hand_out(self, resident: _Resident, digest: str, device: str) -> Tensors:
        """Tensors of the borrower's own, over the memory that all share: his gradients and `.data` are his alone."""
        own = {id(tensor): tensor.detach() for tensor in resident.tensors.values()}
        tensors = Tensors({name: own[id(tensor)] for name, tensor in resident.tensors.items()})
        self._lent[tensors] = (resident, digest, device)
        return tensors

    def _drop_changed(self, residents: Residency[_Resident], digest: str, device: str) -> None:
        """Never lend what somebody wrote into: it is dropped, and read again."""
        loan = residents.borrow(digest)
        if loan is None:
            return
        try:
            names = loan.value.changed()
        finally:
            loan.give_back()
        if names:
            residents.drop(digest)
            _log.warning("%s of object %s on %s were written to since; reading them again", names, digest, device)

    def _residents(self, device: str) -> Residency[_Resident]:
        with self._lock:
            if device not in self._devices:
                memory = self._memory(device)
                limit = memory.total() // _HOST_SHARE if self._limit is None and device == HOST else self._limit
                self._devices[device] = Residency(memory, limit)
            return self._devices[device]


_placements: dict[tuple[int | None, bool], Placement] = {}


def of_process(limit: int | None, checking: bool) -> Placement:
    """The `Placement` of this process; one for each setting, of which a process usually has one."""
    return _placements.setdefault((limit, checking), Placement(limit=limit, checking=checking))


def _name(device: Any) -> str:
    """torch's device as `choose` names it: `cuda:0`, but `mps` and `cpu`, of which there is one each."""
    return str(device) if device.type == "cuda" else str(device.type)


def _writes(tensors: Mapping[str, Any]) -> dict[str, int | None]:
    """torch's count of in-place operations on each tensor and its views; None for one made in inference mode."""
    return {name: None if tensor.is_inference() else tensor._version for name, tensor in tensors.items()}


def _fingerprints(tensors: Mapping[str, Any]) -> dict[str, int]:
    """By name; a tensor under several names is looked at once."""
    found = {id(tensor): fingerprint(tensor) for tensor in {id(t): t for t in tensors.values()}.values()}
    return {name: found[id(tensor)] for name, tensor in tensors.items()}


def _digest(tensors: Mapping[str, Any]) -> str:
    """The digest (hex) that the file of these tensors has."""
    from blake3 import blake3

    found = blake3()
    for piece in TensorFile(tensors, "a resident"):
        found.update(piece)
    return found.hexdigest()


def _held(tensors: Mapping[str, Any]) -> int:
    """Bytes of all the memory that these tensors keep from being freed."""
    storages = {(str(t.device), t.untyped_storage().data_ptr()): t.untyped_storage().nbytes() for t in tensors.values()}
    return sum(storages.values())


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
