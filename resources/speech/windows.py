"""From a sound file to windows of speech: samples on disk, stretches of at most 30 s.

Belongs here: reading samples, grouping stretches of speech for the recogniser. Does not belong here: finding speech
(`activity.py`), recognising it (`decoding.py`).
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import BadInput, DiskFull

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16000
"""Samples per second; Whisper and Silero VAD know no other."""

WINDOW_S = 30.0
"""The longest window Whisper hears at once."""

MAX_SILENCE_S = 5.0
"""A longer silence always ends a window: Whisper invents words where it hears long silence."""

VAD = {"threshold": 0.5, "min_silence_duration_ms": 160, "speech_pad_ms": 400}
"""Silero VAD as faster-whisper's batched pipeline sets it: a short silence is enough, for many places to cut at."""


@dataclass(frozen=True)
class Span:
    """A stretch of samples, `start` included, `end` not."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / RATE


class Samples:
    """A recording as 16 kHz mono int16 in an open file: only what is read is in memory, however long it is."""

    def __init__(self, descriptor: int, length: int) -> None:
        self._descriptor, self._length = descriptor, length

    def __len__(self) -> int:
        return self._length

    def read(self, span: Span) -> NDArray[np.float32]:
        """The samples of `span` as float32 between -1 and 1, as both models want them."""
        import numpy as np

        content = bytearray()
        first, behind = max(0, span.start) * 2, min(span.end, self._length) * 2
        while first + len(content) < behind:  # one call reads at most 2 GiB
            content += os.pread(self._descriptor, behind - first - len(content), first + len(content))
        return np.frombuffer(bytes(content), dtype=np.int16).astype(np.float32) / 32768.0


@contextmanager
def samples_of(audio: Path, cache: Path, check: Callable[[], object] = lambda: None) -> Iterator[Samples]:
    """The file's first audio stream, decoded as a stream into a nameless file in `cache` (115 MB an hour).

    Memory stays flat however long the recording is, and the file is gone with the process, even a killed one. `check`
    is called again and again while decoding: what it raises ends that.
    Raises BadInput if it can't be decoded or holds nothing.
    """
    import av

    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache) as raw:
        try:
            with av.open(str(audio), metadata_errors="ignore") as container:
                resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
                for frame in container.decode(audio=0):
                    check()
                    for piece in resampler.resample(frame):
                        raw.write(piece.to_ndarray().tobytes())
                for piece in resampler.resample(None):
                    raw.write(piece.to_ndarray().tobytes())
        except (av.FFmpegError, IndexError, ValueError) as error:
            raise BadInput(
                f"The sound in {audio.name} can't be decoded: {error}.",
                "Check that the recording plays, or export it anew.",
            ) from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFull(
                    f"No room left in {cache}.", "Free 120 MB per hour of recording and try again."
                ) from error
            raise
        raw.flush()
        if raw.tell() == 0:
            raise BadInput(f"There is no sound in {audio.name}.", "Check that the recording plays, or export it anew.")
        yield Samples(raw.fileno(), raw.tell() // 2)


def group(spans: Sequence[Span]) -> list[Span]:
    """Neighbours joined, with the silence between them, into windows of at most `WINDOW_S` seconds.

    Fewer and fuller windows are faster and give the recogniser context; whole windows keep every time true.
    """
    windows: list[Span] = []
    for span in spans:
        if windows:
            joined = Span(windows[-1].start, span.end)
            if joined.seconds <= WINDOW_S and span.start - windows[-1].end <= MAX_SILENCE_S * RATE:
                windows[-1] = joined
                continue
        windows.append(span)
    return windows
