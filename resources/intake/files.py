"""Looking through an inbox: which names count, and what lies where.

Belongs here: rules on names, and the walk through the folder. Pure: no Dagster, nothing is opened for reading.
Does not belong here: what is inside a file, and whether it was seen before.
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from resources.intake.identity import FileStat, shown

UNFINISHED = (
    ".part", ".partial", ".crdownload", ".download", ".opdownload", ".tmp", ".temp", ".filepart", ".unconfirmed",
    ".!ut", ".!qb", ".bc!", ".aria2", ".ytdl", ".swp", ".lock", ".incomplete", "~",
)  # fmt: skip
"""Endings that browsers, copy tools and editors give to files they have not finished."""

SYSTEM_NAMES = frozenset({
    "thumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "lost+found", "system volume information",
    "$recycle.bin",
})  # fmt: skip


class Claim(Enum):
    """What a file's name says about it."""

    NEVER = "of another sort: never opened"
    MAYBE = "unknown: looked into, and left alone without a word if it is of another sort"
    YES = "of the sort this inbox takes: if it turns out not to be, that is reported"


@dataclass(frozen=True)
class Names:
    """Suffixes (lower case, with the dot) that an inbox takes, and those it never opens."""

    taken: frozenset[str]
    never: frozenset[str]

    def claim(self, name: str) -> Claim:
        lower = name.lower()
        suffix = lower[lower.rfind(".") :] if "." in lower else ""
        if suffix in self.taken:
            return Claim.YES
        if suffix in self.never or lower in {"readme", "license", "makefile"}:
            return Claim.NEVER
        return Claim.MAYBE


TEXTS = Names(taken=frozenset({".csv", ".tsv", ".txt"}), never=frozenset())
"""What holds texts: a table, or plain text with one on each line."""


class Problem(NamedTuple):
    """Why a file is refused, and what to do about it."""

    message: str
    remedy: str


class Found(NamedTuple):
    """One file of the inbox. `problem` is set where the place alone rules it out, whatever the file holds."""

    path: str
    stat: FileStat
    claim: Claim
    problem: Problem | None = None


def unfinished(name: str) -> bool:
    """Hidden, or named as a file that some program is still writing, or one that operating systems scatter about."""
    lower = name.lower()
    return (
        name.startswith((".", "~$"))
        or lower.endswith(UNFINISHED)
        or lower.rpartition(".")[0].endswith(".temp")  # yt-dlp: lecture.temp.mp4
        or lower in SYSTEM_NAMES
    )


def scan(root: str, names: Names, exclude: Sequence[Path] = ()) -> Iterator[Found]:
    """Every file under `root` (an absolute real path) that its name does not rule out, subfolders included.

    Folders are descended into whatever they are called, links to folders are not, nor are the folders `exclude`. Files
    that vanish meanwhile are left out. Raises `OSError` if `root` itself can't be listed.
    """
    others = {os.path.realpath(folder) for folder in exclude}
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:
            if folder == root:
                raise
            continue
        except OSError as error:
            if folder == root:
                raise
            yield from _unreadable_folder(folder, error)
            continue
        with entries:
            for entry in entries:
                if unfinished(entry.name):
                    continue
                try:
                    if entry.is_symlink():
                        found = _link(entry, root, names)
                    elif entry.is_dir():
                        if entry.path not in others:
                            folders.append(entry.path)
                        continue
                    else:
                        found = _file(entry, names)
                except OSError:
                    continue  # gone since the folder was listed
                if found is not None:
                    yield found


def _file(entry: os.DirEntry[str], names: Names) -> Found | None:
    claim = names.claim(entry.name)
    if claim is Claim.NEVER:
        return None
    stat = entry.stat(follow_symlinks=False)
    if modes.S_ISREG(stat.st_mode):
        return Found(entry.path, FileStat.of(stat), claim)
    if claim is Claim.MAYBE:
        return None
    problem = Problem("It is no regular file but a pipe, socket or device.", "Put a regular file in its place.")
    return Found(entry.path, FileStat.of(stat), claim, problem)


def _link(entry: os.DirEntry[str], root: str, names: Names) -> Found | None:
    claim = names.claim(entry.name)
    if claim is Claim.NEVER:
        return None
    own = FileStat.of(entry.stat(follow_symlinks=False))
    try:
        real = os.path.realpath(entry.path, strict=True)
        stat = Path(real).stat()
    except OSError as error:
        problem = Problem(
            f"It is a link that leads nowhere ({error.strerror}).",
            "Put the file itself in the inbox, or remove the link.",
        )
        return Found(entry.path, own, Claim.YES, problem)
    if real != root and not real.startswith(root + os.sep):
        problem = Problem(
            f'It is a link to "{shown(real)}", which lies outside the inbox.',
            "Copy the file itself into the inbox, or name it to `scriptorium notes`.",
        )
        return Found(entry.path, own, Claim.YES, problem)
    if not modes.S_ISREG(stat.st_mode):
        return None  # a link to a folder of this inbox: its files are found where they lie
    return Found(entry.path, FileStat.of(stat), claim)


def _unreadable_folder(folder: str, error: OSError) -> Iterator[Found]:
    problem = Problem(
        f"The folder can't be listed ({error.strerror}).", "Make it readable: chmod a+rx on the folder; or remove it."
    )
    try:
        yield Found(folder, FileStat.of(Path(folder).lstat()), Claim.YES, problem)
    except OSError:
        return
