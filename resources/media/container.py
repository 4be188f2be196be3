"""Opening a recording and reading its headers.

Belongs here: which files are media, which of their streams are worked on, and what is wrong with those that can't be.
Does not belong here: decoding (`sound.py`, `scenes.py`), and what a cut-off file looks like (`cut_off.py`).

The file comes from anyone, so FFmpeg gets an open file and never a name, and no other protocol: it opens no second file
and no network address. Playlists, concatenation scripts and picture sequences, which name other files, are no media.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from resources.errors import BadInput
from resources.intake.identity import shown
from resources.media.cut_off import missing_part

CONTAINERS = (
    "3g2,3gp,aa,aac,ac3,ac4,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,dv,eac3,flac,flv,gxf,ivf,loas,"
    "m4a,matroska,mlp,mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,mxf,nut,oga,ogg,ogv,oma,pva,rm,shn,spdif,tak,truehd,tta,voc,"
    "w64,wav,webm,wtv,wv,xwma"
)
"""FFmpeg's names of the containers that are read: those that hold sound and refer to no other file."""

ESTIMATED = frozenset({"aa", "aac", "ac3", "amr", "amrnb", "amrwb", "dts", "eac3", "loas", "mlp", "mp3", "truehd"})
"""Containers without a stored length: FFmpeg guesses it from the bit rate. MP3 may have one (Xing header)."""

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


class MediaInfo(BaseModel):
    """What a recording's headers say. `duration_s` is the container's length in seconds, from its first timestamp."""

    model_config = ConfigDict(frozen=True)

    duration_s: float
    container: str
    audio_streams: list[str]
    video_streams: list[str]
    title: str | None
    created: datetime | None


def probe(path: Path) -> MediaInfo:
    """Read the headers of a recording; nothing is decoded.

    A file that does not say how long it is (a WebM recorded in a browser) is read through once, without decoding.
    Raises `BadInput`, with the file's name and a remedy: not there, a folder, not readable, empty, no media, cut off,
    no sound, or sound in an unknown codec.
    """
    with opened(path) as container:
        sound = audio_stream(container, path)
        duration_s = (container.duration or 0) / 1_000_000
        pictures = video_stream(container)
        info = MediaInfo(
            duration_s=duration_s,
            container=container.format.name,
            audio_streams=[describe(stream) for stream in container.streams.audio],
            video_streams=[describe(stream) for stream in container.streams.video if not _is_cover(stream)],
            title=_title(container.metadata) or _title(sound.metadata),
            created=_created(container.metadata) or (_created(pictures.metadata) if pictures else None),
        )
        if duration_s <= 0:
            info = info.model_copy(update={"duration_s": _measured(container, path)})
    return info


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An `av.container.InputContainer` on a local file. Raises `BadInput` if it is no complete media file."""
    import av

    with _file(path) as file:
        size = os.fstat(file.fileno()).st_size
        missing = missing_part(file, size)
        if missing:
            raise BadInput(
                f"{quoted(path)} is cut off: {missing}.",
                "Copy or download it again, or stop the recorder properly; if no whole copy exists, repair it with a"
                " video tool first.",
            )
        file.seek(0)
        try:
            container = av.open(
                # Not the file object: PyAV would read through Python, and lose the exception by which a run is stopped.
                "fd:",
                container_options={
                    "fd": str(file.fileno()),
                    "protocol_whitelist": "fd",
                    "format_whitelist": CONTAINERS,
                },
                metadata_errors="replace",
            )
        except av.error.FFmpegError as error:
            raise not_media(path) from error
        with container:
            if not any(_is_usable(stream) for stream in container.streams):
                raise not_media(path)
            yield container


def audio_stream(container: Any, path: Path) -> Any:
    """The stream that is worked on: the default one, then the one with most channels, then the highest bit rate.

    Sound made for other ears (commentary, description of the picture, a translation) comes last. Raises `BadInput`.
    """
    streams = list(container.streams.audio)
    if not streams:
        raise BadInput(
            f"{quoted(path)} has no sound: there is no audio stream in it.",
            "Record again with a microphone switched on, or give the file that holds the sound.",
        )
    usable = [stream for stream in streams if _is_usable(stream)]
    if not usable:
        raise BadInput(
            f"The sound of {quoted(path)} is in a codec that can't be decoded here.",
            "Convert it to a common format first, for example M4A, MP3, FLAC or WAV.",
        )
    return max(usable, key=_rank)


def video_stream(container: Any) -> Any | None:
    """The stream slides are taken from, or None. A cover picture is no video."""
    streams = [stream for stream in container.streams.video if _is_usable(stream) and not _is_cover(stream)]
    return max(streams, key=lambda s: (_has(s, "default"), s.codec_context.width, -s.index), default=None)


def start_s(container: Any) -> float:
    """The container's first timestamp in seconds: what every time in the notes counts from."""
    return (container.start_time or 0) / 1_000_000


def has_stored_length(container: Any, path: Path) -> bool:
    """Whether the length comes from the file and not from a guess by its bit rate."""
    if container.format.name not in ESTIMATED:
        return bool(container.duration)
    if container.format.name != "mp3":
        return False
    with _file(path) as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # a tag before the first frame; its size is four times seven bits
            file.seek(10 + sum(octet << (7 * (3 - i)) for i, octet in enumerate(head[6:10])))
        frame = head + file.read(4096)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def describe(stream: Any) -> str:
    """One stream in words: `aac, 48000 Hz, stereo, eng`."""
    context = stream.codec_context
    if context is None:
        return "unknown codec"
    words = [context.codec.canonical_name]
    if stream.type == "audio":
        words += [f"{context.sample_rate} Hz", context.layout.name]
    elif stream.type == "video":
        words += [f"{context.width} × {context.height}"]
        if stream.average_rate:
            words += [f"{float(stream.average_rate):.4g} fps"]
    language = stream.language
    return shown(", ".join([*words, language] if language and language != "und" else words))


def quoted(path: Path) -> str:
    """The file's name fit for a message: one line, in quotes."""
    return f'"{shown(path.name)}"'


def not_media(path: Path) -> BadInput:
    """What is said of a file FFmpeg finds no recording in."""
    return BadInput(
        f"{quoted(path)} is no recording: its content is not audio or video in a known format, whatever its name says.",
        "Give an audio or video file; if it plays elsewhere, convert it to MP4, M4A, MP3 or WAV first.",
    )


@contextmanager
def _file(path: Path) -> Iterator[io.FileIO]:
    """The regular file at `path`, open for reading; it is not empty. Raises `BadInput`."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise BadInput(f"{quoted(path)} is not there (any more).", "Copy it to the inbox again.") from error
    except PermissionError as error:
        raise BadInput(
            f"{quoted(path)} may not be read by this user.", "Let it be read, for example with `chmod a+r`."
        ) from error
    except OSError as error:
        raise BadInput(f"{quoted(path)} can't be opened: {error.strerror}.", "Check the disk it lies on.") from error
    kind = os.fstat(descriptor)
    if not stat.S_ISREG(kind.st_mode) or kind.st_size == 0:
        os.close(descriptor)
        if stat.S_ISDIR(kind.st_mode):
            raise BadInput(f"{quoted(path)} is a folder.", "Give the recordings in it one by one.")
        if not stat.S_ISREG(kind.st_mode):
            raise BadInput(f"{quoted(path)} is a device or a pipe.", "Give a regular file.")
        raise BadInput(f"{quoted(path)} is empty.", "Copy or record it again.")
    with io.FileIO(descriptor) as file:
        yield file


def _is_usable(stream: Any) -> bool:
    """Whether a decoder exists and the headers describe a picture or a sound."""
    context = stream.codec_context
    if context is None or not context.is_decoder:
        return False
    if stream.type == "audio":
        return bool(context.sample_rate and context.channels)
    return stream.type == "video" and bool(context.width and context.height)


def _has(stream: Any, flag: str) -> bool:
    return bool(stream.disposition & getattr(type(stream.disposition), flag))


def _is_cover(stream: Any) -> bool:
    return any(_has(stream, flag) for flag in ("attached_pic", "still_image", "timed_thumbnails"))


def _rank(stream: Any) -> tuple[bool, bool, int, int, int]:
    context = stream.codec_context
    meant_for_others = any(
        _has(stream, flag) for flag in ("comment", "visual_impaired", "hearing_impaired", "dub", "karaoke")
    )
    return not meant_for_others, _has(stream, "default"), context.channels, context.bit_rate or 0, -stream.index


def _measured(container: Any, path: Path) -> float:
    """The length in seconds by the timestamps of all packets."""
    import av

    first, last = None, 0.0
    try:
        for packet in container.demux(*container.streams.audio, *container.streams.video):
            if packet.pts is not None and packet.time_base is not None:
                at = float(packet.pts * packet.time_base)
                first = at if first is None else min(first, at)
                last = max(last, at + float((packet.duration or 0) * packet.time_base))
    except av.error.FFmpegError as error:
        if first is None:
            raise not_media(path) from error
    return max(0.0, last - (first or 0.0))


def _title(tags: dict[str, str]) -> str | None:
    title = next((value for key, value in tags.items() if key.lower() == "title"), "")
    return shown(" ".join(title.split())) or None


def _created(tags: dict[str, str]) -> datetime | None:
    """The `creation_time` tag in UTC; None if there is none or the clock was not set (1904, 1970)."""
    written = next((value for key, value in tags.items() if key.lower() == "creation_time"), "")
    try:
        created = datetime.fromisoformat(written.strip())
        created = (created if created.tzinfo else created.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return created if created >= _EARLIEST else None
