"""Collection: what nobody needs goes, and whatever the event log knows still loads."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from resources.speech.embedded import embedded_folder
from resources.store import lock
from resources.store.artifacts import Artifacts
from resources.store.blobs import Blobs
from resources.store.manifests import Manifest, StoredFile, write
from resources.store.scratch import open_scratch
from resources.store.upkeep import collecting
from resources.store.upkeep.collecting import Ages, Collection, Known, collect
from resources.store.upkeep.leftovers import keeps_access_times
from resources.store.upkeep.references import references

Put = Callable[..., str]
Age = Callable[..., None]
Log = Callable[..., Known]
Loaded = Callable[..., object]
Objects = Callable[[], list[Path]]
DAY_S = 86_400


def test_unknown_and_old_goes_and_the_rest_stays(
    root: Path, put: Put, age: Age, blobs: Objects, known: Log, loaded: Loaded
) -> None:
    old_known, old_unknown = put("known", "r1"), put("unknown", "r2")
    shared = put("known", "r3")  # the same content as a known one
    age()
    young = put("young", "r4")
    blobs_before = len(blobs())
    done = collect(root, lambda: known(old_known, "assets/x/@all/gone-0.json"), dry_run=False, trust_event_log=True)
    assert done.manifests.names == tuple(sorted([old_unknown, shared]))
    assert done.objects.count == 1
    assert done.objects.bytes == len("unknown")
    assert blobs_before == 3
    assert len(blobs()) == 2
    assert references(root).entries.keys() == {old_known, young}
    assert loaded(old_known, "r1") == "known"
    assert loaded(young, "r4") == "young"


def test_a_dry_run_lists_the_same_and_deletes_nothing(home: Path, root: Path, put: Put, age: Age, known: Log) -> None:
    cache = home / "cache"
    _litter(root, cache)
    kept, *_ = put("kept", "r0"), [put(f"text {i}", f"r{i}") for i in range(1, 4)]
    age()
    _make_older(cache, 100)

    def files() -> set[Path]:
        return {path for path in home.rglob("*") if path.name != "lock"}

    before = files()
    options: dict[str, Any] = {"cache": cache, "trust_event_log": True, "now": time.time() + 200 * DAY_S}
    wet_age = Ages(grace=210, scratch=7, bad=180, cache=90)  # `now` lies in the future: ages of what can't be made old
    would = collect(root, lambda: known(kept), wet_age, **options)
    assert files() == before
    done = collect(root, lambda: known(kept), wet_age, dry_run=False, **options)
    assert would.dry_run
    assert not done.dry_run
    assert done.parts == would.parts
    assert {name: part.count for name, part in done.parts.items()} == {
        "manifests": 3, "objects": 3, "temporary": 1, "scratch": 1, "bad": 1, "cache": 3
    }  # fmt: skip
    assert done.bytes == sum(part.bytes for part in would.parts.values()) > 0
    assert collect(root, lambda: known(kept), wet_age, **options).bytes == 0


def _litter(root: Path, cache: Path) -> None:
    (root / "tmp" / "left").write_bytes(b"half")
    (root / "bad").mkdir()
    (root / "bad" / "object").write_bytes(b"damaged")
    scratch = open_scratch(root, "a", "p", "c" * 64)
    scratch.put("window", b"partial")
    for name in ("fonts/sans.ttf", "whisper-base-0/model.bin", "huggingface/models--a--b/blobs/x"):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_bytes(b"cached")


def _make_older(folder: Path, days: float) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - days * DAY_S, time.time() - days * DAY_S))


def test_a_cached_model_in_use_stays_whole_and_an_unused_one_goes_whole(home: Path, root: Path, known: Log) -> None:
    cache = home / "cache"
    root.mkdir()
    for name in ("used/model.bin", "used/config.json", "unused/model.bin", "huggingface/models--u/a", "huggingface/x"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(b"cached")
    _make_older(cache, 100)
    os.utime(cache / "used" / "model.bin", (time.time(), time.time() - 100 * DAY_S))  # read just now, written long ago
    (cache / ".collected-0").mkdir()  # a killed collection left it; it is young
    with (cache / "unused" / "model.bin").open("rb") as opened:
        os.utime(cache / "unused" / "model.bin", (time.time() - 100 * DAY_S,) * 2)
        done = collect(root, known, cache=cache, dry_run=False)
        assert opened.read() == b"cached"
    assert done.cache.names == (".collected-0", "huggingface/models--u", "unused")
    assert sorted(path.name for path in cache.iterdir()) == ["huggingface", "used"]
    assert (cache / "used" / "config.json").read_bytes() == b"cached"


def test_a_joined_model_is_joined_again_when_it_is_next_needed(tmp_path: Path, known: Log) -> None:
    root, cache = tmp_path / "store", tmp_path / "cache"
    root.mkdir()
    folder = embedded_folder("base", cache)
    _make_older(cache, 100)
    assert embedded_folder("base", cache) == folder  # it reads the model to check it: that counts as use
    assert collect(root, known, cache=cache, dry_run=False).cache.count == 0
    _make_older(cache, 100)
    done = collect(root, known, cache=cache, dry_run=False)
    assert done.cache.count == keeps_access_times(cache)
    assert folder.exists() is not keeps_access_times(cache)
    assert embedded_folder("base", cache) == folder
    assert (folder / "tokenizer.json").exists()


def test_a_temporary_file_of_a_living_writer_stays(root: Path, artifacts: Artifacts, known: Log) -> None:
    path = root / "tmp" / "big"
    path.write_bytes(b"half of it")
    os.utime(path, (0, 0))
    code = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        assert collect(root, known, dry_run=False).temporary.count == 0
        assert path.exists()
        writer.communicate("\n")
    assert collect(root, known, dry_run=False).temporary.names == ("big",)
    assert not path.exists()


@pytest.mark.parametrize("held", [True, False], ids=["locked", "unlocked"])
def test_a_writer_between_mark_and_sweep_loses_nothing(
    root: Path, put: Put, age: Age, monkeypatch: pytest.MonkeyPatch, held: bool, known: Log
) -> None:
    """It finds an old object nobody names, uses it, and writes its manifest while the collector is at work.

    Without the lock (second case) the object is deleted under it: the lock is what makes this safe.
    """
    orphan = Blobs(root).add(b"nobody names me")
    kept = put("kept", "r0")
    age()
    monkeypatch.setattr(collecting.lock, "collecting", lock.collecting if held else lambda root: nullcontext())
    reused, swept = threading.Event(), threading.Event()
    looks, written = [], []

    def mark() -> Known:
        looks.append(time.monotonic())
        reused.wait(10)
        return known(kept)

    def write_slowly() -> None:
        with lock.writing(root) if held else nullcontext():
            blob = Blobs(root).add(b"nobody names me")
            assert not blob.written
            reused.set()
            swept.wait(0.5 if held else 10)  # a collector that does not wait for the lock comes first
            files = [StoredFile(name="x.txt", size=blob.size, digest=blob.digest)]
            empty = Manifest(asset="a", partition=None, run="r1", attempt=0, kind="text", detail={}, files=files)
            written.append(write(root, empty)[0])

    writer = threading.Thread(target=write_slowly)
    writer.start()
    done = collect(root, mark, dry_run=False)
    swept.set()
    writer.join()
    assert len(looks) == 2
    assert references(root).entries.keys() == {kept, *written}
    assert Blobs(root).path(orphan.digest).exists() is held
    assert done.objects.count == (0 if held else 1)


def test_what_became_known_since_the_mark_stays(root: Path, put: Put, age: Age, known: Log) -> None:
    """An old version may be made the latest again while the mark goes on."""
    latest, restored = put("latest", "r0"), put("restored", "r1")
    age()
    answers = [known(latest), known(latest, restored)]
    done = collect(root, lambda: answers.pop(0), dry_run=False)
    assert (done.manifests.count, done.objects.count) == (0, 0)
    assert references(root).entries.keys() == {latest, restored}


def test_a_store_that_was_never_used_has_nothing_to_collect(home: Path, known: Log) -> None:
    done = collect(home / "none", known, cache=home / "neither", dry_run=False)
    assert isinstance(done, Collection)
    assert done.bytes == 0
    assert not (home / "none").exists()


def test_offline_no_model_of_a_hub_goes(home: Path, root: Path, artifacts: Artifacts, known: Log) -> None:
    cache = home / "cache"
    for name in ("huggingface/models--x/blob", "fonts/face.ttf"):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_bytes(b"x")
    later = time.time() + 400 * DAY_S
    assert collect(root, lambda: known(), cache=cache, hub=False, now=later).cache.names == ("fonts",)
    assert collect(root, lambda: known(), cache=cache, now=later).cache.count == 2
