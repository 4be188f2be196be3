"""The lines of plain Dagster that the documentation gives, run as they stand there."""

import os
import signal
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import dagster as dg

from dagster_project.commands.daemon import Daemon


def test_job_backfill_by_keys_and_all(furnished) -> None:
    """Both lines submit runs and return; the daemon executes them."""
    first, second = furnished.keys()
    line = ("job", "backfill", "-w", "workspace.yaml", "-j", "renotes", "--noprompt")
    keys = furnished.dagster(*line, "--partitions", f"{first},{second}")
    assert keys.returncode == 0, keys.stderr
    every = furnished.dagster(*line, "--all")
    assert every.returncode == 0, every.stderr
    unknown = furnished.dagster(*line, "--partitions", "nobody~0")
    assert unknown.returncode != 0
    assert "nobody~0" in unknown.stderr + unknown.stdout
    runs = furnished.runs()[:4]
    assert sorted(run.tags["dagster/partition"] for run in runs) == sorted([first, first, second, second])
    with (
        furnished.instance() as instance,
        Daemon(instance, furnished.home / "dagster", print, furnished.environment) as d,
    ):
        end = time.monotonic() + 120
        while any(not run.is_finished for run in furnished.runs()) and time.monotonic() < end:
            d.ensure()
            time.sleep(1)
    assert {run.status for run in furnished.runs()[:4]} == {dg.DagsterRunStatus.SUCCESS}
    assert all(furnished.made(run) == {"summary", "notes", "published"} for run in furnished.runs()[:4])


def test_asset_materialize_runs_one_partition_here(furnished) -> None:
    key = furnished.keys()[0]
    done = furnished.dagster(
        "asset", "materialize", "-m", "dagster_project.definitions", "--select", "summary*", "--partition", key
    )
    assert done.returncode == 0, done.stderr
    run = furnished.runs()[0]
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert furnished.made(run) == {"summary", "notes", "published"}


def test_definitions_validate(furnished) -> None:
    done = furnished.dagster("definitions", "validate", "-w", "workspace.yaml")
    assert done.returncode == 0, done.stderr


def test_dev_serves_the_ui_on_this_machine_only(house, free_port: int) -> None:
    """`scriptorium dev` prints the address; the UI answers there and nowhere else; one Ctrl-C ends all of it."""

    process = subprocess.Popen(
        [sys.executable, "-m", "dagster_project.cli", "dev", "--port", str(free_port)],
        cwd=house.repo,
        env=house.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"UI     http://127.0.0.1:{free_port}"
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                assert urlopen(f"http://127.0.0.1:{free_port}/server_info", timeout=5).status == 200
                break
            except (URLError, ConnectionError, TimeoutError):
                time.sleep(0.5)
        else:
            raise AssertionError("the UI did not come up")
        with socket.socket() as other:
            assert other.connect_ex((_own_address(), free_port)) != 0
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()


def _own_address() -> str:
    """An address of this machine besides loopback's first one."""

    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    except OSError:
        addresses = set()
    return next((str(address) for address in addresses if not str(address).startswith("127.0.0.1")), "127.0.0.2")
