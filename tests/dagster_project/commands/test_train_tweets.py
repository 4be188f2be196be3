"""`scriptorium train` and `infer` for sentiment and tweets, as a person runs them: nothing twice, errors in a line."""

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project.commands import infer, train
from dagster_project.commands.running import Interrupts
from dagster_project.settings import Settings
from resources.errors import BadInput
from resources.store import records

pytestmark = [pytest.mark.train, pytest.mark.timeout(420)]

SHORT = ("--set", "epochs=1", "--set", "samples_per_epoch=64")
"""The training is tested elsewhere; here it only has to be there."""


def _tweets(repo: Path, path: Path, number: int, form: str, seed: int = 0) -> Path:
    script = str(repo / "samples/tweets/make_tweets.py")
    command = [sys.executable, script, "--format", form, "--seed", str(seed), str(number), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def _versions(house: Any, asset: str) -> dict[str, list[str]]:
    """Data versions of every partition, newest first."""
    with house.instance() as instance:
        keys = instance.get_materialized_partitions(dg.AssetKey(asset))
        return {key: [str(r.digest) for r in records.versions(instance, dg.AssetKey(asset), key)] for key in keys}


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r"\s+", " ", done.stderr)


@pytest.fixture(scope="module")
def sentiment(
    tmp_path_factory: pytest.TempPathFactory, new_house: Any, repo: Path
) -> tuple[Any, Path, subprocess.CompletedProcess[str]]:
    """A home in which a file was brought to a champion from nothing."""
    folder = tmp_path_factory.mktemp("sentiment")
    house = new_house(folder)
    house.environment["SCRIPTORIUM_OFFLINE"] = "true"
    file = _tweets(repo, folder / "first.csv", 300, "words")
    return house, file, house.scriptorium("train", "sentiment", "--data", str(file), "--preset", "tiny", *SHORT)


def test_a_file_is_brought_to_its_champion(sentiment: Any) -> None:
    house, _, done = sentiment
    assert done.returncode == 0, done.stderr
    verdict = Path(done.stdout.strip())
    assert verdict.name == "champion.md"
    key = verdict.parent.parent.name
    assert re.fullmatch(r"first~[0-9a-f]{16}", key)
    assert "champion" in verdict.read_text()
    assert "val_macro_f1" in (house.home / "library" / "sentiment" / key / "training.log").read_text()
    assert list(_versions(house, "sentiment_champion")) == [key]


def test_what_is_there_is_kept_whatever_the_file_is_called(sentiment: Any, tmp_path: Path) -> None:
    house, file, _ = sentiment
    before = _versions(house, "sentiment_checkpoint")
    copy = tmp_path / "another name.csv"
    copy.write_bytes(file.read_bytes())
    for arguments in (("--data", str(file)), ("--data", str(copy), "--preset", "tiny")):
        done = house.scriptorium("train", "sentiment", *arguments)
        assert done.returncode == 0, done.stderr
        assert "is trained and evaluated" in done.stderr
        assert Path(done.stdout.strip()).is_file()
    assert _versions(house, "sentiment_checkpoint") == before


def test_what_is_lost_is_made_again_and_no_more(sentiment: Any) -> None:
    house, file, _ = sentiment
    ((key, before),) = _versions(house, "sentiment_checkpoint").items()
    with house.instance() as instance:
        record = records.latest(instance, dg.AssetKey("sentiment_evaluation"), key)
        assert record is not None
    for blob in house.store.artifacts.manifest(record.manifest).files:
        house.store.artifacts.object_path(blob.digest).unlink()
    done = house.scriptorium("train", "sentiment", "--data", str(file))
    assert done.returncode == 0, done.stderr
    assert house.made(house.runs()[0]) == {"sentiment_evaluation", "sentiment_champion"}
    assert _versions(house, "sentiment_checkpoint") == {key: before}


def test_labels_nobody_knows_are_refused_with_the_option_that_helps(sentiment: Any, tmp_path: Path) -> None:
    house, first, _ = sentiment
    rows = [line.rpartition(",") for line in first.read_text().splitlines()[1:]]
    codes = {"pos": "2", "neutral": "1", "neg": "0"}
    odd = tmp_path / "odd.csv"
    odd.write_text("text,label\n" + "".join(f"{text},{codes[label]}\n" for text, _, label in rows))
    done = house.scriptorium("train", "sentiment", "--data", str(odd), "--preset", "tiny")
    assert done.returncode == 1
    assert "Set `labels`" in _said(done)
    told = ("--set", "labels={0: negative, 1: neutral, 2: positive}", "--set", "start_from=first", *SHORT)
    done = house.scriptorium("train", "sentiment", "--data", str(odd), "--preset", "tiny", *told)
    assert done.returncode == 0, done.stderr
    with house.instance() as instance:
        record = records.latest(instance, dg.AssetKey("sentiment_checkpoint"), Path(done.stdout).parent.parent.name)
    assert record is not None
    assert record.event is not None
    assert str(record.event.metadata["started_from"].value).startswith("first~")


@pytest.mark.parametrize("by", [(), ("--checkpoint", "first")], ids=["champion", "file"])
def test_texts_get_labels_and_probabilities(sentiment: Any, repo: Path, tmp_path: Path, by: tuple[str, ...]) -> None:
    house, _, _ = sentiment
    asked = _tweets(repo, tmp_path / "asked.txt", 12, "text", seed=3)
    done = house.scriptorium("infer", "sentiment", *by, str(asked))
    assert done.returncode == 0, done.stderr
    [path] = [Path(line) for line in done.stdout.splitlines() if line.endswith("predictions.csv")]
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert len(rows) == 12
    assert all(abs(float(row["p_negative"]) + float(row["p_positive"]) - 1) < 1e-5 for row in rows)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        pytest.param("sentiment", {}, "There are no files of labelled tweets", id="no-files"),
        pytest.param("sentiment", {"chosen": ["huge"]}, "There are: small, full", id="no-preset"),
        pytest.param("sentiment", {"chosen": ["tiny", "small"]}, "Give --preset once", id="two-presets"),
        pytest.param("sentiment", {"data": "no/such.csv"}, "Check --data", id="no-data"),
        pytest.param("sentiment", {"fields": ["lable=2"]}, "Give NAME=VALUE; names are: ", id="no-field"),
        pytest.param("sentiment", {"fields": ["labels"]}, "Give NAME=VALUE", id="no-value"),
        pytest.param("sentiment", {"fields": ["labels={0: nice}"]}, "not nice", id="no-label"),
        pytest.param("sentiment", {"fields": ["labels={0"]}, "is no YAML", id="no-yaml"),
        pytest.param("sentiment", {"fields": ["epochs=0"]}, "greater than or equal to 1", id="out-of-bounds"),
        pytest.param("housing", {"fields": ["epochs=1"]}, "--set is for sentiment and tweets", id="not-housing"),
        pytest.param("tweets", {}, "There are no tweets to learn from", id="no-tweets"),
        pytest.param("tweets", {"fields": ["tweets=1"]}, "greater than or equal to 10", id="too-few-tweets"),
        pytest.param("tweets", {"chosen": ["huge"]}, "There are: tiny", id="no-tweet-preset"),
    ],
)
def test_what_can_not_be_trained_is_said_before_anything_is_done(
    tmp_path: Path, name: str, given: dict[str, Any], said: str
) -> None:
    settings = Settings(home=tmp_path / "home")
    options = {"chosen": [], "data": None, "fields": [], **given}
    with pytest.raises(BadInput) as refused:
        train.train(settings, name, **options, again=False, verbose=False, interrupts=Interrupts())
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        pytest.param("sentiment", {"prompts": ["good"]}, "--prompt is for tweets", id="prompt"),
        pytest.param("sentiment", {"paths": ["README.md"]}, "scriptorium train sentiment", id="no-champion"),
        pytest.param("tweets", {"prompts": ["good"]}, "scriptorium train tweets", id="no-checkpoint"),
        pytest.param("tweets", {"paths": ["no/such.txt"]}, "Check the path", id="no-file"),
    ],
)
def test_what_can_not_be_answered_is_said_before_anything_is_done(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(repo)
    settings = Settings(home=tmp_path / "home")
    options = {"paths": [], "prompts": [], **given}
    with pytest.raises(BadInput) as refused:
        infer.infer(settings, name, **options, checkpoint=None, verbose=False, interrupts=Interrupts())
    assert said in str(refused.value)
    assert not list(settings.homes.tweet_prompts.glob("*")), "no prompt is kept that nobody answers"


@pytest.fixture(scope="module")
def tweets(
    tmp_path_factory: pytest.TempPathFactory, new_house: Any, repo: Path, hub_cache: Path
) -> tuple[Any, Path, subprocess.CompletedProcess[str]]:
    """A home in which tweets were brought to a comparison from nothing."""
    folder = tmp_path_factory.mktemp("tweets")
    house = new_house(folder)
    house.environment["SCRIPTORIUM_OFFLINE"] = "true"
    (house.home / "cache").mkdir(parents=True)
    (house.home / "cache" / "huggingface").symlink_to(hub_cache)
    file = _tweets(repo, folder / "tweets.csv", 600, "sentiment140")
    return house, file, house.scriptorium("train", "tweets", "--data", str(file), timeout=400)


def test_tweets_are_brought_to_a_comparison_of_three(tweets: Any) -> None:
    house, _, done = tweets
    assert done.returncode == 0, done.stderr
    pages = [Path(line) for line in done.stdout.splitlines()]
    assert {page.suffix for page in pages} == {".md", ".pdf"}
    assert {page.parent for page in pages} == {house.home / "library" / "tweets" / "comparison"}
    report = next(page for page in pages if page.suffix == ".md").read_text().replace("\\_", "_")  # as it is shown
    assert all(name in report for name in ("lstm/tiny", "transformer/zero_shot", "transformer/fine_tuned_tiny"))


def test_the_same_tweets_again_train_nothing(tweets: Any) -> None:
    house, file, _ = tweets
    before = len(house.runs())
    for arguments in (("--data", str(file)), ()):
        done = house.scriptorium("train", "tweets", *arguments)
        assert done.returncode == 0, done.stderr
        assert "tweet_corpus: is there" in done.stderr
        assert "completion_comparison: is there" in done.stderr
        assert done.stderr.count(": is there\n") == 4
    assert len(house.runs()) == before


def test_again_trains_what_learns_and_compares(tweets: Any) -> None:
    house, file, _ = tweets
    before = _versions(house, "transformer_checkpoint"), _versions(house, "lstm_checkpoint")
    done = house.scriptorium("train", "tweets", "--data", str(file), "--again")
    assert done.returncode == 0, done.stderr
    transformers, lstms = _versions(house, "transformer_checkpoint"), _versions(house, "lstm_checkpoint")
    assert len(lstms["tiny"]) == len(before[1]["tiny"]) + 1
    assert lstms["tiny"][0] == lstms["tiny"][1], "the same data, recipe and seed give the same checkpoint on a CPU"
    assert transformers["zero_shot"] == before[0]["zero_shot"], "there is nothing to learn"
    assert len(transformers["fine_tuned_tiny"]) == len(before[0]["fine_tuned_tiny"]) + 1


@pytest.mark.parametrize("checkpoint", [(), ("--checkpoint", "lstm/tiny")], ids=["best", "lstm"])
def test_prompts_at_the_command_line_are_completed(tweets: Any, checkpoint: tuple[str, ...]) -> None:
    house, _, _ = tweets
    done = house.scriptorium("infer", "tweets", "--prompt", "i am so happy", "--prompt", "the train", *checkpoint)
    assert done.returncode == 0, done.stderr
    [path] = [Path(line) for line in done.stdout.splitlines() if line.endswith("completions.csv")]
    text = path.read_text(encoding="utf-8")
    assert "i am so happy" in text
    assert "the train" in text
    kept = list((house.home / "inbox" / "tweets" / "predict").glob("prompt-*.txt"))
    assert [file.read_text() for file in kept] == ["i am so happy\nthe train\n"]


def test_prompts_in_a_file_are_completed(tweets: Any, tmp_path: Path) -> None:
    house, _, _ = tweets
    (tmp_path / "prompts.txt").write_text("good morning\nwaiting for the\n")
    done = house.scriptorium("infer", "tweets", str(tmp_path / "prompts.txt"))
    assert done.returncode == 0, done.stderr
    assert "prompts~" in done.stdout
