"""What can't be taken in: a clear word, once, while good files go on being taken."""

import contextlib
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest


def said(place):
    """Name and problem of each observation so far."""
    return {str(seen.metadata["file"].value): str(seen.metadata["problem"].value) for seen in place.observations}


def _empty(place, wav, video):
    (place.inbox / "bad.mp4").touch()


def _text(place, wav, video):
    (place.inbox / "bad.mp4").write_text("This is a shopping list.\n" * 100)


def _truncated(place, wav, video):
    whole = video(place.home / "whole.mp4", seconds=4).read_bytes()
    (place.inbox / "bad.mp4").write_bytes(whole[: len(whole) // 2])


def _without_sound(place, wav, video):
    video(place.inbox / "bad.mp4", sound=False)


def _short(place, wav, video):
    wav(place.inbox / "bad.wav", seconds=0.2)


def _link_out(place, wav, video):
    (place.inbox / "bad.mp4").symlink_to(video(place.home / "secret.mp4"))


def _folder_link_out(place, wav, video):
    (place.home / "elsewhere").mkdir()
    (place.inbox / "bad folder").symlink_to(place.home / "elsewhere")


def _link_nowhere(place, wav, video):
    (place.inbox / "bad.mp4").symlink_to(place.inbox / "gone.mp4")


def _link_loop(place, wav, video):
    (place.inbox / "bad.mp4").symlink_to(place.inbox / "bad2.mp4")
    (place.inbox / "bad2.mp4").symlink_to(place.inbox / "bad.mp4")


def _pipe(place, wav, video):
    os.mkfifo(place.inbox / "bad.mp4")


BAD = {
    _empty: "empty",
    _text: "no recording",
    _truncated: "cut off",
    _without_sound: "no sound",
    _short: "lasts only 0.2 s",
    _link_out: "outside the inbox",
    _folder_link_out: "outside the inbox",
    _link_nowhere: "leads nowhere",
    _link_loop: "leads nowhere",
    _pipe: "pipe",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_bad_file_is_refused_once_and_a_good_one_is_taken(place, wav, video, make):
    make(place, wav, video)
    wav(place.inbox / "good.wav")
    place.ticks(5)
    assert [key[:5] for key in place.run_keys] == ["good~"]
    names = [name for name in said(place) if name.startswith("bad")]
    assert len(names) == len(place.observations) == (2 if make is _link_loop else 1)
    for seen, line in zip(place.observations, place.log_lines(), strict=True):
        assert BAD[make] in str(seen.metadata["problem"].value)
        assert str(seen.metadata["what_to_do"].value).endswith(".")
        assert seen.partition.startswith("refused~bad")
        assert f'refused  "{seen.metadata["file"].value}": ' in line
    assert place.keys() == place.run_keys, "a refusal is no partition"


def test_a_lost_report_is_made_again_but_logged_once(place):
    (place.inbox / "bad.mp4").touch()
    place.tick(events=False)
    place.tick(events=False)
    place.ticks(3)
    assert len(place.observations) == len(place.log_lines()) == 1


def test_a_refused_file_is_looked_at_again_when_it_changes_and_only_then(place, wav, opened):
    file = place.inbox / "a.wav"
    file.touch()
    place.ticks(3)
    with opened() as paths:
        place.ticks(2)
    assert not [path for path in paths if path == str(file)]
    file.write_bytes(b"still no sound")
    place.ticks(3)
    assert len(place.observations) == len(place.log_lines()) == 2
    wav(file)
    place.ticks(3)
    assert len(place.run_keys) == 1


def test_more_bad_files_than_a_tick_reports_are_all_reported(place):
    place.settings = {"new_per_tick": 4}
    for number in range(10):
        (place.inbox / f"{number}.mp4").touch()
    assert len(place.tick().asset_events) == 4
    place.ticks(5)
    assert len(said(place)) == len(place.observations) == len(place.log_lines()) == 10


@pytest.mark.parametrize(
    "name", ["README", "notes.txt", "lecture.ref.txt", "slides.PDF", "a.srt", "photo.jpg", "a.m3u8"]
)
def test_other_files_are_neither_opened_nor_spoken_of(place, opened, name):
    (place.inbox / name).write_text("#EXTM3U\nfile:///etc/passwd\n")
    with opened() as paths:
        data = place.tick()
        place.tick()
    assert str(place.inbox / name) not in paths
    assert data.skip_message == "0 files known."
    assert not place.log_lines()


def test_a_file_without_a_telling_name_is_taken_if_it_is_media_and_left_alone_if_not(place, wav):
    wav(place.home / "x.wav").rename(place.inbox / "recording of monday")
    (place.inbox / "todo").write_text("buy milk")
    place.ticks(3)
    assert [key.partition("~")[0] for key in place.run_keys] == ["recording-of-monday"]
    assert not place.log_lines()
    assert not place.observations


def test_a_link_within_the_inbox_is_a_copy(place, wav):
    (place.inbox / "sub").mkdir()
    (place.inbox / "link.wav").symlink_to(wav(place.inbox / "sub" / "a.wav"))
    (place.inbox / "again").symlink_to(place.inbox / "sub")
    (place.inbox / "sub" / "round").symlink_to(place.inbox)
    place.ticks(4)
    assert len(place.run_keys) == len(place.events) == 1
    assert not place.log_lines()


HOSTILE = [
    "new\nline.wav",
    "quo'te\"s`$(touch x).wav",
    "🎉🎓.wav",
    "-rf.wav",
    "-" + "ы" * 122 + "a.wav",  # 250 bytes
    "a..%2F..%2Fetc.wav",
    "a b\tc.wav",
    "{{ jinja }} <b>&amp;.wav",
    "‮gpj.wav",
    "a,b...c.wav",
]


def test_names_that_break_careless_programs_are_only_names(place, wav):
    for number, name in enumerate(HOSTILE):
        wav(place.inbox / name, tone=300 + number)
    place.ticks(4)
    assert len(place.run_keys) == len(set(place.keys())) == len(HOSTILE)
    assert {str(event.metadata["name"].value) for event in place.events} == set(HOSTILE)
    for key in place.run_keys:
        assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-~"), key
        assert key[0].isalnum()
    for run in place.instance.get_runs():
        assert run.tags["scriptorium/file"].isprintable()


def test_bad_names_of_bad_files_stay_on_one_line(place):
    for name in HOSTILE:
        (place.inbox / name).touch()
    place.ticks(3)
    assert len(place.log_lines()) == len(place.observations) == len(HOSTILE)


def test_a_name_that_is_no_utf8_is_refused_with_a_remedy(place, wav):
    path = os.fsencode(place.inbox) + b"/caf\xe9.wav"
    shutil.copy(os.fsencode(wav(place.home / "x.wav")), path)
    wav(place.inbox / "good.wav", tone=700)
    place.ticks(4)
    assert len(place.run_keys) == 1
    (line,) = place.log_lines()
    assert "not valid UTF-8" in line
    assert "Rename" in line
    Path(os.fsdecode(path)).rename(place.inbox / "café.wav")
    place.ticks(3)
    assert len(place.run_keys) == 2


def test_a_socket_that_claims_to_be_a_film_is_refused(place):
    with socket.socket(socket.AF_UNIX) as listener:
        with contextlib.chdir(place.inbox):  # a socket's path may have 108 bytes at most
            listener.bind("live.mp4")
        place.ticks(2)
    assert "socket" in said(place)["live.mp4"]


def test_a_file_swapped_for_a_pipe_between_two_looks_does_not_block(place, wav, monkeypatch):
    from resources.intake import identity

    file = wav(place.inbox / "a.wav")
    stat = identity.FileStat.of(file.stat())
    file.unlink()
    os.mkfifo(file)
    done = threading.Event()

    def read():
        with pytest.raises(identity.FileChanged):
            identity.digest_some(str(file), stat)
        done.set()

    threading.Thread(target=read, daemon=True).start()
    assert done.wait(10)


def test_an_error_that_passes_is_tried_again_and_one_that_stays_is_refused(place, wav, monkeypatch):
    """The one thing here that is not real: a disk that answers EIO can't be had in a test."""
    wav(place.inbox / "a.wav")
    wav(place.inbox / "b.wav", tone=700)
    real = os.read
    bad = (place.inbox / "a.wav").stat().st_ino

    def read(descriptor, count):
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(5, "Input/output error")
        return real(descriptor, count)

    monkeypatch.setattr("resources.intake.identity.os.read", read)
    place.ticks(3)
    assert place.ledger_row("a.wav").tries == 1, "it waits before it tries again"
    monkeypatch.setattr("sensors.inbox._RETRY_S", 0.0)
    place.ticks(2)
    assert [key[0] for key in place.run_keys] == ["b"]
    assert not place.log_lines()
    place.ticks(4)
    (line,) = place.log_lines()
    assert "5 attempts" in line
    assert "Check the disk" in line
    monkeypatch.undo()
    os.utime(place.inbox / "a.wav")
    place.ticks(3)
    assert len(place.run_keys) == 2


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(place, wav):
    place.log.mkdir()
    (place.inbox / "bad.mp4").touch()
    wav(place.inbox / "good.wav")
    place.ticks(3)
    assert len(place.run_keys) == len(place.observations) == 1


@pytest.mark.root
def test_an_unreadable_file_is_refused_and_taken_once_it_is_readable(nobodys, wav):
    place, become = nobodys
    file = wav(place.inbox / "a.wav")
    wav(place.inbox / "b.wav", tone=700)
    with become():
        file.chmod(0)
        place.ticks(4)
        assert [key[0] for key in place.run_keys] == ["b"]
        (line,) = place.log_lines()
        assert "chmod a+r" in line
        file.chmod(0o644)
        place.ticks(3)
        assert len(place.run_keys) == 2
        assert len(place.log_lines()) == 1


@pytest.mark.root
def test_an_unreadable_folder_is_refused_and_looked_into_once_it_is_readable(nobodys, wav):
    place, become = nobodys
    folder = place.inbox / "private"
    folder.mkdir()
    wav(folder / "a.wav")
    wav(place.inbox / "b.wav", tone=700)
    with become():
        folder.chmod(0)
        place.ticks(4)
        assert len(place.run_keys) == 1
        (line,) = place.log_lines()
        assert "private" in line
        folder.chmod(0o755)
        place.ticks(3)
        assert len(place.run_keys) == 2


@pytest.mark.root
def test_an_unreadable_inbox_makes_the_tick_say_so(nobodys, wav):
    place, become = nobodys
    wav(place.inbox / "a.wav")
    with become():
        place.inbox.chmod(0)
        assert "can't be read" in place.tick().skip_message
        place.inbox.chmod(0o755)
        place.ticks(3)
        assert len(place.run_keys) == 1
