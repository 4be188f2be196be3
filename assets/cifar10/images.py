"""Any image file as the network sees it: 3 x 32 x 32, uint8, RGB.

Belongs here: decoding, scaling, and which files are no picture. Does not belong here: what the network makes of it.
Pure: Pillow and NumPy, imported when something is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

SIDE = 32
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "QOI", "PCX", "DIB")
"""Pillow's own decoders for pictures made of pixels. Of its others some run programs (EPS: Ghostscript); TGA has no
mark of its own, so that a file must be called so."""
MAX_PIXELS = 64_000_000
"""8000 x 8000: 0.25 GB once decoded, in each thread. A file of a few kB can claim far more."""
MAX_BYTES = 256 << 20
_ORIENTATION = 0x0112
_PIECE = 64
"""Images one thread decodes at a time: handing over costs as much as decoding a small one."""


class OddImage(ValueError):
    """A file that can't be shown to the network; the message is half a sentence that says why."""


def decode(image: Path | bytes) -> Any:
    """The picture in a file, or in its bytes: uint8, 3 x 32 x 32.

    The middle square of the upright picture, scaled with antialiasing (bicubic, its support widened by the scale); a
    32 x 32 RGB file comes back as it is. Transparency is laid on white; of moving pictures it is the first frame; 16
    bits become 8 by division by 257. Raises: OddImage for anything that is no whole picture.
    """
    from PIL import Image, UnidentifiedImageError

    _load_decoders()
    try:
        content = _content(image)
        formats = ("TGA",) if isinstance(image, Path) and image.suffix.lower() == ".tga" else _FORMATS
        with Image.open(io.BytesIO(content), formats=formats) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise OddImage(f"it has {opened.width} x {opened.height} pixels, more than {MAX_PIXELS:,}")
            return _pixels(opened)
    except OddImage:
        raise
    except UnidentifiedImageError as error:
        raise OddImage(_what_else(content)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise OddImage(f"it has more than {MAX_PIXELS:,} pixels") from error
    except MemoryError as error:
        raise OddImage("there is not enough memory for it") from error
    except OSError as error:
        raise OddImage(error.strerror.lower() if error.strerror else f"it is cut off or damaged ({error})") from error
    except Exception as error:  # decoders meet damaged files with any kind of error: SyntaxError, struct.error ...
        raise OddImage(f"it is damaged ({type(error).__name__}: {error})") from error


def decode_all(images: Iterable[Path | bytes], threads: int = 2) -> Iterator[Any | OddImage]:
    """`decode` of each image, in order, by some threads; an image that can't be decoded gives its OddImage.

    `images` is gone through as results are taken, never more than a few hundred ahead, so it may make its items lazily.
    """
    source = iter(images)
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        ahead: list[Future[list[Any | OddImage]]] = []
        try:
            while True:
                while len(ahead) < 2 * threads and (piece := list(islice(source, _PIECE))):
                    ahead.append(pool.submit(_decode_some, piece))
                if not ahead:
                    return
                yield from ahead.pop(0).result()
        finally:
            for future in ahead:
                future.cancel()


def _decode_some(images: list[Path | bytes]) -> list[Any | OddImage]:
    results: list[Any | OddImage] = []
    for image in images:
        try:
            results.append(decode(image))
        except OddImage as odd:
            results.append(odd)
    return results


@cache
def _load_decoders() -> None:
    """Pillow loads the rarer ones when it meets an unknown file; not where it is told the formats."""
    from PIL import Image

    Image.init()


def _content(image: Path | bytes) -> bytes:
    if isinstance(image, bytes):
        content = image
    else:
        with image.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    if not content:
        raise OddImage("it is empty")
    if len(content) > MAX_BYTES:
        raise OddImage(f"it has more than {MAX_BYTES:,} bytes")
    return content


def _pixels(opened: Any) -> Any:
    import numpy as np
    from PIL import Image

    if opened.format in ("JPEG", "MPO"):
        # The JPEG decoder scales by 1/2, 1/4 or 1/8 for next to nothing, as a mean; one and a half times the side is
        # left for the good filter. On drawn pictures of 640 x 480 that is 0.9 grey levels (rms) off scaling it all by
        # the latter; leaving twice the side is 0.5 off, and takes a fifth longer.
        opened.draft(None, (3 * SIDE // 2, 3 * SIDE // 2))
    image = _rgb(opened)
    width, height = image.size
    if (width, height) != (SIDE, SIDE):
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    orientation = opened.getexif().get(_ORIENTATION, 1) if opened.format != "PNG" or "exif" in opened.info else 1
    turned = np.asarray(image).transpose(2, 0, 1)
    return np.ascontiguousarray(_upright(turned, orientation))


def _rgb(image: Any) -> Any:
    """The picture (its first frame) in RGB, whatever its mode."""
    from PIL import Image, ImageCms

    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Any) -> Any:
    """Grey of more than 8 bits: 16 bits are divided by 257; numbers that fit neither are stretched to their range."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    scaled: Any = values
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16") or (image.mode == "I" and low >= 0 and 255 < high <= 65_535):
        scaled = values / 257
    elif image.mode == "F" and low >= 0 and high <= 1:
        scaled = values * 255
    elif low < 0 or high > 255:
        scaled = (values - low) * (255 / (high - low)) if high > low else values * 0
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")


def _upright(pixels: Any, orientation: int) -> Any:
    """3 x side x side turned as EXIF's orientation 1 to 8 says; last, since the crop is a middle square."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, :, ::-1]  # 2: mirrored; the others are mirrored and turned
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)  # quarter turns to the left
    if turns:
        import numpy as np

        pixels = np.rot90(pixels, turns, axes=(1, 2))
    return pixels


def _what_else(content: bytes) -> str:
    """What a file is that Pillow does not know."""
    start = content[:1024].lstrip().lower()
    if b"<svg" in start:
        return "it is a drawing (SVG), not pixels: export it as PNG"
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return "it is HEIC: export it as JPEG or PNG"
    if start.startswith(b"%pdf"):
        return "it is a PDF: export the page as PNG"
    return "it is no picture of a known format"
