"""Files that stopped half-way are refused; whole ones, and recordings that may end anywhere, are not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resources.errors import BadInput
from resources.media.container import probe

Make = Callable[..., Path]


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("last.mp4", {}),
        ("first.mp4", {"movflags": "+faststart"}),
        ("a.mov", {}),
        ("a.mkv", {}),
        ("a.webm", {}),
        ("a.wav", {}),
        ("a.avi", {}),
        ("a.aiff", {}),
    ],
)
def test_half_a_copy(make: Make, tone: Any, name: str, options: dict[str, str], share: float) -> None:
    codec = {"webm": "libopus", "wav": "pcm_s16le", "aiff": "pcm_s16be", "avi": "libmp3lame"}.get(name[-4:].strip("."))
    path = make(name, tone(codec=codec or "aac", seconds=20), options=options)
    assert probe(path).duration_s == pytest.approx(20, abs=0.2)
    with pytest.raises(BadInput) as caught:
        probe(cut(path, share))
    assert f'"{name}"' in caught.value.message
    assert "is cut off" in caught.value.message or share == 0.1  # so little may not even be recognised
    assert caught.value.remedy


def test_index_that_was_never_written(make: Make, tone: Any) -> None:
    path = cut(make("phone.mp4", tone(seconds=20)), 0.9)
    whole = path.read_bytes()
    # Recorders write the size of the samples in the end as well: until then it runs to the end of the file.
    start = whole.index(b"mdat") - 4
    path.write_bytes(whole[:start] + bytes(4) + whole[start + 4 :])
    with pytest.raises(BadInput, match=r"its index \(moov\), which is written last, is not there"):
        probe(path)


def test_fragmented_recording_may_end_anywhere(make: Make, tone: Any) -> None:
    options = {"movflags": "+frag_keyframe+empty_moov", "frag_duration": "1000000"}
    path = cut(make("crash.mp4", tone(seconds=20), options=options), 0.6)
    assert 8 < probe(path).duration_s < 20  # 0.6 of its bytes are 12 s, in fragments of about 1 s


def test_appended_bytes_do_no_harm(make: Make, tone: Any) -> None:
    path = make("camera.mp4", tone())
    path.write_bytes(path.read_bytes() + b"\0\0\0\0maker note" * 10)
    assert probe(path).duration_s == pytest.approx(4, abs=0.1)


def test_streamed_wav_without_a_size(make: Make, tone: Any) -> None:
    path = make("pipe.wav", tone(codec="pcm_s16le"))
    content = bytearray(path.read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert probe(path).duration_s == pytest.approx(4, abs=0.1)
