"""The inboxes of the sentiment product, and its pooled champion; throwaway assets with their names."""

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from sensors.inbox import Limits
from sensors.sentiment import (
    SENTIMENT_QUESTIONS,
    sentiment_inbox,
    sentiment_pool_sensor,
    sentiment_questions_inbox,
)

FILES = dg.DynamicPartitionsDefinition(name="sentiment_files")
BATCHES = dg.DynamicPartitionsDefinition(name="sentiment_batches")
LABELLED = "text,label\nwhat a lovely day,pos\nworst day ever,neg\n"


@dg.asset(deps=[dg.AssetKey("sentiment_file")], partitions_def=FILES)
def sentiment_champion() -> None: ...


@dg.asset(deps=[sentiment_champion])
def sentiment_pooled_champion() -> None: ...


@dg.asset(deps=[dg.AssetKey("sentiment_questions")], partitions_def=BATCHES)
def sentiment_predictions() -> None: ...


@pytest.fixture
def place_of(desk, tmp_path, instance):
    def made(*, pooled):
        def job(name, asset):
            return dg.define_asset_job(name, [asset], executor_def=dg.in_process_executor)

        pool = job("sentiment_pool", sentiment_pooled_champion)
        common = {
            "failures": tmp_path / "failures.log",
            "limits": Limits(disk=tmp_path, settle_seconds=0.0, min_free_bytes=0),
        }
        place = desk(instance)
        place.files = tmp_path / "inbox" / "sentiment"
        place.questions = place.files / "predict"
        place.log = tmp_path / "failures.log"
        place.questions.mkdir(parents=True)
        place.definitions = dg.Definitions(
            assets=[
                dg.AssetSpec("sentiment_file", partitions_def=FILES),
                dg.AssetSpec("sentiment_questions", partitions_def=BATCHES),
                sentiment_champion,
                sentiment_pooled_champion,
                sentiment_predictions,
            ],
            jobs=[job("sentiment", sentiment_champion), job(SENTIMENT_QUESTIONS.job, sentiment_predictions), pool],
            sensors=[
                sentiment_inbox(
                    folder=place.files, questions=place.questions, ledger=tmp_path / "intake.sqlite", **common
                ),
                sentiment_questions_inbox(folder=place.questions, **common),
                sentiment_pool_sensor(pool, enabled=pooled),
            ],
        )
        return place

    return made


@pytest.fixture
def place(place_of):
    return place_of(pooled=True)


def crowned(place, key="a~1"):
    place.instance.report_runless_asset_event(dg.AssetMaterialization("sentiment_champion", partition=key))


def test_each_labelled_file_is_a_partition_with_a_run_and_questions_are_none(place):
    (place.files / "a.csv").write_text(LABELLED)
    (place.files / "deep" / "er").mkdir(parents=True)
    (place.files / "deep" / "er" / "b.csv").write_text(LABELLED.replace("day", "night"))
    (place.files / "deep" / "copy of a.csv").write_text(LABELLED)
    (place.questions / "new.csv").write_text("text\nhello\n")
    (place.questions / "labelled.csv").write_text(LABELLED.replace("day", "week"))
    runs = place.tick("sentiment_files")
    assert [run.job_name for run in runs] == ["sentiment", "sentiment"]
    keys = sorted(run.tags["dagster/partition"] for run in runs)
    assert [key.partition("~")[0] for key in keys] in (["a", "b"], ["b", "copy-of-a"])
    assert sorted(place.instance.get_dynamic_partitions("sentiment_files")) == keys
    assert not place.tick("sentiment_files")
    assert "3 files known" in place.said


def test_questions_wait_for_a_champion_of_any_file(place):
    (place.questions / "new.txt").write_text("hello\n")
    assert not place.tick("sentiment_files")
    assert not place.tick("sentiment_questions")
    assert "scriptorium train sentiment" in place.said
    crowned(place)
    (run,) = place.tick("sentiment_questions")
    assert run.job_name == "sentiment_predict"
    assert run.tags["dagster/partition"].startswith("new~")


def test_what_is_no_table_of_labelled_texts_is_refused_once_by_name_and_reason(place):
    (place.files / "one column.csv").write_text("text\nonly texts\nand no labels\n")
    (place.files / "notes.txt").write_text("of another sort\n")
    for _ in range(3):
        assert not place.tick("sentiment_files")
    (line,) = place.log.read_text().splitlines()
    assert "one column.csv" in line
    assert "one column" in line
    observed = place.instance.fetch_observations(dg.AssetKey("sentiment_file"), limit=10).records
    assert len(observed) == 1


def test_new_champions_are_pooled_together(place):
    assert not place.tick("sentiment_pool")
    assert "No file has a champion" in place.said
    for key in ("a~1", "b~2", "c~3"):
        crowned(place, key)
    (run,) = place.tick("sentiment_pool")
    assert run.job_name == "sentiment_pool"
    crowned(place, "d~4")
    assert not place.tick("sentiment_pool"), "one run at a time"
    assert "under way" in place.said
    place.end(run, Status.SUCCESS)
    (again,) = place.tick("sentiment_pool")
    place.end(again, Status.FAILURE)
    assert not place.tick("sentiment_pool"), "a failure is not tried again until there is a new champion"
    assert "new champion" in place.said


def test_a_tick_that_was_lost_asks_for_the_same_run(place):
    crowned(place)
    (first,), (second,) = (place.evaluate("sentiment_pool").run_requests for _ in range(2))
    assert first.run_key == second.run_key


def test_without_a_validation_file_nothing_is_pooled(place_of):
    place = place_of(pooled=False)
    crowned(place)
    assert not place.tick("sentiment_pool")
    assert "SCRIPTORIUM_SENTIMENT_VALIDATION" in place.said
