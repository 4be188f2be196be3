"""`scriptorium forget`: a recording deleted wholly, and looked for afterwards.

Belongs here: the question, the order of deletion, the proof. Does not belong here: what is meant by a key
(`subject.py`), deleting from the store (`store/upkeep/forgetting.py`) and from Dagster (`erasing.py`), searching
(`resources/traces.py`).

The digest goes into `forgotten.log` before anything is deleted, so that no sensor takes the file in again meanwhile.
What knows the file's name (Dagster's events, then the intake's ledger) goes after all that is found by that name. A
command that was cut off is simply run again: the log tells that the key was meant, even when nothing else does.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from rich.console import Console

from dagster_project.commands import daemon, erasing, products, terminal
from dagster_project.commands.subject import DIGITS, Subject, identify
from dagster_project.definitions import build_defs
from dagster_project.instance import bury_orphans, dagster_home, opened
from dagster_project.settings import Settings
from resources import traces
from resources.errors import BadInput
from resources.intake.forgotten import FORGOTTEN, Forgotten
from resources.intake.identity import shown
from resources.intake.intake import Intake
from resources.intake.recordings import recordings_intake
from resources.progress import Progress
from resources.store import lock
from resources.store.upkeep import forgetting
from resources.store.upkeep.known import EventLog

PRODUCT = "recordings"
_PASSES, _PAUSE_S = 3, 3.0
_SHOWN = 5
_YOUNG = "Waiting a minute at most: there are temporary files so new that they may still be in use."


class _Line(NamedTuple):
    level: str
    what: str
    state: str
    to_do: str = ""


def run(settings: Settings, key: str, *, yes: bool) -> bool:
    """Delete the recording `key`, after a question unless `yes`; True if nothing is left that names it.

    The originals are never touched; the answer says where they lie. Raises BadInput for a key that is none, for one
    that is being worked on, and where there is nobody to ask.
    """
    homes, say = settings.homes, terminal.console()
    with opened(settings) as instance:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        with recordings_intake(instance, homes.intake, settings.min_recording_s) as intake:
            _check_key(settings, instance, intake.forgotten, key)
            say.print("Looking for all there is of it.")
            kept, known = _checked(instance, key), EventLog(instance)
            held = forgetting.find(homes.store, _published(settings, key), key, known().newest)
            subject = identify(instance, intake, key, homes.recordings_inbox, held.names)
            for line in _plan(subject, kept, held):
                say.print(line, markup=False)
            if not yes and not _agreed(key):
                say.print("Nothing was deleted.")
                return False
            if subject.digest is not None and subject.digest not in intake.forgotten:
                intake.forgotten.note(FORGOTTEN, subject.digest)
            say.print("Deleting it from the store, as soon as no run is writing to that.")
            with lock.collecting(homes.store):
                kept = _checked(instance, key)
                held = forgetting.find(homes.store, _published(settings, key), key, known().newest)
                forgetting.delete(homes.store, held, key)
            temporary = [homes.store / "tmp", homes.library / ".tmp"]
            forgetting.sweep_temporary(temporary, lambda: say.print(_YOUNG))
            say.print("Deleting it from Dagster and from the logs.")
            _clear_logs(settings, subject, kept.runs)
            _erase(instance, intake, subject, kept)
        lines = [*_done(subject, kept, held, homes.intake), *_proof(settings, instance, subject, say)]
    return terminal.table(lines) == 0


def _check_key(settings: Settings, instance: dg.DagsterInstance, forgotten: Forgotten, key: str) -> None:
    product = products.find(build_defs(settings), PRODUCT)
    digits = DIGITS.search(key)
    if digits is None or forgotten.starting_with(digits[1]) is None:  # else an earlier command was cut off
        products.chosen(product, instance, [key])


def _erase(instance: dg.DagsterInstance, intake: Intake, subject: Subject, kept: erasing.Kept) -> None:
    """Delete it from Dagster and from the ledger, which knows the names, and last the partition."""
    erasing.erase(instance, kept, intake.product.asset, subject.key, subject.names, subject.paths)
    intake.ledger.drop(subject.key, subject.staying)
    instance.delete_dynamic_partition(intake.product.partitions, subject.key)


def _published(settings: Settings, key: str) -> Path:
    return settings.homes.library / PRODUCT / key


def _checked(instance: dg.DagsterInstance, key: str) -> erasing.Kept:
    """What Dagster has of it. Raises BadInput where something is in the way."""
    kept = erasing.find(instance, key)
    if kept.unfinished:
        raise BadInput(
            f"{key} is being worked on (run {', '.join(run[:8] for run in kept.unfinished)}).",
            "Stop it first: Terminate in the Dagster UI, or Ctrl-C where it runs. Then run this again.",
        )
    if kept.unfinished_backfills:
        raise BadInput(
            f"Backfill {', '.join(kept.unfinished_backfills)} is to make {key} and is not over.",
            "Wait for it, or cancel it in the Dagster UI. Then run this again.",
        )
    if kept.others:
        raise BadInput(
            f"Run {', '.join(run[:8] for run in kept.others)} made other partitions together with {key}, and what it"
            " made of them would be lost.",
            "Materialize these again, each in a run of its own, and delete that run in the Dagster UI. Then run this"
            " again.",
        )
    return kept


def _plan(subject: Subject, kept: erasing.Kept, held: forgetting.Holdings) -> Iterator[str]:
    yield f"{subject.key} will be deleted wholly:"
    if held.published is not None:
        extra = f", with {_some(held.foreign)}, which Scriptorium did not put there" if held.foreign else ""
        yield f"  library: {held.published}{extra}"
    yield (
        f"  store: {len(held.manifests)} manifests, {len(held.objects)} objects ({_mb(held.objects.values())}),"
        f" {len(held.scratch) + len(held.aside)} folders and files of partial or damaged results"
    )
    if held.shared:
        yield f"  {len(held.shared)} objects stay: another recording has the same content"
    if held.unnamed:
        yield f"  {len(held.unnamed)} objects ({_mb(held.unnamed.values())}) that nothing names, left by killed runs"
    yield f"  Dagster: {len(kept.runs)} runs, {kept.events} events, {len(kept.backfills)} backfills, logs and ticks"
    for path in subject.originals:
        yield f"  not the original: {shown(path, 4096)}"


def _agreed(key: str) -> bool:
    if not sys.stdin.isatty():
        raise BadInput("Nobody is at the terminal to confirm this.", "Add --yes to delete without a question.")
    import typer

    return typer.confirm(f"Delete {key} for ever?", err=True)


def _clear_logs(settings: Settings, subject: Subject, runs: Iterable[str]) -> None:
    """Blank the lines that name it in failures.log, in our daemon's log and in what ticks and deleted runs wrote.

    Ledgers that were set aside as damaged are of no use to anybody, and go.
    """
    homes, home = settings.homes, dagster_home(settings)
    traces.blank_lines(homes.failures_log, subject.is_failure(runs))
    # A line of another file whose name is alike is no loss in the daemon's log, but it is in what another run wrote.
    traces.blank_lines(home / "daemon.log", traces.naming([*subject.own, *runs, *subject.names]))
    about = traces.naming([*subject.own, *runs])
    for output in [path for path in home.rglob("*") if path.suffix in (".err", ".out") and path.is_file()]:
        traces.blank_lines(output, about)
    for aside in homes.home.glob(f"{homes.intake.name}.damaged-*"):
        aside.unlink(missing_ok=True)


def _done(subject: Subject, kept: erasing.Kept, held: forgetting.Holdings, ledger: Path) -> Iterator[_Line]:
    yield _Line("ok", "library", "the folder is deleted" if held.published else "there was no folder")
    gone = {**held.objects, **held.unnamed}
    if held.unknown and (gone or held.aside):
        first, *more = held.unknown
        yield _Line(
            "bad",
            "store",
            f"{len(gone)} objects and {len(held.aside)} that were set aside stay, and may be of this recording: nobody"
            f" knows what {first} is made of ({held.unknown[first]})"
            + (f", nor {len(more)} other manifests" if more else ""),
            "Bring it back from a backup, or materialize that again and let collect_garbage remove the old version."
            " Then run this again.",
        )
    else:
        stay = f", {len(held.shared)} stay for other recordings" if held.shared else ""
        yield _Line("ok", "store", f"{len(held.manifests)} manifests and {len(gone)} objects deleted{stay}")
    yield _Line("ok", "Dagster", f"{len(kept.runs)} runs and {kept.events} events deleted, and the partition")
    if subject.digest is None:
        yield _Line("warn", "log", "its digest is not known: a file with these bytes would be taken in again")
    else:
        yield _Line("ok", "log", f"{Forgotten(ledger).path} has the digest, and nothing else")


def _proof(settings: Settings, instance: dg.DagsterInstance, subject: Subject, say: Console) -> Iterator[_Line]:
    """Rewrite the databases, and search. A daemon at work may have written once more what it had in mind."""
    homes = settings.homes
    clean: dict[Path, tuple[int, ...]] = {}
    for attempt in range(_PASSES):
        if attempt:
            say.print(f"Something was found. Deleting and searching again ({attempt + 1} of {_PASSES}).")
            time.sleep(_PAUSE_S)
            kept = erasing.find(instance, subject.key)
            _clear_logs(settings, subject, kept.runs)
            if not (kept.unfinished or kept.others):
                with recordings_intake(instance, homes.intake, settings.min_recording_s) as intake:
                    _erase(instance, intake, subject, kept)
        databases = [*erasing.databases(instance), homes.intake]
        unwashed = [path for path in databases if path.exists() and not _washed(path)]
        found, files, size = _search(settings, subject, clean, say)
        left = [trace for trace in found if trace.sure]
        if not left:
            break
    for path in unwashed:
        yield _Line("bad", "database", f"{path} is in use and could not be rewritten", "Run this again.")
    for trace in left[:_SHOWN]:
        to_do = "Stop Scriptorium and run this again. A file of your own is yours to change; no other is."
        yield _Line("bad", "left", f"{trace.path}: {trace.where}", to_do)
    if len(left) > _SHOWN:
        yield _Line("bad", "left", f"and {len(left) - _SHOWN} more places")
    if not left:
        looked = "its key, digest, name and paths"
        if subject.common:
            looked = "its key and digest, nor of such names and paths as are only its own"
        elif not subject.paths:
            looked = "its key and digest; its name is not known any more"
        but = " but the rows of the intake by which the inbox leaves the original alone" if subject.staying else ""
        yield _Line("ok", "search", f"{files:,} files ({size / 1e6:,.0f} MB){but} hold nothing of {looked}")
    if subject.common:
        places = [f"{trace.path}: {trace.where}" for trace in found if not trace.sure]
        said = f"is in {len(places)} places ({_some(places)})" if places else "is nowhere"
        state = f"its name is that of others, or in theirs, in full or cut; it {said}"
        yield _Line("warn", "name", state, "These may mean the others, and were left.")
    if not erasing.databases(instance):
        state = "Dagster's database server keeps deleted rows until they are vacuumed"
        yield _Line("warn", "server", state, "That is its administrator's to do.")
    for original in subject.originals:
        yield _Line("warn", "original", shown(original, 4096), "It is left to you to delete.")


def _search(
    settings: Settings, subject: Subject, clean: dict[Path, tuple[int, ...]], say: Console
) -> tuple[list[traces.Trace], int, int]:
    """Everything but the originals. Manifests name files of the store's own, which a recording may be called like."""
    homes, home = settings.homes, dagster_home(settings)
    manifests = homes.store / "assets"
    skip = [homes.inbox, Forgotten(homes.intake).path, *map(Path, subject.originals)]
    progress: list[Progress] = []

    def watch(done: int, total: int) -> None:
        if not progress:
            progress.append(Progress(_Said(say), "searching", total / 1e6, "MB"))
        progress[0].update(done / 1e6)

    say.print("Searching everything for what may be left.")
    allowed = {homes.intake: subject.is_left_alone} if subject.staying else {}
    found, files, size = traces.search(
        [homes.home, home], subject.own, [*skip, manifests],
        doubtful=subject.common, allowed=allowed, clean=clean, watch=watch,
    )  # fmt: skip
    in_manifests, more, more_size = traces.search([manifests], subject.own, skip, clean=clean)
    return [*found, *in_manifests], files + more, size + more_size


class _Said:
    """A log that is said in the terminal."""

    def __init__(self, say: Console) -> None:
        self._say = say

    def info(self, msg: str) -> None:
        self._say.print(msg, markup=False)


def _washed(database: Path) -> bool:
    try:
        return traces.wash(database)
    except sqlite3.Error:
        return False


def _mb(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / 1e6:,.1f} MB"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
