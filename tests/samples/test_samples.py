"""The committed samples are what their scripts and texts say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest


def test_lecture(repo: Path) -> None:
    path = repo / "samples/lecture.mp4"
    assert path.stat().st_size <= 3_000_000
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "a player can start before it has the whole file"
    index = json.loads((repo / "samples/lecture.json").read_text())
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(index["duration_s"], abs=0.2)
        assert 100 < index["duration_s"] < 140  # "about two minutes"
        assert {stream.codec_context.codec.canonical_name for stream in container.streams} == {"h264", "aac"}
        assert container.metadata["title"] == index["title"]
        assert container.metadata["creation_time"] == index["created"]
    starts = [slide["start_s"] for slide in index["slides"]]
    assert len(starts) >= 6
    assert starts == sorted(set(starts))
    assert len({slide["title"] for slide in index["slides"]}) == len(starts)


def test_russian_lecture(repo: Path) -> None:
    text = (repo / "samples/lecture_ru.txt").read_text(encoding="utf-8")
    letters = [letter for letter in text if letter.isalpha()]
    assert all("а" <= letter.lower() <= "я" or letter.lower() == "ё" for letter in letters)
    with av.open(str(repo / "samples/lecture_ru.mp3")) as container:
        assert 50 < container.duration / 1e6 < 80  # "about a minute"


def test_song(repo: Path) -> None:
    path = repo / "samples/song.ogg"
    assert path.stat().st_size < 200_000  # it is in every checkout
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(42.0, abs=0.1)  # 84 beats of half a second
        (stream,) = container.streams
        assert (stream.codec_context.codec.canonical_name, stream.layout.name) == ("opus", "mono")


def test_sounds_are_the_same_each_time(repo: Path) -> None:
    code = (
        "import sounds as s, hashlib; made = [s.band(3), s.white(3, 0.05), s.pink(3, 0.05)];"
        "print([(len(x), round(float(abs(x).max()), 1), hashlib.sha256(s.samples(x)).hexdigest()) for x in made])"
    )
    command = [sys.executable, "-c", code]
    first, second = (
        subprocess.run(command, cwd=repo / "samples", capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    assert first.count("(48000, 0.") == 3


def test_texts_have_no_digits(repo: Path) -> None:
    """Numbers may be written in two ways, and a word error rate would count one of them as wrong."""
    for name in ("lecture.txt", "lecture_ru.txt", "song.txt"):
        assert not any(sign.isdigit() for sign in (repo / "samples" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", ["make_lecture.py", "make_lecture_ru.py", "make_song.py"])
def test_missing_synthesizer_is_named(repo: Path, tmp_path: Path, script: str) -> None:
    command = [sys.executable, str(repo / "samples" / script), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert "is not installed; on Debian or Ubuntu: apt-get install" in result.stderr
    assert not [*tmp_path.iterdir()]


def test_slides_can_be_drawn(repo: Path, tmp_path: Path) -> None:
    code = "import lecture_slides as s; print([s.draw(i + 1).size for i in range(len(s.SLIDES))])"
    shutil.copy(repo / "samples/lecture_slides.py", tmp_path)
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str([(1280, 720)] * 7)
