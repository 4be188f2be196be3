"""What a person sees in the terminal: rows that move while work goes on, and plain lines where nobody watches.

Belongs here: consoles, rows, colours. Does not belong here: any knowledge of Dagster.
Progress and errors go to standard error; standard output carries only results, so `$(scriptorium notes x.mp4)` works.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_EVERY_S = 10.0  # so often a row that is no live display says how far it is


def console() -> Console:
    """A console on a copy of standard error: a run redirects descriptors 1 and 2 into its log meanwhile."""
    stream = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace", buffering=1)
    return Console(file=stream, highlight=False, soft_wrap=not stream.isatty())


def error(message: str, remedy: str = "") -> None:
    """One clear line on standard error."""
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    out.print(Text.assemble(("error: ", "bold red"), " ".join(f"{message} {remedy}".split())))


class Line(Protocol):
    """A line of a table: `level` is ok, warn or bad."""

    @property
    def what(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def to_do(self) -> str: ...


def table(lines: Iterable[Line]) -> int:
    """Print the lines as a table on standard output, plain ones where nobody watches; return how many are bad."""
    out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    styles = {"ok": "green", "warn": "yellow", "bad": "bold red"}
    bad = 0
    for line in lines:
        bad += line.level == "bad"
        said = Text(line.state)
        if line.to_do:
            said.append(f"\n{line.to_do}" if out.is_terminal else f" -> {line.to_do}", style="dim")
        if out.is_terminal:
            grid.add_row(Text(line.level, styles[line.level]), Text(line.what), said)
        else:
            out.print(Text(f"{line.level:<5} {line.what}: {said.plain}"))
    if out.is_terminal:
        out.print(grid)
    return bad


def duration(seconds: float) -> str:
    """`9 s`, `2:05` (minutes) or `1:02:05` (hours)."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


class Row:
    """One thing being worked on: a file, or a partition."""

    def __init__(self, board: Board, name: str) -> None:
        self._board, self._name = board, name
        self._stage, self._begun, self._last = "", time.monotonic(), time.monotonic()
        self._finished = False
        self._task: TaskID | None = None
        if board.live is not None:
            self._task = board.live.add_task(name, total=None, stage="", left="")

    def stage(self, stage: str) -> None:
        """What is done now, e.g. `transcript (3/7)`. Saying the same again changes nothing."""
        if stage == self._stage or self._finished:
            return
        self._stage, self._last = stage, time.monotonic()
        if self._board.live is not None and self._task is not None:
            self._board.live.update(self._task, stage=stage, left="", completed=0, total=None)
        else:
            self._board.line(f"{self._name}: {stage}")

    def progress(self, done: float, total: float, left_s: float | None) -> None:
        """How far the stage is; `left_s` is the time left in seconds, if known."""
        left = "" if left_s is None or done >= total else f"{duration(left_s)} left"
        if self._board.live is not None and self._task is not None:
            self._board.live.update(self._task, completed=done, total=total, left=left)
        elif total > 0 and time.monotonic() - self._last >= _EVERY_S:
            self._last = time.monotonic()
            self._board.line(f"{self._name}: {self._stage} {done / total:.0%}{', ' if left else ''}{left}")

    def finish(self, ok: bool, message: str) -> None:
        """Take the row away and leave one line; only the first call counts."""
        if self._finished:
            return
        self._finished = True
        if self._board.live is not None and self._task is not None:
            self._board.live.remove_task(self._task)
        mark = Text("ok    ", "green") if ok else Text("failed ", "bold red")
        took = f" ({duration(time.monotonic() - self._begun)})"
        self._board.line(Text.assemble(mark, self._name, ": ", " ".join(message.split()), (took, "dim")))


class Board:
    """The rows of a command. With `live` None, plain lines are printed instead."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self.live: Progress | None = None
        if out.is_terminal:
            self.live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                TextColumn("{task.fields[stage]}", style="cyan", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[left]}", style="dim", markup=False),
                TimeElapsedColumn(),
                console=out,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def row(self, name: str) -> Row:
        return Row(self, name)

    def line(self, text: str | Text) -> None:
        """A line that stays, above the moving rows. Never read as markup: it may hold file names."""
        self.out.print(text if isinstance(text, Text) else Text(text))


@contextmanager
def output_hidden() -> Iterator[None]:
    """Send descriptors 1 and 2 of this process and its children to nowhere while the block runs.

    Dagster copies a run's output into its log, and echoes it to the terminal, where it would tear up the display.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)
