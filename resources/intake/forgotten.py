"""Which contents were forgotten on purpose: `forgotten.log`, one line each time, with a digest and nothing else.

Belongs here: the format, appending durably, asking. Pure: no Dagster. Does not belong here: the forgetting itself
(`dagster_project/commands/forget.py`), and what follows for a file that turns up again (`intake.py`).

It is what is left of a recording, and the only proof that it was deleted: the BLAKE3 of its bytes says nothing to
those who do not have them. The last line of a digest counts.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

FORGOTTEN, TAKEN_IN = "forgotten", "taken in"
_NAME = "forgotten.log"
_LINE = re.compile(rb"^\S+  (forgotten|taken in)  ([0-9a-f]{64})$", re.MULTILINE)


class Forgotten:
    """The log beside the intake's ledger: both lie in the home."""

    def __init__(self, ledger: Path) -> None:
        self.path = ledger.with_name(_NAME)

    def __contains__(self, digest: str) -> bool:
        """Whether these bytes were forgotten and not taken in again since. Raises OSError."""
        return self._last().get(digest) == FORGOTTEN

    def starting_with(self, start: str) -> str | None:
        """The forgotten digest that begins with these hex digits, if there is one. Raises OSError."""
        found = (digest for digest, what in self._last().items() if what == FORGOTTEN and digest.startswith(start))
        return next(found, None)

    def note(self, what: str, digest: str) -> None:
        """Append a line, durably: FORGOTTEN or TAKEN_IN. Raises OSError."""
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, f"{chr(10) if torn else ''}{time}  {what}  {digest}\n".encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _last(self) -> dict[str, str]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        return {digest.decode(): what.decode() for what, digest in _LINE.findall(content)}
