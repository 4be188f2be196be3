"""From a dropped file to answers: the sensors of sentiment and tweets, and the runs they ask for, in this process."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from dagster_project.definitions import build_defs
from dagster_project.settings import Settings

pytestmark = [pytest.mark.train, pytest.mark.timeout(420)]


class Platform:
    """A home with its definitions. The daemon's part is done here: ticks are applied, and runs are executed."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance, self.defs = settings, instance, build_defs(settings)
        self.cursors: dict[str, str | None] = {}
        settings.homes.make()

    def tick(self, sensor: str, config: dict[str, Any] | None = None) -> list[tuple[str, str | None]]:
        """Jobs and partitions of the runs that a tick asks for, with `config` by asset where a run makes that."""
        definition = self.defs.resolve_sensor_def(sensor)
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.defs,
            cursor=self.cursors.get(sensor),
        ) as context:
            data = definition.evaluate_tick(context)
        self.cursors[sensor] = data.cursor
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        for request in data.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        asked = []
        for request in data.run_requests or []:
            name = request.job_name or definition.targets[0].job_name
            job = self.defs.resolve_job_def(name)
            made = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
            ops = {asset: {"config": said} for asset, said in (config or {}).items() if asset in made}
            done = job.execute_in_process(
                instance=self.instance,
                partition_key=request.partition_key,
                tags={**request.tags, "dagster/run_key": str(request.run_key), "dagster/sensor_name": sensor},
                run_config={"ops": ops} if ops else None,
                raise_on_error=False,
            )
            assert done.success, self._why(done.run_id)
            asked.append((name, request.partition_key))
        return asked

    def _why(self, run_id: str) -> list[str]:
        logs = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        return [str(entry.dagster_event.step_failure_data) for entry in logs if entry.dagster_event]

    def metadata(self, asset: str, partition: str | None = None) -> dict[str, Any]:
        """Of the latest materialization."""
        wanted = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset), asset_partitions=None if partition is None else [partition]
        )
        (record,) = self.instance.fetch_materializations(wanted, limit=1).records
        assert record.asset_materialization is not None
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}


@pytest.fixture
def platform(tmp_path: Path, hub_cache: Path) -> Iterator[Platform]:
    """An empty home whose cache has a `distilgpt2`."""
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "huggingface").symlink_to(hub_cache)
    settings = Settings(
        _env_file=None, home=home, offline=True, settle_seconds=0, sentiment_validation=tmp_path / "judge.csv"
    )
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        yield Platform(settings, instance)


@pytest.fixture
def write(make_tweets: ModuleType) -> Any:
    """`write` of samples/tweets/make_tweets.py: path, form, number, seed."""
    return make_tweets.write


def test_labelled_tweets_dropped_become_champions_and_judge_what_is_dropped_next(
    platform: Platform, write: Any, tmp_path: Path
) -> None:
    homes = platform.settings.homes
    tiny = {
        "sentiment_dataset": {"preset": "tiny"},
        "sentiment_checkpoint": {"epochs": 1, "samples_per_epoch": 64},
    }
    write(homes.sentiment_questions / "asked.txt", "text", 15, 7)
    assert platform.tick("sentiment_questions") == [], "there is no champion yet"
    write(homes.sentiment_inbox / "words.csv", "words", 300, 1)
    write(homes.sentiment_inbox / "deep" / "signs.csv", "signs", 300, 2)
    asked = platform.tick("sentiment_files", tiny)
    assert sorted((job, str(key).partition("~")[0]) for job, key in asked) == [
        ("sentiment", "signs"),
        ("sentiment", "words"),
    ]
    assert platform.tick("sentiment_files") == []
    for _, key in asked:
        folder = homes.library / "sentiment" / str(key)
        assert "champion" in (folder / "champion" / "champion.md").read_text()
        log = (folder / "training.log").read_text()
        assert platform.metadata("sentiment_checkpoint", key)["text_log"].endswith("training.log")
        assert "Epoch 1/1" in log

    write(tmp_path / "judge.csv", "words", 200, 3)
    assert platform.tick("sentiment_pool") == [("sentiment_pool", None)], "one run for both champions"
    assert platform.tick("sentiment_pool") == []
    pooled = platform.metadata("sentiment_pooled_champion")
    assert pooled["champion"] in {key for _, key in asked}
    assert pooled["candidates"] == 2

    [(job, batch)] = platform.tick("sentiment_questions")
    assert job == "sentiment_predict"
    answers = homes.library / "sentiment" / "predictions" / str(batch) / "predictions.csv"
    rows = list(csv.DictReader(answers.open(encoding="utf-8")))
    assert len(rows) == 15
    assert {row["label"] for row in rows} <= {"negative", "positive"}
    assert platform.metadata("sentiment_predictions", batch)["checkpoint"] == pooled["checkpoint"]


def test_tweets_dropped_are_learned_compared_and_complete_what_is_dropped_next(platform: Platform, write: Any) -> None:
    homes = platform.settings.homes
    (homes.tweet_prompts / "prompts.txt").write_text("i am so happy with\nwaiting for the\n")
    assert platform.tick("tweet_prompts") == [], "there is no checkpoint yet"
    write(homes.tweets_inbox / "tweets.csv", "sentiment140", 500)
    write(homes.tweets_inbox / "more.txt", "text", 200, 5)
    assert platform.tick("tweet_files") == [("tweets_prepare", None)]
    corpus = platform.metadata("tweet_corpus")
    assert corpus["rows_read"] == 700
    # Few steps of each training: that they were asked for is what counts here.
    short = {
        "lstm_checkpoint": {"epochs": 1, "rounds": 1},
        "transformer_checkpoint": {"train_tweets": 64, "rounds": 1, "rouge_tweets": 0, "validation_tweets": 20},
        "completion_comparison": {"tweets": 30},
    }
    assert platform.tick("tweets_chain", short) == [
        ("tweets_train_lstm", "tiny"),
        ("tweets_train_transformer", "zero_shot"),
        ("tweets_train_transformer", "fine_tuned_tiny"),
    ]
    assert platform.tick("tweets_chain", short) == [("tweets_compare", None)]
    assert platform.tick("tweets_chain") == []
    assert platform.tick("tweet_files") == []
    report = homes.library / "tweets" / "comparison"
    assert {path.suffix for path in report.iterdir() if not path.name.startswith(".")} >= {".md", ".pdf", ".png"}

    [(job, batch)] = platform.tick("tweet_prompts")
    assert job == "tweets_complete"
    page = (homes.library / "tweets" / "completions" / str(batch) / "completions.md").read_text()
    assert "waiting for the" in page
    assert platform.metadata("tweet_completions", batch)["model"] == platform.metadata("completion_comparison")["best"]

    os.utime(homes.tweets_inbox / "more.txt")
    assert platform.tick("tweet_files") == [], "the same tweets make no new corpus"
    write(homes.tweets_inbox / "more.txt", "text", 250, 5)
    assert platform.tick("tweet_files") == [("tweets_prepare", None)]
    assert platform.metadata("tweet_corpus")["rows_read"] == 750
