"""Make an archive in the format of `cifar-10-python.tar.gz`, of drawn shapes and textures instead of photographs.

Belongs here: the files: the archive with its Python 2 pickles, and loose pictures to predict. Does not belong here:
what the pictures show (`shapes.py`).

    python samples/cifar10/make_cifar10.py OUT.tar.gz [--train 5000] [--test 1000] [--seed 0] [--images FOLDER N]

The same arguments give the same bytes. `--images` writes N pictures of many sizes, file formats and colour modes as
well, named after what they show, and two files that are no picture.
"""

from __future__ import annotations

import argparse
import gzip
import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from shapes import CLASSES, draw

FOLDER = "cifar-10-batches-py"
_BATCHES = 5
_README = "<p>Drawn shapes and textures in the format of CIFAR-10, made by samples/cifar10/make_cifar10.py.</p>\n"


class Python2Pickle:
    """Writes what cPickle of Python 2 wrote at protocol 2: texts as byte strings, and each object remembered.

    Python 3's pickle can't: it writes bytes as a call of `_codecs.encode`. Opcodes are those of `pickletools`.
    """

    def __init__(self) -> None:
        self._out, self._memo = io.BytesIO(), 0

    def dumps(self, value: object) -> bytes:
        self._out.write(b"\x80\x02")
        self._save(value)
        self._out.write(b".")
        return self._out.getvalue()

    def _put(self) -> None:
        self._memo += 1
        self._out.write(b"q" + bytes([self._memo]) if self._memo < 256 else b"r" + struct.pack("<I", self._memo))

    def _save(self, value: Any) -> None:
        out = self._out
        if value is None or isinstance(value, bool):
            out.write({None: b"N", False: b"\x89", True: b"\x88"}[value])
        elif isinstance(value, int):
            if 0 <= value < 1 << 16:
                out.write(b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value))
            else:
                out.write(b"J" + struct.pack("<i", value))
        elif isinstance(value, bytes):
            out.write(b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value)))
            out.write(value)
            self._put()
        elif isinstance(value, tuple):
            short = 1 <= len(value) <= 3
            out.write(b"" if short else b"(")
            for item in value:
                self._save(item)
            out.write({1: b"\x85", 2: b"\x86", 3: b"\x87"}[len(value)] if short else b"t")
            self._put()
        elif isinstance(value, list):
            out.write(b"]")
            self._put()
            for start in range(0, len(value), 1000):
                out.write(b"(")
                for item in value[start : start + 1000]:
                    self._save(item)
                out.write(b"e")
        elif isinstance(value, dict):
            out.write(b"}")
            self._put()
            out.write(b"(")
            for key, item in value.items():
                self._save(key)
                self._save(item)
            out.write(b"u")
        else:
            self._array(value)

    def _global(self, module: bytes, name: bytes) -> None:
        self._out.write(b"c" + module + b"\n" + name + b"\n")
        self._put()

    def _array(self, array: np.ndarray) -> None:
        """As NumPy's `__reduce__` has it: an empty array is made, and its state set: version, shape, type, bytes."""
        self._global(b"numpy.core.multiarray", b"_reconstruct")
        self._global(b"numpy", b"ndarray")
        for item in ((0,), b"b"):
            self._save(item)
        self._out.write(b"\x87")
        self._put()
        self._out.write(b"R")
        self._put()
        self._out.write(b"(")
        for item in (1, array.shape):
            self._save(item)
        self._global(b"numpy", b"dtype")
        for item in (b"u1", 0, 1):
            self._save(item)
        self._out.write(b"\x87")
        self._put()
        self._out.write(b"R")
        self._put()
        self._save((3, b"|", None, None, None, -1, -1, 0))
        self._out.write(b"b")
        self._save(False)
        self._save(array.tobytes())
        self._out.write(b"t")
        self._put()
        self._out.write(b"b")


def pictures(total: int, random: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """`total` pictures, as many of each class, in random order: uint8 rows of 3072, and their labels."""
    per_class = total // len(CLASSES)
    drawn = np.concatenate([draw(name, per_class, 32, random) for name in CLASSES]).reshape(-1, 3072)
    order = random.permutation(len(drawn))
    return drawn[order], (order // per_class).tolist()


def write_archive(target: Path, train: int, test: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    files: dict[str, bytes] = {}
    per_batch = train // _BATCHES
    meta = {b"num_cases_per_batch": per_batch, b"label_names": [name.encode() for name in CLASSES], b"num_vis": 3072}
    files["batches.meta"] = Python2Pickle().dumps(meta)
    data, labels = pictures(train, random)
    for number in range(_BATCHES):
        part = slice(number * per_batch, (number + 1) * per_batch)
        title = f"training batch {number + 1} of {_BATCHES}"
        files[f"data_batch_{number + 1}"] = batch(title, data[part], labels[part], part.start)
    files["readme.html"] = _README.encode()
    files["test_batch"] = batch("testing batch 1 of 1", *pictures(test, random), train)
    # Level 1: noise hardly shrinks. No clock time and no name in the header, so the same bytes each time.
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        folder = tarfile.TarInfo(FOLDER)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def batch(title: str, data: np.ndarray, labels: list[int], first: int) -> bytes:
    names = [f"{CLASSES[label]}_s_{first + i:06d}.png".encode() for i, label in enumerate(labels)]
    return Python2Pickle().dumps(
        {b"batch_label": title.encode(), b"labels": labels, b"data": data, b"filenames": names}
    )


# suffix, colour mode, Pillow's options
_KINDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("png", "RGB", {}),
    ("jpg", "RGB", {"quality": 90}),
    ("png", "RGBA", {}),
    ("jpg", "CMYK", {"quality": 90}),
    ("gif", "P", {}),
    ("webp", "RGB", {"quality": 85}),
    ("png", "I;16", {}),
    ("tif", "RGB", {}),
    ("bmp", "RGB", {}),
    ("png", "L", {}),
    ("jpg", "RGB", {"quality": 85, "turned": True}),
    ("png", "LA", {}),
)


def write_images(folder: Path, count: int, seed: int) -> None:
    """Pictures as people have them: 24 to 320 pixels high, any format; and `cut_off.jpg`, `not_an_image.png`."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng((seed, 1))
    for i in range(count):
        label = CLASSES[i % len(CLASSES)]
        suffix, mode, options = _KINDS[(i // len(CLASSES) + i) % len(_KINDS)]
        side = int(random.choice((24, 32, 48, 64, 120, 320)))
        image = Image.fromarray(draw(label, 1, side, random)[0].transpose(1, 2, 0))
        _save(_wider(image, random), folder / f"{label}_{i:04d}.{suffix}", mode, dict(options))
    whole = io.BytesIO()
    Image.fromarray(draw("disc", 1, 64, random)[0].transpose(1, 2, 0)).save(whole, "JPEG")
    (folder / "cut_off.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (folder / "not_an_image.png").write_text("This is a text.\n")


def _wider(image: Any, random: np.random.Generator) -> Any:
    """The picture in the middle of one that is up to half as wide again: predictions look at the middle square."""
    from PIL import ImageOps

    extra = int(image.width * random.uniform(0, 0.25))
    return ImageOps.expand(image, (extra, 0, extra, 0), fill=image.getpixel((0, 0)))


def _save(image: Any, path: Path, mode: str, options: dict[str, Any]) -> None:
    from PIL import Image

    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif image.mode != mode:
        image = image.convert(mode)
    if options.pop("turned", False):  # stored on its side; EXIF orientation 6 says: turn by 90 degrees to the right
        exif = Image.Exif()
        exif[0x0112] = 6
        image, options["exif"] = image.transpose(Image.Transpose.ROTATE_90), exif
    image.save(path, **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, metavar="OUT.tar.gz")
    parser.add_argument("--train", type=int, default=5000, help="pictures to train on, a multiple of 50")
    parser.add_argument("--test", type=int, default=1000, help="pictures to test on, a multiple of 10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", nargs=2, metavar=("FOLDER", "N"), help="write N loose pictures into FOLDER, too")
    given = parser.parse_args()
    if given.train % (_BATCHES * len(CLASSES)) or given.test % len(CLASSES) or min(given.train, given.test) < 1:
        parser.error("--train must be a multiple of 50 and --test of 10, so that all classes and batches are alike")
    if given.images and not given.images[1].isdigit():
        parser.error(f"--images takes a folder and a number, not {given.images[1]!r}")
    given.target.parent.mkdir(parents=True, exist_ok=True)
    write_archive(given.target, given.train, given.test, given.seed)
    print(f"{given.target}: {given.train} + {given.test} pictures, {given.target.stat().st_size / 1e6:.1f} MB")
    if given.images:
        write_images(Path(given.images[0]), int(given.images[1]), given.seed)
        print(f"{given.images[0]}: {given.images[1]} pictures, and two files that are none")


if __name__ == "__main__":
    main()
