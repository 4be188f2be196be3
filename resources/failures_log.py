"""`library/failures.log`: one readable line per refused file and failed run.

Belongs here: the format, and appending without tearing lines. Pure: no Dagster.
Does not belong here: what counts as a failure (`sensors/`).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from resources.intake.identity import shown


def line(what: str, name: str, problem: str, remedy: str, *, where: str = "", run_id: str = "") -> str:
    """`<UTC time>  <what>  "<name>" <where>: <problem> <remedy> (run …)`, everything escaped onto one line."""
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    place = f" {shown(where)}" if where else ""
    run = f" (run {run_id})" if run_id else ""
    return f'{time}  {what}  "{shown(name)}"{place}: {shown(problem, 600)} {shown(remedy, 600)}{run}'


def append(log: Path, text: str) -> None:
    """Append one line, in one write, so that lines of several processes never mix. Raises OSError."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, (text.replace("\n", " ") + "\n").encode("utf-8", "backslashreplace"))
    finally:
        os.close(descriptor)
