"""The product as Dagster runs it: a dropped file from its dataset to a champion."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("transformers")

from assets.sentiment import pooled, predicting
from assets.sentiment.card import SentimentCard, StartedFrom
from assets.sentiment.parts import parts
from jobs.sentiment import CHAIN
from resources.errors import MissingArtifact
from resources.store import records
from resources.store.types import Checkpoint
from resources.text.tweets import cleaned
from resources.training.documents import Evaluation

if TYPE_CHECKING:
    from tests.assets.sentiment.conftest import Desk, Failure

pytestmark = pytest.mark.train

NAMES = [f"sentiment_{part}" for part in CHAIN]
PRESETS = """
learns:
  description: Learns the made-up tweets in seconds
  default_on: [cpu, gpu]
  base: {base}
  max_length: 40
  epochs: 8
  batch_size: 32
  learning_rate: 3.0e-3
  head_learning_rate: 3.0e-3
  keep: best
stuck:
  description: Learns nothing
  base: {base}
  max_length: 40
  epochs: 1
  learning_rate: 1.0e-9
  head_learning_rate: 1.0e-9
"""


@pytest.fixture
def desk(make_desk: Callable[[str], "Desk"]) -> "Desk":
    return make_desk(PRESETS)


def test_one_run_makes_a_champion_of_a_dropped_file(desk: "Desk", make_tweets: ModuleType) -> None:
    key = desk.take_in(make_tweets.write(desk.folder / "tweets.csv", "sentiment140", 1500))
    told = desk.made(*NAMES, partition=key)

    baseline = told["sentiment_baseline"]
    assert baseline["baseline"] == "tfidf", "the other two know nothing of these tweets"
    for name in ("majority", "released", "tfidf"):
        assert name in baseline["baselines"]
    assert baseline["majority_val_macro_recall"] == 0.5
    assert baseline["tfidf_val_macro_recall"] > 0.8  # of at most 0.97, for 3 % of the labels are wrong
    assert 0 < baseline["released_test_accuracy"] < 1

    evaluation = told["sentiment_evaluation"]
    assert evaluation["val_macro_recall"] > 0.8  # as above
    for name in ("majority", "released", "tfidf (the best baseline)", "**learns**"):
        assert f"| {name} |" in evaluation["against_baselines"]
    assert "| negative | validation |" in evaluation["per_class"]
    assert evaluation["surest_mistakes"].startswith("| said | how surely | is | text |")
    for picture in ("confusion_validation", "confusion_test", "reliability_validation", "reliability_test"):
        assert evaluation[picture].startswith("![")
    assert sum(len(str(value)) for value in evaluation.values()) < 150_000, "what each event stores"

    # The champion is the better of the two, by the figures that both were told to have.
    values = {"learns": evaluation["val_macro_recall"], "tfidf": baseline["tfidf_val_macro_recall"]}
    champion = told["sentiment_champion"]
    assert champion["champion"] == max(values, key=lambda name: values[name])
    page = (desk.library / "sentiment" / key / "champion" / "champion.md").read_text()
    assert champion["champion"] in page
    assert "macro_recall" in page

    # A text file and a table in the inbox become one batch of answers by that champion.
    lines = make_tweets.write(desk.folder / "new.txt", "text", 30)
    with (table := desk.folder / "new.csv").open("w", newline="") as file:
        rows = list(make_tweets.tweets(40, 9, 0.0))
        csv.writer(file).writerows([("id", "text", "label"), *((-n, t.text, t.label) for n, t in enumerate(rows))])
        file.write("odd\n")
    batch = desk.ask(lines, table)
    predicted = desk.made("sentiment_predictions", partition=batch)["sentiment_predictions"]
    assert (predicted["texts"], predicted["skipped"], predicted["labelled"]) == (70, 1, 40)
    assert predicted["model"] == champion["champion"]
    assert predicted["checkpoint"] == champion["checkpoint"]
    assert predicted["accuracy"] > 0.7  # as above, but of 40 tweets: three standard errors less
    assert predicted["texts_negative"] + predicted["texts_positive"] == 70
    assert predicted["probabilities"].startswith("![")
    folder = desk.library / "sentiment" / "predictions" / batch
    assert (folder / "skipped.txt").read_text() == "new.csv, line 42: has 1 cells, the first row 3\n"
    answers = list(csv.DictReader((folder / "predictions.csv").open(newline="")))
    assert [row["file"] for row in answers] == ["new.csv"] * 40 + ["new.txt"] * 30
    assert [row["id"] for row in answers][:3] == ["0", "-1", "-2"]
    assert "@" not in {row["text"][0] for row in answers}, "no cell is a formula"
    shares = np.array([[float(row["p_negative"]), float(row["p_positive"])] for row in answers])
    assert [row["label"] for row in answers] == [("negative", "positive")[i] for i in shares.argmax(1)]
    texts = [row["text"].removeprefix("'") for row in answers]
    assert predicting.probabilities(desk.value("sentiment_champion", key), texts) == pytest.approx(shares, abs=1e-6)


def test_an_evaluation_is_what_the_stored_checkpoint_answers(desk: "Desk", make_tweets: ModuleType) -> None:
    key = desk.take_in(make_tweets.write(desk.folder / "tweets.csv", "words", 900))
    desk.made(*NAMES[:4], partition=key)
    validation = parts(desk.value("sentiment_dataset", key))["validation"]
    truth = validation.labels.numpy()

    def replayed(checkpoint: Checkpoint, evaluation: Evaluation) -> None:
        answers = predicting.probabilities(checkpoint, validation.texts)
        assert answers[:, 1] == pytest.approx(evaluation.details["p_positive"], abs=1e-6)  # six digits are stored
        correct = answers.argmax(1) == truth
        scores = correct * len(truth) / (2 * np.bincount(truth)[truth])
        assert np.array_equal(scores, np.array(evaluation.scores))
        assert evaluation.metrics["validation"]["macro_recall"] == pytest.approx(scores.mean())

    replayed(desk.value("sentiment_checkpoint", key), desk.value("sentiment_evaluation", key))
    baseline = desk.value("sentiment_baseline", key)
    stored = Evaluation.model_validate_json(baseline.files.path("evaluation.json").read_bytes())
    replayed(baseline, stored)
    card = baseline.card
    assert isinstance(card, SentimentCard)
    assert (card.file, card.baseline, card.model) == (key, True, "tfidf")
    terms = json.loads(baseline.files.path("vocabulary.json").read_bytes())
    assert baseline.weights["words_idf"].numel() == len(terms["words"])


def test_the_same_file_gives_the_same_bytes(desk: "Desk", make_tweets: ModuleType) -> None:
    key = desk.take_in(make_tweets.write(desk.folder / "tweets.csv", "signs", 600))
    desk.made("sentiment_dataset", partition=key)
    digests = {desk.made("sentiment_baseline", partition=key)["sentiment_baseline"]["digest"] for _ in range(2)}
    assert len(digests) == 1


def test_a_baseline_that_no_network_beats_is_champion(desk: "Desk", make_tweets: ModuleType) -> None:
    key = desk.take_in(make_tweets.write(desk.folder / "tweets.csv", "words", 900))
    result = desk.make(*NAMES, partition=key, sentiment_dataset={"preset": "stuck"})
    assert result.success
    (crowned,) = result.asset_materializations_for_node("sentiment_champion")
    assert crowned.metadata["champion"].value == "tfidf"
    assert "No trained model is better than this baseline" in str(crowned.metadata["verdict"].value)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["beats_baselines"].passed
    value = desk.value("sentiment_champion", key)
    assert predicting.probabilities(value, ["so very happy", "so very sad"])[:, 1] @ [1, -1] > 0
    stored = Evaluation.model_validate_json(value.files.path("evaluation.json").read_bytes())
    baseline = records.latest(desk.instance, dg.AssetKey("sentiment_baseline"), key)
    assert baseline is not None
    assert stored.checkpoint == baseline.digest == crowned.metadata["checkpoint"].value


def test_a_champion_is_chosen_on_one_version_of_a_dataset(
    desk: "Desk", make_tweets: ModuleType, failure: "Failure"
) -> None:
    key = desk.take_in(make_tweets.write(desk.folder / "tweets.csv", "words", 900))
    divided: dict[str, Any] = {"sentiment_dataset": {"preset": "stuck"}}
    first = desk.made(*NAMES, partition=key, **divided)["sentiment_champion"]
    divided["sentiment_dataset"]["seed"] = 1
    desk.made("sentiment_dataset", partition=key, **divided)
    told = failure(desk.make("sentiment_evaluation", partition=key))
    assert "learned from another dataset" in told
    assert f"Run the job sentiment for {key} again." in told
    desk.made("sentiment_checkpoint", "sentiment_evaluation", partition=key)
    # Without the baseline a network would have nothing to beat.
    assert "different versions of its dataset" in failure(desk.make("sentiment_champion", partition=key))
    second = desk.made("sentiment_baseline", "sentiment_champion", partition=key)["sentiment_champion"]
    assert second["champion"] == "tfidf"
    assert second["checkpoint"] != first["checkpoint"]
    assert "tfidf is dethroned: it was champion of data version" in second["verdict"]


def test_answers_that_are_no_numbers_stop_the_run(
    desk: "Desk", make_tweets: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assets.sentiment import judging

    key = desk.take_in(make_tweets.write(desk.folder / "tweets.csv", "words", 900))
    desk.made("sentiment_dataset", "sentiment_baseline", "sentiment_checkpoint", partition=key)
    answers = judging.answers

    def broken(*given: Any) -> Any:
        logits = answers(*given)
        logits["test"][3] = float("nan")
        return logits

    monkeypatch.setattr(judging, "answers", broken)
    result = desk.make("sentiment_evaluation", "sentiment_champion", partition=key)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["answers_finite"].passed
    assert checks["answers_finite"].metadata["broken"].value == 1
    assert not result.success
    assert not result.asset_materializations_for_node("sentiment_champion")


def test_predictions_by_another_checkpoint_lie_beside_the_champion_s(
    desk: "Desk", make_tweets: ModuleType, failure: "Failure"
) -> None:
    (texts := desk.folder / "new.txt").write_text("what a lovely day\n\n\x01\n")
    batch = desk.ask(texts)
    assert "no champion yet" in failure(desk.make("sentiment_predictions", partition=batch))
    key = desk.take_in(make_tweets.write(desk.folder / "tweets.csv", "words", 900))
    desk.made("sentiment_dataset", "sentiment_baseline", partition=key)
    baseline = records.latest(desk.instance, dg.AssetKey("sentiment_baseline"), key)
    assert baseline is not None
    assert baseline.digest is not None
    told = desk.made(
        "sentiment_predictions", partition=batch, sentiment_predictions={"checkpoint": baseline.digest[:9]}
    )
    predicted = told["sentiment_predictions"]
    assert (predicted["texts"], predicted["skipped"], predicted["model"]) == (1, 1, "tfidf")
    assert predicted["folder"].endswith(f"{batch}~tfidf-{baseline.digest[:8]}")
    assert not (desk.library / "sentiment" / "predictions" / batch).exists()
    assert (Path(predicted["folder"]) / "skipped.txt").read_text() == "new.txt, line 3: has no text\n"

    (empty := desk.folder / "empty.csv").write_text("text,label\n")
    told_off = failure(desk.make("sentiment_predictions", partition=desk.ask(empty)))
    assert "No text of these files can be judged" in told_off
    assert "has a header line and no rows" in told_off


def test_the_pooled_champion_is_the_best_on_tweets_that_none_has_learned_from(
    desk: "Desk", make_tweets: ModuleType, failure: "Failure"
) -> None:
    unnamed = failure(desk.make("sentiment_pooled_champion"))
    assert "SCRIPTORIUM_SENTIMENT_VALIDATION" in unnamed
    shared = make_tweets.write(desk.folder / "shared.csv", "words", 800, seed=5)
    pool: dict[str, Any] = {"sentiment_pooled_champion": {"validation": str(shared)}}
    assert "No file has a champion yet" in failure(desk.make("sentiment_pooled_champion", **pool))

    # One file has half of the shared tweets among its own; the other's labels are wrong half the time.
    good = desk.folder / "good.csv"
    make_tweets.write(good, "words", 900, seed=1)
    with good.open("a") as file:
        file.writelines(shared.read_text().splitlines(keepends=True)[1:401])
    poor = desk.folder / "poor.csv"
    with poor.open("w", newline="") as file:
        rows = enumerate(make_tweets.tweets(900, 2, 0.0))
        csv.writer(file).writerows([("text", "label"), *((t.text, ("neg", "pos")[n % 2]) for n, t in rows)])
    keys = {path.stem: desk.take_in(path) for path in (good, poor)}
    for key in keys.values():
        desk.made(*NAMES, partition=key, sentiment_dataset={"preset": "stuck"})

    told = desk.made("sentiment_pooled_champion", **pool)["sentiment_pooled_champion"]
    assert told["champion"] == keys["good"]
    assert told["candidates"] == 2
    kept = parts(desk.value("sentiment_dataset", keys["good"]))
    learned = {text for name in ("train", "validation") for text in kept[name].texts}
    own = {cleaned(t.text) for t in make_tweets.tweets(800, 5, 0.2) if t.label != "neutral"}
    assert told["rows_learned_from"] == len(own & learned) > 200  # nine in ten of about 320
    assert told["rows_judged_by"] == len(own - learned)
    page = (desk.library / "sentiment" / "pooled" / "champion" / "champion.md").read_text()
    assert keys["poor"] in page
    value = desk.value("sentiment_pooled_champion")
    assert value.card.file == keys["good"]
    stored = Evaluation.model_validate_json(value.files.path("evaluation.json").read_bytes())
    assert len(stored.scores) == told["rows_judged_by"]
    again = desk.made("sentiment_pooled_champion", **pool)["sentiment_pooled_champion"]
    assert (again["changed"], again["digest"]) == (False, told["digest"])

    # It is who predicts, where nobody is named.
    (texts := desk.folder / "new.txt").write_text("so very happy\n")
    predicted = desk.made("sentiment_predictions", partition=desk.ask(texts))["sentiment_predictions"]
    assert predicted["checkpoint"] == told["checkpoint"]

    # Without its dataset nobody knows what a champion has learned from.
    record = records.latest(desk.instance, dg.AssetKey("sentiment_dataset"), keys["poor"])
    assert record is not None
    assert record.manifest is not None
    (Path(desk.store.root) / record.manifest).unlink()
    fewer = desk.made("sentiment_pooled_champion", **pool)["sentiment_pooled_champion"]
    assert fewer["candidates"] == 1


def test_what_an_earlier_file_taught_counts_as_learned(desk: "Desk", make_tweets: ModuleType) -> None:
    keys = {}
    for seed, name in enumerate(("first", "second")):
        key = keys[name] = desk.take_in(make_tweets.write(desk.folder / f"{name}.csv", "words", 700, seed=seed))
        config = {"start_from": keys["first"]} if name == "second" else {}
        desk.made(
            "sentiment_dataset",
            "sentiment_checkpoint",
            partition=key,
            sentiment_dataset={"preset": "stuck"},
            sentiment_checkpoint=config,
        )
    versions = {name: desk.value("sentiment_dataset", key).data_version for name, key in keys.items()}
    context: Any = SimpleNamespace(instance=desk.instance)
    for name, expected in (("first", ("first",)), ("second", ("first", "second"))):
        card = desk.value("sentiment_checkpoint", keys[name]).card
        learned = pooled._learned(context, desk.store, card)
        assert learned == {(keys[one], versions[one]) for one in expected}
    lost = card.model_copy(update={"started_from": StartedFrom(file="gone", checkpoint="0" * 64)})
    with pytest.raises(MissingArtifact, match="what it has learned from is not known"):
        pooled._learned(context, desk.store, lost)
