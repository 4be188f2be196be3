"""`scriptorium forget`: a recording deleted wholly, and looked for afterwards.

Belongs here: what is meant by a key, the question, the order of deletion, the proof. Does not belong here: deleting
from the store (`store/upkeep/forgetting.py`) and from Dagster (`erasing.py`), searching (`resources/traces.py`).

The digest goes into `forgotten.log` before anything is deleted, so that no sensor takes the file in again meanwhile.
What knows the file's name (Dagster's events, then the intake's ledger) goes after all that is found by that name. A
command that was cut off is simply run again: the log tells that the key was meant, even when nothing else does.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from dagster_project.commands import daemon, erasing, products, terminal
from dagster_project.definitions import build_defs
from dagster_project.instance import bury_orphans, dagster_home, opened
from dagster_project.settings import Settings
from resources import traces
from resources.errors import BadInput
from resources.intake.forgotten import FORGOTTEN, Forgotten
from resources.intake.identity import FileStat, shown
from resources.intake.intake import Intake
from resources.intake.recordings import recordings_intake
from resources.store import durable, lock
from resources.store.upkeep import forgetting

PRODUCT = "recordings"
_DIGITS = re.compile(r"~([0-9a-f]{16,64})\Z")
_PASSES, _PAUSE_S = 3, 3.0
_SHOWN = 5


class _Line(NamedTuple):
    level: str
    what: str
    state: str
    to_do: str = ""


@dataclass(frozen=True)
class _Subject:
    """What is to be forgotten: `paths` where its file was, `originals` of these where it still is.

    `staying` are originals in the inbox; `common` says that other files have the same name, or one that holds it.
    """

    key: str
    digest: str | None
    paths: list[str]
    originals: list[str]
    staying: list[tuple[str, FileStat]]
    common: bool

    @property
    def names(self) -> list[str]:
        """The file's names, as they are and as they are shown in full or cut."""
        found = dict[str, None]()
        for path in self.paths:
            name = Path(path).name
            found |= dict.fromkeys([name, *(shown(name, limit).removesuffix("…") for limit in (60, 200))])
        return list(found)


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
            subject = _identify(settings, instance, intake, key)
            kept = _checked(instance, key)
            held = forgetting.find(homes.store, _published(settings, key), key)
            for line in _plan(subject, kept, held):
                say.print(line, markup=False)
            if not yes and not _agreed(key):
                say.print("Nothing was deleted.")
                return False
            if subject.digest is not None and subject.digest not in intake.forgotten:
                intake.forgotten.note(FORGOTTEN, subject.digest)
            with lock.collecting(homes.store):
                kept = _checked(instance, key)
                held = forgetting.find(homes.store, _published(settings, key), key)
                forgetting.delete(homes.store, held, key)
            forgetting.sweep_temporary([homes.store / "tmp", homes.library / ".tmp"])
            _clear_logs(settings, subject, kept.runs)
            erasing.erase(instance, kept, intake.product.asset, key, subject.names, subject.paths)
            intake.ledger.drop(key, subject.staying)
            instance.delete_dynamic_partition(intake.product.partitions, key)
        say.print("Searching everything for what may be left.")
        lines = [*_done(subject, kept, held, homes.intake), *_proof(settings, instance, subject)]
    return terminal.table(lines) == 0


def _check_key(settings: Settings, instance: dg.DagsterInstance, forgotten: Forgotten, key: str) -> None:
    product = products.find(build_defs(settings), PRODUCT)
    digits = _DIGITS.search(key)
    if digits is None or forgotten.starting_with(digits[1]) is None:  # else an earlier command was cut off
        products.chosen(product, instance, [key])


def _identify(settings: Settings, instance: dg.DagsterInstance, intake: Intake, key: str) -> _Subject:
    """All that is known of the file behind `key`: from the ledger, its events, and the log."""
    paths, digest = dict.fromkeys(intake.ledger.places(key)), intake.ledger.digest_of(key)
    for said in _events(instance, intake.product.asset, key):
        if "path" in said:
            paths[str(said["path"].value)] = None
        if digest is None and "digest" in said:
            digest = str(said["digest"].value)
    if digest is None and (digits := _DIGITS.search(key)):
        digest = intake.forgotten.starting_with(digits[1])
    originals = [path for path in paths if _is_original(path, digest)]
    inbox = os.path.realpath(settings.homes.recordings_inbox) + os.sep
    names = {Path(path).name for path in paths}
    others = (Path(path).name for path, row in intake.ledger.files("").items() if path not in paths and row.key != key)
    return _Subject(
        key=key,
        digest=digest,
        paths=list(paths),
        originals=originals,
        staying=[(path, FileStat.of(Path(path).stat())) for path in originals if path.startswith(inbox)],
        common=any(name in other for other in others for name in names),
    )


def _events(instance: dg.DagsterInstance, asset: str, key: str) -> Iterator[dict[str, dg.MetadataValue]]:
    """The metadata of every event that took the recording in, newest first."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key])
    cursor, more = None, True
    while more:
        page = instance.fetch_materializations(wanted, limit=100, cursor=cursor)
        for record in page.records:
            if record.asset_materialization is not None:
                yield dict(record.asset_materialization.metadata)
        cursor, more = page.cursor, page.has_more


def _is_original(path: str, digest: str | None) -> bool:
    try:
        return digest is not None and Path(path).is_file() and durable.hash_file(Path(path)) == digest
    except OSError:
        return True  # it can't be read now: better named once too often


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


def _plan(subject: _Subject, kept: erasing.Kept, held: forgetting.Holdings) -> Iterator[str]:
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


def _clear_logs(settings: Settings, subject: _Subject, runs: Iterable[str]) -> None:
    """Blank the lines that name it in failures.log, in our daemon's log and in what ticks and deleted runs wrote.

    Ledgers that were set aside as damaged are of no use to anybody, and go.
    """
    homes, home = settings.homes, dagster_home(settings)
    # A line of another file whose name ends alike is no loss among what ticks said, but it is in the list of failures.
    certain = [subject.key, *runs, *subject.paths]
    quoted = _spelled([*certain, *(f'"{name}' for name in subject.names)])
    traces.blank_lines(homes.failures_log, quoted)
    outputs = [path for path in home.rglob("*") if path.suffix in (".err", ".out") and path.is_file()]
    for log in (home / "daemon.log", *outputs):
        traces.blank_lines(log, _spelled([*certain, *subject.names]))
    for aside in homes.home.glob(f"{homes.intake.name}.damaged-*"):
        aside.unlink(missing_ok=True)


def _spelled(texts: Iterable[str]) -> set[bytes]:
    return {spelling for text in texts for spelling in traces.spellings(text)}


def _done(subject: _Subject, kept: erasing.Kept, held: forgetting.Holdings, ledger: Path) -> Iterator[_Line]:
    yield _Line("ok", "library", "the folder is deleted" if held.published else "there was no folder")
    if held.unknown:
        damaged = next(iter(held.unknown))
        yield _Line(
            "bad",
            "store",
            f"{len(held.objects) + len(held.unnamed)} objects stay: {_some(list(held.unknown))} can't be read"
            f" ({held.unknown[damaged]}), so nobody knows what it is made of",
            "Materialize that again, delete the damaged manifest, and run this again.",
        )
    else:
        gone = {**held.objects, **held.unnamed}
        stay = f", {len(held.shared)} stay for other recordings" if held.shared else ""
        yield _Line("ok", "store", f"{len(held.manifests)} manifests and {len(gone)} objects deleted{stay}")
    yield _Line("ok", "Dagster", f"{len(kept.runs)} runs and {kept.events} events deleted, and the partition")
    if subject.digest is None:
        yield _Line("warn", "log", "its digest is not known: a file with these bytes would be taken in again")
    else:
        yield _Line("ok", "log", f"{Forgotten(ledger).path} has the digest, and nothing else")


def _proof(settings: Settings, instance: dg.DagsterInstance, subject: _Subject) -> Iterator[_Line]:
    """Rewrite the databases, and search. A daemon at work may have written once more what it had in mind."""
    homes, home = settings.homes, dagster_home(settings)
    unwashed, left, files, size = list[Path](), list[traces.Trace](), 0, 0
    # By the file's name only if that is its own; its paths are.
    texts = [subject.key, subject.digest or "", *(subject.paths if subject.common else subject.names)]
    for attempt in range(_PASSES):
        databases = [*erasing.databases(instance), homes.intake]
        unwashed = [path for path in databases if path.exists() and not _washed(path)]
        skip = [homes.inbox, Forgotten(homes.intake).path, *map(Path, subject.originals)]
        if subject.staying:  # the intake goes on ignoring them, for which it has to know them
            skip.append(homes.intake)
        left, files, size = traces.search([homes.home, home], texts, skip)
        if not left or attempt == _PASSES - 1:
            break
        time.sleep(_PAUSE_S)
        kept = erasing.find(instance, subject.key)
        _clear_logs(settings, subject, kept.runs)
        if not (kept.unfinished or kept.others):
            erasing.erase(instance, kept, "recording", subject.key, subject.names, subject.paths)
    for path in unwashed:
        yield _Line("bad", "database", f"{path} is in use and could not be rewritten", "Run this again.")
    for trace in left[:_SHOWN]:
        to_do = "Stop Scriptorium and run this again; if it stays, delete by hand what is named here."
        yield _Line("bad", "left", f"{trace.path}: {trace.where}", to_do)
    if len(left) > _SHOWN:
        yield _Line("bad", "left", f"and {len(left) - _SHOWN} more places")
    looked = "its key, digest and " + ("paths; its name is that of others, too" if subject.common else "name")
    if not subject.paths:
        looked = "its key and digest; its name is not known any more"
    if not left:
        yield _Line("ok", "search", f"{files:,} files ({size / 1e6:,.0f} MB) hold nothing of {looked}")
    if not erasing.databases(instance):
        state = "Dagster's database server keeps deleted rows until they are vacuumed"
        yield _Line("warn", "server", state, "That is its administrator's to do.")
    for original in subject.originals:
        yield _Line("warn", "original", shown(original, 4096), "It is left to you to delete.")


def _washed(database: Path) -> bool:
    try:
        return traces.wash(database)
    except sqlite3.Error:
        return False


def _mb(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / 1e6:,.1f} MB"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
