"""The whole chain on real recordings: the same again gives the same, changes are noticed, bad input is named."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

RATE = 16_000
Wav = Callable[[str, np.ndarray], Path]
CHAIN = ["audio", "slides", "transcript", "subtitles", "summary", "notes", "published"]


def _failure(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """Step and description of the first failure; each failed step must have one."""
    failed = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data.user_failure_data
            assert data is not None, event.step_failure_data.error
            failed.append((str(event.step_key), str(data.description)))
    return failed[0]


def _stale(home: Any, asset: str, key: str) -> StaleStatus:
    graph = home.defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(home.instance, graph, LoadingContextForTest(home.instance))
    return resolver.get_status(dg.AssetKey(asset), key)


def test_every_asset_made_twice_has_the_same_data_version(home: Any, repo: Path) -> None:
    key = home.take_in(repo / "samples" / "lecture.mp4")
    assert home.run(key).success
    first = {name: home.version(name, key) for name in CHAIN}
    assert home.run(key).success
    assert {name: home.version(name, key) for name in CHAIN} == first


def test_unchanged_transcript_keeps_the_summary_fresh_and_a_changed_one_makes_it_stale(
    home: Any, clip: Path, wav: Wav, speech: np.ndarray
) -> None:
    key = home.take_in(clip)
    other = home.take_in(wav("other.wav", speech[20 * RATE : 36 * RATE]))
    assert home.run(key).success
    assert home.run(other).success
    assert home.run(key, ["transcript"]).success
    assert _stale(home, "summary", key) == StaleStatus.FRESH
    changed = home.having(speech_model="base")
    assert changed.run(key, ["transcript"]).success
    assert _stale(home, "summary", key) == StaleStatus.STALE
    assert _stale(home, "summary", other) == StaleStatus.FRESH


def test_renotes_listens_to_nothing_again(home: Any, clip: Path) -> None:
    key = home.take_in(clip)
    assert home.run(key).success
    clip.unlink()  # nor is the recording needed
    result = home.run(key, job="renotes")
    assert result.success
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert made == {"summary", "notes", "published"}


def test_russian_is_found_and_exact_in_the_pdf(home: Any, repo: Path) -> None:
    from jiwer import wer
    from pypdf import PdfReader

    russian = home.having(speech_model="base")
    key = russian.take_in(repo / "samples" / "lecture_ru.mp3")
    result = russian.run(key)
    assert result.success
    transcript = result.output_for_node("transcript")
    assert transcript.language == "ru"
    text = "".join(page.extract_text() for page in PdfReader(russian.library / key / "notes.pdf").pages)
    flat = "".join(text.split())
    for segment in transcript.segments:
        for word in segment.words:
            assert "".join(word.text.split()) in flat, word.text
    reference = (repo / "samples" / "lecture_ru.txt").read_text()
    bare = str.maketrans("", "", ".,:;!?«»—-")
    assert wer(reference.lower().translate(bare), transcript.text.lower().translate(bare)) < 0.2


@pytest.mark.parametrize("sound", ["silence", "tone"])
def test_where_nobody_speaks_the_notes_say_so(home: Any, wav: Wav, sound: str) -> None:
    loud = 8000 if sound == "tone" else 0
    key = home.take_in(wav("quiet room.wav", loud * np.sin(np.arange(10 * RATE) * 2 * np.pi * 440 / RATE)))
    result = home.run(key)
    assert result.success
    failed = {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}
    assert failed == {"words_found"} | ({"not_silent"} if sound == "silence" else set())
    said = (home.library / key / "notes.md").read_text()
    assert "no words were recognised" in said.lower()
    assert (home.library / key / "notes.pdf").is_file()
    assert (home.library / key / "transcript.srt").read_text() == ""


def test_a_file_deleted_before_the_run_is_named(home: Any, clip: Path) -> None:
    key = home.take_in(clip)
    clip.unlink()
    step, why = _failure(home.run(key))
    assert step == "audio"
    assert "A clip.wav" in why
    assert "not where it was" in why
    assert "Put it back" in why


def test_a_file_that_changed_before_the_run_is_named(home: Any, clip: Path, wav: Wav, speech: np.ndarray) -> None:
    key = home.take_in(clip)
    wav("A clip.wav", speech[RATE : 17 * RATE])
    _, why = _failure(home.run(key))
    assert "A clip.wav" in why
    assert not list(home.library.glob("*/*"))


def test_a_copy_serves_when_the_original_is_gone(home: Any, clip: Path) -> None:
    key = home.take_in(clip)
    copy = clip.with_name("the same again.wav")
    shutil.copy(clip, copy)
    clip.unlink()
    assert home.take_in(copy) == key
    assert home.run(key).success
    assert len(home.instance.get_dynamic_partitions("recordings")) == 1


def test_originals_are_untouched(home: Any, clip: Path) -> None:
    before = (clip.read_bytes(), clip.stat().st_mtime_ns)
    assert home.run(home.take_in(clip)).success
    assert (clip.read_bytes(), clip.stat().st_mtime_ns) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # the store keeps a database open there


@pytest.mark.root
def test_a_full_disk_is_said_and_a_re_execution_finishes(home: Any, clip: Path, small_disk: Path) -> None:
    shutil.rmtree(home.settings.homes.store)
    home.settings.homes.store.symlink_to(small_disk)
    key = home.take_in(clip)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(700_000))
    result = home.run(key)
    assert not result.success
    _, why = _failure(result)
    assert "room" in why or "space" in why or "full" in why
    assert not list(home.library.glob("*/*"))
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert home.run(key).success
    assert (home.library / key / "notes.pdf").exists()
