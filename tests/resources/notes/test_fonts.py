from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from resources.notes import fonts


@pytest.fixture(scope="module")
def faces(cache: Path) -> dict[str, fonts.Face]:
    return fonts.faces(cache)


def test_every_face_is_static_small_and_keeps_its_licence(faces: dict[str, fonts.Face]) -> None:
    for name, face in faces.items():
        with TTFont(face.path) as font:
            assert "fvar" not in font, name
            assert font["OS/2"].usWeightClass == fonts.FACES[name][2]
            assert bool(font["post"].italicAngle) == (fonts.FACES[name][1] == "italic")
            assert "Open Font License" in font["name"].getDebugName(13)
        assert face.path.stat().st_size < 300_000


def test_the_faces_hold_the_letters_of_european_languages(faces: dict[str, fonts.Face]) -> None:
    letters = "AZazÀÿĞıŁőßẞẢỹ АЯаяЁёІіЇїЄєҐґЎўЉњЏ ΑΩαωάΎ 0123456789 .,:;!?…–—«»„“”‘’№§°×€₽·•"
    assert not {char for char in letters if ord(char) not in fonts.coverage(faces)}


def test_figures_are_equally_wide_so_that_times_stand_in_columns(faces: dict[str, fonts.Face]) -> None:
    assert len({faces["sans"].advances[ord(figure)] for figure in "0123456789"}) == 1


def test_a_face_is_cut_once(cache: Path, faces: dict[str, fonts.Face]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (cache / "fonts").iterdir()}
    assert fonts.faces(cache) == faces
    assert {path: path.stat().st_mtime_ns for path in (cache / "fonts").iterdir()} == before


def test_a_damaged_face_is_cut_again(cache: Path, faces: dict[str, fonts.Face]) -> None:
    path = faces["sans"].path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    assert fonts.faces(cache)["sans"].path == path
    assert path.read_bytes() == whole


def test_versions_name_the_packages() -> None:
    assert set(fonts.versions()) == set(fonts.PACKAGES)
