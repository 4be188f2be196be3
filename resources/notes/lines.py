"""Words to lines: measuring, breaking, and joining words of one style into runs.

Belongs here: what happens within a line. Does not belong here: what lines are for (`rows.py`) or which page they
stand on (`pages.py`), scripts that run from right to left or need other fonts (`scripts.py`). Pure. Lengths are in
points, x grows to the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.notes.scripts import Scripts

_BREAK_AFTER = "/-–._?&=@:,;"  # where a word that is longer than a line is taken apart
_NEVER_FIRST = ("—", "–", "-", "·")  # no line begins with a dash or a dot between items


@dataclass(frozen=True)
class Style:
    """A face of `fonts.FACES`, its size in points, a colour as six hex digits."""

    face: str
    size: float
    colour: str = "1a1a1a"


@dataclass(frozen=True)
class Token:
    """What stays on one line if it fits. `link` is the key of the place it leads to.

    `tied`: stands on the same line as the token before it.
    """

    text: str
    style: Style
    link: str | None = None
    tied: bool = False


@dataclass(frozen=True)
class Run:
    """Text in one style from `x` on; a run followed by another holds the blank between them.

    `face` is a fallback face, if the style's own lacks the text; its letters are joined by a shaper. `rtl`: it is read
    from right to left.
    """

    x: float
    text: str
    style: Style
    width: float
    link: str | None = None
    face: str | None = None
    rtl: bool = False


@dataclass(frozen=True)
class Line:
    """Runs from left to right, and the index of the token that begins the line."""

    runs: tuple[Run, ...]
    first: int


class Measure:
    """Widths of text, from the advances of each face in ems, and `scripts` for what those faces lack."""

    def __init__(self, advances: Mapping[str, Mapping[int, float]], scripts: Scripts | None = None) -> None:
        self._advances = advances
        self._scripts = scripts
        self._known: dict[tuple[str, str], float] = {}

    def width(self, text: str, style: Style) -> float:
        """Width in points; KeyError for a character the face lacks (`glyphs.py` replaces those before)."""
        key = (style.face, text)
        em = self._known.get(key)
        if em is None:
            advances = self._advances[style.face]
            if self._scripts and self._scripts.needed(text):
                em = sum(self._piece_width(piece, face, advances) for piece, face in self._scripts.by_face(text))
            else:
                em = sum(advances[ord(char)] for char in text)
            self._known[key] = em
        return em * style.size

    def _piece_width(self, text: str, face: str | None, advances: Mapping[int, float]) -> float:
        if face and self._scripts:
            return self._scripts.faces[face].width(text)
        return sum(advances[ord(char)] for char in text)

    def break_lines(self, tokens: Sequence[Token], width: float, x: float = 0.0, spacing: str = " ") -> list[Line]:
        """Set tokens left-aligned from `x` on in lines no wider than `width`; greedy, without hyphenation."""
        lines: list[Line] = []
        current: list[Token] = []
        used = 0.0
        first = 0
        right = x + width if self._scripts and self._scripts.rtl([token.text for token in tokens]) else None
        for at, unit, whole in self._units(tokens, width, spacing):
            blank = self.width(spacing, current[-1].style) if current else 0.0
            size = self._unit_width(unit, spacing)
            if current and used + blank + size > width + 0.01:
                lines.append(self._line(current, x, spacing, first, right))
                current, used, blank = [], 0.0, 0.0
            if not current:
                first = at
            current += unit
            used += blank + size
            if not whole:
                lines.append(self._line(current, x, spacing, first, right))
                current, used = [], 0.0
        if current:
            lines.append(self._line(current, x, spacing, first, right))
        return lines

    def line(self, text: str, style: Style, x: float = 0.0, link: str | None = None) -> tuple[Run, ...]:
        """`text` in one line from `x` on, however wide."""
        tokens = [Token(word, style, link) for word in text.split()]
        lines = self.break_lines(tokens, self.width(text, style) + 0.1, x)
        return lines[0].runs if lines else ()

    def fit(self, text: str, style: Style, width: float) -> str:
        """`text`, shortened at the end with an ellipsis if it is wider than `width`."""
        if self.width(text, style) <= width:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if self.width(text[:middle].rstrip() + "…", style) <= width:
                low = middle
            else:
                high = middle - 1
        cut = text[:low]
        at_word = cut.rsplit(" ", 1)[0] if not text[low : low + 1].isspace() and " " in cut[low // 2 :] else cut
        return at_word.rstrip(" ,;:–—") + "…"

    def _units(self, tokens: Sequence[Token], width: float, spacing: str) -> Iterator[tuple[int, list[Token], bool]]:
        """Tokens that stay together, the index of the first, and False for a piece that must end its line."""
        unit: list[Token] = []
        at = 0
        for number, token in enumerate(tokens):
            tied = token.tied or token.text in _NEVER_FIRST
            if unit and tied and self._unit_width([*unit, token], spacing) <= width:
                unit.append(token)
                continue
            if unit:
                yield at, unit, True
            *pieces, end = self._pieces(token, width)
            for piece in pieces:
                yield number, [piece], False
            at, unit = number, [end]
        if unit:
            yield at, unit, True

    def _pieces(self, token: Token, width: float) -> Iterator[Token]:
        text = token.text
        while self.width(text, token.style) > width:
            used, end = 0.0, 0
            for char in text:
                used += self.width(char, token.style)
                if used > width:
                    break
                end += 1
            end = max(end, 1)
            better = max(text.rfind(mark, end // 2, end) for mark in _BREAK_AFTER) + 1
            end = better or end
            yield Token(text[:end], token.style, token.link)
            text = text[end:]
        yield Token(text, token.style, token.link)

    def _unit_width(self, unit: Sequence[Token], spacing: str) -> float:
        blanks = sum(self.width(spacing, token.style) for token in unit[:-1])
        return blanks + sum(self.width(token.text, token.style) for token in unit)

    def _line(self, tokens: Sequence[Token], x: float, spacing: str, first: int, right: float | None) -> Line:
        """`right`: where the line ends, if it is read from right to left."""
        if self._scripts and self._scripts.needed("".join(token.text for token in tokens)):
            return Line(tuple(self._scripted(tokens, x, spacing, right)), first)
        runs: list[Run] = []
        same: list[Token] = []
        for number, token in enumerate(tokens):
            same.append(token)
            after = tokens[number + 1] if number + 1 < len(tokens) else None
            if after and after.style == token.style and after.link == token.link:
                continue
            text = spacing.join(part.text for part in same)
            width = self._unit_width(same, spacing)
            runs.append(Run(x, text + spacing if after else text, token.style, width, token.link))
            x += width + self.width(spacing, token.style)
            same = []
        return Line(tuple(runs), first)

    def _scripted(self, tokens: Sequence[Token], x: float, spacing: str, right: float | None) -> Iterator[Run]:
        assert self._scripts is not None
        text = spacing.join(token.text for token in tokens)
        owners = [token for at, token in enumerate(tokens) for _ in (spacing if at else "") + token.text]
        marks = [(owner.style, owner.link) for owner in owners]
        pieces = self._scripts.visual(text, marks, right is not None)
        widths = [
            self._piece_width(piece.text, piece.face, self._advances[piece.mark[0].face]) * piece.mark[0].size
            for piece in pieces
        ]
        x = x if right is None else right - sum(widths)
        for piece, width in zip(pieces, widths, strict=True):
            style, link = piece.mark
            yield Run(x, piece.text, style, width, link, piece.face, piece.rtl)
            x += width
