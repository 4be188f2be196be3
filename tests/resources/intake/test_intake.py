"""Taking in one file lying anywhere, as the command line does."""

import math
import os
import shutil
import struct
import wave

import dagster as dg
import pytest
from blake3 import blake3

from resources.errors import BadInput
from resources.intake.recordings import recordings_intake, title
from resources.progress import listening


def write(path, tone=440):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(
            b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * tone * i / 8000))) for i in range(16000))
        )
    return path


@pytest.fixture
def instance():
    with dg.DagsterInstance.local_temp() as local:
        yield local


@pytest.fixture
def take(tmp_path, instance):
    """Take in a file with a fresh intake, as each command does."""

    def take_in(path, log=None):
        with recordings_intake(instance, tmp_path / "intake.sqlite", 1.0) as intake:
            return intake.take_in(path, log)

    return take_in


def start(instance, taken):
    """What the caller does with what was taken."""
    instance.add_dynamic_partitions("recordings", [taken.key])
    if taken.event:
        instance.report_runless_asset_event(taken.event)
    run = dg.DagsterRun(job_name="recordings", tags={"dagster/run_key": taken.key}, status=dg.DagsterRunStatus.STARTED)
    instance.run_storage.add_run(run)


def test_a_new_file_gets_a_key_and_an_event(tmp_path, take):
    file = write(tmp_path / "My Lecture.wav")
    taken = take(file)
    digest = blake3(file.read_bytes()).hexdigest()
    assert (taken.key, taken.digest, taken.path, taken.is_new) == (f"my-lecture~{digest[:16]}", digest, file, True)
    assert taken.event.tags["dagster/data_version"] == digest
    assert set(taken.event.metadata) == {
        "path",
        "name",
        "size",
        "mtime_ns",
        "digest",
        "duration_s",
        "container",
        "streams",
        "title",
        "created",
    }


def test_a_file_that_dagster_knows_gives_no_event_and_is_not_new(tmp_path, take, instance):
    file = write(tmp_path / "a.wav")
    first = take(file)
    assert take(file).is_new, "nothing was started yet"
    start(instance, first)
    again = take(file)
    assert (again.key, again.event, again.is_new) == (first.key, None, False)


def test_the_same_bytes_under_another_name_keep_their_key(tmp_path, take, instance):
    file = write(tmp_path / "a.wav")
    first = take(file)
    start(instance, first)
    copy = take(shutil.copy(file, tmp_path / "b.wav"))
    assert (copy.key, copy.event, copy.is_new) == (first.key, None, False)
    file.unlink()
    moved = take(tmp_path / "b.wav")
    assert moved.key == first.key
    assert moved.event.metadata["path"].value == str(tmp_path / "b.wav")
    assert not moved.is_new


def test_other_bytes_get_another_key(tmp_path, take, instance):
    start(instance, take(write(tmp_path / "a.wav")))
    other = take(write(tmp_path / "a.wav", tone=550))
    assert other.is_new
    assert len({other.key, *instance.get_dynamic_partitions("recordings")}) == 2


def test_a_path_may_be_relative_and_wind(tmp_path, take, monkeypatch):
    (tmp_path / "sub").mkdir()
    write(tmp_path / "a.wav")
    monkeypatch.chdir(tmp_path / "sub")
    assert take("../sub/../a.wav").path == tmp_path / "a.wav"


def test_progress_is_told(tmp_path, take):
    class Log:
        lines: list[str] = []  # noqa: RUF012

        def info(self, line):
            self.lines.append(line)

    steps = []
    with listening(steps.append):
        take(write(tmp_path / "a.wav"), Log())
    assert steps[-1].done == pytest.approx(steps[-1].total)
    assert "a.wav" in Log.lines[-1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no file"),
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: path.touch(), "empty"),
        (lambda path: path.write_text("text " * 100), "no recording"),
        (lambda path: path.symlink_to(path), "can't be read"),
    ],
    ids=["missing", "folder", "empty", "text", "loop"],
)
def test_what_is_no_recording_is_refused_by_name_and_with_a_remedy(tmp_path, take, make, message):
    path = tmp_path / "bad.mp4"
    make(path)
    with pytest.raises(BadInput, match=message) as caught:
        take(path)
    assert "bad.mp4" in caught.value.message
    assert caught.value.remedy


def test_a_name_that_is_no_utf8_is_refused(tmp_path, take):
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    shutil.copy(os.fsencode(write(tmp_path / "a.wav")), path)
    with pytest.raises(BadInput, match="UTF-8"):
        take(os.fsdecode(path))


@pytest.mark.parametrize(
    ("tag", "name", "expected"),
    [
        ("  A  title ", "x.mp4", "A title"),
        (None, "my_lecture__01.mp4", "my lecture 01"),
        ("", "a.b.mp4", "a.b"),
        ("bad\x00\nline", "x.mp4", "bad\\x00 line"),
    ],
)
def test_titles(tmp_path, tag, name, expected):
    assert title(tag, tmp_path / name) == expected
