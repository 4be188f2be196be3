"""The command line, run as a person does."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest


def test_help_is_quick_and_names_every_command(house) -> None:
    house.scriptorium("--help")  # once for the disk's sake
    begun = time.process_time(), time.monotonic()
    shown = house.scriptorium("--help")
    assert time.monotonic() - begun[1] < 3  # measured 0.4 s on an idle machine; this one may be busy
    assert shown.returncode == 0
    for command in ("notes", "correct", "train", "infer", "backfill", "doctor", "demo", "setup", "dev", "mlflow"):
        assert command in shown.stdout


def test_help_imports_nothing_heavy(house) -> None:
    code = (
        "import sys\nfrom dagster_project import cli\ntry:\n    cli.app(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('dagster', 'numpy', 'av', 'faster_whisper', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=house.repo)
    assert done.stdout.splitlines()[-1] == "[]"


def test_notes_prints_the_paths_and_keeps_runs_the_sensor_will_not_repeat(furnished) -> None:
    keys = furnished.keys()
    assert len(keys) == 2
    for key in keys:
        assert furnished.pdf(key).read_bytes().startswith(b"%PDF")
    for run in furnished.runs()[-2:]:
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert run.job_name == "recordings"
        assert run.tags["dagster/partition"] in keys
        assert run.tags["dagster/run_key"] == run.tags["dagster/partition"]
        assert run.remote_job_origin is not None  # the UI can re-execute it


def test_what_is_made_is_not_made_again(furnished, tmp_path: Path) -> None:
    before = len(furnished.runs())
    original = furnished.home.parent / "talks" / "bridge.mp4"
    copy = tmp_path / "other name.mp4"
    copy.write_bytes(original.read_bytes())
    again = furnished.scriptorium("notes", str(original), str(copy))
    assert again.returncode == 0
    assert "already made" in again.stderr
    [path] = set(again.stdout.splitlines())
    assert Path(path).is_file()
    assert len(furnished.runs()) == before


def test_what_is_missing_is_made_and_no_more(furnished) -> None:
    key = furnished.keys()[0]
    furnished.pdf(key).unlink()
    done = furnished.scriptorium("notes", str(furnished.home.parent / "talks" / "bridge.mp4"))
    assert done.returncode == 0, done.stderr
    assert furnished.pdf(key).is_file()
    assert furnished.made(furnished.runs()[0]) == {"published"}


def test_one_bad_file_does_not_stop_the_others(house, clip, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a empty.mp4").touch()
    (folder / "b text.mp4").write_text("no recording")
    clip(folder / "c good é.mp4", 8.0)
    done = house.scriptorium("notes", str(folder / "*.mp4"), str(folder / "absent.mp4"))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert Path(done.stdout.strip()).is_file()
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed")]
    assert [line.split(":")[0] for line in failed] == ["failed a empty.mp4", "failed b text.mp4", "failed absent.mp4"]
    assert "Traceback" not in done.stderr
    assert len(house.runs()) == 1


def test_a_failed_run_is_told_in_one_line(house, clip, tmp_path: Path) -> None:
    house.environment["SCRIPTORIUM_SPEECH_LANGUAGE"] = "ru"  # which tiny.en does not know
    done = house.scriptorium("notes", str(clip(tmp_path / "bridge.mp4", 4.0)))
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = [line for line in done.stderr.splitlines() if line.startswith("failed")]
    assert "bridge.mp4" in line
    assert "SCRIPTORIUM_SPEECH_LANGUAGE" in line  # what to do
    assert "Traceback" not in done.stderr
    assert house.runs()[0].status == dg.DagsterRunStatus.FAILURE
    assert not list((house.home / "library").glob("recordings/*"))


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["notes", "none*.mp4"], "No file matches", 1),
        (["notes", "absent.mp4"], "no file", 1),
        (["correct", "talk", "talk.txt"], 'no recording "talk"', 1),
        (["correct", "talk"], "--discard", 2),
        (["backfill", "cakes", "--all"], "Choose one of: cifar10_predict", 1),
        (["backfill", "recordings", "nobody~0"], "has no partitions yet", 1),
        (["backfill", "recordings"], "--missing", 2),
        (["backfill", "recordings", "--all", "--failed"], "--missing", 2),
        (["backfill", "recordings", "--missing"], "nothing to do", 0),
    ],
)
def test_wrong_arguments_are_answered_in_words(house, arguments: list[str], said: str, code: int) -> None:
    done = house.scriptorium(*arguments)
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named(house) -> None:
    house.environment["SCRIPTORIUM_SETTLE_SECONDS"] = "soon"
    done = house.scriptorium("setup")
    assert done.returncode == 2
    assert "SCRIPTORIUM_SETTLE_SECONDS" in done.stderr


def test_ctrl_c_cancels_the_run_and_the_next_command_goes_on(house, repo: Path) -> None:
    lecture = str(repo / "samples" / "lecture.mp4")
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster_project.cli", "notes", lecture],
        cwd=repo,
        env=house.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "transcript" in line:
                break
        time.sleep(1)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - begun < 10
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    [run] = house.runs()
    assert run.status == dg.DagsterRunStatus.CANCELED
    assert not list((house.home / "library").glob("recordings/*"))
    with house.instance() as instance:
        assert instance.event_log_storage.get_concurrency_info("gpu").claimed_slots == []
    done = house.scriptorium("notes", lecture)
    assert done.returncode == 0, done.stderr
    assert house.made(house.runs()[0]).isdisjoint({"audio", "slides"})


def test_forgetting_by_the_command(house, clip, tmp_path: Path) -> None:
    recording = clip(tmp_path / "bridge.mp4", 9.0)
    assert house.scriptorium("notes", str(recording)).returncode == 0
    [key] = house.keys()
    assert house.scriptorium("forget", key).returncode == 1  # nobody is there to be asked
    assert house.keys() == [key]
    done = house.scriptorium("forget", key, "--yes")
    assert done.returncode == 0, done.stderr
    assert house.keys() == []
    assert recording.exists()


@pytest.mark.train
def test_mlflow_shows_its_pages(house, free_port: int) -> None:
    command = [sys.executable, "-m", "dagster_project.cli", "mlflow", "--port", str(free_port)]
    # A session of its own: MLflow's server leaves its workers behind when only it is ended.
    server = subprocess.Popen(command, env=house.environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().split() == ["MLflow", f"http://127.0.0.1:{free_port}"]
        end = time.monotonic() + 120  # it makes its database first, which takes 10 s on an idle machine
        page = ""
        while "mlflow" not in page.lower():
            assert time.monotonic() < end
            assert server.poll() is None
            time.sleep(0.5)
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{free_port}/", timeout=5) as answer:
                page = answer.read().decode()
        assert (house.home / "mlflow.db").exists()
        taken = house.scriptorium("mlflow", "--port", str(free_port))
        assert taken.returncode == 1
        assert "Choose another --port" in taken.stderr
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()
