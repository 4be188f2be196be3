"""What long work sees of a scratch: items by name, kept for a retry. Pure.

Belongs here: the interface, so that speech and summary need neither the store nor each other.
Does not belong here: how items are kept (`scratch.py`).
"""

from __future__ import annotations

from typing import Protocol


class Partial(Protocol):
    """Keeps what is done so far for a retry; `resources.store.scratch.Scratch` is one."""

    def get(self, name: str) -> bytes | None:
        """What was put under `name`, or None."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Keep `content` under `name`, in place of what was there."""
        ...
