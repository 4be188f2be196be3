"""What is damaged is found, named and set aside; it is never handed out."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from blake3 import blake3

from resources.errors import CorruptArtifact, MissingArtifact, ScriptoriumError
from resources.store import manifests
from resources.store.artifacts import Artifacts, Expected
from resources.store.codecs import OutdatedArtifact
from resources.store.io_manager import ArtifactStore
from resources.store.manifests import DamagedManifest, Manifest, StoredFile, StoredTensor
from resources.store.records import Record
from resources.store.types import Document, File, Files, Table, Text

Materialize = Callable[..., dg.ExecuteInProcessResult]
FailureOf = Callable[[dg.ExecuteInProcessResult], tuple[str, str]]
Blobs = Callable[[], list[Path]]


class Note(Document):
    text: str


def change(path: Path, edit: Callable[[bytearray], object], keep_times: bool = False) -> None:
    """Edit a read-only file in place, as a failing disk or a careless hand does."""
    before = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    edit(content)
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)
    path.chmod(before.st_mode)
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip(position: int) -> Callable[[bytearray], object]:
    def edit(content: bytearray) -> None:
        content[position] ^= 1

    return edit


def truncate(content: bytearray) -> None:
    del content[len(content) // 2 :]


DAMAGE: dict[str, Callable[[bytearray], object]] = {
    "first bit": flip(0),
    "last bit": flip(-1),
    "truncated": truncate,
    "emptied": bytearray.clear,
    "longer": lambda content: content.append(0),
}
VALUES: dict[str, Any] = {
    "document": Note(text="hello " * 20),
    "text": Text("hello"),
    "file": File("a.bin", b"\0" * 100_000),
    "files": Files({"a.bin": b"abc"}),
    "table": Table(pd.DataFrame({"a": [1, 2, 3]})),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", VALUES)
def test_damage_is_named_and_the_object_set_aside(kind: str, damage: str, artifacts: Artifacts, blobs: Blobs) -> None:
    stored = artifacts.store(VALUES[kind], "notes", "key~1", "run-1", 0)
    (blob,) = blobs()
    change(blob, DAMAGE[damage], keep_times=True)
    expected = Expected("notes", "key~1", "run-1", stored.manifest.data_version)
    with pytest.raises(CorruptArtifact) as caught:
        artifacts.load(stored.path, expected)
    message = str(caught.value)
    for part in ('"notes"', '"key~1"', "run-1", blob.name, stored.manifest.files[0].name, "Materialize"):
        assert part in message
    found = message.split("found ")[1][:64]
    assert found != blob.name
    assert not blob.exists()
    (aside,) = (artifacts.root / "bad").iterdir()
    assert aside.name.startswith(blob.name)
    assert str(aside) in message
    with pytest.raises(MissingArtifact):
        artifacts.load(stored.path, expected)
    again = artifacts.store(VALUES[kind], "notes", "key~1", "run-2", 0)
    assert again.manifest.data_version == stored.manifest.data_version
    artifacts.load(again.path, Expected("notes", "key~1", "run-2", None))


REGIONS = [0, 1, 65_535, 1 << 20, (4 << 20) - 1, 4 << 20, 6_000_000, 8_999_999]
EDITS: list[Callable[[bytearray], object]] = [
    *(flip(position) for position in REGIONS),
    *(lambda content, at=position: content.__delitem__(slice(at, None)) for position in REGIONS),
    *(lambda content, at=position: content.__setitem__(slice(at, at + 4096), bytes(4096)) for position in REGIONS[:-1]),
    lambda content: content.extend(b"x"),
    lambda content: content.extend(bytes(4 << 20)),
    lambda content: content.extend(content),
]


@pytest.mark.parametrize("kind", [File, Text])
def test_each_region_of_a_big_object(kind: type, artifacts: Artifacts, blobs: Blobs) -> None:
    """Flipped, cut off, zeroed or longer, within and between the pieces in which it is read."""
    text = "0123456789" * 900_000
    value = File("x", text.encode()) if kind is File else Text(text)
    for number, edit in enumerate(EDITS):
        stored = artifacts.store(value, "a", "k", "r", number)
        (blob,) = blobs()
        change(blob, edit)
        with pytest.raises(CorruptArtifact, match=f"expected digest {blob.name}, found "):
            artifacts.load(stored.path, Expected("a", "k", "r", None))
        assert not blob.exists()


def test_a_run_fails_with_the_names_and_is_healed_by_making_it_again(
    materialize: Materialize, failure_of: FailureOf, blobs: Blobs
) -> None:
    partitions, received = dg.StaticPartitionsDefinition(["k"]), []

    @dg.asset(partitions_def=partitions)
    def source() -> File:
        return File("a.bin", b"payload")

    @dg.asset(partitions_def=partitions)
    def reader(source: File) -> None:
        received.append(source.only.read_bytes())

    made = materialize([source], partition_key="k")
    for blob in blobs():
        change(blob, flip(2))
    error, message = failure_of(materialize([source, reader], selection=[reader], partition_key="k"))
    assert error == "CorruptArtifact"
    for part in ('"source"', '"k"', made.run_id, "a.bin"):
        assert part in message
    error, message = failure_of(materialize([source, reader], selection=[reader], partition_key="k"))
    assert error == "MissingArtifact"
    assert received == []
    assert materialize([source, reader], partition_key="k").success
    assert received == [b"payload"]


def test_a_changed_object_that_was_verified_before_is_found(artifacts: Artifacts, blobs: Blobs) -> None:
    stored = artifacts.store(VALUES["file"], "a", None, "r", 0)
    expected = Expected("a", None, "r", None)
    assert artifacts.load(stored.path, expected)[1].moved == 100_000
    assert artifacts.load(stored.path, expected)[1].moved == 0
    change(blobs()[0], flip(7))
    with pytest.raises(CorruptArtifact):
        artifacts.load(stored.path, expected)


def test_a_thorough_look_finds_what_left_no_trace(artifacts: Artifacts, blobs: Blobs) -> None:
    stored = artifacts.store(VALUES["file"], "a", None, "r", 0)
    assert artifacts.missing(stored.path) == []
    change(blobs()[0], flip(7), keep_times=True)
    assert artifacts.missing(stored.path, thorough=True) == ["a.bin"]


def test_writing_over_a_damaged_object_replaces_it(artifacts: Artifacts, blobs: Blobs) -> None:
    for edit in (flip(3), truncate):
        artifacts.store(VALUES["file"], "a", None, "r", 0)
        change(blobs()[0], edit)
        stored = artifacts.store(VALUES["file"], "b", None, "r", 0)
        assert stored.moved == 100_000
        value, _ = artifacts.load(stored.path, Expected("b", None, "r", None))
        assert isinstance(value, File)
        assert value.only.read_bytes() == b"\0" * 100_000
    assert len(list((artifacts.root / "bad").iterdir())) == 2


def test_a_folder_in_an_objects_place(artifacts: Artifacts, blobs: Blobs) -> None:
    for value in (Text("x"), File("x.txt", b"x")):
        stored = artifacts.store(value, "a", None, "r", 0)
        blob = blobs()[0]
        blob.unlink()
        blob.mkdir()
        with pytest.raises(CorruptArtifact):
            artifacts.load(stored.path, Expected("a", None, "r", None))


def test_a_deleted_object_is_missing_by_name(artifacts: Artifacts) -> None:
    stored = artifacts.store(Files({"a.txt": b"a", "b.txt": b"b"}), "notes", "k", "r", 0)
    digests = {file.name: file.digest for file in stored.manifest.files}
    path = artifacts.object_path(digests["b.txt"])
    assert path is not None
    path.unlink()
    assert artifacts.object_path(digests["b.txt"]) is None
    assert artifacts.missing(stored.path) == ["b.txt"]
    with pytest.raises(MissingArtifact, match=r"b\.txt.*Materialize"):
        artifacts.load(stored.path, Expected("notes", "k", "r", None))


def test_every_flipped_bit_and_every_cut_of_a_manifest_is_found(artifacts: Artifacts) -> None:
    stored = artifacts.store(Note(text="x"), "notes", "k~é", "r", 0)
    expected = Expected("notes", "k~é", "r", stored.manifest.data_version)
    path = artifacts.root / stored.path
    good = path.read_bytes()
    path.chmod(0o644)
    damaged = [good[:cut] for cut in range(len(good) - 1)]
    for position in range(len(good)):
        for bit in (1, 32):
            damaged.append(good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(CorruptArtifact) as caught:
            artifacts.load(stored.path, expected)
        assert str(path) in str(caught.value)
        assert artifacts.missing(stored.path) == [stored.path]
    path.write_bytes(good)
    assert artifacts.missing(stored.path) == []


def test_each_region_of_a_manifest_with_tensors(root: Path) -> None:
    """Every byte flipped, every end cut off, every stretch zeroed, and more behind the end than a blank."""
    files = [StoredFile(name=f"{n}.safetensors", size=8, digest=blake3(b"%d" % n).hexdigest()) for n in range(2)]
    tensors = [StoredTensor(file=file.name, name="w", dtype="BF16", shape=[2, 2]) for file in files]
    meant = Manifest(asset="a", partition=None, run="r", attempt=0, kind="k", detail={}, files=files, tensors=tensors)
    relative, _ = manifests.write(root, meant)
    path = root / relative
    good = path.read_bytes()
    path.chmod(0o644)
    damaged = [good[:cut] for cut in range(len(good) - 1)]
    damaged += [good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :] for at in range(len(good))]
    damaged += [good[:at] + bytes(min(64, len(good) - at)) + good[at + 64 :] for at in range(0, len(good), 16)]
    damaged += [good + more for more in (b"x", b"\0", b"}", b'{"kind": "other"}', good)]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DamagedManifest):
            manifests.read(root, relative)
    path.write_bytes(good)
    assert manifests.read(root, relative) == meant


def test_a_manifest_gone_or_not_the_one_of_the_event(artifacts: Artifacts) -> None:
    stored = artifacts.store(Text("x"), "a", "k", "r", 0)
    other = artifacts.store(Text("y"), "a", "other", "r", 0)
    path = artifacts.root / stored.path
    good = path.read_bytes()
    path.unlink()
    shutil.copy(artifacts.root / other.path, path)
    with pytest.raises(CorruptArtifact, match='belongs to asset "a", partition "other"'):
        artifacts.load(stored.path, Expected("a", "k", "r", None))
    path.unlink()
    with pytest.raises(MissingArtifact, match="manifest"):
        artifacts.load(stored.path, Expected("a", "k", "r", None))
    assert artifacts.missing(stored.path) == [stored.path]
    path.write_bytes(good)
    with pytest.raises(CorruptArtifact, match="expected digest"):
        artifacts.load(stored.path, Expected("a", "k", "r", other.manifest.data_version))


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "assets/../../x.json", "objects/x.json", "assets"])
def test_a_path_that_leads_elsewhere_is_not_followed(path: str, artifacts: Artifacts) -> None:
    with pytest.raises(CorruptArtifact):
        artifacts.load(path, Expected("a", None, "r", None))


def test_documents_of_another_version(artifacts: Artifacts, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = artifacts.store(Note(text="x"), "a", None, "r", 0)

    class Stricter(Document):
        text: str
        added: int

    expected = Expected("a", None, "r", None)
    monkeypatch.setitem(Document.registry, "Note", Stricter)
    with pytest.raises(OutdatedArtifact, match=r"added.*Materialize"):
        artifacts.load(stored.path, expected)
    monkeypatch.delitem(Document.registry, "Note")
    with pytest.raises(OutdatedArtifact, match="Note"):
        artifacts.load(stored.path, expected)
    assert blobs()[0].exists()
    assert artifacts.missing(stored.path) == []


def test_the_memory_of_verifications_may_break_or_vanish(artifacts: Artifacts) -> None:
    stored = artifacts.store(VALUES["file"], "a", None, "r", 0)
    expected, cache = Expected("a", None, "r", None), artifacts.root / "verified.sqlite"
    assert artifacts.load(stored.path, expected)[1].moved == 100_000
    assert Artifacts(artifacts.root).load(stored.path, expected)[1].moved == 0
    cache.write_bytes(b"this is no database" * 100)
    assert artifacts.load(stored.path, expected)[1].moved == 100_000
    assert artifacts.load(stored.path, expected)[1].moved in (0, 100_000)
    cache.unlink(missing_ok=True)
    assert artifacts.load(stored.path, expected)[1].moved == 100_000
    assert artifacts.load(stored.path, expected)[1].moved == 0


def test_a_home_can_be_moved(materialize: Materialize, latest: Callable[..., Record], root: Path) -> None:
    @dg.asset
    def made() -> Text:
        return Text("moved")

    materialize([made])
    root.rename(root.with_name("elsewhere"))
    assert ArtifactStore(root=str(root.with_name("elsewhere")), library="x").load(latest("made")) == "moved"


def test_errors_are_of_named_kinds_and_say_what_to_do() -> None:
    assert issubclass(OutdatedArtifact, ScriptoriumError)
    for kind in (CorruptArtifact, MissingArtifact, OutdatedArtifact):
        assert kind("What.", "Do this.").remedy == "Do this."
        assert kind.retry is False


def test_objects_and_manifests_are_read_only_and_follow_the_umask(artifacts: Artifacts, blobs: Blobs) -> None:
    before = os.umask(0o027)
    try:
        stored = artifacts.store(Text("x"), "a", None, "r", 0)
    finally:
        os.umask(before)
    for path in (blobs()[0], artifacts.root / stored.path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o440
