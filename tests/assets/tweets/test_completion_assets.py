"""The product's second half as Dagster runs it: pretrained and fine-tuned checkpoints, comparison, completions."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("transformers")

from assets.tweets import current  # noqa: E402
from assets.tweets.comparison import completion_comparison  # noqa: E402
from assets.tweets.completions import tweet_completions  # noqa: E402
from assets.tweets.corpus import tweet_corpus  # noqa: E402
from assets.tweets.language_models import of_checkpoint  # noqa: E402
from assets.tweets.lstm_checkpoint import lstm_checkpoint  # noqa: E402
from assets.tweets.source import tweet_files, tweet_prompts  # noqa: E402
from assets.tweets.tokenizer import tweet_tokenizer  # noqa: E402
from assets.tweets.tokens import tweet_tokens  # noqa: E402
from assets.tweets.transformer_checkpoint import transformer_checkpoint  # noqa: E402
from resources.errors import BadInput  # noqa: E402
from resources.intake.batches import Batches, take_in  # noqa: E402
from resources.intake.files import Names  # noqa: E402
from resources.store import records  # noqa: E402
from resources.store.io_manager import ArtifactIOManager, ArtifactStore  # noqa: E402
from resources.tracking import Tracking  # noqa: E402
from resources.training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.train

ASSETS = [
    tweet_files, tweet_prompts, tweet_corpus, tweet_tokenizer, tweet_tokens, lstm_checkpoint, transformer_checkpoint,
    completion_comparison, tweet_completions,
]  # fmt: skip
TEXTS = Names(taken=frozenset({".csv", ".txt"}), never=frozenset())
LSTM = {"embedding": 16, "hidden": 24, "epochs": 1, "rounds": 2, "rouge_tweets": 5}
QUICK = {"validation_tweets": 20, "rouge_tweets": 4}


class Tweets:
    """The assets over a real instance, store and library in a temporary folder."""

    def __init__(self, folder: Path, cache: Path, instance: dg.DagsterInstance) -> None:
        self.library, self.instance, self.folder = folder / "library", instance, folder
        self.store = ArtifactStore(root=str(folder / "store"), library=str(self.library))
        self.resources = {
            "store": self.store,
            "io_manager": ArtifactIOManager(store=self.store),
            "trainer": Trainer(store=self.store, device_setting="cpu", cache=str(cache), offline=True),
            "tracking": Tracking(uri=f"sqlite:///{folder}/mlflow.db", artifacts=str(folder / "mlflow"), enabled=False),
        }

    def make(self, *names: str, partition: str | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            ASSETS,
            instance=self.instance,
            resources=self.resources,
            selection=list(names),
            partition_key=partition,
            run_config={"ops": {names[0]: {"config": config}}} if config else None,
            raise_on_error=False,
        )

    def made(self, *names: str, partition: str | None = None, **config: Any) -> dict[str, Any]:
        """The metadata of the first of the assets; the run must succeed."""
        result = self.make(*names, partition=partition, **config)
        assert result.success, [event.step_failure_data for event in result.all_events if event.is_step_failure]
        (materialization,) = result.asset_materializations_for_node(names[0])
        return {name: value.value for name, value in materialization.metadata.items()}

    def refused(self, *names: str, partition: str | None = None, **config: Any) -> str:
        result = self.make(*names, partition=partition, **config)
        (event,) = [event for event in result.all_events if event.is_step_failure]
        failure = event.step_failure_data.user_failure_data
        assert failure is not None
        return str(failure.description)

    def value(self, asset: str, partition: str | None = None) -> Any:
        record = records.latest(self.instance, dg.AssetKey(asset), partition)
        assert record is not None
        return self.store.load(record)

    def learn_from(self, path: Path) -> None:
        taken = take_in(self.instance, Batches("tweet_files", None, TEXTS, "tweets_prepare"), [path])
        assert taken.event is not None
        self.instance.report_runless_asset_event(taken.event)
        self.made("tweet_corpus", "tweet_tokenizer", "tweet_tokens")

    def ask(self, *paths: Path) -> str:
        taken = take_in(self.instance, Batches("tweet_prompts", "tweet_batches", TEXTS, "tweets_complete"), paths)
        assert taken.key is not None
        assert taken.event is not None
        self.instance.add_dynamic_partitions("tweet_batches", [taken.key])
        self.instance.report_runless_asset_event(taken.event)
        return taken.key


@pytest.fixture(scope="module")
def trained(
    make_tweets: ModuleType, tiny_gpt2: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tweets]:
    """A small LSTM, a tiny GPT-2 as it is, and the same after a few steps."""
    folder = tmp_path_factory.mktemp("tweets")
    (folder / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(folder / "dagster"), {"telemetry": {"enabled": False}}) as instance:
        tweets = Tweets(folder, cache, instance)
        tweets.learn_from(make_tweets.write(folder / "in.txt", "text", 700))
        assert "needs an LSTM and a transformer" in tweets.refused("completion_comparison")
        tweets.made("lstm_checkpoint", partition="tiny", **LSTM)
        assert "no transformer is there" in tweets.refused("completion_comparison")
        base = {"base": str(tiny_gpt2), **QUICK}
        tweets.made("transformer_checkpoint", partition="zero_shot", **base)
        tweets.made(
            "transformer_checkpoint",
            partition="fine_tuned_tiny",
            **base,
            freeze="none",
            learning_rate=5e-3,
            rounds=2,
            train_tweets=256,
        )
        yield tweets


@pytest.fixture(scope="module")
def compared(trained: Tweets) -> dict[str, Any]:
    return trained.made("completion_comparison", tweets=12)


def test_a_fine_tuned_checkpoint_says_what_it_is(trained: Tweets, tiny_gpt2: Path) -> None:
    checkpoint = trained.value("transformer_checkpoint", "fine_tuned_tiny")
    corpus = records.latest(trained.instance, dg.AssetKey("tweet_corpus"), None)
    assert corpus is not None
    card = checkpoint.card
    assert (card.corpus, card.base, card.rounds) == (corpus.digest, str(tiny_gpt2), 2)
    assert len(card.epochs) == 2
    assert not {"seconds", "samples_per_s"} & set(card.epochs[0])
    assert card.metrics["val_loss"] < trained.value("transformer_checkpoint", "zero_shot").card.metrics["val_loss"]
    model = of_checkpoint(checkpoint, "cpu")  # the card, the weights, the files: nothing of Dagster
    assert len(model.complete(["so it is"], [3])) == 1
    log = (trained.library / "tweets/transformer_training_log.txt").read_text()
    assert log.count("val_perplexity") == 2


def test_making_a_checkpoint_again_gives_the_same(trained: Tweets, tiny_gpt2: Path) -> None:
    before = records.latest(trained.instance, dg.AssetKey("transformer_checkpoint"), "zero_shot")
    trained.made("transformer_checkpoint", partition="zero_shot", base=str(tiny_gpt2), **QUICK)
    after = records.latest(trained.instance, dg.AssetKey("transformer_checkpoint"), "zero_shot")
    assert before is not None
    assert after is not None
    assert before.run != after.run
    assert before.digest == after.digest


def test_a_comparison_is_of_all_models_of_the_corpus(trained: Tweets, compared: dict[str, Any]) -> None:
    document = trained.value("completion_comparison")
    assert [one.name for one in document.systems] == [
        "lstm/tiny",
        "transformer/fine_tuned_tiny",
        "transformer/zero_shot",
    ]
    assert document.best == compared["best"]
    assert {len(example.completions) for example in document.examples} == {3}
    assert compared["lstm_tiny_bits_per_character"] > 0
    assert compared["transformer_zero_shot_greedy_rouge_l"] >= 0
    assert compared["bits_per_character"].startswith("![")
    folder = trained.library / "tweets/comparison"
    assert {"comparison.md", "comparison.pdf", "bits_per_character.png"} <= {path.name for path in folder.iterdir()}
    assert compared["verdict"] in (folder / "comparison.md").read_text().replace("\\", "")


def test_comparing_again_gives_the_same_and_a_check_names_models_worse_than_the_unigram(
    trained: Tweets, compared: dict[str, Any]
) -> None:
    before = records.latest(trained.instance, current.COMPARISON, None)
    pdf = (trained.library / "tweets/comparison/comparison.pdf").read_bytes()
    result = trained.make("completion_comparison", tweets=12)
    after = records.latest(trained.instance, current.COMPARISON, None)
    assert before is not None
    assert after is not None
    assert before.run != after.run
    assert before.digest == after.digest
    assert (trained.library / "tweets/comparison/comparison.pdf").read_bytes() == pdf
    (check,) = result.get_asset_check_evaluations()
    document = trained.value("completion_comparison")
    unigram = document.unigram.bits_per_character.value
    worse = [one.name for one in document.systems if not one.baseline and one.bits_per_character.value >= unigram]
    assert check.passed == (not worse)
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert all(name in (check.description or "") for name in worse)


def test_a_comparison_of_named_models(trained: Tweets) -> None:
    said = trained.refused("completion_comparison", tweets=12, models=["lstm/tiny", "lstm/none"])
    assert "no checkpoint lstm/none" in said
    assert "transformer/zero_shot" in said  # what there is
    assert "no transformer" in trained.refused("completion_comparison", tweets=12, models=["lstm/tiny"])


def test_prompts_of_files_and_config_are_completed(trained: Tweets, compared: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("good morning @kira77\n\n=1+1 is\n", encoding="utf-8")
    (tmp_path / "table.csv").write_text('id,text\n1,"waiting for the train, and"\n2,\n', encoding="utf-8")
    key = trained.ask(tmp_path / "some.txt", tmp_path / "table.csv")
    said = trained.made("tweet_completions", partition=key, prompts=["happy birthday"], count=2, max_new_tokens=6)
    folder = Path(said["folder"])
    assert folder == trained.library / "tweets/completions" / key
    rows = list(csv.DictReader(io.StringIO((folder / "completions.csv").read_text(encoding="utf-8"))))
    assert [(row["file"], row["prompt"]) for row in rows[::2]] == [
        ("config", "happy birthday"),
        ("some.txt", "good morning @user"),
        ("some.txt", "'=1+1 is"),  # no formula
        ("table.csv", "waiting for the train, and"),
    ]
    assert [row["completion_number"] for row in rows] == ["1", "2"] * 4
    assert said["model"] == compared["best"]
    assert said["skipped"] == 1
    assert "table.csv, text 2" in (folder / "skipped.txt").read_text()
    page = (folder / "completions.md").read_text(encoding="utf-8")
    assert "good morning @user" in page.replace("\\", "")
    assert "kira77" not in page + said["preview"]


def test_greedy_completions_of_a_named_model(trained: Tweets, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("so it is\n", encoding="utf-8")
    key = trained.ask(tmp_path / "one.txt")
    said = trained.made("tweet_completions", partition=key, checkpoint="lstm/tiny", mode="greedy", max_new_tokens=5)
    assert said["model"] == "lstm/tiny"
    assert said["completions"] == 1
    assert Path(said["folder"]).name == f"{key}~lstm-tiny-{said['checkpoint'][:8]}"
    again = trained.made("tweet_completions", partition=key, checkpoint=said["checkpoint"][:10], mode="greedy")
    assert again["model"] == "lstm/tiny"
    assert "no checkpoint 'lstm/nothing'" in trained.refused(
        "tweet_completions", partition=key, checkpoint="lstm/nothing"
    )


def test_files_without_a_prompt_are_refused(trained: Tweets, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("id,text\n1,\n", encoding="utf-8")
    assert "nothing to complete" in trained.refused("tweet_completions", partition=trained.ask(tmp_path / "none.csv"))


def test_the_best_is_asked_and_without_a_comparison_the_newest(
    trained: Tweets, compared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert current.find(trained.instance).name == compared["best"]
    monkeypatch.setattr(current, "COMPARISON", dg.AssetKey("none"))
    newest = max(current.models(trained.instance), key=lambda model: model.record.timestamp)
    assert current.find(trained.instance) == newest
    assert current.find(trained.instance, "zero_shot").name == "transformer/zero_shot"
    with pytest.raises(BadInput, match="There are: auto"):
        current.find(trained.instance, "abc")


def test_models_of_an_earlier_corpus_are_passed_over(trained: Tweets) -> None:
    there = current.models(trained.instance)
    with pytest.raises(BadInput, match="learned from another corpus"):
        current.of_corpus(trained.instance, trained.store, "0" * 64, [])
    with pytest.raises(BadInput, match="another corpus"):
        current.of_corpus(trained.instance, trained.store, "0" * 64, [there[0].name])
