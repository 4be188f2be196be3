"""Words to lines: measuring, breaking, and joining words of one style into runs.

Belongs here: what happens within a line. Does not belong here: what lines are for (`rows.py`) or which page they
stand on (`pages.py`). Pure. Lengths are in points, x grows to the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    """Text in one style from `x` on; a run followed by another holds the blank between them."""

    x: float
    text: str
    style: Style
    width: float
    link: str | None = None


@dataclass(frozen=True)
class Line:
    """Runs from left to right, and the index of the token that begins the line."""

    runs: tuple[Run, ...]
    first: int


class Measure:
    """Widths of text, from the advances of each face in ems."""

    def __init__(self, advances: Mapping[str, Mapping[int, float]]) -> None:
        self._advances = advances
        self._known: dict[tuple[str, str], float] = {}

    def width(self, text: str, style: Style) -> float:
        """Width in points; KeyError for a character the face lacks (`glyphs.py` replaces those before)."""
        key = (style.face, text)
        em = self._known.get(key)
        if em is None:
            advances = self._advances[style.face]
            em = self._known[key] = sum(advances[ord(char)] for char in text)
        return em * style.size

    def break_lines(self, tokens: Sequence[Token], width: float, x: float = 0.0, spacing: str = " ") -> list[Line]:
        """Set tokens left-aligned from `x` on in lines no wider than `width`; greedy, without hyphenation."""
        lines: list[Line] = []
        current: list[Token] = []
        used = 0.0
        first = 0
        for at, unit, whole in self._units(tokens, width, spacing):
            blank = self.width(spacing, current[-1].style) if current else 0.0
            size = self._unit_width(unit, spacing)
            if current and used + blank + size > width + 0.01:
                lines.append(self._line(current, x, spacing, first))
                current, used, blank = [], 0.0, 0.0
            if not current:
                first = at
            current += unit
            used += blank + size
            if not whole:
                lines.append(self._line(current, x, spacing, first))
                current, used = [], 0.0
        if current:
            lines.append(self._line(current, x, spacing, first))
        return lines

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

    def _line(self, tokens: Sequence[Token], x: float, spacing: str, first: int) -> Line:
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
