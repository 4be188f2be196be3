"""The faces notes are set in: found in the installed font packages, cut once, kept in the cache.

Belongs here: finding, cutting and measuring fonts. Does not belong here: what to do with text they lack (`glyphs.py`),
or how pages are laid out (`lines.py`, `pdf.py`). Pure: no Dagster.

The packages carry variable fonts of about 2 MB. Every PDF would pay seconds to cut faces from them, so each face is
cut once to a static one with the scripts these notes can be set in, and found again by the digests in its name.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from resources.errors import MissingExtra

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

PACKAGES = ("fontpkg-noto-sans", "fontpkg-noto-serif")

# Face: family, style, weight. Every one is a real drawing of the type designer; none is slanted or emboldened by us.
FACES = {
    "serif": ("noto-serif", "normal", 400),
    "serif-italic": ("noto-serif", "italic", 400),
    "sans": ("noto-sans", "normal", 400),
    "sans-bold": ("noto-sans", "normal", 700),
}

# Scripts that need no shaping: Latin with its extensions, Greek, Cyrillic; then punctuation, signs and symbols.
_RANGES = (
    (0x0020, 0x024F),
    (0x0259, 0x0259),
    (0x02B0, 0x052F),
    (0x1E00, 0x2BFF),
    (0xFB00, 0xFB06),
    (0xFFFD, 0xFFFD),
)


@dataclass(frozen=True)
class Face:
    """One static face: its file, and the advance of every character it has, in ems."""

    path: Path
    advances: dict[int, float]


def versions() -> dict[str, str]:
    """Version of each font package; MissingExtra if one is not installed."""
    _sources()
    return {name: version(name) for name in PACKAGES}


def faces(cache: Path) -> dict[str, Face]:
    """The faces of `FACES` by name, cut into `<cache>/fonts/` if they are not there yet.

    Several processes may call this at once: each writes a whole file of its own and renames it into place. A cached
    file whose bytes don't match the digest in its name is cut anew.
    """
    sources = _sources()
    recipe = f"{version('fonttools')} {FACES} {_RANGES}".encode()
    return {
        name: _measured(cut(cache / "fonts", name, sources[name], recipe, partial(_static, sources[name], weight)))
        for name, (_, _, weight) in FACES.items()
    }


def coverage(faces: dict[str, Face]) -> frozenset[int]:
    """Code points that every face has, so that a text looks the same wherever it stands."""
    return frozenset.intersection(*(frozenset(face.advances) for face in faces.values()))


def _sources() -> dict[str, Path]:
    install = f"Install the fonts: pip install {' '.join(PACKAGES)}"
    try:
        import fontpkg
    except ImportError as error:
        raise MissingExtra("The fonts of the notes are not installed.", install) from error
    try:
        return {name: fontpkg.path(family, weight, style) for name, (family, style, weight) in FACES.items()}
    except fontpkg.FontpkgError as error:
        raise MissingExtra(f"A font of the notes is not installed: {error}.", install) from error


def cut(folder: Path, name: str, source: Path, recipe: bytes, make: Callable[[], TTFont]) -> Path:
    """The file in `folder` that `make` cut from `source` by `recipe`, now or before; the name's digests prove it."""
    key = blake3(recipe + _digest(source)).hexdigest()[:16]
    for found in folder.glob(f"{name}-{key}-*.ttf"):
        if found.stem.endswith(f"-{blake3(found.read_bytes()).hexdigest()[:16]}"):
            return found
        found.unlink(missing_ok=True)
    buffer = io.BytesIO()
    make().save(buffer)
    content = buffer.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{key}-{blake3(content).hexdigest()[:16]}.ttf"
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


@lru_cache(maxsize=8)
def _digest(path: Path) -> bytes:
    return blake3(path.read_bytes()).digest()


def _static(source: Path, weight: int) -> TTFont:
    """A static cut. Subsetting first leaves less than half of the outlines to interpolate."""
    from fontTools import subset
    from fontTools.ttLib import TTFont
    from fontTools.varLib import instancer

    font = TTFont(source, lazy=True, recalcTimestamp=False)
    options = subset.Options(hinting=False, notdef_outline=True, layout_features=[], glyph_names=False)
    options.name_IDs = ["*"]  # the licence and the copyright stay in the font
    options.drop_tables += ["GDEF", "GPOS", "GSUB", "MVAR", "STAT"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in _RANGES for code in range(first, last + 1)])
    subsetter.subset(font)
    # `optimize` and overlap flags cost time and change nothing that can be seen.
    return instancer.instantiateVariableFont(
        font,
        {"wght": weight, "wdth": 100},
        inplace=True,
        optimize=False,
        overlap=instancer.OverlapMode.KEEP_AND_DONT_SET_FLAGS,
    )


@lru_cache(maxsize=16)
def _measured(path: Path) -> Face:
    from fontTools.ttLib import TTFont

    with TTFont(path, lazy=True) as font:
        return Face(path, _advances(font))


def _advances(font: TTFont) -> dict[int, float]:
    em, metrics = font["head"].unitsPerEm, font["hmtx"]
    return {code: metrics[glyph][0] / em for code, glyph in font.getBestCmap().items()}
