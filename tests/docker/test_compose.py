"""The image and the stack on a real engine: a file dropped in the shared inbox becomes notes, also across a crash."""

import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

# The limit is for the slowest fixture: making a base image, building, and starting. `-m docker` takes about 4 minutes.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

NOTES_S = 240


def _notes(home: Path, stem: str) -> Path | None:
    """The published PDF of the recording whose file is named `stem`, once it is there."""
    return next((home / "library" / "recordings").glob(f"{stem}~*/notes.pdf"), None)


def _ended(stack: Any) -> list[dict[str, Any]]:
    """Every run, once there are some and all have ended."""
    runs = stack.runs()
    return runs if all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs) else []


def test_the_image_is_consistent_and_holds_no_secret(engine: Any, image: str) -> None:
    check = (
        "pip check && dagster --version && python -c 'import dagster_docker, faster_whisper, dagster_project.cli'"
        " && test ! -s /etc/pip.conf && test ! -s /run/secrets/ca && test ! -e /app/.env && test ! -e /app/data"
    )
    engine.run("run", "--rm", "--network", "none", image, "sh", "-c", check, timeout=120)
    assert engine.run("run", "--rm", "--network", "none", image, "id", "-u").stdout.strip() == "1000"


def test_a_dropped_file_becomes_notes(stack: Any, repo: Path) -> None:
    inbox = stack.home / "inbox" / "recordings"
    shutil.copy(repo / "samples" / "lecture.mp4", inbox)
    [run] = stack.wait_for("the run has ended", lambda: _ended(stack), NOTES_S)
    assert run["status"] == "SUCCESS", stack.logs()
    pdf = _notes(stack.home, "lecture")
    assert pdf is not None
    text = " ".join(page.extract_text() for page in PdfReader(pdf).pages)
    assert "suspension bridge" in " ".join(text.split()).lower()
    # What the containers wrote belongs to the owner of the home, not to root.
    assert {path.stat().st_uid for path in (stack.home, pdf, stack.home / "dagster" / "dagster.yaml")} == {stack.uid}


def test_the_daemon_is_healthy_and_only_the_ui_is_published(stack: Any) -> None:
    stack.wait_for("the daemon is healthy", lambda: stack.health("daemon") == "healthy", 90)
    published = {}
    for service in ("code", "webserver", "daemon"):
        state = stack.state(service)
        published[service] = [
            port["HostIp"] for ports in (state["HostConfig"]["PortBindings"] or {}).values() for port in ports
        ]
        assert state["Config"]["User"] == f"{stack.uid}:{stack.uid}"
        assert state["RestartCount"] == 0
    assert published == {"code": [], "webserver": ["127.0.0.1"], "daemon": []}


def test_a_run_whose_container_was_killed_is_finished_by_the_next(stack: Any, repo: Path) -> None:
    """As in a power cut, or an upgrade that does not wait: the new container fails the run, the daemon repeats it."""
    known = {run["id"] for run in stack.runs()}
    # The same lecture with eight more bytes (an empty MP4 box) is another recording.
    longer = (repo / "samples" / "lecture.mp4").read_bytes() + struct.pack(">I4s", 8, b"free")
    (stack.home / "inbox" / "recordings" / "again.mp4").write_bytes(longer)

    def new_runs(status: str) -> list[dict[str, Any]]:
        return [run for run in stack.runs() if run["id"] not in known and run["status"] == status]

    [cut_off] = stack.wait_for("the second run has started", lambda: new_runs("STARTED"), 60)
    stack.compose("kill", "-s", "KILL", "code")
    assert _notes(stack.home, "again") is None, "killed too late to show anything"
    stack.compose("up", "-d", "--no-build", "--force-recreate", "code")
    [repeated] = stack.wait_for("a second attempt succeeds", lambda: new_runs("SUCCESS"), NOTES_S)
    assert repeated["parentRunId"] == cut_off["id"]
    assert [run["id"] for run in new_runs("FAILURE")] == [cut_off["id"]]
    assert _notes(stack.home, "again") is not None
    assert len(stack.runs()) == len(known) + 2, "a recording that was done has been done again"
