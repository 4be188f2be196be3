"""Runs of a training product's jobs in this process, one row of the display each.

Belongs here: what `scriptorium train` and `scriptorium infer` share. Does not belong here: what is run, and in which
order (`train.py`, `infer.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.commands import running, terminal
from dagster_project.definitions import build_defs
from dagster_project.settings import Settings
from resources.progress import listening
from resources.store.io_manager import ArtifactStore


class Stages:
    """Executes jobs of these settings, and says on the board how they go."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        board: terminal.Board,
        interrupts: running.Interrupts,
        *,
        verbose: bool,
    ) -> None:
        self.defs, self.instance, self.board = build_defs(settings), instance, board
        self._interrupts, self._verbose = interrupts, verbose
        store = (self.defs.resources or {})["store"]
        assert isinstance(store, ArtifactStore)
        self.store = store

    def run(
        self,
        job_name: str,
        partition: str | None,
        wanted: Sequence[dg.AssetKey] | None = None,
        *,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        tags: Mapping[str, str] | None = None,
        said: str = "",
    ) -> bool:
        """Run a job, or those of its assets that are wanted; False if it failed, which the board says.

        `said` is what it says if all went well, instead of the job's name.

        Raises: Stopped after Ctrl-C.
        """
        row = self.board.row(partition if partition is not None else job_name)
        job = self.defs.resolve_job_def(job_name)
        made = job.asset_layer.executable_asset_keys if wanted is None else wanted
        order = self.defs.resolve_asset_graph().toposorted_asset_keys
        assets = [key.to_user_string() for key in order if key in made]
        shown = running.Stages(row, assets)
        try:
            with listening(shown.step), nullcontext() if self._verbose else terminal.output_hidden():
                run = running.run_here(
                    self.instance, job, partition, wanted, tags or {}, self._interrupts, shown.event, config
                )
        except KeyboardInterrupt:
            row.finish(False, "stopped before its run began")
            raise running.Stopped from None
        if run.status == dg.DagsterRunStatus.SUCCESS:
            row.finish(True, said or job_name)
            return True
        if run.status == dg.DagsterRunStatus.CANCELED:
            row.finish(False, "stopped; the same command goes on where this one left off")
            raise running.Stopped
        reasons = running.failures(self.instance, run.run_id)
        row.finish(False, f"{'; '.join(map(str, reasons))} (run {run.run_id[:8]})")
        return False

    def result(self, path: Path) -> None:
        """Print a path, the command's result, below what was said so far."""
        if self.board.live is not None:
            self.board.live.refresh()
        print(path, flush=True)  # noqa: T201
