"""Images come out of any source as they went in; the parts are drawn fairly and share no copies."""

import hashlib
import logging
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assets.cifar10 import source, splitting
from resources.errors import BadInput, MissingOriginal

LOG = logging.getLogger(__name__)
NAMES = ("checks", "cross", "disc", "dots", "ring", "square", "star", "stripes", "triangle", "waves")


@pytest.fixture(scope="module")
def archive(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "cifar-10-python.tar.gz"
    script = [sys.executable, str(repo / "samples/cifar10/make_cifar10.py"), str(path)]
    subprocess.run([*script, "--train", "100", "--test", "50"], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def expected(unpacked: Path) -> tuple[Any, Any]:
    """Images and labels as pickle itself reads them."""
    folder = unpacked / "cifar-10-batches-py"
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    batches = [pickle.loads((folder / name).read_bytes(), encoding="bytes") for name in names]  # noqa: S301  # ours
    images = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    return images, np.concatenate([batch[b"labels"] for batch in batches])


def test_the_official_format(archive: Path, unpacked: Path, expected: tuple[Any, Any], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", strict_timestamps=False) as packed:
        for path in sorted((unpacked / "cifar-10-batches-py").iterdir()):
            packed.write(path, path.name)
    for path in (archive, unpacked, unpacked / "cifar-10-batches-py", tmp_path / "packed.zip"):
        found = source.read(path, LOG)
        np.testing.assert_array_equal(found.images, expected[0])
        np.testing.assert_array_equal(found.labels, expected[1])
        np.testing.assert_array_equal(found.test, [False] * 100 + [True] * 50)
        assert found.names == NAMES
        assert not found.official
    assert source.read(archive, LOG).digest == f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"


def test_the_published_archive_is_known_by_its_digest() -> None:
    assert source.Labelled(None, None, None, (), "", f"sha256:{source.SHA256}").official


def replaced(unpacked: Path, target: Path, name: str, value: object) -> Path:
    """A copy of the batches in which one file holds something else; None: it is missing."""
    target.mkdir()
    for path in (unpacked / "cifar-10-batches-py").iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    (target / name).unlink()
    if value is not None:
        (target / name).write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, 2))
    return target


PIXELS = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("batches.meta", None, "has no batches.meta"),
        ("test_batch", None, "has no test_batch"),
        ("data_batch_3", b"not a pickle", "data_batch_3 .* is not what it should be"),
        ("data_batch_3", [1], "holds no dictionary"),
        ("data_batch_3", {"data": PIXELS, "labels": [1]}, "not as many labels"),
        ("data_batch_3", {"data": PIXELS, "labels": [1, 10]}, "labels other than 0 to 9"),
        ("data_batch_3", {"data": PIXELS, "labels": [1, -1]}, "labels other than 0 to 9"),
        ("data_batch_3", {"data": PIXELS[:, :-1].copy(), "labels": [1, 1]}, "rows of 3072 bytes"),
        ("data_batch_3", {"labels": [1, 1]}, "rows of 3072 bytes"),
        ("batches.meta", {"label_names": []}, "names no classes"),
    ],
)
def test_odd_batches_are_refused(unpacked: Path, tmp_path: Path, name: str, value: object, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        source.read(replaced(unpacked, tmp_path / "batches", name, value), LOG)


def test_a_missing_training_batch_shows_in_the_counts(unpacked: Path, tmp_path: Path) -> None:
    found = source.read(replaced(unpacked, tmp_path / "batches", "data_batch_3", None), LOG)
    assert len(found.labels) == 130
    assert "4 training batches" in found.form


def test_nothing_of_use(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadInput, match="neither"):
        source.read(tmp_path, LOG)
    with pytest.raises(BadInput, match="no archive"):
        source.read(tmp_path / "notes.txt", LOG)
    with pytest.raises(MissingOriginal):
        source.read(tmp_path / "gone.tar.gz", LOG)


def classes(folder: Path, places: list[str], count: int = 3, side: int = 32) -> dict[str, Any]:
    """Random PNG images in each of `places`; their pixels by path."""
    random, made = np.random.default_rng(0), {}
    for place in places:
        (folder / place).mkdir(parents=True)
        for i in range(count):
            name = f"{place}/{i}.png"
            pixels = random.integers(0, 256, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name)
            made[name] = pixels.transpose(2, 0, 1)
    return made


@pytest.mark.parametrize("packed", [False, True])
def test_images_in_folders_by_class(tmp_path: Path, packed: bool) -> None:
    made = classes(tmp_path / "x", ["some/train/cat", "some/train/dog", "some/test/cat", "some/test/dog"])
    (tmp_path / "x/some/readme.txt").write_text("not an image, and no matter")
    path = tmp_path / "x"
    if packed:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name in sorted(made, reverse=True):
                file.write(tmp_path / "x" / name, name)
    found = source.read(path, LOG)
    order = sorted(made)
    np.testing.assert_array_equal(found.images, [made[name] for name in order])
    assert found.names == ("cat", "dog")
    assert found.labels.tolist() == [int("dog" in name) for name in order]
    assert found.test.tolist() == ["test" in name for name in order]


def test_without_a_test_part_and_in_any_size(tmp_path: Path) -> None:
    classes(tmp_path / "x", ["cat", "dog"], side=50)
    found = source.read(tmp_path / "x", LOG)
    assert found.test is None
    assert found.images.shape == (6, 3, 32, 32)


def test_the_digest_of_a_folder_is_of_names_and_contents(tmp_path: Path) -> None:
    classes(tmp_path / "x", ["cat", "dog"])
    before = source.read(tmp_path / "x", LOG).digest
    assert source.read(tmp_path / "x", LOG).digest == before
    (tmp_path / "x/cat/0.png").rename(tmp_path / "x/cat/9.png")
    assert source.read(tmp_path / "x", LOG).digest != before


def test_a_few_odd_files_are_listed_and_many_are_refused(tmp_path: Path) -> None:
    classes(tmp_path / "x", ["cat", "dog"], count=60)
    (tmp_path / "x/cat/odd.png").write_bytes(b"odd")
    found = source.read(tmp_path / "x", LOG)
    assert len(found.labels) == 120
    assert found.odd == ("cat/odd.png: it is no picture of a known format",)
    (tmp_path / "x/dog/odd.png").write_bytes(b"odd")
    with pytest.raises(BadInput, match="2 of 122 images can't be used"):
        source.read(tmp_path / "x", LOG)


@pytest.mark.parametrize(
    ("places", "why"),
    [(["train/cat", "train/dog", "cat"], "others do not"), (["train/cat", "train/dog"], "All images lie in `train`")],
)
def test_half_a_division_is_refused(tmp_path: Path, places: list[str], why: str) -> None:
    classes(tmp_path / "x", places)
    with pytest.raises(BadInput, match=why):
        source.read(tmp_path / "x", LOG)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(10, 60), min_size=2, max_size=5),
    with_test=st.booleans(),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_class_gives_its_share(sizes: list[int], with_test: bool, share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    test = np.arange(len(labels)) % 5 == 0 if with_test else None
    parts = splitting.split(labels, test, np.ones(len(labels), bool), share, seed)
    np.testing.assert_array_equal(parts, splitting.split(labels, test, np.ones(len(labels), bool), share, seed))
    counted = splitting.counts(labels, parts, len(sizes))
    for label, (size, (train, validation, tested)) in enumerate(zip(sizes, counted, strict=True)):
        expected = round(size / 6) if test is None else int(test[labels == label].sum())
        assert tested == max(1, expected)
        assert validation == max(1, round(share * (size - tested)))
        assert train == size - tested - validation
    if test is not None:
        np.testing.assert_array_equal(parts == splitting.TEST, test)


def test_another_seed_draws_others_and_the_test_part_stays() -> None:
    labels, test = np.repeat(np.arange(10), 600), np.arange(6000) % 6 == 0
    one, other = (splitting.split(labels, test, np.ones(6000, bool), 0.1, seed) for seed in (0, 1))
    assert (one != other).any()
    np.testing.assert_array_equal(one == splitting.TEST, other == splitting.TEST)


def test_copies_are_counted_and_kept_out_of_what_is_drawn() -> None:
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1).repeat(3, 1)
    labels, test = np.arange(40) % 2, np.arange(40) >= 30
    images[32] = images[2]  # a test image that is a training image
    images[34] = images[36] = images[4]  # two of them
    images[8] = images[6]  # twice in training
    images[38] = images[36]  # a third copy in the test part
    images[9] = images[10]  # with two labels
    found = splitting.copies(images, labels, test)
    assert (found.across, found.within, found.disputed) == (4, 2, 2)
    assert np.flatnonzero(~found.once).tolist() == [2, 4, 6, 8, 9, 10, 32, 34, 36, 38]
    for seed in range(20):
        parts = splitting.split(labels, test, found.once, 0.4, seed)
        assert found.once[parts == splitting.VALIDATION].all()
    alone = splitting.copies(images, labels, None)
    assert (alone.across, alone.within) == (0, 6)
