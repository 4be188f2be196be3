"""The batches are read as pickle would read them, and nothing else is."""

import os
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.cifar10 import pickles
from assets.cifar10.pickles import BadPickle, loads


@pytest.fixture(scope="module")
def batch(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One training batch of a small sample archive."""
    path = tmp_path_factory.mktemp("cifar10") / "archive.tar.gz"
    script = [
        sys.executable,
        str(repo / "samples/cifar10/make_cifar10.py"),
        str(path),
        "--train",
        "300",
        "--test",
        "10",
    ]
    subprocess.run(script, check=True, capture_output=True)
    with tarfile.open(path) as archive:
        file = archive.extractfile("cifar-10-batches-py/data_batch_2")
        assert file is not None
        return file.read()


def test_a_batch_is_read_as_pickle_reads_it(batch: bytes) -> None:
    expected = pickle.loads(batch, encoding="bytes")  # noqa: S301  # made by our own script
    found = loads(batch)
    assert list(found) == list(expected) == [b"batch_label", b"labels", b"data", b"filenames"]
    np.testing.assert_array_equal(found.pop(b"data"), expected.pop(b"data"))
    assert found == expected


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_python_3_writes(protocol: int, order: Any) -> None:
    array = np.asarray(np.arange(12, dtype=np.uint8).reshape(3, 4), order=order)
    value = {"data": array, b"x": [1, -70_000, 2**40, None, True, ("a", b"\xff", "ö")], 3: {"y": ()}}
    found = loads(pickle.dumps(value, protocol))
    np.testing.assert_array_equal(found.pop("data"), value.pop("data"))
    assert found == value


class Runs:
    """A pickle of this runs `call(*arguments)` where it is loaded."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "ran"
    content = pickle.dumps({"data": Runs(os.system, f"touch {target}")}, protocol)
    with pytest.raises(BadPickle, match=r"posix.system|opcode"):
        loads(content)
    assert not target.exists()
    pickle.loads(content)  # noqa: S301  # it does run where pickle loads it
    assert target.exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Runs(eval, "1"), r"(__)?builtin(s|__)\.eval"),
        (Runs(getattr, "", "x"), r"(__)?builtin(s|__)\.getattr"),
        (Runs(np.frombuffer, b"abc", "u1"), "numpy"),
        (np.array([object()], dtype=object), "array of b?'O8'"),
        (np.zeros(3, np.float32), "array of b?'f4'"),
        (Path("x"), "pathlib"),
        (1.5, "BINFLOAT"),
        ({1, 2}, "set|EMPTY_SET"),
    ],
    ids=["eval", "getattr", "numpy", "objects", "floats", "path", "float", "set"],  # the same in every worker
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_is_refused_is_named(value: Any, name: str, protocol: int) -> None:
    with pytest.raises(BadPickle, match=name):
        loads(pickle.dumps(value, protocol))


def array(shape: bytes, data: bytes) -> bytes:
    """A pickle of one array with any shape, whatever its bytes."""
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return b"\x80\x02" + made + b"(K\x01" + shape + kind + b"\x89U" + bytes([len(data)]) + data + b"tb."


def test_an_array_has_as_many_bytes_as_its_shape_says() -> None:
    np.testing.assert_array_equal(loads(array(b"K\x02K\x03\x86", b"abcdef")), [[97, 98, 99], [100, 101, 102]])
    for shape in (
        b"K\x02K\x02\x86",
        b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86",
        b"J\xff\xff\xff\xffK\x06\x86",
        b"K\x06",
    ):
        with pytest.raises(BadPickle):
            loads(array(shape, b"abcdef"))


HUGE = struct.pack("<I", 2**32 - 1)
TUPLES = b"".join(b"0h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(200))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02K\x01K\x02.",
        b"\x80\x02]r" + HUGE + b"h\x01.",  # never put
        b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"abc.",
        b"\x80\x02]K\x01K\x02s.",  # sets an item of a list
        b"\x80\x02K\x01\x85R.",  # calls a number
        b"\x80\x02}(K\x01u.",  # a key without a value
        b"\x80\x02u.",
        # 2 to the power of 200 hashes
        b"\x80\x02K\x01\x85q\x00" + TUPLES + b"0}h\xc8K\x01s.",
        b"\x80\x02c_codecs\nencode\nh\x00.",
        b"not a pickle",
        b"\x80\x02(K\x01i__builtin__\neval\n.",
        b"\x80\x02Pname.",
    ],
    ids=range(15),
)
def test_odd_contents_are_refused_at_once(content: bytes) -> None:
    with pytest.raises(BadPickle):
        loads(content)


def test_a_large_memo_index_takes_no_memory() -> None:
    """pickle's own memo is an array that grows to the largest index: 64 GB here."""
    assert loads(b"\x80\x02]r" + HUGE + b".") == []


def test_every_cut_is_noticed(batch: bytes) -> None:
    for length in (1, 50, 1000, len(batch) // 2, len(batch) - 1):
        with pytest.raises(BadPickle):
            loads(batch[:length])


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"\x80\x02c_codecs\nencode\nq\x00X\x04\x00\x00\x00abcdX\x06\x00\x00\x00latin1\x86q\x01R"
    again = b"h\x00h\x01R"
    assert loads(text + b".") == b"abcd"
    monkeypatch.setattr(pickles, "MAX_OBJECTS", 20)
    with pytest.raises(BadPickle, match="more than 20 parts"):
        loads(b"\x80\x02]" + b"K\x01a" * 20 + b".")
    monkeypatch.setattr(pickles, "MAX_BYTES", 100)
    with pytest.raises(BadPickle, match="at most 100"):
        loads(b"\x80\x02" + b"N0" * 50 + b".")
    monkeypatch.setattr(pickles, "MAX_BYTES", 10)
    with pytest.raises(BadPickle, match="more bytes than it has"):
        pickles._Reader().read(text + again * 2 + b".")
