"""Where the model comes from. Hub and cache are fixed when their library is imported: those cases run in a process."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resources.errors import MissingModel
from resources.speech.embedded import EMBEDDED, embedded_files, embedded_folder
from resources.speech.models import available_models, choose_model, prepare_model

SHA = "0123456789abcdef0123456789abcdef01234567"
SMALL = "Systran/faster-whisper-small"

CHOOSE = """
import json, sys, time
from pathlib import Path
from resources.errors import MissingModel
from resources.speech.models import choose_model, prepare_model
model, cache = sys.argv[1:]
said, seconds = [], []
for _ in range(2):
    started = time.monotonic()
    try:
        choice, folder = prepare_model(model, "cpu", Path(cache), False, said.append)
        found = {"name": choice.name, "kind": choice.kind, "source": choice.source, "reason": choice.reason,
                 "files": sorted(path.name for path in folder.iterdir())}
    except MissingModel as error:
        found = {"error": str(error)}
    seconds.append(time.monotonic() - started)
print(json.dumps({**found, "said": said, "seconds": seconds}))
"""


def _choose(repo: Path, cache: Path, home: Path, model: str = "auto", **environment: str) -> dict:
    """Choose twice in a process of its own; `home` is its Hugging Face home."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", CHOOSE, model, str(cache)],
        cwd=repo,
        env=known | {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _tiny() -> dict[str, Path]:
    files = embedded_files("tiny.en")
    assert files is not None, "the extra `offline` is needed for tests"
    return {name: path for name, path in files.items() if name != "__init__.py"}


# What comes with the install


def test_base_is_joined_once_and_kept(tmp_path: Path) -> None:
    folder = embedded_folder("base", tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.bin",
        "tokenizer.json",
        "vocabulary.txt",
    ]
    before = (folder / "model.bin").stat()
    assert embedded_folder("base", tmp_path) == folder
    after = (folder / "model.bin").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_damaged_copy_is_joined_again_and_leftovers_are_swept(tmp_path: Path) -> None:
    folder = embedded_folder("base", tmp_path)
    model = folder / "model.bin"
    model.chmod(0o644)
    with model.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0damage\0")
    (folder / "tokenizer.json").unlink()
    leftover = folder / "model.bin.abc.part"
    leftover.write_bytes(b"half")
    os.utime(leftover, (time.time() - 7200, time.time() - 7200))
    embedded_folder("base", tmp_path)
    with model.open("rb") as file:
        file.seek(1_000_000)
        assert file.read(8) != b"\0damage\0"
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.bin",
        "tokenizer.json",
        "vocabulary.txt",
    ]


def test_processes_that_join_at_once_all_get_a_whole_model(repo: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from resources.speech.embedded import embedded_folder, _sha256;"
        "print(_sha256([embedded_folder('base', Path(sys.argv[1])) / 'model.bin']))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=repo, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert {process.communicate(timeout=60)[0].strip() for process in running} == {EMBEDDED["base"].sha256}
    assert not list(tmp_path.rglob("*.part"))


def test_parts_that_do_not_add_up_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swapped = replace(EMBEDDED["base"], parts=("model.bin.part2", "model.bin.part1"))
    monkeypatch.setitem(EMBEDDED, "base", swapped)
    with pytest.raises(MissingModel, match=r"damaged.*pip install"):
        embedded_folder("base", tmp_path)
    assert not list(tmp_path.rglob("model.bin*"))


def test_tiny_en_is_used_where_it_lies(tmp_path: Path) -> None:
    choice, folder = prepare_model("tiny.en", "cpu", tmp_path, True, print)
    assert (choice.name, choice.kind, choice.reason) == ("tiny.en", "embedded", "set by name")
    assert folder == _tiny()["model.bin"].parent
    assert not list(tmp_path.iterdir())


def test_without_the_extra_and_without_a_hub_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EMBEDDED:
        monkeypatch.setitem(EMBEDDED, name, replace(EMBEDDED[name], folders=(("a_package_that_is_not_there", "data"),)))
    for model in ("auto", "base"):
        with pytest.raises(MissingModel) as caught:
            choose_model(model, "cpu", True)
        assert "make setup EXTRAS=offline" in caught.value.remedy
        assert "SCRIPTORIUM_OFFLINE" in caught.value.message
    assert available_models() == {}


# By name and by folder


@pytest.mark.parametrize(("device", "wanted"), [("cpu", "small is"), ("cuda", "large-v3-turbo and small are")])
def test_auto_falls_back_to_base_and_says_why(device: str, wanted: str) -> None:
    choice = choose_model("auto", device, True)
    assert (choice.name, choice.kind) == ("base", "embedded")
    assert choice.reason == f"{wanted} not on this machine and can't be fetched; base comes with the install"


def test_a_pinned_model_is_never_replaced() -> None:
    with pytest.raises(MissingModel, match=r"'large-v3' is not on this machine.*SCRIPTORIUM_SPEECH_MODEL=auto"):
        choose_model("large-v3", "cpu", True)
    with pytest.raises(MissingModel, match=r"no speech model named 'hearer'.*tiny\.en"):
        choose_model("hearer", "cpu", True)


def test_a_folder_is_a_model_if_it_is_complete(tmp_path: Path) -> None:
    choice, folder = prepare_model(str(_tiny()["model.bin"].parent), "cpu", tmp_path, True, print)
    assert (choice.kind, Path(choice.name)) == ("folder", folder)
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(MissingModel, match=r"lacks tokenizer\.json"):
        choose_model(str(tmp_path), "cpu", True)


def test_what_is_here_is_listed() -> None:
    assert set(available_models()) >= {"base", "tiny.en"}


# The Hugging Face cache and hub


def _put_into_cache(home: Path, files: dict[str, Path]) -> None:
    folder = home / "hub" / "models--Systran--faster-whisper-small"
    (folder / "snapshots" / SHA).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(SHA)
    for name, path in files.items():
        (folder / "snapshots" / SHA / name).symlink_to(path)


def test_auto_takes_what_is_cached(repo: Path, cache: Path, tmp_path: Path) -> None:
    _put_into_cache(tmp_path, _tiny())
    found = _choose(repo, cache, tmp_path, HF_HUB_OFFLINE="1")
    assert (found["name"], found["kind"], found["reason"]) == ("small", "cached", "the best for cpu")
    assert found["source"] == f"huggingface.co/{SMALL}"


def test_an_interrupted_download_is_no_model(repo: Path, cache: Path, tmp_path: Path) -> None:
    _put_into_cache(tmp_path, {name: path for name, path in _tiny().items() if name != "model.bin"})
    found = _choose(repo, cache, tmp_path, HF_HUB_OFFLINE="1")
    assert (found["name"], found["kind"]) == ("base", "embedded")


def test_a_hub_that_does_not_answer_costs_a_few_seconds_once(repo: Path, cache: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = _choose(repo, cache, tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert (found["name"], found["kind"]) == ("base", "embedded")
    first, second = found["seconds"]
    assert 3 < first < 10, "it was not asked, or for too long"
    assert second < 3, "the hub was asked again"


def test_a_hub_that_refuses_costs_nothing_and_a_pinned_model_says_so(repo: Path, cache: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = _choose(repo, cache, tmp_path, "medium", HF_ENDPOINT=f"http://127.0.0.1:{port}")
    assert "the model hub can't be reached" in found["error"]
    assert "SCRIPTORIUM_SPEECH_MODEL=auto" in found["error"]
    assert max(found["seconds"]) < 5


@pytest.fixture
def hub(request: pytest.FixtureRequest) -> Iterator[str]:
    """A hub with one repository, holding the files of tiny.en under the name of `small`; `broken` sends no weights."""
    broken = request.param == "broken"
    files = _tiny()

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def _send(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            name = path.rsplit("/", 1)[-1]
            if path.startswith(f"/api/models/{SMALL}"):
                listed = [{"rfilename": name} for name in files]
                if "/tree/" in path:
                    tree = [
                        {"type": "file", "path": name, "size": file.stat().st_size, "oid": f"{name:0<40}"}
                        for name, file in files.items()
                    ]
                    return self._send(200, json.dumps(tree).encode(), content_type="application/json")
                about = json.dumps({"id": SMALL, "sha": SHA, "siblings": listed, "tags": [], "downloads": 0})
                return self._send(200, about.encode(), content_type="application/json", x_repo_commit=SHA)
            if path.startswith(f"/{SMALL}/resolve/") and name in files and not (broken and name == "model.bin"):
                return self._send(200, files[name].read_bytes(), etag=f'"{name:0<40}"', x_repo_commit=SHA)
            return self._send(404, b"", x_error_code="RepoNotFound")

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("hub", ["whole"], indirect=True)
def test_what_the_hub_has_is_fetched_once(repo: Path, cache: Path, tmp_path: Path, hub: str) -> None:
    found = _choose(repo, cache, tmp_path, HF_ENDPOINT=hub)
    assert (found["name"], found["reason"]) == ("small", "the best for cpu")
    assert {"model.bin", "config.json", "tokenizer.json"} <= set(found["files"])
    assert len([line for line in found["said"] if line.startswith("Fetching")]) == 1
    again = _choose(repo, cache, tmp_path, HF_HUB_OFFLINE="1")
    assert {**again, "said": 0, "seconds": 0} == {**found, "said": 0, "seconds": 0}, "its origin reads the same later"
    missing = _choose(repo, cache, tmp_path, "medium", HF_ENDPOINT=hub)
    assert "the model hub has no such model" in missing["error"]


@pytest.mark.parametrize("hub", ["broken"], indirect=True)
def test_a_download_that_fails_leaves_auto_with_what_is_here(repo: Path, cache: Path, tmp_path: Path, hub: str) -> None:
    found = _choose(repo, cache, tmp_path, HF_ENDPOINT=hub)
    assert (found["name"], found["kind"]) == ("base", "embedded")
    shutil.rmtree(tmp_path / "hub")
    pinned = _choose(repo, cache, tmp_path, "small", HF_ENDPOINT=hub)
    assert "fetching small from the hub failed" in pinned["error"]
