"""Labelled images from where a person has them: the official archive or one like it, or folders of images by class.

Belongs here: reading either form, packed or unpacked, into arrays, and what is remarkable about it. Does not belong
here: fetching the archive and the asset (`dataset.py`), which image is for what (`splitting.py`), single image files
(`images.py`). Pure: NumPy, Pillow.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3

from assets.cifar10.images import SIDE, OddImage, decode_all
from assets.cifar10.pickles import BadPickle, loads
from resources.archives import members
from resources.errors import BadInput
from resources.intake.identity import shown
from resources.progress import Logger

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SIZE = 170_498_071
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
"""The archive's digest as Keras has it; the page (https://www.cs.toronto.edu/~kriz/cifar.html) has the MD5 below."""
MD5 = "c58f30108f718f92721af3b95e74349a"

_BATCH = re.compile(r"data_batch_[1-9]|test_batch|batches\.meta")
_PIXELS = 3 * SIDE * SIDE
_IMAGE = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm")
_SPLITS = {"train": False, "test": True}
_EVERY_S = 10.0  # as often as Progress writes to the log; how many images there are is not known beforehand
_GOOD_COPY = "Get a good copy of it."
_MOST_ODD = 0.01
"""A source of which more than this share can't be read is damaged, rather than having a few bad files in it."""


@dataclass(frozen=True)
class Labelled:
    """`images` uint8 (n, 3, 32, 32), `labels` int64 (n,), `test` bool (n,), or None where the source has no splits.

    `digest` is of the source: `sha256:` of an archive, `blake3:` of a folder's names and contents. `odd` are files
    that were left out, with the reason.
    """

    images: Any
    labels: Any
    test: Any | None
    names: tuple[str, ...]
    form: str
    digest: str
    odd: tuple[str, ...] = ()

    @property
    def official(self) -> bool:
        return self.digest == f"sha256:{SHA256}"


def read(path: Path, log: Logger) -> Labelled:
    """The images at `path`, an archive (tar, zip) or a folder: the official batches, or else images by class.

    Images by class lie in `train/<class>/` and `test/<class>/`, or in `<class>/`; folders above do not matter. They may
    have any size, and come sorted by name. Raises: MissingOriginal, BadInput.
    """
    found = _Found(path)
    decoded: list[Any | OddImage] = []
    told = time.monotonic()
    for image in decode_all(found.walk()):
        decoded.append(image)
        if time.monotonic() - told > _EVERY_S:
            told = time.monotonic()
            log.info(f"reading {path.name}: {len(decoded):,} images so far")
    if found.batches:
        return _from_batches(found)
    if decoded:
        return _from_images(found, decoded)
    raise BadInput(
        f"{path} holds neither CIFAR-10's batches (data_batch_1, test_batch, batches.meta) nor folders of images.",
        "Give cifar-10-python.tar.gz, the folder it unpacks to, or folders of images by class.",
    )


@dataclass
class _Found:
    """What a walk through the source has come across so far."""

    path: Path
    batches: dict[str, bytes] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folder_digest: Any = field(default_factory=blake3)

    def walk(self) -> Iterator[bytes]:
        """Hand out the images, put the rest aside."""
        is_folder = self.path.is_dir()
        for member in members(self.path):
            if is_folder:
                self.folder_digest.update(f"{len(member.content)} {member.name}\0".encode("utf-8", "surrogateescape"))
                self.folder_digest.update(member.content)
            last = member.name.rpartition("/")[2]
            if _BATCH.fullmatch(last):
                self.batches[last] = member.content
            elif last.lower().endswith(_IMAGE):
                self.images.append(member.name)
                yield member.content
            else:
                self.others.append(member.name)

    def digest(self) -> str:
        if self.path.is_dir():
            return f"blake3:{self.folder_digest.hexdigest()}"
        with self.path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _from_batches(found: _Found) -> Labelled:
    import numpy as np

    values: dict[str, Mapping[str, Any]] = {}
    for name, content in found.batches.items():
        try:
            value = loads(content)
        except BadPickle as error:
            raise BadInput(f"{name} of {found.path.name} is not what it should be: {error}.", _GOOD_COPY) from error
        if not isinstance(value, dict):
            raise BadInput(f"{name} of {found.path.name} holds no dictionary.", _GOOD_COPY)
        values[name] = {str(_text(key)): item for key, item in value.items()}
    meta, test = values.pop("batches.meta", None), values.pop("test_batch", None)
    if meta is None or test is None or not values:
        missing = "batches.meta" if meta is None else "test_batch" if test is None else "data_batch_1"
        raise BadInput(f"{found.path.name} has no {missing}.", _GOOD_COPY)
    label_names = meta.get("label_names")
    if not isinstance(label_names, list) or len(label_names) < 2:
        raise BadInput(f"batches.meta of {found.path.name} names no classes.", _GOOD_COPY)
    names = tuple(str(_text(name)) for name in label_names)
    parts = [_batch(values[name], name, len(names)) for name in sorted(values)]
    tests = _batch(test, "test_batch", len(names))
    return Labelled(
        images=np.concatenate([*(images for images, _ in parts), tests[0]]),
        labels=np.concatenate([*(labels for _, labels in parts), tests[1]]),
        test=np.repeat([False, True], [sum(len(labels) for _, labels in parts), len(tests[1])]),
        names=names,
        form=f"the official format, {len(parts)} training batches",
        digest=found.digest(),
    )


def _batch(values: Mapping[str, Any], name: str, classes: int) -> tuple[Any, Any]:
    """Images and labels of one batch, checked."""
    import numpy as np

    data, labels = values.get("data"), values.get("labels")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _PIXELS:
        raise BadInput(f"{name} has no `data` of rows of {_PIXELS} bytes.", _GOOD_COPY)
    if not isinstance(labels, list) or len(labels) != len(data):
        raise BadInput(f"{name} has {len(data)} images, but not as many labels.", _GOOD_COPY)
    if not all(type(label) is int and 0 <= label < classes for label in labels):
        raise BadInput(f"{name} has labels other than 0 to {classes - 1}.", _GOOD_COPY)
    return np.ascontiguousarray(data).reshape(-1, 3, SIDE, SIDE), np.array(labels, np.int64)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _from_images(found: _Found, decoded: list[Any | OddImage]) -> Labelled:
    import numpy as np

    odd: list[str] = []
    rows: list[tuple[str, str, bool | None, Any]] = []  # name, class, whether it is for the test, pixels
    for name, image in zip(found.images, decoded, strict=True):
        *above, folder, _ = ("", *name.split("/")) if "/" in name else ("", "", name)
        if isinstance(image, OddImage):
            odd.append(f"{shown(name)}: {image}")
        elif not folder:
            odd.append(f"{shown(name)}: it lies in no folder of a class")
        else:
            rows.append((name, folder, _SPLITS.get(above[-1].lower()), image))
    if len(odd) > max(1, _MOST_ODD * len(decoded)):
        listed = "; ".join(odd[:5])
        raise BadInput(f"{len(odd):,} of {len(decoded):,} images can't be used: {listed}.", "Mend or remove them.")
    rows.sort(key=lambda row: row[0])
    split = {test for _, _, test, _ in rows}
    if len(split) > 1 and None in split:
        strays = [name for name, _, test, _ in rows if test is None]
        raise BadInput(
            f"Some images lie in `train` and `test`, others do not, such as {shown(strays[0])}.",
            "Put all of them into train/<class>/ and test/<class>/, or all into <class>/.",
        )
    if split == {True} or split == {False}:
        raise BadInput(f"All images lie in `{'test' if True in split else 'train'}`.", "Add the other folder, too.")
    names = tuple(sorted({folder for _, folder, _, _ in rows}))
    number = {name: i for i, name in enumerate(names)}
    return Labelled(
        images=np.stack([image for *_, image in rows]),
        labels=np.array([number[folder] for _, folder, _, _ in rows], np.int64),
        test=None if None in split else np.array([test for _, _, test, _ in rows], bool),
        names=tuple(shown(name) for name in names),
        form="images in folders by class" + (", without a test part" if None in split else ""),
        digest=found.digest(),
        odd=tuple(odd),
    )
