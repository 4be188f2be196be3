"""Manifests have a place of their own each, and are never written over."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from resources.store import manifests
from resources.store.manifests import Manifest, StoredFile, component, folder


def manifest(**changes: object) -> Manifest:
    fields = {"asset": "a", "partition": "k", "run": "r", "attempt": 0, "kind": "text", "detail": {}, "files": []}
    return Manifest.model_validate({**fields, **changes})


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_name_becomes_one_file_name_of_its_own(one: str, other: str) -> None:
    one, other = (text.encode("utf-8", "replace").decode() for text in (one, other))
    name = component(one)
    assert 0 < len(name) <= 180  # well within the 255 bytes that file systems take
    assert "/" not in name
    assert not name.startswith((".", "@"))
    assert (name == component(other)) == (one == other)


def test_names_that_could_lead_out_or_collide() -> None:
    names = ["", ".", "..", "...", "/", "a/b", "a", ".a", "%2Ea", "%", "@all", "x" * 181, "x" * 182]
    assert len({component(name) for name in names}) == len(names)
    assert folder("a/b", None) != folder("a", "b")
    assert folder("a", None) != folder("a", "@all")


def test_the_same_run_and_attempt_twice_leaves_both(tmp_path: Path) -> None:
    first, _ = manifests.write(tmp_path, manifest(detail={"n": "1"}))
    second, written = manifests.write(tmp_path, manifest(detail={"n": "2"}))
    assert (first, second) == ("assets/a/k/r-0.json", "assets/a/k/r-1.json")
    assert written.attempt == 1
    assert manifests.read(tmp_path, first).detail == {"n": "1"}
    assert manifests.read(tmp_path, second) == written
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = [StoredFile(name="a.txt", size=3, digest="0" * 64), StoredFile(name="b.txt", size=4, digest="f" * 64)]
    path, written = manifests.write(tmp_path, manifest(files=files, partition=None, detail={"class": "Привет"}))
    assert manifests.read(tmp_path, path) == written
    assert written.bytes == 7
