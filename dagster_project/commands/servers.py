"""What goes on until it is stopped: Dagster's UI with its daemon, and MLflow's UI.

Belongs here: what is looked at and tidied before they start, and the commands that this process becomes. Does not
belong here: a daemon for the while of another command (`daemon.py`).
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import time

import typer

from dagster_project.commands import daemon, terminal
from dagster_project.instance import WORKSPACE, bury_orphans, opened
from dagster_project.settings import Settings
from resources.errors import MissingExtra
from resources.store.upkeep.leftovers import scratches

_SCRATCH_DAYS = 7


def dev(settings: Settings, host: str, port: int) -> None:
    """Become the Dagster UI with its daemon and the sensors.

    Before that, runs left over from a crash and scratch that nobody took up are tidied away. typer.Exit(1) if a daemon
    already works on this home, or the port is taken.
    """
    with opened(settings) as instance:
        if daemon.alive(instance):
            terminal.error(
                "A daemon already works on this home.", "Stop it first, or wait 45 s if it was killed a moment ago."
            )
            raise typer.Exit(1)
        for run in bury_orphans(instance, daemon_alive=False):
            typer.echo(f"run {run.run_id[:8]} was left over from a crash; it is retried")
    before = time.time() - _SCRATCH_DAYS * 86_400
    if stale := scratches(settings.homes.store, before=before, dry_run=False).count:
        typer.echo(f"removed the partial results of {stale} runs that nobody took up for {_SCRATCH_DAYS} days")
    _refuse_taken(host, port)
    typer.echo(f"UI     http://{host}:{port}")
    for inbox in settings.homes.inboxes:
        typer.echo(f"inbox  {inbox}")
    typer.echo(f"notes  {settings.homes.library / 'recordings'}")
    sys.stdout.flush()
    # At its usual level it prints two lines for each sensor every five seconds; the UI has them all.
    quiet = ["--log-level", "warning"]
    command = [sys.executable, "-m", "dagster", "dev", "-h", host, "-p", str(port), "-w", str(WORKSPACE), *quiet]
    os.execv(sys.executable, command)


def mlflow(settings: Settings, host: str, port: int) -> None:
    """Become MLflow's UI on the trainings of this home. typer.Exit(1) if the port is taken; raises MissingExtra."""
    if importlib.util.find_spec("mlflow") is None:
        raise MissingExtra("MLflow is not installed.", "Install it: make setup EXTRAS=offline,train")
    settings.homes.make()
    _refuse_taken(host, port)
    typer.echo(f"MLflow  http://{host}:{port}")
    typer.echo('In its menu switch from "GenAI" to "Model training": trainings are there.')
    sys.stdout.flush()
    # Its job runner is seven processes of 240 MB each, for evaluations of language models.
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    os.environ |= quiet
    uri, artifacts = f"sqlite:///{settings.homes.mlflow}", settings.homes.mlflow_artifacts.as_uri()
    server = ["mlflow", "ui", "--backend-store-uri", uri, "--default-artifact-root", artifacts]
    os.execv(sys.executable, [sys.executable, "-m", *server, "--host", host, "--port", str(port), "--workers", "1"])


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        if probe.connect_ex((host, port)) == 0:
            terminal.error(f"Something else already answers at {host}:{port}.", "Choose another --port.")
            raise typer.Exit(1)
