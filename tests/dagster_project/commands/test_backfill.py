"""`scriptorium backfill`, with a daemon of its own and with one that is there."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.commands.daemon import Daemon, alive
from resources.store import records


@pytest.fixture
def house(furnished, tmp_path: Path, repo: Path):
    """A home of this test with two recordings that notes were made of: a copy, so that it may be damaged."""
    home = tmp_path / "home"
    shutil.copytree(furnished.home, home, symlinks=True)  # the cache stays everybody's
    theirs, talks = furnished.home.parent / "talks", tmp_path / "talks"
    shutil.copytree(theirs, talks)
    mine = type(furnished)(home, repo)
    away = theirs.rename(theirs.with_name("away"))
    try:  # with those gone, the copies of the recordings are the originals of the same keys
        done = mine.scriptorium("notes", str(talks))
    finally:
        away.rename(theirs)
    assert done.returncode == 0, done.stderr
    return mine


def _damage(house, asset: str, key: str) -> Path:
    """Delete a blob of an asset."""
    with house.instance() as instance:
        record = records.latest(instance, dg.AssetKey(asset), key)
    [*_, file] = house.store.artifacts.manifest(record.manifest).files
    blob = house.store.artifacts.object_path(file.digest)
    blob.unlink()
    return blob


def test_missing_makes_only_what_is_gone(house) -> None:
    """Library files gone for one key; a summary's blob and library files for the other: no transcript is made again."""
    first, second = house.keys()
    with house.instance() as instance:
        earlier = {backfill.backfill_id for backfill in instance.get_backfills()}
    house.pdf(first).unlink()
    house.pdf(second).unlink()
    blob = _damage(house, "summary", second)
    before = len(house.runs())
    done = house.scriptorium("backfill", "recordings", "--missing")
    assert done.returncode == 0, done.stderr
    assert "starting one until this is done" in done.stderr
    made = [(run.tags["dagster/partition"], house.made(run)) for run in house.runs()[: len(house.runs()) - before]]
    assert sorted(made, key=str) == sorted(
        [(first, {"published"}), (second, {"summary"}), (second, {"published"})], key=str
    )
    assert house.pdf(first).is_file()
    assert house.pdf(second).is_file()
    assert blob.is_file()
    with house.instance() as instance:
        assert not alive(instance)  # it is gone, and the next command knows
        states = {backfill.status.value for backfill in instance.get_backfills() if backfill.backfill_id not in earlier}
    assert states == {"COMPLETED_SUCCESS"}
    again = house.scriptorium("backfill", "recordings", "--missing")
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)


def test_a_deleted_original_fails_its_key_and_the_rest_go_on(house) -> None:
    """With a daemon that is alive: no second one is started. Afterwards `--failed` finds what is left to do."""
    first, second = house.keys()
    before = len([run for run in house.runs() if run.tags["dagster/partition"] == second])
    [gone] = (house.home.parent / "talks").glob(f"{first.partition('~')[0]}*")
    kept = gone.rename(gone.with_suffix(".away"))
    with house.instance() as instance:
        lines: list[str] = []
        with Daemon(instance, house.home / "dagster", lines.append, house.environment) as daemon:
            daemon.ensure()
            while not alive(instance):
                daemon.ensure()
            done = house.scriptorium("backfill", "recordings", "--all")
            assert done.returncode == 1
            assert "starting one" not in done.stderr
            [line] = [line for line in done.stderr.splitlines() if line.startswith("failed")]
            assert first in line
            assert "not where it was" in line
            assert "1 made, 1 failed" in done.stderr
            assert house.made(_latest(house, second)) == {a.to_user_string() for a in house.product.assets}
            kept.rename(gone)
            done = house.scriptorium("backfill", "recordings", "--failed")
            assert done.returncode == 0, done.stderr
            assert house.made(_latest(house, first)) == {a.to_user_string() for a in house.product.assets}
            assert len([run for run in house.runs() if run.tags["dagster/partition"] == second]) == before + 1
    assert lines == ["no daemon is alive: starting one until this is done"]


def _latest(house, key: str) -> dg.DagsterRun:
    return next(run for run in house.runs() if run.tags["dagster/partition"] == key)
