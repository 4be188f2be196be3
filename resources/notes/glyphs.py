"""Text that the fonts can show: what no font has is counted and replaced before typesetting.

Belongs here: cleaning of single strings. Does not belong here: which fonts there are (`fonts.py`). Pure: no Dagster.
"""

from __future__ import annotations

import unicodedata

_STAND_INS = "□�?"
# Marks that only change how the character before them looks, such as a skin tone: they go with it, uncounted.
_JOINER = "\u200d"
_FOLLOWERS = {0xFE0E, 0xFE0F, 0x20E3, *range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)}


class Glyphs:
    """Cleans strings to the code points in `coverage`; `replaced` counts what was replaced so far."""

    def __init__(self, coverage: frozenset[int]) -> None:
        self._coverage = coverage
        self.stand_in = next(mark for mark in _STAND_INS if ord(mark) in coverage)
        self.replaced = 0

    def clean(self, text: str) -> str:
        """`text` composed (NFC), on one line, without invisible controls, each sign without a glyph as `stand_in`.

        An emoji made of several code points counts as one. Blanks of any kind become single blanks. Variants that only
        look different, such as full-width letters, become the plain letter and are not counted.
        """
        text = " ".join(unicodedata.normalize("NFC", text).split())
        if all(ord(char) in self._coverage for char in text) and text.isprintable():
            return text
        shown: list[str] = []
        joined = missing = False  # whether the next sign belongs to the one before; whether that one was replaced
        for char in text:
            code = ord(char)
            if char == _JOINER or code in _FOLLOWERS:
                joined = missing and char == _JOINER
                continue
            if unicodedata.category(char) in ("Cc", "Cf"):
                continue
            plain = char if code in self._coverage else unicodedata.normalize("NFKC", char)
            if plain and all(ord(part) in self._coverage for part in plain):
                shown.append(plain)
                joined = missing = False
                continue
            if not joined:
                shown.append(self.stand_in)
                self.replaced += 1
            joined, missing = False, True
        return " ".join("".join(shown).split())
