"""A dropped file becomes a dataset: what is stored, what is told, and what stops it."""

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from assets.sentiment import rows, tokenizing
from assets.sentiment.dataset import sentiment_dataset
from assets.sentiment.source import sentiment_file
from resources.intake.sentiment import sentiment_intake
from resources.store import records
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Tensors
from resources.text import pretrained
from resources.text.tweets import TEST, TRAIN, VALIDATION
from resources.training.trainer import Trainer

if TYPE_CHECKING:
    from tests.assets.sentiment.conftest import Failure

pytestmark = pytest.mark.train


class Home:
    """The asset over a real instance and store in a temporary folder."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        self.store = ArtifactStore(root=str(folder / "store"), library=str(folder / "library"))
        self.resources = {
            "store": self.store,
            "io_manager": ArtifactIOManager(store=self.store),
            "trainer": Trainer(store=self.store, device_setting="cpu", cache=str(folder / "cache"), offline=True),
        }

    def drop(self, path: Path) -> str:
        """Take a file in, as the inbox does; its partition."""
        with sentiment_intake(self.instance, self.folder / "intake.sqlite") as intake:
            taken = intake.take_in(path)
        self.instance.add_dynamic_partitions("sentiment_files", [taken.key])
        if taken.event is not None:
            self.instance.report_runless_asset_event(taken.event)
        return taken.key

    def make(self, partition: str, **config: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [sentiment_file, sentiment_dataset],
            instance=self.instance,
            resources=self.resources,
            selection=["sentiment_dataset"],
            partition_key=partition,
            run_config={"ops": {"sentiment_dataset": {"config": {"preset": "tiny", **config}}}},
            raise_on_error=False,
        )

    def made(self, partition: str, **config: Any) -> dict[str, Any]:
        """The metadata of what was made; the run must succeed."""
        self.last = self.make(partition, **config)
        events = self.last.all_events
        assert self.last.success, [event.step_failure_data for event in events if event.is_step_failure]
        (materialization,) = self.last.asset_materializations_for_node("sentiment_dataset")
        return {name: value.value for name, value in materialization.metadata.items()}

    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        return {each.check_name: each for each in self.last.get_asset_check_evaluations()}

    def value(self, partition: str) -> Tensors:
        record = records.latest(self.instance, dg.AssetKey("sentiment_dataset"), partition)
        assert record is not None
        value = self.store.load(record, "cpu")
        assert isinstance(value, Tensors)
        return value


@pytest.fixture
def home() -> Iterator[Home]:
    memory = Path("/dev/shm")  # the store syncs each file, which takes some ms on a busy disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        (folder := Path(name) / "dagster").mkdir()
        with dg.DagsterInstance.local_temp(str(folder), {"telemetry": {"enabled": False}}) as instance:
            yield Home(Path(name), instance)


def test_from_a_file_to_tensors(home: Home, make_tweets: ModuleType, tmp_path: Path) -> None:
    file = make_tweets.write(tmp_path / "My Tweets.csv", "words", 700, 1)
    before = file.read_bytes()
    partition = home.drop(file)
    metadata = home.made(partition)
    dataset = home.value(partition)
    made = make_tweets.tweets(700, 1, 0.2)
    neutral = sum(tweet.label == "neutral" for tweet in made)

    assert metadata["rows_read"] == 700
    assert metadata["rows_neutral"] == neutral > 100
    assert metadata["rows_used"] + metadata["rows_duplicates"] + metadata["rows_contradicting"] == 700 - neutral
    n = metadata["rows_used"]
    assert [len(dataset[name]) for name in ("ids", "lengths", "labels", "split", "offsets")] == [n, n, n, n, n + 1]
    assert [metadata[f"rows_{part}"] for part in ("train", "validation", "test")] == [
        int((dataset["split"] == part).sum()) for part in (TRAIN, VALIDATION, TEST)
    ]
    assert f"| neutral | {neutral} | neutral, left out |" in metadata["label_values"]
    assert "| neg |" in metadata["label_values"]
    assert f"| train | {int(((dataset['split'] == TRAIN) & (dataset['labels'] == 0)).sum())} |" in metadata["parts"]
    assert metadata["token_lengths"].startswith("![")
    assert metadata["preview"].count("\n") == 11
    assert "@" not in metadata["preview"].replace("@user", ""), "nobody is named"
    assert (metadata["encoding"], metadata["text_column"], metadata["label_column"]) == ("utf-8", '"text"', '"label"')
    assert (metadata["base"], metadata["preset"]) == (pretrained.PACKAGE, "tiny")
    assert pretrained.PACKAGE in metadata["base_why"]
    assert metadata["tokens"] == int(dataset["lengths"].sum())
    assert sum(len(str(value)) for value in metadata.values()) < 60_000, "what each event stores"
    assert {name: check.passed for name, check in home.checks().items()} == {
        "no_leak_between_splits": True,
        "classes_balanced": True,
    }

    about = tokenizing.about_of(dataset)
    encoder = pretrained.encoder(pretrained.PACKAGE, "", True)
    assert (about["preset"], about["base"], about["base_digest"]) == ("tiny", encoder.name, encoder.digest)
    assert (about["labels"], about["max_length"], about["pad_id"]) == (["negative", "positive"], 48, 0)
    assert about["counts"]["neutral"] == neutral
    tokenizer = pretrained.loaded(tokenizing.tokenizer_of(dataset))
    texts = tokenizing.texts_of(dataset)
    for row in range(0, n, 50):
        ids = dataset["ids"][row, : dataset["lengths"][row]].tolist()
        assert ids == tokenizer.encode(texts[row]).ids
    assert rows.leaks(texts, dataset["split"].numpy()) == 0
    assert file.read_bytes() == before


def test_order_and_encoding_of_the_file_make_no_difference(home: Home, make_tweets: ModuleType, tmp_path: Path) -> None:
    made = [(tweet.text, tweet.label) for tweet in make_tweets.tweets(500, 2)] + [("déjà vu again, çà va", "positive")]

    def write(name: str, pairs: list[tuple[str, str]], encoding: str, delimiter: str) -> str:
        with (tmp_path / name).open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *pairs])
        return home.drop(tmp_path / name)

    one = write("one.csv", made, "utf-8", ",")
    other = write("other.csv", made[::-1], "latin-1", ";")
    assert one != other
    first, second = home.made(one), home.made(other)
    assert first["digest"] == second["digest"]
    assert (first["encoding"], second["encoding"]) == ("utf-8", "latin-1")
    assert first["file_digest"] != second["file_digest"]
    assert home.made(one, seed=1)["digest"] != first["digest"]
    assert home.made(one, limit=400)["rows_used"] == 400
    assert home.made(one, preset="lora")["preset"] == "lora"


def test_without_a_preset_that_of_the_machine_is_taken(home: Home, make_tweets: ModuleType, tmp_path: Path) -> None:
    partition = home.drop(make_tweets.write(tmp_path / "s.csv", "sentiment140", 400, 3))
    metadata = home.made(partition, preset="auto")
    assert metadata["preset"] == "small"
    assert metadata["form"] == "Sentiment140"
    assert "is not on this machine" in metadata["base_why"]
    assert tokenizing.about_of(home.value(partition))["max_length"] == 64


def test_uneven_classes_are_a_warning(home: Home, tmp_path: Path) -> None:
    lines = [f"what a day number {n} it was,{'neg' if n % 9 == 0 else 'pos'}" for n in range(1800)]
    (tmp_path / "uneven.csv").write_text("text,label\n" + "\n".join(lines))
    home.made(home.drop(tmp_path / "uneven.csv"))
    check = home.checks()["classes_balanced"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["smaller_share"].value == pytest.approx(1 / 9)


def test_an_ambiguous_file_says_what_to_set_and_then_goes_on(home: Home, tmp_path: Path, failure: "Failure") -> None:
    lines = [f"what a day number {n} it was,{n % 3}" for n in range(600)]
    (tmp_path / "three.csv").write_text("text,label\n" + "\n".join(lines))
    partition = home.drop(tmp_path / "three.csv")
    told = failure(home.make(partition))
    assert '"0" (200), "1" (200), "2" (200), and of 0, 1 and 2 it is not known which is neutral' in told
    assert 'Set `labels`, such as {"0": "negative", "1": "neutral", "2": "positive"}' in told
    metadata = home.made(partition, labels={"0": "negative", "1": "neutral", "2": "positive"})
    assert (metadata["rows_used"], metadata["rows_neutral"]) == (400, 200)


def test_wrong_config_fails_before_any_work(home: Home, make_tweets: ModuleType, tmp_path: Path) -> None:
    partition = home.drop(make_tweets.write(tmp_path / "w.csv", "words", 400))
    result = home.make(partition, labels={"0": "bad"})
    assert not result.success
    assert "a label means negative, positive, neutral, not bad" in str(
        [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    )
    for config in ({"seed": -1}, {"limit": 0}, {"encoding": ""}):
        assert not home.make(partition, **config).success


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"preset": "huge"}, 'There is no preset "huge"'),
        ({"text_column": "words"}, 'no column "words"'),
        ({"label_column": "7"}, 'no column "7"'),
        ({"encoding": "klingon"}, 'There is no encoding "klingon"'),
        ({"labels": {"pos": "positive"}}, "of which `labels` says nothing"),
        ({"limit": 50}, "too few different tweets"),
    ],
    ids=["preset", "text", "label", "encoding", "labels", "limit"],
)
def test_what_can_not_be_done_is_said(
    home: Home,
    make_tweets: ModuleType,
    tmp_path: Path,
    failure: "Failure",
    config: dict[str, Any],
    said: str,
) -> None:
    partition = home.drop(make_tweets.write(tmp_path / "w.csv", "words", 400))
    assert said in failure(home.make(partition, **config))


def test_a_file_that_is_gone_or_another_one_stops_the_run(
    home: Home, make_tweets: ModuleType, tmp_path: Path, failure: "Failure"
) -> None:
    file = make_tweets.write(tmp_path / "w.csv", "words", 400)
    partition = home.drop(file)
    content = file.read_bytes()
    file.write_bytes(content.replace(b"pos", b"neg", 1))
    assert "holds something else now" in failure(home.make(partition))
    file.unlink()
    assert '"w.csv" is not where it was any more' in failure(home.make(partition))
    file.mkdir()
    assert "can't be read" in failure(home.make(partition))
    file.rmdir()
    (tmp_path / "copy.csv").write_bytes(content)
    assert home.drop(tmp_path / "copy.csv") == partition
    assert home.made(partition)["file"] == "copy.csv"


def test_a_key_that_was_never_taken_in(home: Home, failure: "Failure") -> None:
    home.instance.add_dynamic_partitions("sentiment_files", ["nothing~0"])
    assert 'No file was ever taken in as "nothing~0"' in failure(home.make("nothing~0"))
