"""Scripts that the notes' own faces lack: any installed font package (`fontpkg-*`) that has them steps in.

Belongs here: which packages are needed for a text, their faces, and how wide a word is once its letters are joined.
Does not belong here: the faces of Latin, Greek and Cyrillic (`fonts.py`), the order of right-to-left text (`lines.py`).
Pure: no Dagster.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.notes import fonts

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

_WEIGHT = 400
_BLOCK = 256  # faces are cut by blocks of so many code points, so that recordings in one script share a face
_OWN = {family for family, _, _ in fonts.FACES.values()}


@dataclass(frozen=True)
class Fallback:
    """A face for signs the notes' own lack: its file, the code points it has, and the package it came in."""

    path: Path
    has: frozenset[int]
    package: str

    def width(self, text: str) -> float:
        """How wide `text`, of one script, is in ems, with its letters joined as the script wants."""
        return _shaped_width(self.path, text)


def lacking(text: str, own: frozenset[int]) -> frozenset[int]:
    """The code points of `text` that are to be seen and not in `own`."""
    return frozenset(ord(char) for char in set(text) if ord(char) not in own and char.isprintable())


def fallbacks(cache: Path, wanted: frozenset[int]) -> dict[str, Fallback]:
    """Faces by name for as much of `wanted` as the installed packages have, the most useful package first."""
    chosen: dict[str, Fallback] = {}
    open_ = set(wanted)
    sources = dict(_sources()) if wanted else {}
    while open_ and sources:
        slug = min(sources, key=lambda slug: (-len(sources[slug][1] & open_), slug))
        path, has, package = sources.pop(slug)
        if not has & open_:
            break
        blocks = {code // _BLOCK for code in has & open_}
        codes = frozenset(code for code in has if code // _BLOCK in blocks)
        recipe = f"{version('fonttools')} {sorted(blocks)}".encode()
        cut = fonts.cut(cache / "fonts", f"fallback-{slug}", path, recipe, partial(_cut, path, codes))
        chosen[f"fallback-{slug}"] = Fallback(cut, codes, package)
        open_ -= has
    return chosen


def versions(used: Iterable[Fallback]) -> dict[str, str]:
    """The packages of these faces, by name."""
    return {face.package.partition(" ")[0]: face.package.partition(" ")[2] for face in used}


def _sources() -> Iterable[tuple[str, tuple[Path, frozenset[int], str]]]:
    """Installed families but the notes' own: slug, then file, code points, package with version."""
    import fontpkg

    for slug, family in sorted(fontpkg.families().items()):
        if slug in _OWN:
            continue
        try:
            path = fontpkg.path(slug, _WEIGHT, "normal", nearest=True)
        except fontpkg.FontpkgError:
            continue  # italics only
        if has := _coverage(path):
            try:
                installed = version(f"fontpkg-{slug}")
            except PackageNotFoundError:
                installed = family.version
            yield slug, (path, has, f"fontpkg-{slug} {installed}")


@lru_cache(maxsize=64)
def _coverage(path: Path) -> frozenset[int]:
    """What a font has; nothing if its outlines are not TrueType's (colour emoji, PostScript), which can't be cut."""
    from fontTools.ttLib import TTFont

    with TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap() or ()) if "glyf" in font and "COLR" not in font else frozenset()


def _cut(source: Path, codes: frozenset[int]) -> TTFont:
    """A static cut with the tables that join letters."""
    from fontTools import subset
    from fontTools.ttLib import TTFont
    from fontTools.varLib import instancer

    font = TTFont(source, lazy=True, recalcTimestamp=False)
    options = subset.Options(hinting=False, notdef_outline=True, glyph_names=False, layout_features=["*"])
    options.name_IDs = ["*"]
    subsetter = subset.Subsetter(options)
    # The blank, the joiners, and the circle that a lone mark stands on.
    subsetter.populate(unicodes=[0x20, 0x200C, 0x200D, 0x25CC, *codes])
    subsetter.subset(font)
    if "fvar" in font:
        axes = {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes} | {"wght": _WEIGHT}
        if "wdth" in axes:
            axes["wdth"] = 100
        font = instancer.instantiateVariableFont(font, axes, inplace=True, optimize=False)
    return font


@lru_cache(maxsize=8)
def _shaper(path: Path) -> tuple[Any, float]:
    import uharfbuzz

    face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)))
    return uharfbuzz.Font(face), float(face.upem)


@lru_cache(maxsize=50_000)
def _shaped_width(path: Path, text: str) -> float:
    import uharfbuzz

    font, em = _shaper(path)
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    uharfbuzz.shape(font, buffer)
    return float(sum(position.x_advance for position in buffer.glyph_positions)) / em
