"""Checkpoints of files: from the base or from another file's, killed and gone on with, told and refused."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("transformers")

from assets.sentiment import choosing, network
from assets.sentiment.card import SentimentCard, StartedFrom
from assets.sentiment.module import SentimentModule
from resources.errors import BadInput
from resources.store import records
from resources.store.types import Checkpoint

if TYPE_CHECKING:
    from tests.assets.sentiment.conftest import Desk, Failure

pytestmark = pytest.mark.train

PRESETS = """
quick:
  description: Two epochs of a tiny network
  default_on: [cpu, gpu]
  base: {base}
  max_length: 40
  epochs: 2
  batch_size: 32
  learning_rate: 3.0e-3
  head_learning_rate: 3.0e-3
"""


class Bench:
    """Datasets and checkpoints, made at a desk."""

    def __init__(self, desk: "Desk") -> None:
        self.desk, self.folder, self.library = desk, desk.folder, desk.library
        self.store, self.instance = desk.store, desk.instance

    def dataset(self, path: Path) -> str:
        """Take a file in and make its dataset; its partition."""
        key = self.desk.take_in(path)
        self.desk.made("sentiment_dataset", partition=key)
        return key

    def run(self, asset: str, partition: str, **config: Any) -> dg.ExecuteInProcessResult:
        return self.desk.make(asset, partition=partition, **({asset: config} if config else {}))

    def train(self, partition: str, **config: Any) -> dict[str, Any]:
        """The metadata of the checkpoint that was made; the run must succeed."""
        given = {"sentiment_checkpoint": config} if config else {}
        return self.desk.made("sentiment_checkpoint", partition=partition, **given)["sentiment_checkpoint"]

    def checkpoint(self, partition: str) -> tuple[Checkpoint, SentimentCard, str]:
        """The newest one, its card and its digest."""
        record = records.latest(self.instance, dg.AssetKey("sentiment_checkpoint"), partition)
        assert record is not None
        value = self.store.load(record, "cpu")
        assert isinstance(value, Checkpoint)
        assert isinstance(value.card, SentimentCard)
        return value, value.card, str(record.digest)


@pytest.fixture
def base(tmp_path: Path, tiny_base: Path) -> Path:
    """A BERT of one layer for three labels, its tokenizer of words beside it; a test may change its files."""
    shutil.copytree(tiny_base, tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def bench(base: Path, make_desk: Callable[..., "Desk"], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("resources.training.keeper._STATE_SHARE", 0)  # these epochs are shorter than a save
    return Bench(make_desk(PRESETS, base))


@pytest.fixture
def files(make_tweets: ModuleType, tmp_path: Path) -> list[Path]:
    """Two files of made-up tweets."""
    return [make_tweets.write(tmp_path / f"{name}.csv", "words", 400, seed) for seed, name in enumerate(("one", "two"))]


def test_a_file_becomes_a_checkpoint_that_needs_nothing_else(bench: Bench, files: list[Path]) -> None:
    key = bench.dataset(files[0])
    told = bench.train(key)
    value, card, _ = bench.checkpoint(key)
    assert (told["preset"], told["base_head"], told["started_from"]) == ("quick", "released", "base")
    assert told["trained_parameters"] == told["parameters"]
    # 240 tweets of 6 to 30 tokens in batches of 32: a few tokens' difference within each. At random it is above 0.3.
    assert 0 <= told["padding_share"] < 0.2
    assert card.metrics["val_macro_f1"] == pytest.approx(told["val_macro_f1"], abs=1e-5)
    assert card.metrics["val_cross_entropy"] < card.metrics["val_cross_entropy_unscaled"]  # it fits validation
    assert card.started_from is None
    assert [epoch["epoch"] for epoch in card.epochs] == [1, 2]
    assert not {"seconds", "samples_per_s"} & set(card.epochs[0])
    assert str(bench.folder / "base") not in str(card.config)
    model, tokenizer = network.of_checkpoint(value, "cpu")
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert tokenizer.encode("good").ids[0] == 2  # [CLS]


def test_the_log_of_a_file_tells_its_data_and_every_epoch(bench: Bench, files: list[Path]) -> None:
    key = bench.dataset(files[0])
    dataset = records.latest(bench.instance, dg.AssetKey("sentiment_dataset"), key)
    assert dataset is not None
    told = bench.train(key)
    assert told["text_log"] == f"library/sentiment/{key}/training.log"
    lines = (bench.library / "sentiment" / key / "training.log").read_text().splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - "
    figures = " - ".join(rf"{name}: \d\.\d{{4}}" for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    epoch = stamp + rf"Epoch (\d)/2 - {figures} - val_macro_f1: \d\.\d{{4}} - samples/s: \d+\.\d"
    assert re.fullmatch(stamp + rf"Training on {key}, data {dataset.digest}", lines[0])
    counts = {part: int(n) for part, n in re.findall(r"(train|validation|test) (\d+) \(", lines[1])}
    about = bench.store.load(dataset, "cpu")
    assert sum(counts.values()) == len(about["ids"])
    assert re.search(r"Rows: 400 read, \d+ used, .*\d+ neutral", lines[2])
    assert "Preset quick: 2 epochs" in lines[3]
    assert [found[1] for line in lines[4:6] if (found := re.fullmatch(epoch, line))] == ["1", "2"]
    assert re.fullmatch(stamp + r"Done: the weights of epoch \d are kept", lines[6])
    figures = r"macro F1 \d\.\d{4}; of (\d+) negative (\d+) called negative, (\d+) called positive;"
    kept = re.fullmatch(
        stamp + rf"Kept, on validation: {figures} of (\d+) positive (\d+) called negative, (\d+) called positive",
        lines[7],
    )
    assert kept is not None
    negative, right, wrong, positive, flipped, as_it_is = map(int, kept.groups())
    assert (right + wrong, flipped + as_it_is, negative + positive) == (negative, positive, counts["validation"])
    card = bench.checkpoint(key)[1]
    assert (right + as_it_is) / counts["validation"] == pytest.approx(card.metrics["val_accuracy"])
    assert len(lines) == 8


def test_a_killed_training_ends_like_an_uninterrupted_one(
    bench: Bench, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    key = bench.dataset(files[0])
    bench.train(key)
    whole, _, digest = bench.checkpoint(key)
    step = SentimentModule.training_step

    def dying(self: SentimentModule, batch: Any, index: int) -> Any:
        if self.current_epoch == 1 and index == 3:
            raise RuntimeError("killed")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(SentimentModule, "training_step", dying)
        assert not bench.run("sentiment_checkpoint", key).success
    assert bench.train(key)["resumed_from_epoch"] == 1
    resumed, _, again = bench.checkpoint(key)
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)
    assert again == digest
    log = (bench.library / "sentiment" / key / "training.log").read_text()
    assert log.count("Training on") == 2
    assert "Goes on after epoch 1/2" in log


def test_a_file_may_start_from_another_one_s_checkpoint(bench: Bench, files: list[Path]) -> None:
    import torch

    one, two = (bench.dataset(file) for file in files)
    bench.train(one)
    first, _, digest = bench.checkpoint(one)
    bench.train(two)
    _, _, from_base = bench.checkpoint(two)
    # A rate of nearly nothing: what comes out is what went in.
    still = {"learning_rate": 1e-12, "head_learning_rate": 1e-12, "weight_decay": 0.0}
    told = bench.train(two, start_from="one", **still)
    value, card, continued = bench.checkpoint(two)
    assert card.started_from == StartedFrom(file=one, checkpoint=digest)
    assert told["started_from"].startswith(one)
    assert continued != from_base
    assert card.overrides == still
    for name, weights in first.weights.items():
        torch.testing.assert_close(value.weights[name], weights, rtol=0, atol=1e-8)
    log = (bench.library / "sentiment" / two / "training.log").read_text()
    assert f"begun with the checkpoint {digest[:12]} of {one}" in log


def test_every_file_starts_from_the_base_unless_told(bench: Bench, files: list[Path]) -> None:
    one, two = (bench.dataset(file) for file in files)
    bench.train(two)
    alone = bench.checkpoint(two)[2]
    bench.train(one)
    bench.train(two)
    assert bench.checkpoint(two)[2] == alone


def test_a_start_that_is_none_is_refused(bench: Bench, files: list[Path], failure: "Failure") -> None:
    one, two = (bench.dataset(file) for file in files)
    told = failure(bench.run("sentiment_checkpoint", one, start_from="nobody"))
    assert "There is no checkpoint of 'nobody' to start from. No other file has one yet." in told
    bench.train(two)
    assert f"These have one: {two}" in failure(bench.run("sentiment_checkpoint", one, start_from="nobody"))
    assert "can't start from itself" in failure(bench.run("sentiment_checkpoint", two, start_from=two))
    assert not (bench.library / "sentiment" / one).exists()


def test_another_base_is_refused(
    bench: Bench, files: list[Path], base: Path, failure: "Failure", tmp_path: Path
) -> None:
    one, two = (bench.dataset(file) for file in files)
    assert "tokenized for" in failure(bench.run("sentiment_checkpoint", one, base="someone/else"))
    assert "not 8" in failure(bench.run("sentiment_checkpoint", one, max_length=8))
    bench.train(one)
    (base / "special_tokens_map.json").write_text("{}")  # other files, hence another base of the same name
    assert "others than when the dataset was made" in failure(bench.run("sentiment_checkpoint", two))
    assert bench.run("sentiment_dataset", two).success
    assert "Make sentiment_dataset of this file again" in failure(
        bench.run("sentiment_checkpoint", two, start_from=one)
    )


def test_a_start_from_tweets_that_were_divided_otherwise_is_refused(
    bench: Bench, files: list[Path], failure: "Failure"
) -> None:
    """What the earlier file taught could else be among what the later one is judged by."""
    one, two = (bench.dataset(file) for file in files)
    bench.train(one)
    assert bench.checkpoint(one)[1].split_seed == 0
    assert bench.run("sentiment_dataset", two, seed=1).success
    told = failure(bench.run("sentiment_checkpoint", two, start_from=one))
    assert f"The tweets of {one} were divided by the seed 0, those of this dataset by 1" in told
    assert "with `seed` 0, or start from `base`" in told
    assert bench.run("sentiment_dataset", two, seed=0).success
    assert bench.run("sentiment_checkpoint", two, start_from=one).success


def test_a_file_s_name_stands_for_its_key() -> None:
    keys = ["my-tweets~0123456789abcdef", "my-tweets~fedcba9876543210", "other~0000000000000000"]
    assert choosing.file_named(keys, keys[1]) == keys[1]
    assert choosing.file_named(keys, "Other.csv") == keys[2]
    assert choosing.file_named(keys, "my-tweets~f") == keys[1]
    assert choosing.file_named(keys, "third") is None
    with pytest.raises(BadInput, match="Several files are called"):
        choosing.file_named(keys, "My Tweets.csv")
