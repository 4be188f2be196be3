"""Frames of a video read from front to back, decoding only what is asked for.

Belongs here: which packets a decoder gets. Does not belong here: what the frames show (`scenes.py`).

Nothing seeks: some containers can't, and others land elsewhere. Reading over packets costs little; decoding is what
takes time, so each group of pictures (a key frame and what follows it) is decoded as far as the caller wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from resources.media.container import opened, start_s, video_stream

KEY_SPACING_S = 0.5
"""In a codec made of key frames only, a group still lasts this long."""


_NEVER = -(2**63)


class Decode(Enum):
    """How much of a group of pictures is decoded."""

    NOTHING, KEY, ALL = range(3)


class Group(NamedTuple):
    """Pictures from one key frame to the next: number from 0, the key frame's timestamp, and its time in seconds."""

    number: int
    pts: int
    time_s: float


def frames(path: Path, wanted: Callable[[Group], Decode]) -> Iterator[tuple[float, Any]]:
    """`(seconds from the recording's start, frame)` in order; none if `path` has no video. Damaged frames are left out.

    `wanted` is asked once for each group, in order, when its first packet is read. Raises `BadInput`.
    """
    import av

    with opened(path) as container:
        stream = video_stream(container)
        if stream is None:
            return
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        begin = start_s(container)
        stream.codec_context.thread_type = "AUTO"
        group, mode, last = Group(-1, 0, 0.0), Decode.NOTHING, _NEVER
        for packet in _packets(container, stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            found: list[Any] = []
            opens = False
            if packet.is_keyframe and stamp is not None:
                time_s = float(stamp * packet.time_base) - begin
                opens = group.number < 0 or time_s - group.time_s >= KEY_SPACING_S
            if opens:
                group = Group(group.number + 1, stamp, time_s)
                before, mode = mode, wanted(group)
                if mode is not before or mode is Decode.KEY:  # the decoder would look for what it was not given
                    found = _rest(stream)
            if packet.size and (mode is Decode.ALL or (mode is Decode.KEY and opens)):
                found += _decoded(stream, packet)
            if not packet.size:
                found += _rest(stream)
            for frame in found:
                if frame.pts is not None and frame.pts > last and not frame.is_corrupt:
                    last = frame.pts
                    yield max(0.0, float(frame.pts * stream.time_base) - begin), frame


def pixel_shape(path: Path) -> float:
    """Width of a pixel in units of its height: 1 but for DVDs, tapes and the like. Raises `BadInput`."""
    with opened(path) as container:
        stream = video_stream(container)
        shape = stream.sample_aspect_ratio if stream is not None else None
        return float(shape) if shape and shape > 0 else 1.0


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    import av

    for _ in range(50):  # so many unreadable places are stepped over
        try:
            yield from container.demux(stream)
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue


def _decoded(stream: Any, packet: Any) -> list[Any]:
    import av

    try:
        return list(stream.decode(packet))
    except av.error.FFmpegError:
        return []


def _rest(stream: Any) -> list[Any]:
    """What the decoder still holds; afterwards it can be given a key frame again."""
    found = _decoded(stream, None)
    stream.codec_context.flush_buffers()
    return found
