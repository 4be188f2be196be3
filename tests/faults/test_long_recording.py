"""A long recording whose process is killed again and again: what was heard is not heard twice, and nothing is missing.

Eight windows of five minutes, as four hours have them of thirty; three literal hours are in `benchmarks/speech.py`.
"""

import logging
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from resources.speech.exports import as_json
from resources.speech.recognition import Speech

RATE = 16_000
WINDOW_MIN = 5
WINDOWS = 8


@pytest.fixture(scope="module")
def bench(repo: Path) -> SimpleNamespace:
    """What the benchmark of the same name uses."""
    scripts = [runpy.run_path(str(repo / "benchmarks" / name)) for name in ("speech_data.py", "killing.py")]
    return SimpleNamespace(**(scripts[0] | scripts[1]))


@pytest.fixture(scope="module")
def recording(repo: Path, bench: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty minutes: ten seconds of the lecture, others each time, in the middle of every five, silence between."""
    speech = bench.sound(repo / "samples" / "lecture.mp4")

    def parts() -> Iterator[np.ndarray]:
        for number in range(WINDOWS):
            part = np.zeros(WINDOW_MIN * 60 * RATE, dtype=np.int16)
            part[len(part) // 2 :][: 10 * RATE] = speech[number * 12 * RATE :][: 10 * RATE]
            yield part

    return Path(bench.write(tmp_path_factory.mktemp("long") / "a long day.flac", parts()))


def test_a_recording_killed_three_times_is_finished_and_no_window_heard_twice(
    bench: SimpleNamespace, recording: Path, tmp_path: Path, cache: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(cache)
    environment = os.environ | {
        "SCRIPTORIUM_HOME": str(home),
        "SCRIPTORIUM_SPEECH_MODEL": "tiny.en",
        "SCRIPTORIUM_SPEECH_WINDOW_MIN": str(WINDOW_MIN),
        "SCRIPTORIUM_OFFLINE": "true",
    }
    windows = bench.Windows(home)
    command = [sys.executable, "-m", "dagster_project.cli", "notes", str(recording)]
    # The moments are drawn, but the same each time; a window takes about a second.
    bench.kill_and_finish(command, environment, windows, kills=3, seed=5, within_s=90, spread_s=1)
    assert windows.twice == []
    assert len(windows.files) >= WINDOWS

    speech = Speech(model="tiny.en", window_min=WINDOW_MIN, cache=str(cache), offline=True)
    undisturbed = speech.transcribe(recording, logging.getLogger(__name__))
    (made,) = home.glob("library/recordings/*/transcript.json")
    assert made.read_text() == as_json(undisturbed)
    # Each five minutes have words.
    assert {int(segment.start_s // (60 * WINDOW_MIN)) for segment in undisturbed.segments} == set(range(WINDOWS))
