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

from resources.device import Choice, Memory, Torch, choose, memory_of, out_of_memory
from resources.errors import ScriptoriumError
from resources.store.loader import Loader, Safetensors
from resources.store.residency import Loan, NoRoom, Residency
from resources.store.tensor_files import TensorFile, payload_bytes
from resources.store.tensors import Tensors

HOST = "cpu"
READ, UPLOADED, RESIDENT = "read", "uploaded", "resident"
_log = logging.getLogger(__name__)


class ChangedInPlace(ScriptoriumError):
    """An asset wrote into tensors that it was lent, which others use too."""


@dataclass
class _Resident:
    """Tensors as they were when they came: torch's counters of writes, and digests if those are to be checked."""

    tensors: dict[str, Any]
    writes: dict[str, int | None]
    digests: dict[str, str] | None

    def changed(self) -> list[str]:
        """Names of tensors that were written to since."""
        names = {name for name, count in _writes(self.tensors).items() if count != self.writes[name]}
        if self.digests is not None:
            names |= {name for name, digest in _digests(self.tensors).items() if digest != self.digests[name]}
        return sorted(names)


_Read = Callable[[str], _Resident]


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
    """The devices of this process and what is on them."""

    def __init__(
        self,
        loader: Loader | None = None,
        memory: Callable[[str], Memory] = memory_of,
        limit: int | None = None,
        checking: bool = False,
    ) -> None:
        """`limit`: bytes to keep at most per device. `checking`: compare contents at each loan, not only counters."""
        self._loader = loader or Safetensors()
        self._memory, self._limit, self._checking = memory, limit, checking
        self._devices: dict[str, Residency[_Resident]] = {}
        self._chosen: dict[str, Choice] = {}
        self._lock = threading.Lock()
        # By identity of the hand-out: a step's loans are looked through when it is done.
        self._lent: weakref.WeakKeyDictionary[Tensors, tuple[str, str]] = weakref.WeakKeyDictionary()

    def device(self, wanted: str) -> Choice:
        """The device for `wanted`, chosen once per process: one that is freer later would get everything twice.

        Raises: MissingDevice.
        """
        with self._lock:
            if wanted not in self._chosen:
                self._chosen[wanted] = choose(wanted, Torch())
            return self._chosen[wanted]

    def place(self, digest: str, path: Path, device: str, verify: Callable[[], object] = lambda: None) -> Placed:
        """The tensors of a file on `device`, or in host memory with a warning if they do not fit there.

        Tried in this order: kept on the device; copied from host memory, if they are kept there; read from the file.
        What does not fit evicts what was lent longest ago. When the device runs out of memory all the same,
        everything not on loan is evicted and the load is tried once more. `verify` is called before the file is read,
        and may raise. Raises: FileNotFoundError, also for tensors that are kept: no entry outlives its file.
        """

        def read(where: str) -> _Resident:
            verify()
            return self._resident(self._loader.read(path, where))

        if device == HOST:
            return self._on_host(digest, path, read)
        nbytes = payload_bytes(path)
        residents = self._residents(device)
        self._drop_changed(residents, digest, device)
        for last in (False, True):
            try:
                return self._on_device(residents, digest, device, nbytes, read)
            except NoRoom as full:
                why = f"{_gb(full.wanted)} do not fit into the {_gb(full.free)} that {device} has left"
                break
            except out_of_memory():
                why = f"{device} ran out of memory while {_gb(nbytes)} were brought there, also after a second try"
            # Out of the `except` block: while an exception is handled, its traceback holds the tensors of the failure.
            if not last:
                freed = residents.evict()
                _log.warning("%s ran out of memory; evicted %s and trying again", device, _gb(freed))
        residents.evict()
        placed = self._on_host(digest, path, read)
        return Placed(placed.tensors, HOST, placed.how, placed.moved, f"{why}: they are in host memory.")

    def keep(self, digest: str, file: TensorFile) -> str | None:
        """Keep tensors that were just stored where they are; that device, or None if there are several or no room."""
        devices = {_name(tensor.device) for tensor in file.tensors.values()}
        if len(devices) != 1:
            return None
        (device,) = devices
        kept = self._residents(device).keep(digest, self._resident(file.tensors), file.nbytes)
        return device if kept else None

    def changed(self, lent: Tensors) -> list[str]:
        """Names of tensors in this hand-out that were written to; they are not lent again."""
        if (where := self._lent.get(lent)) is None:
            return []
        digest, device = where
        residents = self._residents(device)
        loan = residents.borrow(digest)
        if loan is None:
            return []
        names = loan.value.changed()
        loan.give_back()
        if names:
            residents.drop(digest)
        return names

    def evict(self) -> int:
        """Drop everything that is not on loan, on all devices; bytes dropped. For whoever needs the memory himself."""
        return sum(residents.evict() for residents in list(self._devices.values()))

    def kept(self, device: str) -> int:
        """Bytes kept on a device."""
        return self._residents(device).nbytes

    def _on_device(self, residents: Residency[_Resident], digest: str, device: str, nbytes: int, read: _Read) -> Placed:
        how = RESIDENT

        def bring() -> _Resident:
            nonlocal how
            host = self._residents(HOST)
            self._drop_changed(host, digest, HOST)
            loan = host.borrow(digest)
            how = READ if loan is None else UPLOADED
            try:
                if loan is None:
                    return read(device)
                return self._resident(self._loader.move(loan.value.tensors, device))
            finally:
                if loan is not None:
                    loan.give_back()

        loan = residents.lend(digest, nbytes, bring)
        return self._placed(loan, digest, device, how, nbytes)

    def _on_host(self, digest: str, path: Path, read: _Read) -> Placed:
        residents, nbytes = self._residents(HOST), payload_bytes(path)
        self._drop_changed(residents, digest, HOST)
        try:
            loan = residents.lend(digest, nbytes, lambda: read(HOST))
        except NoRoom:  # a mapped file needs no room of its own; it only isn't kept
            return Placed(Tensors(read(HOST).tensors), HOST, READ, nbytes)
        return self._placed(loan, digest, HOST, READ if loan.fresh else RESIDENT, nbytes)

    def _placed(self, loan: Loan[_Resident], digest: str, device: str, how: str, nbytes: int) -> Placed:
        tensors = Tensors(loan.value.tensors)
        weakref.finalize(tensors, loan.give_back)
        self._lent[tensors] = (digest, device)
        return Placed(tensors, device, how, 0 if how == RESIDENT else nbytes)

    def _drop_changed(self, residents: Residency[_Resident], digest: str, device: str) -> None:
        """Never lend what somebody wrote into: it is dropped, and read again."""
        loan = residents.borrow(digest)
        if loan is None:
            return
        names = loan.value.changed()
        loan.give_back()
        if names:
            residents.drop(digest)
            _log.warning("%s of object %s on %s were written to since; reading them again", names, digest, device)

    def _residents(self, device: str) -> Residency[_Resident]:
        with self._lock:
            if device not in self._devices:
                self._devices[device] = Residency(self._memory(device), self._limit)
            return self._devices[device]

    def _resident(self, tensors: Mapping[str, Any]) -> _Resident:
        return _Resident(dict(tensors), _writes(tensors), _digests(tensors) if self._checking else None)


_placements: dict[tuple[int | None, bool], Placement] = {}


def of_process(limit: int | None, checking: bool) -> Placement:
    """The one `Placement` of this process under these settings."""
    return _placements.setdefault((limit, checking), Placement(limit=limit, checking=checking))


def _name(device: Any) -> str:
    """torch's device as `choose` names it: `cuda:0`, but `mps` and `cpu`, of which there is one each."""
    return str(device) if device.type == "cuda" else str(device.type)


def _writes(tensors: Mapping[str, Any]) -> dict[str, int | None]:
    """torch's count of in-place operations on each tensor and its views; None for one made in inference mode."""
    return {name: None if tensor.is_inference() else tensor._version for name, tensor in tensors.items()}


def _digests(tensors: Mapping[str, Any]) -> dict[str, str]:
    from blake3 import blake3

    found = {}
    for name, tensor in tensors.items():
        digest = blake3()
        for piece in TensorFile({name: tensor}, "a resident"):
            digest.update(piece)
        found[name] = digest.hexdigest()
    return found


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
