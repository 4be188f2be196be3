"""Bytes go in as memory, files or chunks, and are hashed as they are written."""

import array
import errno
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from resources.errors import DiskFull
from resources.store import durable, filesystem
from resources.store.blobs import Blobs
from resources.store.durable import Chunks
from resources.store.filesystem import FileSystem

PIECE = 4 << 20  # as resources/store/durable.py cuts them
SIZES = [0, 1, (1 << 20) - 1, 1 << 20, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 5]


@pytest.mark.parametrize("size", SIZES)
def test_any_size_from_memory_a_file_and_chunks(size: int, root: Path, tmp_path: Path) -> None:
    content = os.urandom(size)
    source, digest = tmp_path / "source", blake3(content).hexdigest()
    source.write_bytes(content)
    cut = size // 3
    halves: list[bytes | memoryview] = [content[:cut], memoryview(content)[cut:]]
    ways: list[bytes | Path | Chunks] = [content, source, [content], halves]
    for number, what in enumerate(ways):
        blobs = Blobs(root / f"{number}")
        blob = blobs.add(what)
        assert (blob.digest, blob.size, blob.written) == (digest, size, True)
        assert blobs.path(digest).read_bytes() == content
        assert durable.hash_file(blobs.path(digest)) == digest
        assert blobs.verify(digest, size)
        assert blobs.read(digest, size) == content


def test_chunks_of_every_kind_in_their_order(root: Path) -> None:
    numbers = array.array("d", range(1_000_000))
    table = memoryview(numbers).cast("B").cast("f", (1_000, 2_000))
    chunks: list[Any] = [
        b"first",
        b"",
        memoryview(numbers),
        table,
        memoryview(bytearray(b"last")),
        memoryview(array.array("d")),
    ]
    whole = b"first" + numbers.tobytes() * 2 + b"last"

    blobs = Blobs(root)
    for given, new in ((chunks, True), (iter(chunks), False)):
        blob = blobs.add(given)
        assert (blob.digest, blob.size, blob.written) == (blake3(whole).hexdigest(), len(whole), new)
        assert list((root / "tmp").iterdir()) == []
    assert blobs.read(blob.digest, blob.size) == whole
    assert Blobs(root / "other").add([]).digest == blake3(b"").hexdigest()


def test_chunks_are_not_copied(root: Path) -> None:
    """What is handed to the file system is the very memory of the chunk, a piece at a time."""
    content, seen = bytearray(os.urandom(2 * PIECE + 7)), []

    class Watched(FileSystem):
        def write(self, descriptor: int, content: bytes | memoryview) -> int:
            assert isinstance(content, memoryview)
            seen.append((content.obj, content.nbytes))
            return super().write(descriptor, content)

    with filesystem.using(Watched()):
        Blobs(root).add([memoryview(content)])
    assert [size for _, size in seen] == [PIECE, PIECE, 7]
    assert all(memory is content for memory, _ in seen)


def test_a_buffer_may_be_used_again_for_the_next_chunk(root: Path) -> None:
    buffer, whole = bytearray(PIECE), b""

    def chunks() -> Iterator[memoryview]:
        for number in range(5):
            buffer[:] = bytes([number]) * PIECE
            yield memoryview(buffer)

    blob = Blobs(root).add(chunks())
    whole = b"".join(bytes([number]) * PIECE for number in range(5))
    assert blob.digest == blake3(whole).hexdigest()
    assert Blobs(root).read(blob.digest, blob.size) == whole


def test_chunks_that_fail_half_way_leave_nothing(root: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield os.urandom(PIECE)
        raise RuntimeError("the device is gone")

    with pytest.raises(RuntimeError, match="device is gone"):
        Blobs(root).add(failing())
    with pytest.raises(TypeError):
        Blobs(root).add([1, 2])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        Blobs(root).add([memoryview(b"abcdef")[::2]])  # not contiguous: it would have to be copied

    class Full(FileSystem):
        def write(self, descriptor: int, content: bytes | memoryview) -> int:
            super().write(descriptor, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with filesystem.using(Full()), pytest.raises(DiskFull):
        Blobs(root).add([os.urandom(2 * PIECE)])
    assert list((root / "tmp").iterdir()) == []
    assert not (root / "objects").exists()


def test_an_object_that_can_be_read_at_the_second_try_stays(root: Path) -> None:
    class Loose(FileSystem):
        fails = 1

        def read_into(self, file: FileIO, buffer: memoryview) -> int:
            if self.fails:
                self.fails -= 1
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read_into(file, buffer)

    root.mkdir()
    blobs = Blobs(root)
    blob = blobs.add(b"x" * 5000)
    with filesystem.using(Loose()):
        assert blobs.verify(blob.digest, blob.size)
    assert blobs.path(blob.digest).exists()
    assert not (root / "bad").exists()
