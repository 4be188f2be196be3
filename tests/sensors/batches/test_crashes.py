"""The daemon or the sensor's process killed, runs deleted, the command line at work: nothing lost, nothing twice."""

import dagster as dg
import pytest

from resources.intake.batches import take_in


@pytest.mark.parametrize(
    "reached",
    [
        {"events": False, "partitions": False, "runs": False},
        {"partitions": False, "runs": False},
        {"runs": False},
    ],
    ids=["before events", "before partitions", "before runs"],
)
@pytest.mark.parametrize("restart", [False, True], ids=["daemon alone", "sensor's process too"])
@pytest.mark.parametrize("mode", ["place", "folder"])
def test_a_tick_that_dies_is_made_good_by_the_next(request, mode, reached, restart):
    place = request.getfixturevalue(mode)
    place.write("a.csv", "1")
    assert place.tick(**reached).run_requests
    if restart:
        place.restart()
    place.ticks(4)
    assert len(place.run_keys) == len(place.events) == 1
    assert list(place.keys()) == (place.run_keys if place.batches.partitions else [])


def test_a_run_that_never_left_not_started_is_asked_for_again(place):
    place.write("a.png", "1")
    (asked,) = place.tick(runs=False).run_requests
    place.start(asked.run_key, {"dagster/sensor_name": "watch"}, dg.DagsterRunStatus.NOT_STARTED)
    assert place.tick(runs=False).run_requests


def test_runs_deleted_after_the_work_was_done_are_not_made_again(place):
    place.write("a.png", "1")
    place.ticks()
    job = place.definitions.resolve_job_def("work")
    assert job.execute_in_process(instance=place.instance, partition_key=place.run_keys[0]).success
    for run in place.instance.get_runs():
        place.instance.run_storage.delete_run(run.run_id)
    place.restart()
    place.ticks()
    assert len(place.run_keys) == 1


def test_a_wiped_asset_is_reported_again(place):
    place.write("a.png", "1")
    place.ticks()
    place.instance.wipe_assets([dg.AssetKey("dropped")])
    place.tick(runs=False)
    assert len(place.events) == 2
    assert place.names(place.run_keys[0]) == ["a.png"]


def test_a_batch_named_at_the_command_line_counts_once_it_has_a_run(place):
    place.write("a.png", "1")
    taken = take_in(place.instance, place.batches, [place.inbox / "a.png"])
    place.instance.report_runless_asset_event(taken.event)
    assert place.tick(runs=False).run_requests, "its command was killed"
    place.start(taken.run_key, {})
    place.ticks()
    assert not place.run_keys


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
@pytest.mark.parametrize("mode", ["place", "folder"])
def test_what_the_command_line_has_begun_is_not_begun_again(request, mode, status):
    place = request.getfixturevalue(mode)
    taken = take_in(place.instance, place.batches, [place.write("a.csv", "1")])
    place.instance.report_runless_asset_event(taken.event)
    place.start(taken.run_key, {}, status)
    place.ticks()
    assert not place.run_keys
