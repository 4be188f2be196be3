"""`media.probe`: what a recording's headers say, and what is said of files that are none."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from resources.errors import BadInput
from resources.media.container import opened, probe, video_stream

Make = Callable[..., Path]


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        probe(path)
    assert not caught.value.retry
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    str(caught.value).encode()  # a log must be able to take it
    return caught.value.message


def test_lecture(repo: Path) -> None:
    info = probe(repo / "samples/lecture.mp4")
    assert info.duration_s == pytest.approx(114.4, abs=0.1)
    assert "mp4" in info.container
    assert info.audio_streams == ["aac, 16000 Hz, mono"]
    assert info.video_streams == ["h264, 1280 × 720, 10 fps"]
    assert info.title == "How a Suspension Bridge Carries Its Load"
    assert info.created == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_russian_title(repo: Path) -> None:
    info = probe(repo / "samples/lecture_ru.mp3")
    assert info.title == "Почему небо голубое"
    assert info.video_streams == []
    assert info.created is None


def test_length_is_measured_where_the_file_does_not_tell(make: Make, tone: Any) -> None:
    """Browsers record WebM without a length."""
    path = make("live.webm", tone(codec="libopus", seconds=7), options={"live": "1"})
    assert probe(path).duration_s == pytest.approx(7, abs=0.1)


def test_unset_clock_is_no_date(make: Make, tone: Any) -> None:
    path = make("clock.m4a", tone(), creation_time="1970-01-01T00:00:00.000000Z", title=" two\nlines ")
    info = probe(path)
    assert info.created is None
    assert info.title == "two lines"


def test_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.mp4") == '"gone.mp4" is not there (any more).'


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4") == '"empty.mp4" is empty.'


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").mkdir()
    assert refusal(tmp_path / "x.mp4") == '"x.mp4" is a folder.'


@pytest.mark.timeout(20)
def test_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refusal(tmp_path / "pipe.mp4") == '"pipe.mp4" is a device or a pipe.'


@pytest.mark.root
def test_unreadable(tmp_path: Path, repo: Path) -> None:
    path = tmp_path / "secret.mp3"
    shutil.copy(repo / "samples/lecture_ru.mp3", path)
    probe(path)
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # root reads everything, so another user asks
        os.setuid(65534)
        try:
            probe(path)
            os.write(writer, b"no error")
        except BadInput as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == (
        '"secret.mp3" may not be read by this user. Let it be read, for example with `chmod a+r`.'
    )


@pytest.mark.parametrize("suffix", ["mp4", "mp3", "wav", "mkv", "ogg", "aac", "ts", "flac", "avi"])
@pytest.mark.parametrize("content", [b"These are minutes of a meeting.\n" * 500, bytes(20_000), b"x"])
def test_text_and_zeros_by_a_media_name(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"notes.{suffix}"
    path.write_bytes(content)
    assert "is no recording" in refusal(path)


def test_picture_is_no_recording(tmp_path: Path, drawn: Any) -> None:
    drawn[0].save(tmp_path / "slide.png")
    drawn[0].save(tmp_path / "slide.jpg")
    assert "is no recording" in refusal(tmp_path / "slide.png")
    assert "is no recording" in refusal(tmp_path / "slide.jpg")


def test_video_without_sound(make: Make, video: Any, drawn: Any) -> None:
    path = make("mute.mp4", video(lambda _: drawn[0], 2))
    assert refusal(path) == '"mute.mp4" has no sound: there is no audio stream in it.'


@pytest.mark.parametrize(
    "name",
    [
        "-rf.mp3",
        "two\nlines.mp3",
        "quotes ' \" `x` $(y).mp3",
        "http:__example.org_a.mp3",
        "concat:a.mp3|b.mp3",
        "pipe:0.mp3",
        "%03d.mp3",
        "лекция 🎓.mp3",
        "x" * 246 + ".mp3",
        os.fsdecode(b"bad \xff utf.mp3"),
        "mp3",
    ],
)
def test_names_are_only_names(tmp_path: Path, repo: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good" / name
    good.parent.mkdir()
    shutil.copy(repo / "samples/lecture_ru.mp3", good)
    assert probe(good).duration_s == pytest.approx(68.7, abs=0.1)
    monkeypatch.chdir(good.parent)
    assert probe(Path(name)).duration_s == pytest.approx(68.7, abs=0.1)
    good.write_bytes(b"")
    assert "is empty" in refusal(good)


def test_playlists_open_no_other_file(tmp_path: Path, repo: Path) -> None:
    other = repo / "samples/lecture.mp4"
    shutil.copy(other, tmp_path / "a.mp4")
    playlists = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{other}\n#EXT-X-ENDLIST\n",
        "list.ts": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\na.mp4\n#EXT-X-ENDLIST\n",
        "list.mp4": f"ffconcat version 1.0\nfile '{other}'\n",
        "list.ffconcat": "ffconcat version 1.0\nfile a.mp4\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        "list.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1"><BaseURL>a.mp4</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
    }
    for name, content in playlists.items():
        path = tmp_path / name
        path.write_text(content)
        assert "is no recording" in refusal(path)


def test_cover_picture_is_no_video(tmp_path: Path, repo: Path, drawn: Any) -> None:
    path = tmp_path / "album.mp3"
    drawn[0].save(tmp_path / "cover.jpg")
    picture = b"\0image/jpeg\0\x03\0" + (tmp_path / "cover.jpg").read_bytes()
    frame = b"APIC" + len(picture).to_bytes(4) + b"\0\0" + picture
    size = len(frame)
    tag = b"ID3\x03\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + frame
    sound = (repo / "samples/lecture_ru.mp3").read_bytes()
    path.write_bytes(tag + sound[sound.index(b"\xff") :])
    with opened(path) as container:
        assert len(container.streams.video) == 1
        assert video_stream(container) is None
    assert probe(path).video_streams == []
