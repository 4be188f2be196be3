"""`scriptorium notes`: recordings taken in and worked on in this process, one after the other.

Belongs here: from the paths a person gave to the PDFs' paths. Does not belong here: executing (`running.py`).
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import dagster as dg

from assets.recordings.correcting import TRANSCRIPT, is_correction
from dagster_project.commands import daemon, products, running, terminal
from dagster_project.definitions import build_defs
from dagster_project.instance import bury_orphans, opened
from dagster_project.settings import Settings
from resources.errors import BadInput, ScriptoriumError
from resources.intake.files import scan
from resources.intake.intake import RUN_KEY_TAG, Intake, Taken
from resources.intake.recordings import recordings_intake
from resources.progress import listening
from resources.store import records
from resources.store.io_manager import ArtifactStore


def make_notes(
    settings: Settings, names: Sequence[str], *, again: bool, verbose: bool, interrupts: running.Interrupts
) -> bool:
    """Make notes of every recording among `names` (files, folders, patterns); print the PDFs' paths.

    True if all went well. One that fails is reported in a line and does not stop the others.
    Raises BadInput if a name matches nothing.
    """
    paths = list(dict.fromkeys(path for name in names for path in expand(name, settings)))
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        homes = settings.homes
        with recordings_intake(instance, homes.intake, settings.min_recording_s, homes.recordings_inbox) as intake:
            desk = _Desk(settings, instance, intake, board, interrupts, again=again, verbose=verbose)
            results = [desk.serve(path) for path in paths]
    return all(results)


def expand(name: str, settings: Settings) -> Iterator[Path]:
    """The files a name stands for: itself, the recordings of a folder and its subfolders, or what a pattern matches."""
    path = Path(name).expanduser()
    if path.is_dir():
        from resources.intake.recordings import recordings

        names = recordings(settings.min_recording_s).names
        found = sorted(Path(file.path) for file in scan(str(path.resolve()), names) if file.problem is None)
        if not found:
            raise BadInput(f"The folder {name} holds no recordings.", "Name a file, if it has an unusual suffix.")
        yield from found
    elif path.exists() or not glob.has_magic(name):
        yield path  # that it is not there, or no recording, is said when its turn comes
    else:
        matches = [match for match in sorted(glob.glob(str(path), recursive=True)) if Path(match).is_file()]  # noqa: PTH207
        if not matches:
            raise BadInput(f"No file matches {name!r}.", "Check the pattern.")
        yield from map(Path, matches)


class _Desk:
    """Serves one recording after the other."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        intake: Intake,
        board: terminal.Board,
        interrupts: running.Interrupts,
        *,
        again: bool,
        verbose: bool,
    ) -> None:
        defs = build_defs(settings)
        self._instance, self._intake, self._board, self._interrupts = instance, intake, board, interrupts
        self._again, self._verbose = again, verbose
        self._job = defs.resolve_job_def("recordings")
        self._product = products.find(defs, "recordings")
        store = (defs.resources or {})["store"]
        assert isinstance(store, ArtifactStore)
        self._store = store

    def serve(self, path: Path) -> bool:
        """Take in one recording and make its notes. False if that failed."""
        row = self._board.row(path.name)
        try:
            row.stage("looking into it")
            taken = self._intake.take_in(path)
            self._report(taken)
            return self._make(taken.key, row)
        except ScriptoriumError as error:
            row.finish(False, str(error))
            return False
        except KeyboardInterrupt:
            row.finish(False, "stopped before its run began")
            raise running.Stopped from None

    def _report(self, taken: Taken) -> None:
        self._instance.add_dynamic_partitions(self._intake.product.partitions, [taken.key])
        if taken.event is not None:
            self._instance.report_runless_asset_event(taken.event)

    def _make(self, key: str, row: terminal.Row) -> bool:
        wanted = self._wanted(key)
        if not wanted:
            pdf = products.library_pdf(self._store, self._instance, key)
            row.finish(True, "already made; --again makes it anew")
            self._print(pdf)
            return True
        stages = running.Stages(row, [asset.to_user_string() for asset in wanted])
        with listening(stages.step), nullcontext() if self._verbose else terminal.output_hidden():
            run = running.run_here(
                self._instance,
                self._job,
                key,
                wanted,
                {RUN_KEY_TAG: key},
                self._interrupts,
                stages.event,
            )
        if run.status == dg.DagsterRunStatus.SUCCESS:
            pdf = products.library_pdf(self._store, self._instance, key)
            row.finish(True, f"notes are ready{self._kept(key)}" if pdf else "done, though the library has none of it")
            self._print(pdf)
            return pdf is not None
        if run.status == dg.DagsterRunStatus.CANCELED:
            row.finish(False, "stopped; the same command goes on where this one left off")
            raise running.Stopped
        reasons = running.failures(self._instance, run.run_id)
        row.finish(False, f"{'; '.join(map(str, reasons))} (run {run.run_id[:8]})")
        return False

    def _wanted(self, key: str) -> list[dg.AssetKey]:
        """What is to be made: all of it, or what is missing of it."""
        if self._again:
            return list(self._product.assets)
        selections = products.missing(self._product, self._instance, self._store, [key])
        return [asset for selection in selections for asset in selection]

    def _kept(self, key: str) -> str:
        latest = records.latest(self._instance, TRANSCRIPT, key)
        return "; its transcript is the corrected one" if latest is not None and is_correction(latest) else ""

    def _print(self, pdf: Path | None) -> None:
        if pdf is not None:
            if self._board.live is not None:
                self._board.live.refresh()
            print(pdf, flush=True)  # noqa: T201  # the command's result
