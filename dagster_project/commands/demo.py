"""`scriptorium demo`: the sample lecture on the way every recording goes, through the inbox, the sensor and a run.

Belongs here: laying the sample into the inbox, waiting, and comparing the result with what was really said.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import dagster as dg
from blake3 import blake3

from dagster_project.commands import daemon, products, terminal
from dagster_project.commands.backfill import launch_and_wait
from dagster_project.commands.watching import POLL_S, Follower
from dagster_project.definitions import build_defs
from dagster_project.instance import bury_orphans, dagster_home, opened
from dagster_project.settings import PROJECT_ROOT, Settings
from resources.errors import BadInput
from resources.intake.intake import RUN_KEY_TAG
from resources.intake.recordings import recordings_intake
from resources.speech.documents import Transcript
from resources.speech.reference import error_rates
from resources.store import records
from resources.store.io_manager import ArtifactStore

_SAMPLE = PROJECT_ROOT / "samples" / "lecture.mp4"
_REFERENCE = PROJECT_ROOT / "samples" / "lecture.txt"
_PATIENCE_S = 90.0
"""So long at most until the sensor has asked for the run: the daemon's start, the settling time, two ticks."""


def run(settings: Settings) -> bool:
    """Take the sample to a PDF and print its path; True if it is there. A known one is not worked on again."""
    begun = time.monotonic()
    if not _SAMPLE.is_file():
        raise BadInput(f"The sample {_SAMPLE} is missing.", "Restore it: git checkout -- samples")
    defs = build_defs(settings)
    product = products.find(defs, "recordings")
    store = (defs.resources or {})["store"]
    assert isinstance(store, ArtifactStore)
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        with recordings_intake(instance, settings.homes.intake, settings.min_recording_s) as intake:
            key = intake.key_for(_SAMPLE.name, blake3(_SAMPLE.read_bytes()).hexdigest())
        known = not products.missing(product, instance, store, [key])
        if known:
            board.line("The sample was made before: nothing to do. Its run is in the UI (`scriptorium dev`).")
            done = True
        elif _runs(instance, key):
            board.line("The sample was begun before: making what is missing of it.")
            selections = products.missing(product, instance, store, [key])
            home = dagster_home(settings)
            done = not launch_and_wait(instance, home, product, selections, board, "scriptorium demo").failed
        else:
            done = _by_sensor(settings, instance, board, key)
        if not done:
            return False
        _report(instance, store, board, key, None if known else time.monotonic() - begun)
        pdf = products.library_pdf(store, instance, key)
    if pdf is None:
        return False
    print(pdf)  # noqa: T201  # the command's result
    return True


def _by_sensor(settings: Settings, instance: dg.DagsterInstance, board: terminal.Board, key: str) -> bool:
    """Lay the sample into the inbox and wait for what the sensor makes of it."""
    target = _lay(settings.homes.recordings_inbox)
    board.line(f"Put {target}")
    row = board.row(target.name)
    row.stage("waiting for the sensor to notice it")
    with daemon.Daemon(instance, dagster_home(settings), say=board.line) as runner:
        end = time.monotonic() + _PATIENCE_S + settings.settle_seconds
        runner.ensure()
        while not (runs := _runs(instance, key)):
            if time.monotonic() > end:
                row.finish(False, "the sensor asked for no run; is it switched on? See its ticks in `scriptorium dev`")
                return False
            time.sleep(POLL_S)
            runner.ensure()
        follower = Follower(instance, row)
        while (over := follower.look(runs)) is None:
            time.sleep(POLL_S)
            runner.ensure()
            runs = _runs(instance, key)
        row.finish(over.ok, over.message)
    return over.ok


def _lay(inbox: Path) -> Path:
    """Copy the sample into the inbox in one step, under a name that is free or already its own."""
    content = _SAMPLE.read_bytes()
    for name in (_SAMPLE.name, f"demo-{_SAMPLE.name}"):
        target = inbox / name
        if target.is_file() and target.read_bytes() == content:
            return target
        if not target.exists():
            partial = inbox / f".{name}.part"  # the sensor looks at no hidden files
            shutil.copyfile(_SAMPLE, partial)
            return partial.replace(target)
    raise BadInput(f"{inbox} holds other files named like the sample.", f"Rename {inbox / _SAMPLE.name}.")


def _runs(instance: dg.DagsterInstance, key: str) -> list[dg.DagsterRun]:
    """The sample's runs, newest first."""
    return list(instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: key})))


def _report(
    instance: dg.DagsterInstance, store: ArtifactStore, board: terminal.Board, key: str, took_s: float | None
) -> None:
    record = records.latest(instance, dg.AssetKey("transcript"), key)
    transcript = store.load(record) if record else None
    assert isinstance(transcript, Transcript), "notes are made from a transcript"
    rates = error_rates(_REFERENCE.read_text(encoding="utf-8"), transcript.text)
    board.line(f"words heard wrong: {rates.wer:.1%} (model {transcript.model} on {transcript.device})")
    pdf = products.library_pdf(store, instance, key)
    slides = len(list(pdf.parent.glob("slide-*.jpg"))) if pdf else 0
    took = "" if took_s is None else f", {terminal.duration(took_s)} in all"
    board.line(f"slides: {slides}{took}")
