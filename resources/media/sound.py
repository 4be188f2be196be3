"""The sound of a recording as 16 kHz mono FLAC on the recording's own timeline.

Belongs here: decoding, placing what was decoded in time, resampling, writing. Does not belong here: loudness and the
waveform's outline (`levels.py`), drawing (`waveform.py`).

Times in the notes are read off this file, so it keeps the recording's clock: silence is put where the sound begins
late or has a gap. Whatever the length of the recording, some seconds of it are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.errors import BadInput
from resources.media.container import ESTIMATED, audio_stream, describe, has_stored_length, opened, quoted, start_s
from resources.media.levels import Levels
from resources.progress import Logger, Progress
from resources.store.durable import room

RATE = 16_000
"""Samples per second: what speech recognition hears."""

_DRIFT_S = 0.1
"""Timestamps are this inexact in healthy files; only larger differences are mended."""
_JUMP_S = 1.0
"""A clock that goes back further than this was set anew: the sound goes on where it was."""
_LONGEST_S = 86_400.0
"""No gap reaches beyond this where the file does not say how long it is."""
_MAX_READ_ERRORS = 50
_BLOCK_S = 10
"""Sound is resampled and measured in blocks of so many seconds.

PyAV ends each of these steps with an exception of its own, and while it makes one, the exception by which a run is
stopped can be lost (PyAV 18: a stable-ABI build runs Python code for each traceback). Done for every frame, one stop in
twenty was lost.
"""


@dataclass(frozen=True)
class Sound:
    """What was extracted. Seconds count from the recording's start.

    `expected_s` is where the file says its sound ends, `container_s` where the file ends as a whole. `lost_s` of the
    sound could not be decoded or is not there; `silence_s` was put in where the sound begins late or has gaps.
    """

    duration_s: float
    expected_s: float
    container_s: float
    lost_s: float
    silence_s: float
    damaged_packets: int
    stream: str
    levels: Levels


def extract(path: Path, target: Path, log: Logger) -> Sound:
    """Write the sound of `path` to `target` as FLAC, 16 kHz, mono, 16 bits; the same input gives the same bytes.

    Damaged packets are left out and counted. Raises: BadInput if no sound at all can be decoded; DiskFull.
    """
    import av

    with opened(path) as container, room(target.parent), _flac(target) as writer:
        stream = audio_stream(container, path)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all  # not even read, where the container allows that
        begin, container_s = start_s(container), (container.duration or 0) / 1_000_000
        stored = has_stored_length(container, path)
        limit_s = container_s + _JUMP_S if stored else _LONGEST_S
        # Containers that are no more than frames in a row have no clock: FFmpeg counts one up for them.
        clocked = container.format.name not in ESTIMATED
        timeline = _Timeline(writer, float(stream.time_base) if clocked else None, begin, limit_s)
        progress = Progress(log, "audio", container_s, "s")
        packets_end_s = reported_s = 0.0
        for packet in _packets(container, stream, timeline):
            length_s = float((packet.duration or 0) * stream.time_base)
            if not stored and packet.pts is not None:
                packets_end_s = max(packets_end_s, float(packet.pts * stream.time_base) - begin + length_s)
            frames = _decoded(packet, stream)
            if frames is None:
                timeline.damaged(length_s)
            for frame in frames or ():
                timeline.place(frame)
            if timeline.end_s >= reported_s + 1:
                reported_s = timeline.end_s
                progress.update(min(reported_s, container_s))
        timeline.finish()
        if not writer.samples or not timeline.decoded_s:
            raise BadInput(
                f"Nothing of the sound of {quoted(path)} can be decoded: {timeline.damage} damaged packets.",
                "Copy the file again; if it plays elsewhere, convert it to M4A, MP3 or WAV first.",
            )
        described = describe(stream)
        declared_s = 0.0
        if stored and stream.duration:
            declared_s = float(((stream.start_time or 0) + stream.duration) * stream.time_base) - begin
    duration_s = writer.samples / RATE
    if not clocked and not stored:
        packets_end_s = duration_s + timeline.damaged_s
    expected_s = declared_s or (container_s if stored else packets_end_s) or duration_s
    container_s = container_s if stored else expected_s
    progress.update(container_s)
    return Sound(
        duration_s=duration_s,
        expected_s=expected_s,
        container_s=container_s,
        lost_s=max(0.0, expected_s - timeline.decoded_s - timeline.gaps_s),
        silence_s=timeline.silence_s,
        damaged_packets=timeline.damage,
        stream=described,
        levels=writer.levels,
    )


class _Timeline:
    """Places decoded frames at their times and hands 16 kHz samples on."""

    def __init__(self, writer: _Writer, tick_s: float | None, begin_s: float, limit_s: float) -> None:
        self._writer, self._tick_s, self._shift_s, self._limit_s = writer, tick_s, -begin_s, limit_s
        self._waiting: Any = None
        self._resampler: Any = None
        self._format: tuple[str, str, int] | None = None
        self._damage_before = 0
        self.end_s = self.decoded_s = self.silence_s = self.gaps_s = self.damaged_s = 0.0
        self.damage = 0

    def damaged(self, length_s: float = 0.0) -> None:
        """Count a packet, or a place in the file, that holds no sound any more."""
        self.damage += 1
        self.damaged_s += length_s

    def place(self, frame: Any) -> None:
        if not frame.sample_rate or not frame.samples or not frame.layout.nb_channels:
            self.damaged()
            return
        if frame.is_corrupt:
            self.damaged()
        at_s = self.end_s
        if frame.pts is not None and self._tick_s is not None:
            at_s = frame.pts * self._tick_s + self._shift_s
        ahead_s = at_s - self.end_s
        if ahead_s < -_JUMP_S or at_s > self._limit_s:
            self._shift_s -= ahead_s
        elif ahead_s < -_DRIFT_S:
            return  # heard already
        elif ahead_s > _DRIFT_S:
            self._silence(ahead_s)
        length_s = frame.samples / frame.sample_rate
        self.end_s += length_s
        self.decoded_s += length_s
        self._damage_before = self.damage
        self._resample(frame)

    def finish(self) -> None:
        self._flush()
        self._writer.finish()

    def _silence(self, length_s: float) -> None:
        self._flush()
        self.end_s += length_s
        self.silence_s += length_s
        if self.damage == self._damage_before:
            self.gaps_s += length_s  # the file has it so; what damage left behind is a loss
        self._writer.silence(round(self.end_s * RATE) - self._writer.samples)

    def _resample(self, frame: Any) -> None:
        import av

        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            self._flush()
        if self._resampler is None:
            self._waiting, self._format = av.AudioFifo(), form
            self._resampler = av.AudioResampler("s16", "mono", RATE)
        frame.pts = None  # times are kept here
        self._waiting.write(frame)
        if self._waiting.samples >= _BLOCK_S * frame.sample_rate:
            self._write_resampled(self._waiting.read())

    def _flush(self) -> None:
        if self._resampler is not None:
            if self._waiting.samples:
                self._write_resampled(self._waiting.read())
            self._write_resampled(None)
        self._waiting = self._resampler = None

    def _write_resampled(self, frame: Any) -> None:
        for resampled in self._resampler.resample(frame):
            self._writer.write(resampled.to_ndarray()[0])


class _Writer:
    """Gathers samples into blocks, measures them, and encodes them."""

    def __init__(self, container: Any, stream: Any) -> None:
        import numpy as np

        self._container, self._stream = container, stream
        self._block, self._filled = np.zeros(_BLOCK_S * RATE, dtype=np.int16), 0
        self._encoded = 0
        self.samples = 0
        self.levels = Levels(RATE)

    def write(self, samples: Any) -> None:
        """`samples`: one row of int16."""
        self.samples += len(samples)
        while len(samples):
            part = samples[: len(self._block) - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            samples = samples[len(part) :]
            if self._filled == len(self._block):
                self._encode()

    def silence(self, count: int) -> None:
        import numpy as np

        for start in range(0, count, RATE):
            self.write(np.zeros(min(RATE, count - start), dtype=np.int16))

    def finish(self) -> None:
        if self._filled:
            self._encode()
        self._container.mux(self._stream.encode(None))

    def _encode(self) -> None:
        import av

        samples = self._block[: self._filled].copy()
        self._filled = 0
        self.levels.add(samples)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, self._encoded
        self._encoded += len(samples)
        self._container.mux(self._stream.encode(frame))


@contextmanager
def _flac(target: Path) -> Iterator[_Writer]:
    import av

    options = {"fflags": "+bitexact"}  # no name of the writing program, no time
    with av.open(str(target), "w", format="flac", container_options=options) as container:
        stream = container.add_stream(
            "flac", rate=RATE, layout="mono", format="s16", options={"flags": "+bitexact", "compression_level": "5"}
        )
        yield _Writer(container, stream)


def _packets(container: Any, stream: Any, timeline: _Timeline) -> Iterator[Any]:
    """The packets of one stream, past places that can't be read."""
    import av

    errors = 0
    while errors < _MAX_READ_ERRORS:
        try:
            yield from container.demux(stream)
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            errors += 1
            timeline.damaged()


def _decoded(packet: Any, stream: Any) -> list[Any] | None:
    """The frames of a packet; None if it is damaged."""
    import av

    if _is_blank(packet, stream):
        return None
    try:
        return list(packet.decode())
    except av.error.EOFError:  # after the last packet
        return []
    except av.error.FFmpegError:
        return None


def _is_blank(packet: Any, stream: Any) -> bool:
    """Whether a packet is all zeros, as in a file whose download left holes; some decoders take that for silence."""
    if not packet.size or stream.codec_context.name.startswith("pcm"):
        return False
    return not bytes(packet).strip(b"\0")
