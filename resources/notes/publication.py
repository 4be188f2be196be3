"""What was put into the library for people to open.

Belongs here: the stored record of it. Does not belong here: how files get there (`store/library.py`). Pure.
"""

from __future__ import annotations

from resources.store.types import Document


class Publication(Document):
    """`folder` below the library, and the BLAKE3 digest (hex) of each file in it by name."""

    folder: str
    files: dict[str, str]
