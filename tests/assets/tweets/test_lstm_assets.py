"""The product as Dagster runs it: from dropped files to tokens and a trained LSTM."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("tokenizers")

from assets.tweets.corpus import tweet_corpus  # noqa: E402
from assets.tweets.lstm_checkpoint import lstm_checkpoint  # noqa: E402
from assets.tweets.source import tweet_files, tweet_prompts  # noqa: E402
from assets.tweets.tokenizer import tweet_tokenizer  # noqa: E402
from assets.tweets.tokens import tweet_tokens  # noqa: E402
from resources.intake.batches import Batches, take_in  # noqa: E402
from resources.intake.files import Names  # noqa: E402
from resources.store import records  # noqa: E402
from resources.store.io_manager import ArtifactIOManager, ArtifactStore  # noqa: E402
from resources.tracking import Tracking  # noqa: E402
from resources.training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.train

ASSETS = [tweet_files, tweet_prompts, tweet_corpus, tweet_tokenizer, tweet_tokens, lstm_checkpoint]
PREPARE = ["tweet_corpus", "tweet_tokenizer", "tweet_tokens"]
TEXTS = Names(taken=frozenset({".csv", ".txt"}), never=frozenset())
QUICK = {"embedding": 8, "hidden": 12, "epochs": 1, "rounds": 2, "rouge_tweets": 5}


class Tweets:
    """The assets over a real instance, store and library in a temporary folder."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.library, self.instance = folder / "library", instance
        self.store = ArtifactStore(root=str(folder / "store"), library=str(self.library))
        self.resources = {
            "store": self.store,
            "io_manager": ArtifactIOManager(store=self.store),
            "trainer": Trainer(store=self.store, device_setting="cpu", cache=str(folder / "cache")),
            "tracking": Tracking(uri=f"sqlite:///{folder}/mlflow.db", artifacts=str(folder / "mlflow"), enabled=False),
        }

    def make(self, *names: str, partition: str | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        """`config` is of the first of the assets."""
        self.last = dg.materialize(
            ASSETS,
            instance=self.instance,
            resources=self.resources,
            selection=list(names),
            partition_key=partition,
            run_config={"ops": {names[0]: {"config": config}}} if config else None,
            raise_on_error=False,
        )
        return self.last

    def prepare(self, **config: Any) -> None:
        assert self.make(*PREPARE, **config).success, self.failure()

    def failure(self) -> str:
        (event,) = [event for event in self.last.all_events if event.is_step_failure]
        data = event.step_failure_data
        return str(data.user_failure_data.description if data.user_failure_data else data.error)

    def metadata(self, asset: str) -> dict[str, Any]:
        (made,) = self.last.asset_materializations_for_node(asset)
        return {name: value.value for name, value in made.metadata.items()}

    def record(self, asset: str, partition: str | None = None) -> records.Record:
        record = records.latest(self.instance, dg.AssetKey(asset), partition)
        assert record is not None
        return record

    def value(self, asset: str, partition: str | None = None) -> Any:
        return self.store.load(self.record(asset, partition))

    def drop(self, *paths: Path) -> None:
        """Take files in, as the inbox does."""
        taken = take_in(self.instance, Batches("tweet_files", None, TEXTS, "tweets_prepare"), paths)
        assert taken.event is not None
        self.instance.report_runless_asset_event(taken.event)


@pytest.fixture
def tweets(tmp_path: Path) -> Iterator[Tweets]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), {"telemetry": {"enabled": False}}) as instance:
        yield Tweets(tmp_path, instance)


@pytest.fixture
def dropped(make_tweets: ModuleType, tmp_path: Path) -> list[Path]:
    """Sentiment140's form, and a text file with some of the same tweets."""
    one = make_tweets.write(tmp_path / "dropped" / "training.800.processed.csv", "sentiment140", 800)
    two = make_tweets.write(tmp_path / "dropped" / "more.txt", "text", 300, seed=7)
    with two.open("a", encoding="utf-8") as file:
        file.writelines(f"{tweet.text}\n" for tweet in make_tweets.tweets(800)[:50])
    return [one, two]


def test_from_dropped_files_to_a_checkpoint(tweets: Tweets, dropped: list[Path]) -> None:
    tweets.drop(*dropped)
    tweets.prepare()
    corpus = tweets.metadata("tweet_corpus")
    assert corpus["rows_read"] == 1_150
    assert corpus["duplicates"] >= 50
    assert corpus["tweets"] == 1_150 - corpus["duplicates"]
    assert corpus["tweets"] == sum(corpus[f"tweets_{split}"] for split in ("train", "validation", "test"))
    assert "| training.800.processed.csv | 800 | Sentiment140, latin-1 (" in corpus["rows_per_file"]
    assert corpus["lengths"].startswith("![")
    assert "@user" in corpus["preview"]
    frame = tweets.value("tweet_corpus").frame
    assert list(frame.columns) == ["text", "split"]
    assert not frame["text"].str.contains(r"@(?!user)\w", regex=True).any(), "no handle is left"

    said = tweets.metadata("tweet_tokens")
    assert said["corpus"] == tweets.record("tweet_corpus").digest
    tokens = tweets.value("tweet_tokens")
    about = json.loads(bytes(tokens["about"].tolist()))
    assert about["corpus"] == said["corpus"]
    assert tokens["train_rows"].dtype == torch.int16
    assert sum(each["tweets"] for each in about["splits"].values()) == len(frame)

    assert tweets.make("lstm_checkpoint", partition="tiny", **QUICK).success, tweets.failure()
    made = tweets.metadata("lstm_checkpoint")
    assert {"curves", "val_perplexity", "val_rouge_l", "tokens_per_s", "wall_s", "parameters"} <= set(made)
    assert made["rounds_of_an_epoch"] == 2
    checkpoint = tweets.value("lstm_checkpoint", "tiny")
    assert checkpoint.card.corpus == said["corpus"]
    assert checkpoint.card.data_version == tweets.record("tweet_tokens").digest
    assert checkpoint.card.overrides == QUICK
    assert checkpoint.files.path("tokenizer.json").read_bytes() == bytes(tokens["tokenizer"].tolist())
    lines = (tweets.library / "tweets/lstm_training_log.txt").read_text().splitlines()
    assert [line.partition("Epoch ")[2].split(" ")[0] for line in lines] == ["1/2", "2/2"]
    assert "val_perplexity" in lines[0]


def test_everything_made_twice_has_the_same_digest(tweets: Tweets, dropped: list[Path]) -> None:
    names = [(name, None) for name in PREPARE] + [("lstm_checkpoint", "tiny")]
    tweets.drop(*dropped)
    digests = []
    for _ in range(2):
        tweets.prepare()
        assert tweets.make("lstm_checkpoint", partition="tiny", **QUICK).success, tweets.failure()
        digests.append([tweets.record(name, partition).digest for name, partition in names])
    assert digests[0] == digests[1]


def test_a_smaller_corpus_row_counts_and_forms_are_config(tweets: Tweets, dropped: list[Path]) -> None:
    paths = [str(path) for path in dropped]
    assert tweets.make("tweet_corpus", paths=paths, expected_rows=1_150, limit=500).success
    assert tweets.metadata("tweet_corpus")["tweets"] == 500
    assert not tweets.make("tweet_corpus", paths=paths, expected_rows=1_600_000).success
    assert "The files have 1,150 rows; there should be 1,600,000" in tweets.failure()
    assert not tweets.make("tweet_corpus", paths=["/nowhere.csv"]).success
    assert "There is no file of tweets" in tweets.failure()
    assert not tweets.make("tweet_corpus", source="inbox").success
    assert "tweet_files" in tweets.failure()


def test_a_truncated_sentiment140_is_refused(tweets: Tweets, dropped: list[Path]) -> None:
    lines = dropped[0].read_bytes().splitlines(keepends=True)
    dropped[0].write_bytes(b"".join(lines[:500]))
    assert not tweets.make("tweet_corpus", paths=[str(dropped[0])]).success
    assert "has 500 rows; it should have 800" in tweets.failure()


def test_tokens_of_an_earlier_corpus_are_not_learned_from(tweets: Tweets, dropped: list[Path]) -> None:
    tweets.prepare(paths=[str(path) for path in dropped])
    assert tweets.make("tweet_corpus", paths=[str(dropped[0])]).success
    assert not tweets.make("lstm_checkpoint", partition="tiny", **QUICK).success
    assert "an earlier tweet_corpus" in tweets.failure()


def test_longer_rows_and_another_vocabulary(tweets: Tweets, dropped: list[Path]) -> None:
    assert tweets.make("tweet_corpus", paths=[str(path) for path in dropped]).success
    assert tweets.make("tweet_tokenizer", vocabulary=400).success
    assert tweets.metadata("tweet_tokenizer")["vocabulary"] == 400
    assert tweets.make("tweet_tokens", row_length=24).success
    said = tweets.metadata("tweet_tokens")
    assert tweets.value("tweet_tokens")["train_rows"].shape == (said["rows_train"], 25)
    assert said["tweets_cut"] > 0, "some are longer than a row"
