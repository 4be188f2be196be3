"""A real engine, an image built from this checkout, and the stack of docker/compose.yaml over a temporary home.

Everything has a time limit, carries a name of its own, and is removed at the end. Where no engine runs,
`tests/docker/engine.sh` starts one.
"""

import configparser
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
COMPOSE_FILE = "docker/compose.yaml"
PULL_S, BASE_S, BUILD_S, COMPOSE_S = 60, 300, 600, 180


@dataclass(frozen=True)
class Engine:
    """The engine that answers, and the two commands that talk to it."""

    client: str
    compose: list[str]
    name: str  # prefix of every image and project of this test session

    def run(self, *arguments: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`docker ARGUMENTS`; the output of a failed command is in the AssertionError."""
        return _run([self.client, *arguments], timeout, check)


@dataclass
class Stack:
    """One `up` of the compose file: its home on this machine, its port, and how to ask it."""

    engine: Engine
    repo: Path
    home: Path
    port: int
    uid: int
    settings: dict[str, str] = field(default_factory=dict)

    def compose(self, *arguments: str, timeout: float = COMPOSE_S) -> str:
        """`docker compose ARGUMENTS` for this stack; returns what it wrote to stdout."""
        command = [*self.engine.compose, "-p", self.engine.name, "-f", str(self.repo / COMPOSE_FILE), *arguments]
        return _run(command, timeout, True, os.environ | self.settings).stdout

    def state(self, service: str) -> dict[str, Any]:
        """`docker inspect` of the service's container."""
        container = self.compose("ps", "-q", service).strip()
        return dict(json.loads(self.engine.run("inspect", container).stdout)[0])

    def health(self, service: str) -> str:
        """`starting`, `healthy` or `unhealthy`."""
        return str(self.state(service)["State"]["Health"]["Status"])

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The `data` of a GraphQL answer from the published port."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer)["data"])

    def code_error(self) -> str:
        """Why the definitions could not be loaded; empty if they were. The code server answers either way."""
        entries = self.graphql(
            "{ workspaceOrError { ... on Workspace { locationEntries {"
            " locationOrLoadError { ... on PythonError { message } } } } } }"
        )["workspaceOrError"]["locationEntries"]
        return "\n".join(entry["locationOrLoadError"].get("message", "") for entry in entries)

    def runs(self) -> list[dict[str, Any]]:
        """Every run: `id`, `status`, `parentRunId`, newest first."""
        found = self.graphql("{ runsOrError { ... on Runs { results { id status parentRunId } } } }")
        return list(found["runsOrError"]["results"])

    def logs(self) -> str:
        """The last lines of each container."""
        return self.compose("logs", "--no-color", "--tail", "60")

    def wait_for(self, what: str, seen: Callable[[], Any], seconds: float) -> Any:
        """Poll until `seen()` is true and return it; after `seconds` fail with what the containers logged."""
        end = time.monotonic() + seconds
        while not (result := seen()):
            if time.monotonic() > end:
                pytest.fail(f"{what}: not within {seconds:.0f} s\n{self.logs()}")
            time.sleep(0.5)
        return result


def _run(
    command: list[str], timeout: float, check: bool, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env)
    assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def _with_buildkit() -> str:
    """The first `docker` on the PATH that can mount secrets into a build: not a newer client without its plugin."""
    os.environ["DOCKER_BUILDKIT"] = "1"
    found = [shutil.which("docker", path=folder) for folder in os.get_exec_path()]
    for client in filter(None, found):
        if "--secret" in _run([client, "build", "--help"], 20, False).stdout:
            return client
    pytest.fail("no `docker` on the PATH can build with BuildKit: install its buildx plugin")


def _compose() -> list[str]:
    if _run(["docker", "compose", "version"], 20, False).returncode == 0:
        return ["docker", "compose"]
    if found := shutil.which("docker-compose"):
        return [found]
    pytest.fail("neither `docker compose` nor `docker-compose` is installed")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The Docker engine of DOCKER_HOST, or of this machine."""
    return Engine(_with_buildkit(), _compose(), f"scriptorium-test-{secrets.token_hex(3)}")


@pytest.fixture(scope="session")
def base_image(engine: Engine) -> Iterator[str]:
    """The Dockerfile's own base where a registry can be reached, else one made from Debian's packages."""
    usual = "python:3.11-slim"
    if engine.run("image", "inspect", usual, check=False).returncode == 0:
        yield usual
        return
    try:
        pulled = engine.run("pull", "--quiet", usual, timeout=PULL_S, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        pulled = False
    if pulled:
        yield usual
        return
    name = f"{engine.name}-base"
    _run([str(HERE / "base_image.sh"), name], BASE_S, True)
    yield name
    engine.run("image", "rm", name, check=False)


@pytest.fixture(scope="session")
def pip_secrets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build options that hand on this machine's package index and certificates, and nothing that lies on its disk."""
    listed = _run([sys.executable, "-m", "pip", "config", "list"], 30, True).stdout
    options = dict(line.split("=", 1) for line in listed.splitlines())
    given = {name.rpartition(".")[2].strip("'"): value.strip("'") for name, value in options.items()}
    config = configparser.RawConfigParser()
    config["global"] = {}
    for key in ("index-url", "extra-index-url", "trusted-host", "timeout"):
        if words := [word for word in given.get(key, "").split() if not word.startswith(("file:", "/"))]:
            config["global"][key] = " ".join(words)
    secret = tmp_path_factory.mktemp("pip") / "pip.conf"
    arguments = ["--secret", f"id=pipconf,src={secret}"]
    if certificates := given.get("cert") or os.environ.get("SSL_CERT_FILE"):
        config["global"]["cert"] = "/run/secrets/ca"
        arguments += ["--secret", f"id=ca,src={certificates}"]
    with secret.open("w") as file:
        config.write(file)
    return arguments


@pytest.fixture(scope="session")
def image(engine: Engine, base_image: str, pip_secrets: list[str], repo: Path) -> Iterator[str]:
    """docker/Dockerfile, built from this checkout."""
    dockerfile = str(repo / "docker" / "Dockerfile")
    # The machine's own network: it knows how to reach the package index, which a fresh engine's bridge may not.
    options = ["--network", "host", "--build-arg", f"BASE={base_image}", *pip_secrets]
    engine.run("build", "--quiet", *options, "-f", dockerfile, "-t", engine.name, str(repo), timeout=BUILD_S)
    yield engine.name
    engine.run("image", "rm", engine.name, check=False)


@pytest.fixture(scope="session")
def on_disk() -> Iterator[Path]:
    """A folder that any engine can mount: not in this machine's memory, where those of the other tests may lie."""
    with tempfile.TemporaryDirectory(prefix="scriptorium-stack-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")  # its daemon and its code server would take a third of a core from all other tests
def stack(engine: Engine, image: str, repo: Path, on_disk: Path) -> Iterator[Stack]:
    """The three containers, up and healthy, over an empty home that an ordinary user owns."""
    home = on_disk / "home"
    home.mkdir()
    uid = os.getuid() or 1000
    if os.getuid() == 0:
        os.chown(home, uid, uid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "SCRIPTORIUM_IMAGE": image,
        "SCRIPTORIUM_HOME_DIR": str(home),
        "SCRIPTORIUM_UID": str(uid),
        "SCRIPTORIUM_GID": str(uid),
        "SCRIPTORIUM_PORT": str(port),
        "SCRIPTORIUM_SETTLE_SECONDS": "2",
        "SCRIPTORIUM_SPEECH_MODEL": "tiny.en",
        "SCRIPTORIUM_OFFLINE": "true",
    }
    stack = Stack(engine, repo, home, port, uid, settings)
    try:
        stack.compose("up", "-d", "--no-build")
        stack.wait_for("the webserver is healthy", lambda: stack.health("webserver") == "healthy", 90)
        if error := stack.code_error():
            pytest.fail(error)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "20")
