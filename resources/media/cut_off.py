"""Whether a media file ends before it should, by what its own headers say of its size.

Belongs here: the size fields of the common containers. A copy that stopped half-way opens without complaint if its
headers come first, and would lose the rest in silence. Does not belong here: damage inside a file (`sound.py`).
"""

from __future__ import annotations

import struct
from typing import Protocol


class _Readable(Protocol):
    def seek(self, offset: int, /) -> int: ...

    def read(self, size: int, /) -> bytes: ...


_SLACK_BYTES = 16
"""Some writers miscount a padding byte."""
_MP4_FIRST = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def missing_part(file: _Readable, size: int) -> str | None:
    """What a file of `size` bytes lacks, in words, or None. Reads headers only."""
    file.seek(0)
    head = file.read(64)
    if head[4:8] in _MP4_FIRST:
        return _mp4(file, size)
    if head[:4] == _EBML:
        return _bytes_short(_matroska_end(head), size)
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI "):
        return _bytes_short(_chunk_end(int.from_bytes(head[4:8], "little")), size)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _bytes_short(_chunk_end(int.from_bytes(head[4:8])), size)
    return None


def _bytes_short(end: int | None, size: int) -> str | None:
    """`end` is where the header says the file ends; None where it does not say."""
    if end is None or size + _SLACK_BYTES >= end:
        return None
    return f"{size / 1e6:.1f} of {end / 1e6:.1f} MB are there"


def _mp4(file: _Readable, size: int) -> str | None:
    """ISO/IEC 14496-12, section 4.2: a row of boxes, each led by its size and type."""
    at, seen = 0, set[bytes]()
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length, kind = struct.unpack_from(">I4s", header)
        if length == 1 and len(header) == 16:
            length = struct.unpack_from(">Q", header, 8)[0]
        elif length == 0:
            length = size - at  # the last box may run to the end of the file
        if length < 8:
            break  # no box: something was appended that players ignore
        seen.add(kind)
        # A fragmented file (moof) is whole up to its last fragment: that is what recorders use it for.
        if kind in (b"mdat", b"moov") and b"moof" not in seen:
            short = _bytes_short(at + length, size)
            if short:
                return short
        at += length
    if b"mdat" in seen and b"moov" not in seen:
        return "its index (moov), which is written last, is not there"
    return None


def _matroska_end(head: bytes) -> int | None:
    """RFC 8794: the EBML header, then one Segment; sizes are numbers whose first bits tell their own length."""
    header = _number(head, 4)
    if header is None:
        return None
    at = header[1] + header[0]
    if head[at : at + 4] != _SEGMENT:
        return None
    segment = _number(head, at + 4)
    return None if segment is None else segment[1] + segment[0]


def _number(head: bytes, at: int) -> tuple[int, int] | None:
    """An EBML size and where it ends; None if it is cut off or the reserved `unknown` of live recordings."""
    if at >= len(head) or head[at] == 0:
        return None
    width = 9 - head[at].bit_length()
    octets = head[at : at + width]
    value = int.from_bytes(octets) - (1 << (7 * width))
    unknown = value == (1 << (7 * width)) - 1
    return None if unknown or len(octets) < width else (value, at + width)


def _chunk_end(length: int) -> int | None:
    """Where a RIFF or FORM file ends. Recorders that stream leave the size at zero or near the largest."""
    return 8 + length if 0 < length < 0x7FFF0000 else None
