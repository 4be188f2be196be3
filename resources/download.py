"""Fetch one file over HTTP: resumed where it broke off, checked before anybody sees it.

Belongs here: the transfer. Does not belong here: which file is wanted and where it is kept. Pure: the standard library
(pooch checks, but starts again at the first byte; Hugging Face's downloader resumes, but is not public).

What has arrived is kept as `<name>.part` beside the target, with `<name>.part.json` saying of which version of the
remote file it is a part. The next call asks for the rest with `Range` and `If-Range`, so that a server whose file has
changed sends it whole. The target appears by a rename, after its digest was found right.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from resources.errors import ScriptoriumError
from resources.progress import Logger, Progress
from resources.store.durable import room, sync_folder

_PIECE = 1 << 20
_TRIES = 5
"""In a row without a byte between them; each waits twice as long as the one before, from 1 s."""
_REDIRECTS = 5
_NOT_NOW = (408, 425, 429, 500, 502, 503, 504)
"""Answers that say "not now" (RFC 9110, 6585 and 8470); any other error is final."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class CannotDownload(ScriptoriumError):
    """A file could not be fetched, or is not the one that was meant; the remedy says where to put it by hand."""

    def __init__(self, message: str, remedy: str, retry: bool = False) -> None:
        super().__init__(message, remedy)
        self.retry = retry


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = _REDIRECTS

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _refuse_other_schemes(newurl)
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise CannotDownload(f"{req.full_url} leads away from https, to {newurl}.", "Fetch it by other means.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    url: str,
    target: Path,
    *,
    log: Logger,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    timeout_s: float = 30.0,
    wait_s: float = 1.0,
) -> Path:
    """Make `target` hold the file at `url` and return it; nothing is fetched if it does so already.

    `sha256` and `md5` are hex digests, `size` the length in bytes; at least one digest is needed. `timeout_s` is how
    long the server may be silent, `wait_s` how long the first pause after a failure is.
    Raises: CannotDownload (no answer, refused, wrong bytes), DiskFull.
    """
    if not (sha256 or md5):
        raise ValueError("a download is checked: give its sha256 or md5")
    _refuse_other_schemes(url)
    digests = {name: digest.lower() for name, digest in (("sha256", sha256), ("md5", md5)) if digest}
    wanted = _Wanted(url, digests, size, timeout_s, wait_s, f"Fetch {url} by other means and put it at {target}.")
    if target.is_file() and wanted.is_in(target):
        return target
    with room(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.with_name(target.name + ".lock")):
            if not (target.is_file() and wanted.is_in(target)):  # another process may just have fetched it
                _fetch(wanted, target, log)
    return target


@dataclass(frozen=True)
class _Wanted:
    """Which file is meant, how long to wait for it, and what a person can do where it can't be had."""

    url: str
    digests: dict[str, str]
    size: int | None
    timeout_s: float
    wait_s: float
    by_hand: str

    def is_in(self, path: Path) -> bool:
        if self.size is not None and path.stat().st_size != self.size:
            return False
        for name, digest in self.digests.items():
            with path.open("rb") as file:
                if hashlib.file_digest(file, name).hexdigest() != digest:
                    return False
        return True


def _fetch(wanted: _Wanted, target: Path, log: Logger) -> None:
    """Transfer until it is whole and right. Raises: CannotDownload; OSError of our own disk."""
    part, note = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.json")
    url, by_hand = wanted.url, wanted.by_hand
    failures, begun_here = 0, False
    while True:
        had = _size(part)
        begun_here |= had == 0
        try:
            begun_here |= _transfer(wanted, part, note, log)
            if wanted.is_in(part):
                break
            part.unlink()
            if begun_here:
                raise CannotDownload(f"What {url} sends is not what was meant: its digest differs.", by_hand)
            log.info(f"{target.name}: the part that was here does not fit; fetching it whole")
            continue
        except urllib.error.HTTPError as error:
            if error.code not in _NOT_NOW:
                raise CannotDownload(f"{url} answers {error.code} {error.reason}.", by_hand) from error
            why: Exception = error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK_FULL):
                raise  # our own files, not the network
            why = error
        now = _size(part)
        failures = 1 if now > had else failures + 1
        if failures >= _TRIES:
            raise CannotDownload(
                f"{url} can't be fetched: {_reason(why)}. {now:,} bytes of it are kept.",
                f"Run this again to go on from there. Or f{by_hand[1:]}",
                retry=True,
            ) from why
        log.info(f"{target.name}: broke off after {now:,} bytes ({_reason(why)}); trying again")
        time.sleep(wanted.wait_s * 2 ** (failures - 1))
    part.replace(target)
    sync_folder(target.parent)
    note.unlink(missing_ok=True)


def _transfer(wanted: _Wanted, part: Path, note: Path, log: Logger) -> bool:
    """Append to `part` what is missing of it, or write it anew where the server sends all; whether it was written anew.

    Raises: CannotDownload where trying again is no use; OSError and HTTPException where it may be.
    """
    version = _version(note, wanted.url)
    had = 0 if version is None else _size(part)
    if had and had == wanted.size:
        return False
    # Digests and ranges are of the bytes themselves, so the server must not compress them.
    headers = {"User-Agent": "scriptorium", "Accept-Encoding": "identity"}
    if had:
        headers["Range"] = f"bytes={had}-"
        if version:
            headers["If-Range"] = version
    opener = urllib.request.build_opener(_Redirects)
    try:
        answer = opener.open(urllib.request.Request(wanted.url, headers=headers), timeout=wanted.timeout_s)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        note.unlink(missing_ok=True)  # the next try begins at the first byte
        raise ConnectionError("the server's file ends before the part that is here") from error
    with answer:
        if answer.status == 206 and not (answer.headers.get("Content-Range") or "").startswith(f"bytes {had}-"):
            note.unlink(missing_ok=True)
            raise ConnectionError("the server sent another part than it was asked for")
        if answer.status != 206:
            had = 0
        length = answer.headers.get("Content-Length") or ""
        total = had + int(length) if length.isdigit() else wanted.size
        if wanted.size is not None and total != wanted.size:
            raise CannotDownload(f"{wanted.url} has {total:,} bytes instead of {wanted.size:,}.", wanted.by_hand)
        with part.open("r+b" if had else "wb") as file:
            if had == 0:
                _write_note(note, wanted.url, answer.headers)
            file.seek(had)
            _copy(answer, file, had, total, Progress(log, f"download of {part.stem}", (total or 0) / 1e6, "MB"))
    return had == 0


def _copy(answer: Any, file: IO[bytes], had: int, total: int | None, progress: Progress) -> None:
    done = had
    while piece := answer.read1(_PIECE):
        file.write(piece)
        done += len(piece)
        if total is not None and done > total:
            raise ConnectionError("the server sends more than it spoke of")
        progress.update(done / 1e6)
    file.flush()
    os.fsync(file.fileno())
    if total is not None and done < total:
        raise ConnectionError("the connection was cut")


def _write_note(note: Path, url: str, headers: Any) -> None:
    """Remember the version, if the server names one: an ETag that stands for the very bytes, or else the date."""
    tag = headers.get("ETag") or ""
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified") or ""
    note.write_text(json.dumps({"url": url, "version": version}))


def _version(note: Path, url: str) -> str | None:
    """The version of which a part is here; empty where the server named none; None where the part is no use."""
    try:
        told = json.loads(note.read_text())
        return str(told["version"]) if told["url"] == url else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time fetches a file; the others wait. A lock ends with its process, however that ends."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _refuse_other_schemes(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise CannotDownload(f"{url} is no http or https address.", "Give one of these, or the path of a file.")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__
