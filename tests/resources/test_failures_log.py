"""The log of failures: one line each, never torn."""

import multiprocessing
import os
from pathlib import Path

from resources import failures_log


def test_a_line_says_when_what_which_why_and_what_to_do():
    text = failures_log.line("refused", "a\nb.mp4", "It is\nempty.", "Copy it again.", where="(key)", run_id="1-2")
    time, what, rest = text.split("  ")
    assert len(time) == 20
    assert time.endswith("Z")
    assert what == "refused"
    assert rest == '"a\\nb.mp4" (key): It is\\nempty. Copy it again. (run 1-2)'


def test_a_broken_name_can_be_written(tmp_path):
    log = tmp_path / "new folder" / "failures.log"
    failures_log.append(log, failures_log.line("refused", os.fsdecode(b"caf\xe9"), "x", "y"))
    failures_log.append(log, "raw \udce9")
    assert len(log.read_text("utf-8").splitlines()) == 2


def _write(path: str, letter: str) -> None:
    for _ in range(200):
        failures_log.append(Path(path), letter * 900)


def test_lines_of_several_processes_never_mix(tmp_path):
    log = tmp_path / "failures.log"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(log), letter)) for letter in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    lines = log.read_text().splitlines()
    assert len(lines) == 600
    assert {(len(line), len(set(line))) for line in lines} == {(900, 1)}
