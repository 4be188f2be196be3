"""Following backfills to their end, run by run.

Belongs here: what became of each partition, shown while it happens. Does not belong here: launching (`backfill.py`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus

from dagster_project.commands import running, terminal

POLL_S = 1.0
_IN_PROGRESS = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
_BACKFILL_TAG, _PARTITION_TAG, _WILL_RETRY_TAG = "dagster/backfill", "dagster/partition", "dagster/will_retry"
_PROGRESS = re.compile(r"\d+/\d+ \S+, .*left$")


@dataclass
class Group:
    """One backfill: these assets for these keys."""

    backfill: str
    assets: tuple[dg.AssetKey, ...]
    keys: list[str]


@dataclass
class Outcome:
    """What became of the keys: made, or failed with a reason."""

    made: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, later: Outcome) -> None:
        """Join what became of a further part of the keys' assets: a key is made if all its parts are."""
        self.failed = {**later.failed, **self.failed}
        self.made = [key for key in dict.fromkeys([*self.made, *later.made]) if key not in self.failed]


def _names(assets: Iterable[dg.AssetKey]) -> str:
    return ", ".join(asset.to_user_string() for asset in assets)


@dataclass(frozen=True)
class Over:
    """How a partition's work ended."""

    ok: bool
    message: str


class Follower:
    """Shows the runs of one partition in a row until they are over."""

    def __init__(self, instance: dg.DagsterInstance, row: terminal.Row) -> None:
        self._instance, self._row = instance, row

    def look(self, runs: Sequence[dg.DagsterRun], *, may_retry: bool = True) -> Over | None:
        """Update the row by the partition's runs, newest first and not empty; how they ended, or None if they go on."""
        newest = runs[0]
        if newest.status == dg.DagsterRunStatus.SUCCESS:
            return Over(True, "made")
        if newest.status == dg.DagsterRunStatus.CANCELED:
            return Over(False, f"canceled (run {newest.run_id[:8]})")
        if newest.status == dg.DagsterRunStatus.FAILURE:
            if may_retry and newest.tags.get(_WILL_RETRY_TAG) == "true":
                self._row.stage("its process died; waiting for the retry")
                return None
            reasons = running.failures(self._instance, newest.run_id)
            return Over(False, f"{'; '.join(map(str, reasons))} (run {newest.run_id[:8]})")
        if newest.status in _IN_PROGRESS:
            self._row.stage(self._step(newest) + (" (again, after a crash)" if len(runs) > 1 else ""))
        else:
            self._row.stage("queued")
        return None

    def _step(self, run: dg.DagsterRun) -> str:
        """The step the run is in, and how far it says it is."""
        entries = [
            record.event_log_entry
            for record in self._instance.get_records_for_run(run.run_id, limit=20, ascending=False).records
        ]
        for entry in entries:
            if entry.dagster_event is not None and entry.dagster_event.event_type == dg.DagsterEventType.STEP_START:
                return entry.step_key or "starting"
            # A line of `resources.progress.Progress`.
            if entry.dagster_event is None and (line := _PROGRESS.search(entry.user_message)):
                return f"{entry.step_key}: {line[0]}"
        newest = self._instance.get_records_for_run(
            run.run_id, of_type={dg.DagsterEventType.STEP_START}, limit=1, ascending=False
        ).records
        return (newest[0].event_log_entry.step_key if newest else None) or "starting"


class Watch:
    """Follows the runs of some backfills."""

    def __init__(self, instance: dg.DagsterInstance, groups: list[Group], board: terminal.Board) -> None:
        self._instance, self._groups, self._board = instance, groups, board
        self._rows = {key: board.row(key) for group in groups for key in group.keys}
        self._followers = {key: Follower(instance, row) for key, row in self._rows.items()}
        self.outcome = Outcome()
        for row in self._rows.values():
            row.stage("waiting for the daemon")

    def look(self) -> bool:
        """Update the rows. True once every key is decided."""
        for group in self._groups:
            runs = self._runs(group)
            over = self._status(group) in BULK_ACTION_TERMINAL_STATUSES
            for key in group.keys:
                if key not in self.outcome.made and key not in self.outcome.failed:
                    self._look_at(group, key, runs.get(key, []), over)
        return len(self.outcome.made) + len(self.outcome.failed) == len(self._rows)

    def concluded(self) -> bool:
        """Whether Dagster has noted that the backfills are over, which its daemon does every 30 s."""
        return all(self._status(group) in BULK_ACTION_TERMINAL_STATUSES for group in self._groups)

    def cancel(self, within_s: float = 30.0) -> None:
        """Cancel the backfills, and their runs right away; wait for the runs to stop."""
        for group in self._groups:
            job = self._instance.get_backfill(group.backfill)
            if job is not None and job.status not in BULK_ACTION_TERMINAL_STATUSES:
                self._instance.update_backfill(job.with_status(BulkActionStatus.CANCELING))
        self._board.line("canceling; runs that are under way stop at the next safe point")
        for run in self._unfinished():
            self._instance.run_coordinator.cancel_run(run.run_id)
        end = time.monotonic() + within_s
        while self._unfinished() and time.monotonic() < end:
            time.sleep(0.2)

    def _unfinished(self) -> list[dg.DagsterRun]:
        return [
            run for group in self._groups for runs in self._runs(group).values() for run in runs if not run.is_finished
        ]

    def _status(self, group: Group) -> BulkActionStatus:
        job = self._instance.get_backfill(group.backfill)
        return BulkActionStatus.CANCELED if job is None else job.status

    def _runs(self, group: Group) -> dict[str, list[dg.DagsterRun]]:
        """The backfill's runs by key, newest first."""
        found: dict[str, list[dg.DagsterRun]] = {}
        for run in self._instance.get_runs(dg.RunsFilter(tags={_BACKFILL_TAG: group.backfill})):
            found.setdefault(run.tags.get(_PARTITION_TAG, ""), []).append(run)
        return found

    def _look_at(self, group: Group, key: str, runs: list[dg.DagsterRun], over: bool) -> None:
        if not runs:
            if over:
                self._end(key, Over(False, "its backfill ended before it was begun"))
            return
        ended = self._followers[key].look(runs, may_retry=not over)
        planned = {asset for run in runs for asset in run.asset_selection or ()}
        # A backfill may take several runs for a key, one after the other.
        if ended is not None and (over or not ended.ok or planned >= set(group.assets)):
            if ended.ok and (skipped := [asset for asset in group.assets if asset not in planned]):
                ended = Over(False, f"Dagster ended the backfill without {_names(skipped)}")
            self._end(key, Over(True, f"made {_names(group.assets)}") if ended.ok else ended)

    def _end(self, key: str, ended: Over) -> None:
        if ended.ok:
            self.outcome.made.append(key)
        else:
            self.outcome.failed[key] = ended.message
        self._rows[key].finish(ended.ok, ended.message)
