"""What `speech.py` listens to: sets of recordings with the words spoken in them, and recordings of any length.

Belongs here: finding, reading, making sound files. Does not belong here: measuring.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATE = 16_000
SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SUFFIXES = {".wav", ".flac", ".mp3", ".m4a", ".mp4", ".ogg", ".opus"}
PIECE_WORDS = 20
"""A recording with a reference of more words is judged in pieces of so many: some ten seconds of speech."""


@dataclass(frozen=True)
class Set:
    """Recordings and what is said in each."""

    name: str
    clips: list[tuple[Path, str]]


def pocketsphinx() -> Set | None:
    """The read speech of Debian's `pocketsphinx-testdata`: five card hands, five sentences of a novel. Or None."""
    if shutil.which("dpkg") is None:
        return None
    listed = subprocess.run(["dpkg", "-L", "pocketsphinx-testdata"], capture_output=True, text=True)
    clips = []
    for line in listed.stdout.splitlines():
        path = Path(line)
        if path.name in ("transcription", "cards.transcription") and path.is_file():
            for text, stem in re.findall(r"<s>(.*?)</s>\s*\((\S+)\)", path.read_text()):
                clips.append((path.parent / f"{stem}.wav", text.strip()))
    return Set("pocketsphinx", clips) if clips else None


def folder(path: Path) -> Set:
    """Every recording of a folder that has a text: `NAME*.mp3` (or another format) and `NAME.txt`."""
    clips = [
        (audio, text.read_text())
        for text in sorted(path.glob("*.txt"))
        for audio in sorted(path.glob(f"{text.stem}*"))
        if audio.suffix.lower() in SUFFIXES
    ]
    if not clips:
        raise SystemExit(f"{path} holds no recording with a text beside it (NAME.mp3 and NAME.txt)")
    return Set(re.sub(r"\W+", "_", path.name), clips)


def lecture() -> Set:
    """The sample lecture."""
    return Set("lecture", [(SAMPLES / "lecture.mp4", (SAMPLES / "lecture.txt").read_text())])


def sound(path: Path) -> Any:
    """All of a file's first audio stream: int16, 16 kHz, mono."""
    import av
    import numpy as np

    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def write(target: Path, parts: Iterator[Any]) -> Path:
    """Blocks of int16 samples, one after the other, as FLAC."""
    import av

    with av.open(str(target), "w") as out:
        stream = out.add_stream("flac", rate=RATE, layout="mono", format="s16")
        fifo = av.AudioFifo()  # cuts blocks into frames of FLAC's size
        for samples in parts:
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate = RATE
            fifo.write(frame)
            while piece := fifo.read(4096):
                out.mux(stream.encode(piece))
        if piece := fifo.read(4096, partial=True):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return target


def long_recording(target: Path, speech: Any, minutes: int, spoken_minutes: int = 10) -> Path:
    """`minutes` of the same speech over and over; of every ten only the first `spoken_minutes`, then silence."""
    import numpy as np

    def parts() -> Iterator[Any]:
        at = 0
        for minute in range(minutes):
            if minute % 10 >= spoken_minutes:
                yield np.zeros(60 * RATE, dtype=np.int16)
            else:
                yield np.take(speech, np.arange(at, at + 60 * RATE), mode="wrap")
                at += 60 * RATE

    return write(target, parts())
