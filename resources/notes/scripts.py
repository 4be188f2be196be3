"""Text that the notes' own faces can't show, or that runs from right to left: which face, and in which order.

Belongs here: cutting a text by face, and the order in which pieces of a line stand, by Unicode's bidirectional
algorithm (UAX 9, as implemented by fpdf2). Does not belong here: finding fonts (`fallback.py`), lines (`lines.py`).
Pure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from resources.notes.fallback import Fallback

_RTL = ("R", "AL")
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


@dataclass(frozen=True)
class Piece:
    """Text of one face and one direction as it stands on the page, and the `mark` its characters had in common."""

    text: str
    face: str | None
    rtl: bool
    mark: Any


class Scripts:
    """`faces` by name, in the order in which they are asked; `own` are the code points that need none of them."""

    def __init__(self, faces: Mapping[str, Fallback], own: frozenset[int]) -> None:
        self.faces = faces
        self._own = own

    def needed(self, text: str) -> bool:
        """Whether any sign of `text` needs another face. (No script that runs from right to left is in our own.)"""
        return any(ord(char) not in self._own for char in text)

    def by_face(self, text: str) -> list[tuple[str, str | None]]:
        """`text` in pieces of one face each; None is the style's own."""
        return [("".join(part), face) for face, part in groupby(text, self._face)]

    def rtl(self, texts: Sequence[str]) -> bool:
        """Whether more of these words are written from right to left than from left to right."""
        classes = [{unicodedata.bidirectional(char) for char in text} for text in texts]
        return sum(not found.isdisjoint(_RTL) for found in classes) > sum("L" in found for found in classes)

    def visual(self, text: str, marks: Sequence[Hashable], rtl: bool) -> list[Piece]:
        """The pieces of a line from left to right; `marks` has one mark a character, `rtl` is the line's direction."""
        from fpdf.bidi import BidiParagraph
        from fpdf.enums import TextDirection

        base = TextDirection.RTL if rtl else TextDirection.LTR
        paragraph = BidiParagraph(text, base, preserve_bn_chars=True)
        levels = [character.embedding_level for character in paragraph.get_characters_with_embedding_level()]
        cut = zip(text, levels, map(self._face, text), marks, strict=True)
        pieces: list[tuple[int, Piece]] = []
        for (level, face, mark), part in groupby(cut, key=lambda item: item[1:]):
            piece = "".join(char for char, *_ in part)
            if level % 2 and not face:  # nothing joins or mirrors what is not shaped
                piece = piece[::-1].translate(_MIRRORED)
            pieces.append((level, Piece(piece, face, bool(level % 2), mark)))
        for level in range(max(levels, default=0), 0, -1):  # rule L2: reverse from the highest level down to 1
            pieces = [
                piece
                for inside, part in groupby(pieces, key=lambda item: item[0] >= level)
                for piece in (reversed(list(part)) if inside else part)
            ]
        return [piece for _, piece in pieces]

    def _face(self, char: str) -> str | None:
        code = ord(char)
        if code in self._own:
            return None
        return next((name for name, face in self.faces.items() if code in face.has), None)
