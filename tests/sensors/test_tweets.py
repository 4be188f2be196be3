"""The inboxes of the tweet products, and what follows from a corpus; throwaway assets with their names."""

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from sensors.chain import CHAIN_TAG, DATASET_RUN_TAG, chain_sensor
from sensors.inbox import Limits
from sensors.tweets import TWEET_FILES, TWEET_PROMPTS, tweet_prompts_inbox, tweets_inbox

LSTMS = dg.StaticPartitionsDefinition(["tiny", "small"])
TRANSFORMERS = dg.StaticPartitionsDefinition(["zero_shot", "tiny"])
PROMPTS = dg.DynamicPartitionsDefinition(name="tweet_batches")
ASKED = [("train_lstm", "tiny"), ("train_transformer", "zero_shot"), ("train_transformer", "tiny")]


@dg.asset(deps=[dg.AssetKey("tweet_files")])
def tweet_corpus() -> None: ...


@dg.asset(deps=[tweet_corpus], partitions_def=LSTMS)
def lstm_checkpoint() -> None: ...


@dg.asset(deps=[tweet_corpus], partitions_def=TRANSFORMERS)
def transformer_checkpoint() -> None: ...


@dg.asset(deps=[tweet_corpus])
def completion_comparison() -> None: ...


@dg.asset(deps=[dg.AssetKey("tweet_prompts")], partitions_def=PROMPTS)
def tweet_completions() -> None: ...


@pytest.fixture
def place(desk, tmp_path, instance):
    def job(name, asset):
        return dg.define_asset_job(name, [asset], executor_def=dg.in_process_executor)

    prepare, compare = job(TWEET_FILES.job, tweet_corpus), job("compare", completion_comparison)
    train = [job("train_lstm", lstm_checkpoint), job("train_transformer", transformer_checkpoint)]
    common = {
        "failures": tmp_path / "failures.log",
        "limits": Limits(disk=tmp_path, settle_seconds=0.0, min_free_bytes=0),
    }
    place = desk(instance)
    place.files = tmp_path / "inbox" / "tweets"
    place.prompts = place.files / "predict"
    place.prompts.mkdir(parents=True)
    place.definitions = dg.Definitions(
        assets=[
            dg.AssetSpec("tweet_files"),
            dg.AssetSpec("tweet_prompts", partitions_def=PROMPTS),
            tweet_corpus,
            lstm_checkpoint,
            transformer_checkpoint,
            completion_comparison,
            tweet_completions,
        ],
        jobs=[prepare, *train, compare, job(TWEET_PROMPTS.job, tweet_completions)],
        sensors=[
            tweets_inbox(folder=place.files, prompts=place.prompts, **common),
            tweet_prompts_inbox(folder=place.prompts, **common),
            chain_sensor("tweets", lambda: ASKED, dataset=prepare, train=train, last=compare),
        ],
    )
    return place


def jobs(runs):
    return [(run.job_name, run.tags.get("dagster/partition")) for run in runs]


def test_a_corpus_is_followed_by_presets_of_two_jobs_and_these_by_the_comparison(place):
    (place.files / "tweets.txt").write_text("good morning\n")
    (place.files / "more.tsv").write_text("text\nhello\n")
    (place.prompts / "mine.txt").write_text("good\n")
    (run,) = place.tick("tweet_files")
    assert run.tags["scriptorium/file"] == "more.tsv and 1 more", "the prompts are no part of the corpus"
    assert run.tags[CHAIN_TAG] == "inbox"
    place.end(run, Status.SUCCESS)
    trainings = place.tick("tweets_chain")
    # A preset of each job is called `tiny`: they are two trainings all the same.
    assert jobs(trainings) == ASKED
    assert len({training.tags["dagster/run_key"] for training in trainings}) == 3
    place.end(trainings[0], Status.SUCCESS)
    place.end(trainings[2], Status.FAILURE)
    assert not place.tick("tweets_chain")
    assert "zero_shot under way" in place.said
    place.end(trainings[1], Status.FAILURE)
    (compare,) = place.tick("tweets_chain")
    assert jobs([compare]) == [("compare", None)]
    assert compare.tags[DATASET_RUN_TAG] == run.run_id
    assert not place.tick("tweets_chain")


def test_a_retried_training_is_waited_for_though_another_job_has_a_preset_of_that_name(place):
    (place.files / "tweets.txt").write_text("good morning\n")
    (run,) = place.tick("tweet_files")
    place.end(run, Status.SUCCESS)
    lstm, zero_shot, tuned = place.tick("tweets_chain")
    place.end(zero_shot, Status.SUCCESS)
    place.end(tuned, Status.SUCCESS)
    place.end(lstm, Status.FAILURE, {"dagster/will_retry": "true"})
    assert not place.tick("tweets_chain")
    assert "tiny under way" in place.said


@pytest.mark.parametrize("asset", ["lstm_checkpoint", "transformer_checkpoint"])
def test_prompts_wait_for_any_checkpoint(place, asset):
    (place.prompts / "mine.txt").write_text("good\n")
    assert not place.tick("tweet_files")
    assert not place.tick("tweet_prompts")
    assert "scriptorium train tweets" in place.said
    place.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition="tiny"))
    (run,) = place.tick("tweet_prompts")
    assert run.job_name == "tweets_complete"
    assert run.tags["dagster/partition"].startswith("mine~")


def test_other_files_are_left_alone(place):
    (place.files / "tweets.csv.zip").write_bytes(b"PK\3\4")
    (place.files / "notes.md").write_text("# notes\n")
    assert not place.tick("tweet_files")
    assert "0 files known" in place.said
