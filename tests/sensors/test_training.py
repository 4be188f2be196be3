"""The inboxes of the training products, and what follows from a new dataset; throwaway assets with their names."""

import time
import uuid
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from resources.errors import ScriptoriumError
from sensors.chain import CHAIN_TAG, DATASET_RUN_TAG, chain_sensor
from sensors.inbox import Limits
from sensors.training import (
    CIFAR10_IMAGES,
    HOUSING_FILES,
    HOUSING_QUESTIONS,
    cifar10_inbox,
    housing_inbox,
    housing_questions_inbox,
)

PRESETS = dg.StaticPartitionsDefinition(["mean", "mlp", "other"])
TRAININGS = [("housing_train", "mean"), ("housing_train", "mlp")]
IMAGES = dg.DynamicPartitionsDefinition(name="cifar10_batches")
QUESTIONS = dg.DynamicPartitionsDefinition(name="housing_batches")
CHAINED = {CHAIN_TAG: "inbox"}


@dg.asset(deps=[dg.AssetKey("housing_files")])
def housing_dataset() -> None: ...


@dg.asset(deps=[housing_dataset], partitions_def=PRESETS)
def housing_checkpoint(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise dg.Failure("no room")


@dg.asset(deps=[housing_checkpoint])
def housing_champion() -> None: ...


@dg.asset(deps=[housing_champion, dg.AssetKey("housing_questions")], partitions_def=QUESTIONS)
def housing_predictions() -> None: ...


@dg.asset
def cifar10_champion() -> None: ...


@dg.asset(deps=[cifar10_champion, dg.AssetKey("cifar10_images")], partitions_def=IMAGES)
def cifar10_predictions() -> None: ...


def job(name: str, asset: dg.AssetsDefinition) -> dg.JobDefinition:
    return dg.define_asset_job(name, [asset], executor_def=dg.in_process_executor)


def made(desk, home, instance):
    """A desk with the inboxes of a home. `trainings` says what the chain is to ask for."""
    chain = [
        job(HOUSING_FILES.job, housing_dataset),
        job("housing_train", housing_checkpoint),
        job("housing_choice", housing_champion),
    ]
    common: dict[str, Any] = {
        "failures": home / "failures.log",
        "limits": Limits(disk=home, settle_seconds=0.0, min_free_bytes=0),
    }
    images, files = home / "inbox" / "cifar10", home / "inbox" / "housing"
    questions = files / "predict"
    for folder in (images, questions):
        folder.mkdir(parents=True)
    place = desk(instance)
    place.images, place.files, place.questions, place.trainings = images, files, questions, lambda: TRAININGS
    place.definitions = dg.Definitions(
        assets=[
            dg.AssetSpec("housing_files"),
            dg.AssetSpec("housing_questions", partitions_def=QUESTIONS),
            dg.AssetSpec("cifar10_images", partitions_def=IMAGES),
            housing_dataset,
            housing_checkpoint,
            housing_champion,
            housing_predictions,
            cifar10_champion,
            cifar10_predictions,
        ],
        jobs=[
            *chain,
            job(HOUSING_QUESTIONS.job, housing_predictions),
            job(CIFAR10_IMAGES.job, cifar10_predictions),
        ],
        sensors=[
            cifar10_inbox(folder=images, **common),
            housing_inbox(folder=files, questions=questions, **common),
            housing_questions_inbox(folder=questions, **common),
            chain_sensor("housing", lambda: place.trainings(), dataset=chain[0], train=chain[1:2], last=chain[2]),
        ],
    )

    def dataset(status: Status = Status.SUCCESS, tags: dict[str, str] = CHAINED) -> dg.DagsterRun:
        run = dg.DagsterRun(HOUSING_FILES.job, str(uuid.uuid4()), tags=tags, status=status)
        return instance.run_storage.add_run(run)

    place.dataset = dataset
    return place


@pytest.fixture
def place(desk, tmp_path, instance):
    return made(desk, tmp_path, instance)


def jobs(runs):
    return [(run.job_name, run.tags.get("dagster/partition")) for run in runs]


CHOICE = [("housing_choice", None)]


def test_a_dataset_is_followed_by_trainings_and_these_by_the_choice(place):
    dataset = place.dataset()
    trainings = place.tick("housing_chain")
    assert jobs(trainings) == TRAININGS
    assert all(run.tags[CHAIN_TAG] == "inbox" for run in trainings)
    assert not place.tick("housing_chain")
    place.end(trainings[0], Status.SUCCESS)
    assert not place.tick("housing_chain")
    assert "mlp under way" in place.said
    place.end(trainings[1], Status.SUCCESS)
    (champion,) = place.tick("housing_chain")
    assert jobs([champion]) == CHOICE
    assert champion.tags[DATASET_RUN_TAG] == dataset.run_id
    for _ in range(3):
        assert not place.tick("housing_chain")


@pytest.mark.parametrize("end", [Status.FAILURE, Status.CANCELED])
def test_the_choice_is_made_though_the_last_training_failed(place, end):
    place.dataset()
    first, last = place.tick("housing_chain")
    place.end(first, Status.SUCCESS)
    place.end(last, end)
    assert jobs(place.tick("housing_chain")) == CHOICE


def test_there_is_no_choice_where_no_training_succeeded(place):
    place.dataset()
    for run in place.tick("housing_chain"):
        place.end(run, Status.FAILURE)
    assert not place.tick("housing_chain")
    assert "no training succeeded" in place.said


def test_a_crashed_training_that_is_retried_is_waited_for(place):
    place.dataset()
    first, crashed = place.tick("housing_chain")
    place.end(first, Status.SUCCESS)
    place.end(crashed, Status.FAILURE, {"dagster/will_retry": "true"})
    assert not place.tick("housing_chain")
    retry = dg.DagsterRun("housing_train", str(uuid.uuid4()), tags=crashed.tags, status=Status.STARTED)
    place.instance.run_storage.add_run(retry)
    assert not place.tick("housing_chain")
    place.end(retry, Status.SUCCESS)
    assert jobs(place.tick("housing_chain")) == CHOICE


def test_a_failure_is_no_end_before_dagster_has_said_whether_it_retries(desk, tmp_path, monkeypatch):
    settings = {"run_retries": {"enabled": True}}
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path), settings) as instance:
        place = made(desk, tmp_path / "home", instance)
        place.dataset()
        first, crashed = place.tick("housing_chain")
        place.end(first, Status.SUCCESS)
        instance.run_storage.handle_run_event(  # what comes before the tag is set
            crashed.run_id, dg.DagsterEvent("PIPELINE_FAILURE", "housing_train", message="crashed")
        )
        assert not place.tick("housing_chain")
        now = time.time
        monkeypatch.setattr("sensors.chain.time.time", lambda: now() + 120)
        assert jobs(place.tick("housing_chain")) == CHOICE


def test_only_successful_runs_with_the_tag_are_followed(place):
    place.dataset(tags={})
    place.dataset(status=Status.FAILURE)
    running = place.dataset(status=Status.STARTED)
    assert not place.tick("housing_chain")
    assert place.said == "Nothing to follow."
    place.end(running, Status.SUCCESS)
    assert len(place.tick("housing_chain")) == 2


def test_a_slow_dataset_is_followed_after_a_later_one(place):
    slow = place.dataset(status=Status.STARTED)
    place.dataset()
    for run in place.tick("housing_chain"):
        place.end(run, Status.SUCCESS)
    assert jobs(place.tick("housing_chain")) == CHOICE
    assert not place.tick("housing_chain")
    place.end(slow, Status.SUCCESS)
    followed = place.tick("housing_chain")
    assert jobs(followed) == TRAININGS
    assert {run.tags[DATASET_RUN_TAG] for run in followed} == {slow.run_id}


def test_a_daemon_killed_at_any_step_loses_and_doubles_nothing(place):
    place.dataset()
    first, second = place.evaluate("housing_chain").run_requests
    # Killed between the two runs: one was launched, the other was made and never launched.
    launched, stuck = place.make(first, Status.STARTING), place.make(second, Status.NOT_STARTED)
    (again,) = place.evaluate("housing_chain").run_requests
    assert again.run_key == second.run_key, "the daemon launches that very run"
    place.end(launched, Status.SUCCESS)
    place.end(stuck, Status.SUCCESS)
    for _ in range(2):
        (champion,) = place.evaluate("housing_chain").run_requests
        assert champion.job_name == "housing_choice"
    place.make(champion, Status.STARTED)
    assert not place.tick("housing_chain")
    place.cursors.clear()
    assert not place.tick("housing_chain"), "without its cursor it finds the same"


def test_what_is_finished_is_not_started_again_when_its_runs_are_deleted(place):
    place.dataset()
    for run in place.tick("housing_chain"):
        place.end(run, Status.SUCCESS)
    (champion,) = place.tick("housing_chain")
    place.end(champion, Status.SUCCESS)
    place.tick("housing_chain")
    for run in place.instance.get_runs():
        if run.job_name != HOUSING_FILES.job:
            place.instance.run_storage.delete_run(run.run_id)
    assert not place.tick("housing_chain")


def test_presets_that_cannot_be_read_are_said_and_nothing_is_lost(place):
    asked = place.dataset()
    whole = place.trainings

    def broken():
        raise ScriptoriumError("presets.yaml, line 12: no such field.", "Correct it.")

    place.trainings = broken
    place.tick("housing_chain")
    assert "line 12" in place.said
    place.trainings = whole
    assert {run.tags[DATASET_RUN_TAG] for run in place.tick("housing_chain")} == {asked.run_id}


def test_the_csv_files_of_the_inbox_start_the_chain_and_the_questions_do_not(place):
    (place.files / "a.csv").write_text("CRIM,MEDV\n1,2\n")
    (place.questions / "q.csv").write_text("CRIM\n1\n")
    (run,) = place.tick("housing_files")
    assert run.tags[CHAIN_TAG] == "inbox"
    assert run.tags["scriptorium/file"] == "a.csv", "the questions are no part of the dataset"
    job = place.definitions.resolve_job_def(HOUSING_FILES.job)
    assert job.execute_in_process(instance=place.instance, tags=dict(run.tags)).success
    assert jobs(place.tick("housing_chain")) == TRAININGS
    assert not place.tick("housing_questions")
    assert "There is no housing_champion yet" in place.said
    place.instance.report_runless_asset_event(dg.AssetMaterialization("housing_champion"))
    (answer,) = place.tick("housing_questions")
    assert answer.tags["dagster/partition"].startswith("q~")


def test_images_wait_for_the_champion(place):
    (place.images / "a.png").write_bytes(b"1")
    (place.images / "b.JPG").write_bytes(b"2")
    assert not place.tick("cifar10_images")
    assert "scriptorium train cifar10" in place.said
    job = place.definitions.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=place.instance, asset_selection=[dg.AssetKey("cifar10_champion")]).success
    (run,) = place.tick("cifar10_images")
    assert run.tags["scriptorium/file"] == "a.png and 1 more"
