"""Reading the files of a batch's folder: under a budget, over several ticks, and refusing what can't be read, once.

Belongs here: one file at a time, and what is remembered of it between ticks. Does not belong here: which files make a
batch, and when (`batches.py`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from resources.errors import BadInput
from resources.intake.files import Found, Problem
from resources.intake.identity import FileChanged, FileStat, digest_some, shown, shown_name
from resources.intake.intake import check_name
from resources.intake.ledger import Refusal
from sensors.inbox import Limits
from sensors.refusals import log, observation, refusal_key

_TRIES = 5
"""So often an error that may pass is met before the file is refused."""
_RETRY_S = 10.0
"""The first wait between two tries; each is twice the one before, five minutes in all."""


class Wait(Exception):
    """Nothing can be taken in this tick; says why."""


@dataclass
class Memory:
    """What is known of files between ticks while the process lives. Lost, it is found out again."""

    seen: dict[str, tuple[FileStat, float]] = field(default_factory=dict)
    """When a waiting file was first seen with this stat."""
    digests: dict[str, tuple[FileStat, str]] = field(default_factory=dict)
    copies: dict[str, tuple[FileStat]] = field(default_factory=dict)
    """Files whose bytes belong to a batch under another path."""
    refused: dict[str, tuple[FileStat, Problem, bool]] = field(default_factory=dict)
    """True: the report was seen in Dagster's event log."""
    logged: dict[str, tuple[FileStat]] = field(default_factory=dict)
    tries: dict[str, tuple[FileStat, int, float]] = field(default_factory=dict)

    def forget_all_but(self, found: Sequence[Found]) -> None:
        """Drop what is said of files that are gone or have changed."""
        stats = {file.path: file.stat for file in found}
        tables: tuple[dict[str, Any], ...] = (
            self.seen, self.digests, self.copies, self.refused, self.logged, self.tries,
        )  # fmt: skip
        for table in tables:
            for path in [path for path, said in table.items() if stats.get(path) != said[0]]:
                del table[path]


class Reader:
    """Reads files within the budget of one tick."""

    def __init__(self, context: dg.SensorEvaluationContext, memory: Memory, limits: Limits) -> None:
        self._context, self._memory = context, memory
        self._left = limits.bytes_per_tick
        self._deadline = time.monotonic() + limits.seconds_per_tick
        self._now = time.time()

    def digest(self, file: Found) -> str | None:
        """The BLAKE3 of the file in hex; None for one that is refused, or is to be tried again later.

        Raises `Wait` when the budget is spent, and for a file that changes meanwhile.
        """
        memory = self._memory
        if file.path in memory.digests:
            return memory.digests[file.path][1]
        _, tries, tried = memory.tries.get(file.path, (file.stat, 0, 0.0))
        if tries and 0 <= self._now - tried < _RETRY_S * 2**tries:
            return None
        try:
            if file.problem is not None:
                raise BadInput(*file.problem)
            check_name(file.path)
            if self._left <= 0 or time.monotonic() >= self._deadline:
                raise Wait(f"{len(memory.digests):,} files are read, the rest follows")
            digest, read = digest_some(file.path, file.stat, self._left, self._deadline)
        except (FileNotFoundError, FileChanged) as error:
            raise Wait(f'"{shown_name(file.path)}" changed while it was read') from error
        except BadInput as error:
            self._refuse(file, error.message, error.remedy)
            return None
        except PermissionError:
            self._refuse(file, "It can't be read by the user who runs Scriptorium.", "Run chmod a+r on it.")
            return None
        except OSError as error:
            self._try_later(file, tries + 1, error)
            return None
        self._left -= read
        if digest is None:
            raise Wait(f'"{shown_name(file.path)}" is being read')
        memory.digests[file.path] = file.stat, digest
        memory.tries.pop(file.path, None)
        return digest

    def _refuse(self, file: Found, problem: str, remedy: str) -> None:
        self._memory.refused[file.path] = file.stat, Problem(problem, remedy), False

    def _try_later(self, file: Found, tries: int, error: OSError) -> None:
        name = shown_name(file.path)
        self._context.log.warning(f'"{name}" could not be read now, it is tried again: {shown(repr(error))}')
        self._memory.tries[file.path] = file.stat, tries, self._now
        if tries >= _TRIES:
            del self._memory.tries[file.path]
            reason = f"It could not be read in {_TRIES} attempts ({type(error).__name__}: {shown(str(error))})."
            self._refuse(file, reason, "Check the disk it lies on, and copy it again.")


def due_reports(
    context: dg.SensorEvaluationContext, memory: Memory, asset: str, failures: Path, at_most: int
) -> list[dg.AssetObservation]:
    """Observations of refused files that Dagster's event log does not have yet; each is a line in `failures` too."""
    reports: list[dg.AssetObservation] = []
    unseen = [(path, stat, problem) for path, (stat, problem, seen) in memory.refused.items() if not seen]
    for path, stat, problem in unseen[:at_most]:
        refusal = Refusal(path, stat, problem.message, problem.remedy, logged=path in memory.logged)
        key = refusal_key(refusal)
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key])
        if context.instance.fetch_observations(wanted, limit=1).records:
            memory.refused[path] = stat, problem, True
            continue
        if not refusal.logged and log(context, failures, refusal):
            memory.logged[refusal.path] = (refusal.stat,)
        reports.append(observation(asset, key, refusal))
    return reports
