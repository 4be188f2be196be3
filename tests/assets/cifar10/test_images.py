"""Any picture, whatever its format, mode and size, is seen upright, in its middle, and as it looks."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from assets.cifar10 import images
from assets.cifar10.images import OddImage, decode, decode_all

RED, BLUE = (220, 20, 30), (10, 40, 200)


def picture(width: int = 64, height: int = 64) -> Image.Image:
    """Red, with the upper left quarter blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (0, 0, width // 2, height // 2))
    return image


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """RGB near the corners: upper left, upper right, lower left, lower right."""
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 32, 32)
    return [tuple(int(v) for v in pixels[:, y, x]) for y, x in ((4, 4), (4, 27), (27, 4), (27, 27))]


def near(found: list[tuple[int, ...]], expected: list[tuple[int, ...]], by: int) -> bool:
    return bool(np.abs(np.array(found) - np.array(expected)).max() <= by)


@pytest.mark.parametrize(
    ("kind", "by"),
    # Lossless formats come back exactly; a JPEG of quality 95 is off by a few levels; a GIF has 256 colours.
    [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("PPM", 0), ("GIF", 0), ("JPEG", 12), ("WEBP", 12), ("AVIF", 16)],
)
def test_formats(kind: str, by: int) -> None:
    options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
    assert near(corners(decode(written(picture(), kind, **options))), [BLUE, RED, RED, RED], by)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I", "F"])
def test_modes(mode: str) -> None:
    """Black with a white quarter: it looks so in every mode."""
    grey = Image.new("L", (64, 64), 0)
    grey.paste(255, (0, 0, 32, 32))
    if mode == "LAB":
        image = Image.merge("LAB", (grey, Image.new("L", (64, 64), 128), Image.new("L", (64, 64), 128)))
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    else:
        image = grey.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr", "HSV") else grey.convert(mode)
    assert image.mode == mode
    found = images._rgb(image)
    assert found.mode == "RGB"
    white, black = (255, 255, 255), (0, 0, 0)
    by = 2 if mode == "LAB" else 0  # rounding in the colour conversion
    assert near([found.getpixel(at) for at in ((5, 5), (60, 5))], [white, black], by)


def test_cmyk_jpeg_and_16_bit_files() -> None:
    assert near(corners(decode(written(picture().convert("CMYK"), "JPEG", quality=95))), [BLUE, RED, RED, RED], 16)
    deep = Image.fromarray(np.full((40, 40), 40_000, np.uint16))
    assert corners(decode(written(deep, "PNG"))) == [(156, 156, 156)] * 4  # 40000 / 257 = 155.6
    wide = Image.fromarray(np.array([[-5.0, 5.0]], np.float32)).resize((64, 64), Image.Resampling.NEAREST)
    assert corners(decode(written(wide, "TIFF"))) == [(0,) * 3, (255,) * 3] * 2


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparency_is_white(mode: str) -> None:
    image = picture().convert("RGBA")
    image.putalpha(Image.new("L", (64, 64), 255))
    image.paste((0, 0, 0, 0), (32, 32, 64, 64))
    content = written(image, "PNG") if mode == "RGBA" else written(image, "GIF")
    assert near(corners(decode(content)), [BLUE, RED, RED, (255, 255, 255)], 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_turns_the_picture_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = written(picture(), kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    with Image.open(io.BytesIO(content)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB").resize((32, 32), Image.Resampling.NEAREST)
    assert near(corners(decode(content)), corners(np.asarray(upright).transpose(2, 0, 1)), 6)


def test_of_a_moving_picture_the_first_frame() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, BLUE)]
    content = written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert near(corners(decode(content)), [RED] * 4, 0)


def test_the_middle_square_is_seen() -> None:
    for size in ((200, 64), (64, 200)):
        image = Image.new("RGB", size, BLUE)
        image.paste(RED, ((size[0] - 64) // 2, (size[1] - 64) // 2, (size[0] + 64) // 2, (size[1] + 64) // 2))
        assert near(corners(decode(written(image, "PNG"))), [RED] * 4, 0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_scaling_does_not_alias(kind: str) -> None:
    """A chessboard of single pixels is grey from afar; without antialiasing it would be black or white."""
    board = Image.fromarray((np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8))
    pixels = decode(written(board, kind)).astype(int)
    assert np.abs(pixels - 127).max() <= 3  # rounding, and JPEG's


def test_a_32_pixel_picture_comes_back_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    np.testing.assert_array_equal(decode(written(Image.fromarray(pixels), "PNG")), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3), (33, 31)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    assert near(corners(decode(written(Image.new("RGB", size, RED), "PNG"))), [RED] * 4, 0)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""
    content = b"\x89PNG\r\n\x1a\n"
    chunks = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")
    for name, data in chunks:
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"This is a text.", "no picture"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>', "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (bomb(50_000, 50_000), "pixels"),
        (bomb(8_001, 8_000), "pixels"),
        (bomb(100, 100), "cut off or damaged"),
        (written(picture(), "PNG")[:-30], "cut off or damaged"),
        (written(picture(), "JPEG")[:500], "damaged"),
        (written(picture(), "GIF")[:40], "damaged"),
    ],
    ids=range(12),
)
def test_what_is_no_picture_says_why(content: bytes, why: str) -> None:
    with pytest.raises(OddImage, match=why):
        decode(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_damage_of_any_kind_is_an_odd_image_or_a_picture(kind: str) -> None:
    """Decoders raise what they like for damaged files; a batch must survive all of it."""
    content, random = written(picture(), kind), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for at in random.integers(0, len(damaged), 8):
            damaged[at] = random.integers(0, 256)
        try:
            assert decode(bytes(damaged)).shape == (3, 32, 32)
        except OddImage:
            continue


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(OddImage, match="no such file"):
        decode(tmp_path / "gone.png")
    with pytest.raises(OddImage, match="directory"):
        decode(tmp_path)


def test_a_tga_is_known_by_its_name(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.tga")
    assert near(corners(decode(tmp_path / "a.tga")), [BLUE, RED, RED, RED], 0)


def test_many_keep_their_order_and_are_asked_for_as_they_are_needed() -> None:
    asked = 0

    def lazily() -> Iterator[bytes]:
        nonlocal asked
        for i in range(3000):
            asked += 1
            yield b"odd" if i == 7 else written(Image.new("RGB", (2, 2), (i % 256, i // 256, 0)), "PPM")

    for i, image in enumerate(decode_all(lazily(), threads=3)):
        assert isinstance(image, OddImage) if i == 7 else tuple(image[:, 0, 0]) == (i % 256, i // 256, 0)
        assert asked <= i + 1 + 7 * images._PIECE, "two pieces for each of three threads, and the one handed out"
    assert i == 2999


def test_decoding_can_be_left_early() -> None:
    assert next(iter(decode_all([written(picture(), "PNG")] * 500))).shape == (3, 32, 32)
