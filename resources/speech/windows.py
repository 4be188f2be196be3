"""From a sound file to windows of speech: samples on disk, voice activity, stretches of at most 30 s.

Belongs here: reading samples, finding speech, grouping it for the recogniser. Does not belong here: recognising it.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
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

_BLOCK = 300 * RATE
_SAFE_END = RATE // 2


@dataclass(frozen=True)
class Span:
    """A stretch of samples, `start` included, `end` not."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / RATE


@contextmanager
def samples_of(audio: Path, cache: Path) -> Iterator[NDArray[np.int16]]:
    """The file's first audio stream as 16 kHz mono int16, mapped from a nameless file in `cache` (115 MB an hour).

    Memory stays flat however long the recording is, and the file is gone with the process, even a killed one.
    Raises BadInput if it can't be decoded or holds nothing.
    """
    import av
    import numpy as np

    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache) as raw:
        try:
            with av.open(str(audio), metadata_errors="ignore") as container:
                resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
                for frame in container.decode(audio=0):
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
        yield np.memmap(raw, dtype=np.int16, mode="r")


def waveform(samples: NDArray[np.int16], span: Span) -> NDArray[np.float32]:
    """The samples of `span` as float32 between -1 and 1, as both models want them."""
    import numpy as np

    return samples[span.start : span.end].astype(np.float32) / 32768.0


def find_speech(samples: NDArray[np.int16], check: Callable[[], None]) -> list[Span]:
    """Stretches with speech, in order, none longer than `WINDOW_S`, padded where there is silence to pad with.

    Goes through the recording in blocks of five minutes; speech that touches a block's end is left to the next one.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(max_speech_duration_s=WINDOW_S, **VAD)
    spans: list[Span] = []
    start, total = 0, len(samples)
    while start < total:
        check()
        end = min(start + _BLOCK, total)
        found = get_speech_timestamps(waveform(samples, Span(start, end)), options)
        following = end
        if end < total:
            following = end - _SAFE_END
            if found and start + found[-1]["end"] > following:
                following = start + found.pop()["start"]
        spans += [Span(start + speech["start"], start + speech["end"]) for speech in found]
        start = following
    return spans


def group(spans: list[Span]) -> list[Span]:
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
