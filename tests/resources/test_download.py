"""Downloads against a real HTTP server that cuts connections, changes its file, or lies."""

import hashlib
import json
import logging
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resources import download as module
from resources.download import CannotDownload, download
from resources.errors import DiskFull

LOG = logging.getLogger(__name__)
CONTENT = random.Random(0).randbytes(300_000)
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content` under every path, with Range and If-Range as RFC 9110 has them, and misbehaves as told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag, self.ranges = CONTENT, '"1"', True
        self.cut_after: list[int] = []  # of the next answers, this many bytes of the body each
        self.status: list[int] = []  # the next answers are these errors
        self.location = ""
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(dict(self.headers))
        if server.status:
            self.send_error(server.status.pop(0))
            return
        if server.location:
            self.send_response(302)
            self.send_header("Location", server.location)
            self.end_headers()
            return
        start, asked = 0, self.headers.get("Range")
        if asked and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        self.wfile.write(body[: server.cut_after.pop(0)] if server.cut_after else body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server: Server, target: Path, sha256: str = SHA256, size: int | None = None) -> Path:
    return download(server.url, target, sha256=sha256, size=size, log=LOG, timeout_s=5, wait_s=0)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    assert download(server.url, target, sha256=SHA256.upper(), md5=MD5, size=len(CONTENT), log=LOG) == target
    assert target.read_bytes() == CONTENT
    assert left_in(target.parent) == ["file.bin"]
    fetch(server, target)
    assert len(server.asked) == 1


def test_a_cut_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cut_after = [100_000, 50_000]
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert server.asked[1]["If-Range"] == '"1"'


def test_a_later_call_goes_on_with_what_is_there(server: Server, tmp_path: Path) -> None:
    server.cut_after = [100_000, *[0] * 10]
    with pytest.raises(CannotDownload, match="100,000 bytes of it are kept") as raised:
        fetch(server, tmp_path / "file.bin")
    assert raised.value.retry
    assert str(tmp_path / "file.bin") in raised.value.remedy
    assert not (tmp_path / "file.bin").exists()
    server.cut_after = []
    fetch(server, tmp_path / "file.bin")
    assert server.asked[-1]["Range"] == "bytes=100000-"
    assert left_in(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', ""])
def test_a_file_that_changed_in_between_is_fetched_whole(server: Server, tmp_path: Path, tag: str) -> None:
    """Without a tag that stands for the bytes only the digest tells that the two parts do not fit."""
    server.tag, server.content = tag, bytes(len(CONTENT))
    server.cut_after = [100_000, *[0] * 10]
    with pytest.raises(CannotDownload):
        fetch(server, tmp_path / "file.bin")
    server.cut_after, server.content, server.tag = [], CONTENT, tag and tag.replace("1", "2")
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cut_after = False, [100_000]
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(bytes(len(CONTENT) + 1))
    (tmp_path / "file.bin.part.json").write_text(json.dumps({"url": server.url, "version": '"1"'}))
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_wrong_bytes_never_appear(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"what was here before")
    with pytest.raises(CannotDownload, match="digest differs") as raised:
        fetch(server, tmp_path / "file.bin", sha256="0" * 64)
    assert not raised.value.retry
    assert (tmp_path / "file.bin").read_bytes() == b"what was here before"
    assert not (tmp_path / "file.bin.part").exists()
    assert len(server.asked) == 1


def test_another_size_is_refused_before_it_is_fetched(server: Server, tmp_path: Path) -> None:
    with pytest.raises(CannotDownload, match="300,000 bytes instead of 5"):
        fetch(server, tmp_path / "file.bin", size=5)
    assert left_in(tmp_path) == []


def test_errors_that_pass_and_errors_that_stay(server: Server, tmp_path: Path) -> None:
    server.status = [503, 429]
    fetch(server, tmp_path / "file.bin")
    server.status = [404]
    with pytest.raises(CannotDownload, match="404"):
        fetch(server, tmp_path / "other.bin")
    assert len(server.asked) == 4


def test_no_answer_ends_after_some_tries(tmp_path: Path) -> None:
    with Server() as closed:
        url = closed.url
    with pytest.raises(CannotDownload, match="refused") as raised:
        download(url, tmp_path / "file.bin", sha256=SHA256, log=LOG, wait_s=0)
    assert "put it at" in raised.value.remedy


def test_only_http_is_spoken(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    for url in (secret.as_uri(), "ftp://127.0.0.1/x", str(secret)):
        with pytest.raises(CannotDownload, match="no http or https"):
            download(url, tmp_path / "file.bin", sha256=SHA256, log=LOG)
    server.location = secret.as_uri()
    with pytest.raises(CannotDownload):
        fetch(server, tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()


def test_redirects_end(server: Server, tmp_path: Path) -> None:
    server.location = server.url
    with pytest.raises(CannotDownload):
        fetch(server, tmp_path / "file.bin")
    assert len(server.asked) <= module._REDIRECTS + 1, "a circle is not tried again"


def test_a_full_disk_is_named(server: Server, tmp_path: Path) -> None:
    """`/dev/full` answers every write with "no space left", as a full disk does."""
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="disk is full"):
        fetch(server, tmp_path / "file.bin")
    assert len(server.asked) == 1, "asking again does not make room"


def test_a_digest_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sha256"):
        download("http://127.0.0.1:9/x", tmp_path / "x", log=LOG)
