"""What is kept on one device so that it need not be brought there again.

Belongs here: the cache: its budget, who uses what, who loads, what has to go. Knows nothing of files and tensors.
Does not belong here: how a value comes onto the device, and what happens when it does not fit (`placement.py`).

A value is lent, not given: while it is on loan it is not evicted, since its memory would not become free. Threads that
want the same value at once wait for the one that brings it. Least recently lent values go first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from resources.device import Memory

T = TypeVar("T")


class NoRoom(Exception):
    """A value of `wanted` bytes does not fit; `free` bytes are left after everything not on loan was evicted."""

    def __init__(self, wanted: int, free: int) -> None:
        super().__init__(f"{wanted} bytes wanted, {free} free")
        self.wanted, self.free = wanted, free


@dataclass
class _Entry(Generic[T]):
    value: T
    nbytes: int
    loans: int = 0


class Loan(Generic[T]):
    """A value in use. `fresh` is True if it had to be brought for this loan. `give_back` may be called repeatedly."""

    def __init__(self, value: T, fresh: bool, give_back: Callable[[], None]) -> None:
        self.value, self.fresh = value, fresh
        self._give_back: Callable[[], None] | None = give_back

    def give_back(self) -> None:
        done, self._give_back = self._give_back, None
        if done is not None:
            done()


class Residency(Generic[T]):
    """Values on one device by key, under a budget in bytes: `limit` if given, and what `memory` says in any case."""

    def __init__(self, memory: Memory, limit: int | None = None) -> None:
        self._memory, self._limit = memory, limit
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()  # least recently lent first
        self._coming: dict[str, int] = {}  # key -> bytes of a value that a thread is bringing
        self._returned: deque[_Entry[T]] = deque()
        # Reentrant: what memory says may depend on what a caller does in the middle of one of these methods.
        self._changed = threading.Condition(threading.RLock())

    @property
    def nbytes(self) -> int:
        """Bytes of all values kept."""
        with self._changed:
            return sum(entry.nbytes for entry in self._entries.values())

    def keys(self) -> list[str]:
        """The keys kept, least recently lent first."""
        with self._changed:
            return list(self._entries)

    def lend(self, key: str, nbytes: int, bring: Callable[[], T]) -> Loan[T]:
        """The value of `key`; `bring` makes it, `nbytes` large, if it isn't there.

        What `bring` raises is passed on, and nothing is kept then. Raises: NoRoom, before `bring` is called.
        """
        with self._changed:
            self._settle()
            while key not in self._entries and key in self._coming:
                self._changed.wait()
            self._settle()
            if (entry := self._entries.get(key)) is not None:
                return self._loan(key, entry, fresh=False)
            self._make_room(nbytes)
            self._coming[key] = nbytes
        try:
            value = bring()
        except BaseException:
            with self._changed:
                del self._coming[key]
                self._changed.notify_all()
            raise
        with self._changed:
            del self._coming[key]
            entry = self._entries[key] = _Entry(value, nbytes)
            self._changed.notify_all()
            return self._loan(key, entry, fresh=True)

    def borrow(self, key: str) -> Loan[T] | None:
        """The value of `key` if it is there."""
        with self._changed:
            entry = self._entries.get(key)
            return None if entry is None else self._loan(key, entry, fresh=False)

    def keep(self, key: str, value: T, nbytes: int) -> bool:
        """Keep a value that is on the device already; False if there is no room. What is there of `key` stays."""
        with self._changed:
            self._settle()
            if key in self._entries:
                return True
            try:
                self._make_room(nbytes, allocated=True)
            except NoRoom:
                return False
            self._entries[key] = _Entry(value, nbytes)
            return True

    def drop(self, key: str) -> None:
        """Keep `key` no longer. Those who have it on loan are not disturbed."""
        with self._changed:
            self._entries.pop(key, None)

    def evict(self) -> int:
        """Drop every value that nobody has on loan, and give the device its memory back; bytes dropped."""
        with self._changed:
            self._settle()
            idle = [key for key, entry in self._entries.items() if not entry.loans]
            freed = sum(self._entries.pop(key).nbytes for key in idle)
        self._memory.release()
        return freed

    def _make_room(self, nbytes: int, allocated: bool = False) -> None:
        """Evict until `nbytes` fit. If they are `allocated` already, the device only must not be overfull.

        Nothing is evicted for what could not fit even then. Memory that the device has cached is given back before
        that is said.
        """
        coming = sum(self._coming.values())
        wanted = coming if allocated else nbytes + coming
        idle = {key: entry.nbytes for key, entry in self._entries.items() if not entry.loans}

        def lacking() -> int:
            """Bytes that are missing, by the device or by the limit, whichever lacks more."""
            over = 0 if self._limit is None else self.nbytes + coming + nbytes - self._limit
            return max(wanted - self._memory.usable(), over)

        if (lack := lacking()) > sum(idle.values()):
            self._memory.release()
            lack = lacking()
        if (missing := lack - sum(idle.values())) > 0:
            raise NoRoom(nbytes, max(0, nbytes - missing))
        for key in idle:
            if lack <= 0:
                return
            del self._entries[key]
            lack = lacking()
        if lack > 0:  # the device keeps what was evicted, or another took it
            self._memory.release()
            if (missing := lacking()) > 0:
                raise NoRoom(nbytes, max(0, nbytes - missing))

    def _settle(self) -> None:
        """Take back the loans that were given back."""
        while self._returned:
            self._returned.popleft().loans -= 1

    def _loan(self, key: str, entry: _Entry[T], fresh: bool) -> Loan[T]:
        entry.loans += 1
        self._entries.move_to_end(key)
        # Noted without a lock: it may be the garbage collector that gives back, in any thread, under any lock.
        return Loan(entry.value, fresh, lambda: self._returned.append(entry))
