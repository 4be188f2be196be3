"""Contact sheets show every picture at its size, and fit where they are stored."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resources.media.sheets import Picture, jpeg, png, sheet


def plain(colour: tuple[int, int, int], height: int = 32, width: int = 32) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, height, width))


def test_every_picture_is_there_at_whole_pixels() -> None:
    colours = [(10 * i, 200, 255 - 10 * i) for i in range(23)]
    image = sheet([Picture(plain(colour)) for colour in colours], columns=10, side=70)
    counts = {colour: count for count, colour in image.getcolors(1 << 20)}
    assert [counts[colour] for colour in colours] == [64 * 64] * 23  # twice 32, not blurred to 70


def test_large_and_narrow_pictures_fit_their_cell() -> None:
    image = sheet([Picture(plain((255, 0, 0), 300, 100)), Picture(plain((0, 0, 255), 40, 10))], side=64)
    counts = {colour: count for count, colour in image.getcolors(1 << 20)}
    assert counts[(255, 0, 0)] == 64 * 21
    assert counts[(0, 0, 255)] == 40 * 10


def test_words_and_frames_are_drawn_where_given() -> None:
    bare = sheet([Picture(plain((9, 9, 9)))])
    framed = sheet([Picture(plain((9, 9, 9)), frame="#c0392b")])
    labelled = sheet([Picture(plain((9, 9, 9)), ("a name far too long for its cell",))])
    assert (0xC0, 0x39, 0x2B) in {colour for _, colour in framed.getcolors(1 << 20)}
    assert (0xC0, 0x39, 0x2B) not in {colour for _, colour in bare.getcolors(1 << 20)}
    assert labelled.height > bare.height
    assert labelled.width == bare.width
    assert sheet([Picture(plain((9, 9, 9)))], title="A title").height > bare.height


def test_a_title_is_never_cut() -> None:
    picture, title = Picture(plain((9, 9, 9))), "The surest mistakes: predicted, how surely, and what is true"
    few, many = sheet([picture], title=title), sheet([picture] * 10, title=title)

    def written(image: Any) -> np.ndarray:
        return np.array(image)[: image.height - 72]  # above the row of pictures and its frames

    length = np.flatnonzero((written(many) != 255).any((0, 2))).max()
    assert length > 3 * 64, "it is wider than the cell of one picture"
    assert np.array_equal(written(few)[:, : length + 1], written(many)[:, : length + 1])
    assert few.width > length


def test_heads_stand_above_their_columns() -> None:
    pictures = [Picture(plain((9, 9, 9)))] * 6
    bare, headed = sheet(pictures, columns=3), sheet(pictures, columns=3, heads=("a", "b", "c"))
    taller = headed.height - bare.height
    assert taller > 0
    assert np.array_equal(np.array(headed)[taller + 5 :], np.array(bare)[5:]), "the grid below is the same"
    ink = (np.array(headed)[: taller + 4] != 255).any((0, 2))
    assert [bool(ink[6 + 70 * column : 70 * (column + 1)].any()) for column in range(3)] == [True] * 3


def test_files() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    image = sheet([Picture(noise)] * 60, side=64)
    for limit in (65_000, 20_000, 3_000):
        content = jpeg(image, limit)
        assert len(content) <= limit
        assert Image.open(io.BytesIO(content)).format == "JPEG"
    assert Image.open(io.BytesIO(png(image))).size == image.size


def test_no_picture() -> None:
    with pytest.raises(ValueError, match="picture"):
        sheet([])
