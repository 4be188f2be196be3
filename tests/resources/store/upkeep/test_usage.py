"""The report adds up: each version, each object once, and what nobody names."""

import io
from pathlib import Path

import pytest
from PIL import Image

from resources import bars
from resources.store.artifacts import Artifacts
from resources.store.blobs import Blobs
from resources.store.scratch import open_scratch
from resources.store.types import Files, Text
from resources.store.upkeep.usage import OTHER, Room, usage


def test_sizes_add_up(home: Path, root: Path, artifacts: Artifacts) -> None:
    artifacts.store(Text("a" * 100), "notes", "k~1", "r1", 0)
    artifacts.store(Text("a" * 100), "notes", "k~1", "r2", 0)  # the same again
    artifacts.store(Text("b" * 50), "notes", "k~2", "r3", 0)
    artifacts.store(Text("a" * 100), "summary", "k~1", "r4", 0)
    artifacts.store(Files({"x": b"c" * 30, "y": b"c" * 30, "z": b"d"}), "network", None, "r5", 0)
    Blobs(root).add(b"nobody names me")
    open_scratch(root, "notes", "k~1", "c" * 64).put("part", b"12345")
    (root / "bad").mkdir()
    (root / "bad" / "object").write_bytes(b"damaged")
    (home / "cache" / "fonts").mkdir(parents=True)
    (home / "cache" / "fonts" / "sans.ttf").write_bytes(b"font")
    found = usage(root, {"notes": "recordings", "summary": "recordings"}, home / "cache", largest=2)
    assert found.assets == {
        "notes": Room(partitions=2, versions=3, bytes=250, distinct=150),
        "summary": Room(partitions=1, versions=1, bytes=100, distinct=100),
        "network": Room(partitions=1, versions=1, bytes=61, distinct=31),
    }
    assert list(found.assets) == ["notes", "summary", "network"]  # largest first
    assert found.products == {"recordings": Room(3, 4, 350, 150), OTHER: Room(1, 1, 61, 31)}
    assert (found.logical, found.distinct) == (411, 181)
    assert found.dedup_ratio == pytest.approx(411 / 181)
    assert (found.objects, found.object_bytes) == (5, 181 + 15)
    assert (found.unreferenced, found.unreferenced_bytes) == (1, 15)
    assert found.leftovers == {"scratch": 65 + 5, "bad": 7, "temporary": 0, "cache": 4}
    assert [(artifact.owner.run, artifact.bytes) for artifact in found.largest_artifacts] == [("r1", 100), ("r2", 100)]
    assert [(o.bytes, o.manifests) for o in found.largest_objects] == [(100, 3), (50, 1)]


def test_a_damaged_manifest_is_counted_and_its_object_is_not_claimed(root: Path, artifacts: Artifacts) -> None:
    path = artifacts.store(Text("one"), "notes", None, "r1", 0).path
    (root / path).chmod(0o644)
    (root / path).write_bytes(b"{")
    found = usage(root, {})
    assert (found.damaged_manifests, found.logical, found.unreferenced_bytes) == (1, 0, 3)


def test_an_empty_store_takes_no_room(home: Path) -> None:
    found = usage(home / "none", {})
    assert (found.products, found.object_bytes, found.dedup_ratio) == ({}, 0, 1.0)


def test_bars_are_as_long_as_their_values() -> None:
    values = {"large": 300.0, "small": 100.0, "none": 0.0}
    with Image.open(io.BytesIO(bars.picture(values, dict.fromkeys(values, "x")))) as image:
        pixels = image.convert("RGB")
    assert pixels.width == 800
    middles = (29, 59, 89)  # of the rows
    blue = [sum(pixels.getpixel((x, y)) == (47, 111, 176) for x in range(pixels.width)) for y in middles]
    assert blue[0] > 450
    assert blue[1] == pytest.approx(blue[0] / 3, abs=6)  # and soft ends
    assert blue[2] == 0


def test_nothing_to_compare_is_still_a_picture() -> None:
    assert bars.picture({}, {}).startswith(b"\x89PNG")
