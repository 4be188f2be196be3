"""A sweep by backfill, killed in the middle of a training and started again.

No finished preset is trained twice, the dataset is made once, and the killed training goes on at its last epoch and
ends where an uninterrupted one ends.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import build_defs
from resources.store import records
from resources.store.scratch import Scratch

pytestmark = pytest.mark.train

FINISHED, KILLED = "mean", "ensemble"


def _versions(works, asset: str, partition: str | None) -> list[records.Record]:
    return records.versions(works.instance, dg.AssetKey(asset), partition)


def _runs(works, preset: str) -> list[dg.DagsterRun]:
    """The training runs of a preset, oldest first."""
    return list(works.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": preset})))[::-1]


def _backfill(works) -> subprocess.Popen[str]:
    """`scriptorium backfill`."""
    command = [sys.executable, "-m", "dagster_project.cli", "backfill", "housing_train", "--missing", FINISHED, KILLED]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=works.environment)


def _epochs(works) -> list[int]:
    """The epochs in the text log, in the order in which they were written."""
    log = works.settings.homes.library / "housing" / "training_log.txt"
    return [int(n) for n in re.findall(r" - Epoch (\d+)/", log.read_text() if log.exists() else "")]


def _saved(works) -> int:
    """The epochs in the state that a killed training would go on from; 0 where none is saved yet."""
    from resources.training.state import saved_state

    root = works.settings.homes.store
    epochs = [0]
    for folder in (root / "scratch" / "housing_checkpoint" / KILLED).glob("*/"):
        state = saved_state(Scratch(root, folder))
        epochs.append(len(state["callbacks"]["epochs"]["epochs"]) if state else 0)
    return max(epochs)


@pytest.mark.timeout(600)
def test_a_killed_sweep_goes_on(works, repo: Path, tmp_path: Path) -> None:
    defs = build_defs(works.settings)
    maker = str(repo / "samples/housing/make_housing.py")
    subprocess.run([sys.executable, maker, str(tmp_path), "--rows", "120"], check=True, capture_output=True)
    prepared = defs.resolve_job_def("housing_prepare").execute_in_process(
        instance=works.instance, run_config={"ops": {"housing_dataset": {"config": {"paths": [str(tmp_path)]}}}}
    )
    assert prepared.success
    job = defs.resolve_job_def("housing_train")
    assert job.execute_in_process(instance=works.instance, partition_key=FINISHED).success

    first = _backfill(works)
    try:
        end = time.monotonic() + 180
        # Well within the training. When its state is saved depends on how long that takes, so it is waited for.
        while max(_epochs(works), default=0) < 20 or (saved := _saved(works)) == 0:
            assert time.monotonic() < end, "the training did not begin"
            assert first.poll() is None, first.communicate()[0]
            time.sleep(0.02)
        [run] = _runs(works, KILLED)
        pid = works.pid(run)
        assert pid is not None
        first.kill()
        os.kill(pid, signal.SIGKILL)
    finally:
        first.kill()
        first.wait()
    cut_at = max(_epochs(works))

    again = _backfill(works)
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said

    assert len(_versions(works, "housing_dataset", None)) == 1
    assert len(_versions(works, "housing_checkpoint", FINISHED)) == 1, said
    trained = [r for r in _versions(works, "housing_checkpoint", KILLED) if r.run != run.run_id]
    resumed = trained[-1]
    assert resumed.event is not None
    gone_on_from = int(str(resumed.event.metadata["resumed_from_epoch"].value))
    # From what was saved, or from a later state that came between the look at it and the kill.
    assert saved <= gone_on_from <= cut_at
    # Dagster repeats the killed run by itself, and the command asks for it as well: it is trained once all the same.
    epochs = _epochs(works)
    assert epochs == [*range(1, cut_at + 1), *range(gone_on_from + 1, epochs[-1] + 1)]

    # Trained once more, without a kill: on the CPU the same bits, and so the same data version.
    assert job.execute_in_process(instance=works.instance, partition_key=KILLED).success
    whole = _versions(works, "housing_checkpoint", KILLED)[0]
    assert whole.run not in {r.run for r in trained}
    assert whole.digest == resumed.digest
