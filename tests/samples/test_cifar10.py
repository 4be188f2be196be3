"""The sample archive has the official form, the same bytes each time, and is neither too easy nor too hard."""

import pickle
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FOLDER = "cifar-10-batches-py"


def make(repo: Path, *given: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repo / "samples/cifar10/make_cifar10.py"), *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def archive(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "archive.tar.gz"
    assert make(repo, path, "--train", 2000, "--test", 500).returncode == 0
    return path


@pytest.fixture(scope="module")
def files(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened if member.isfile()}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def batches(files: dict[str, bytes]) -> dict[str, Any]:
    """What the official page's own recipe for reading gives, `pickle.load(..., encoding="bytes")`."""
    return {
        name.rpartition("/")[2]: pickle.loads(content, encoding="bytes")  # noqa: S301  # made by our own script
        for name, content in files.items()
        if not name.endswith(".html")
    }


def test_the_form_is_the_official_one(files: dict[str, bytes], batches: dict[str, Any]) -> None:
    names = ["batches.meta", *(f"data_batch_{n}" for n in range(1, 6)), "readme.html", "test_batch"]
    assert list(files) == [f"{FOLDER}/{name}" for name in names]
    meta = batches.pop("batches.meta")
    assert list(meta) == [b"num_cases_per_batch", b"label_names", b"num_vis"]
    assert meta[b"num_vis"] == 3072
    assert len(meta[b"label_names"]) == 10
    for name, batch in batches.items():
        assert list(batch) == [b"batch_label", b"labels", b"data", b"filenames"], name
        assert batch[b"data"].dtype == np.uint8
        assert batch[b"data"].shape == (len(batch[b"labels"]), 3072)
        assert {type(label) for label in batch[b"labels"]} == {int}
        for label, file in zip(batch[b"labels"], batch[b"filenames"], strict=True):
            assert file.startswith(meta[b"label_names"][label] + b"_s_")
    assert batches["data_batch_1"][b"batch_label"] == b"training batch 1 of 5"
    assert np.bincount(batches["test_batch"][b"labels"]).tolist() == [50] * 10


def test_the_opcodes_are_those_of_python_2(files: dict[str, bytes]) -> None:
    """Protocol 2, byte strings as SHORT_BINSTRING or BINSTRING, and NumPy by its old name."""
    content = files[f"{FOLDER}/data_batch_1"]
    assert content.startswith(
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05("
    )
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in content
    assert b"_codecs" not in content


def test_class_means_tell_little(batches: dict[str, Any]) -> None:
    """Measured: 12 % of 1,000, where a small network gets 97 %. A sample that means can solve would test nothing."""
    train = np.concatenate([batches[f"data_batch_{n}"][b"data"] for n in range(1, 6)]).astype(np.float32)
    labels = np.concatenate([batches[f"data_batch_{n}"][b"labels"] for n in range(1, 6)])
    means = np.stack([train[labels == label].mean(0) for label in range(10)])
    test = batches["test_batch"][b"data"].astype(np.float32)
    nearest = ((test[:, None] - means) ** 2).sum(2).argmin(1)
    assert (nearest == batches["test_batch"][b"labels"]).mean() < 0.3


def test_the_same_arguments_give_the_same_bytes(repo: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = tmp_path / name
        assert (
            make(
                repo, folder / "x.gz", "--train", 50, "--test", 10, "--seed", seed, "--images", folder / "i", 12
            ).returncode
            == 0
        )
    files = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in "abc"
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_loose_images_have_many_forms(repo: Path, tmp_path: Path) -> None:
    assert (
        make(repo, tmp_path / "x.gz", "--train", 50, "--test", 10, "--images", tmp_path / "images", 36).returncode == 0
    )
    kinds = set()
    for path in (tmp_path / "images").iterdir():
        if path.name in ("cut_off.jpg", "not_an_image.png"):
            with pytest.raises(OSError), Image.open(path) as image:  # noqa: PT011  # cut off, or unknown
                image.load()
            continue
        with Image.open(path) as image:
            image.load()
            kinds.add((image.format, image.mode))
    assert len(list((tmp_path / "images").iterdir())) == 38
    assert {mode for _, mode in kinds} >= {"RGB", "RGBA", "CMYK", "P", "I;16", "L", "LA"}
    assert {form for form, _ in kinds} == {"PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"}


def test_wrong_arguments_are_said(repo: Path, tmp_path: Path) -> None:
    for given in (("--train", 51), ("--test", 0), ("--images", tmp_path, "many")):
        made = make(repo, tmp_path / "x.gz", *given)
        assert made.returncode == 2
        assert "must be" in made.stderr or "takes a folder" in made.stderr
    assert not list(tmp_path.iterdir())
