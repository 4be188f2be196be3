"""Contact sheets show every picture at its size, and fit where they are stored."""

import io

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
