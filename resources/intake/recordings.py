"""What the recordings' inbox takes: audio and video with sound, long enough to be worth it.

Belongs here: the names and the look inside. Does not belong here: how media is read (`media/container.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from resources.errors import BadInput
from resources.intake.files import Names
from resources.intake.identity import shown
from resources.intake.intake import Intake, Product
from resources.intake.languages import folder_language

MEDIA = frozenset({
    ".3g2", ".3gp", ".aac", ".ac3", ".aif", ".aiff", ".amr", ".asf", ".avi", ".caf", ".dv", ".f4v", ".flac",
    ".flv", ".m2ts", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".oga", ".ogg", ".ogv", ".opus", ".rm", ".rmvb", ".ts", ".vob", ".wav", ".weba", ".webm",
    ".wma", ".wmv",
})  # fmt: skip
# Playlists are here because media libraries follow them to other files and hosts.
OTHER = frozenset({
    ".7z", ".ass", ".bib", ".bmp", ".bz2", ".css", ".csv", ".cue", ".db", ".dmg", ".doc", ".docx", ".epub",
    ".exe", ".ffconcat", ".gif", ".gz", ".heic", ".htm", ".html", ".ico", ".ini", ".iso", ".jpeg", ".jpg",
    ".js", ".json", ".jsonl", ".lnk", ".log", ".lrc", ".m3u", ".m3u8", ".md", ".md5", ".mobi", ".nfo", ".odp",
    ".ods", ".odt", ".pdf", ".pls", ".png", ".ppt", ".pptx", ".py", ".rar", ".rst", ".rtf", ".sbv", ".sdp",
    ".sh", ".sha1", ".sha256", ".smi", ".sqlite", ".srt", ".ssa", ".sub", ".svg", ".tar", ".tex", ".tif",
    ".tiff", ".toml", ".torrent", ".tsv", ".ttml", ".txt", ".url", ".vtt", ".webloc", ".webp", ".xls",
    ".xlsx", ".xml", ".xz", ".yaml", ".yml", ".zip", ".zst",
})  # fmt: skip
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Cameras without a clock write 1904 or 1970."""


def inspect_recording(path: Path, min_recording_s: float, inbox: Path | None = None) -> Mapping[str, Any]:
    """The metadata of one recording; `language` is among it if a folder of `inbox` names one.

    Raises `BadInput` for what is no recording, has no sound or is too short.
    """
    from resources.media.container import probe

    info = probe(path)
    if info.duration_s < min_recording_s:
        raise BadInput(
            f'"{shown(path.name)}" lasts only {info.duration_s:.1f} s.',
            f"Recordings under {min_recording_s:g} s are left out; SCRIPTORIUM_MIN_RECORDING_S changes that.",
        )
    created = info.created
    if created is not None and created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    if created is None or created < _EARLIEST:
        created = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    language = None if inbox is None else folder_language(path, inbox)
    streams = [*(f"video: {stream}" for stream in info.video_streams), *(f"audio: {s}" for s in info.audio_streams)]
    return {
        "duration_s": float(info.duration_s),
        "container": dg.MetadataValue.text(info.container),
        "streams": dg.MetadataValue.md("\n".join(f"- {stream}" for stream in streams)),
        "title": dg.MetadataValue.text(title(info.title, path)),
        "created": dg.MetadataValue.text(created.astimezone(UTC).isoformat(timespec="seconds")),
        **({} if language is None else {"language": dg.MetadataValue.text(language)}),
    }


def title(tag: str | None, path: Path) -> str:
    """The container's title if it has one, else the file's stem with its `_` and runs of blanks made single blanks."""
    text = " ".join((tag or "").split()) or " ".join(path.stem.replace("_", " ").split())
    return shown(text) or "Untitled"


def recordings(min_recording_s: float, inbox: Path | None = None) -> Product:
    """The product `recordings`: external asset `recording`, finished when `published` is materialized.

    Folders of `inbox` may name the language of what lies in them.
    """
    return Product(
        asset="recording",
        partitions="recordings",
        finished="published",
        names=Names(taken=MEDIA, never=OTHER),
        inspect=functools.partial(inspect_recording, min_recording_s=min_recording_s, inbox=inbox),
    )


def recordings_intake(
    instance: dg.DagsterInstance, ledger: Path, min_recording_s: float, inbox: Path | None = None
) -> Intake:
    """The intake of recordings for the command line: `with recordings_intake(…) as intake: intake.take_in(path)`."""
    return Intake(recordings(min_recording_s, inbox), instance, ledger, sensor_name="recordings")
