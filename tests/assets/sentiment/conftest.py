"""Made-up labelled tweets, tiny networks over a vocabulary of their words, and the product's assets in a folder."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.sentiment import checkpoint as checkpoint_module
from assets.sentiment import dataset as dataset_module
from assets.sentiment.baseline import sentiment_baseline
from assets.sentiment.champion import sentiment_champion
from assets.sentiment.checkpoint import sentiment_checkpoint
from assets.sentiment.dataset import sentiment_dataset
from assets.sentiment.evaluation import sentiment_evaluation
from assets.sentiment.pooled import sentiment_pooled_champion
from assets.sentiment.predictions import sentiment_predictions
from assets.sentiment.source import sentiment_file, sentiment_questions
from resources.intake.batches import Batches, take_in
from resources.intake.files import TEXTS
from resources.intake.sentiment import sentiment_intake
from resources.store import records
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.tracking import Tracking
from resources.training.trainer import Trainer

ASSETS = [
    sentiment_file,
    sentiment_questions,
    sentiment_dataset,
    sentiment_baseline,
    sentiment_checkpoint,
    sentiment_evaluation,
    sentiment_champion,
    sentiment_pooled_champion,
    sentiment_predictions,
]


class Desk:
    """The product's assets over a real instance, store and library in a temporary folder."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.library, self.instance = folder, folder / "library", instance
        self.store = ArtifactStore(root=str(folder / "store"), library=str(self.library))
        cache = str(folder / "cache")
        self.resources = {
            "store": self.store,
            "io_manager": ArtifactIOManager(store=self.store),
            "trainer": Trainer(store=self.store, device_setting="cpu", cache=cache, offline=True),
            "tracking": Tracking(uri=f"sqlite:///{folder}/mlflow.db", artifacts=str(folder / "mlflow"), enabled=False),
        }

    def take_in(self, path: Path) -> str:
        """Take a labelled file in, as the inbox does; its partition."""
        with sentiment_intake(self.instance, self.folder / "intake.sqlite") as intake:
            taken = intake.take_in(path)
        assert taken.event is not None
        self.instance.add_dynamic_partitions("sentiment_files", [taken.key])
        self.instance.report_runless_asset_event(taken.event)
        return taken.key

    def ask(self, *paths: Path) -> str:
        """Take files of texts in; their partition."""
        asked = Batches("sentiment_questions", "sentiment_batches", TEXTS, "sentiment_predict")
        taken = take_in(self.instance, asked, paths)
        assert taken.key is not None
        assert taken.event is not None
        self.instance.add_dynamic_partitions("sentiment_batches", [taken.key])
        self.instance.report_runless_asset_event(taken.event)
        return taken.key

    def make(self, *assets: str, partition: str | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        """One run of these assets; `config` is by asset."""
        return dg.materialize(
            ASSETS,
            instance=self.instance,
            resources=self.resources,
            selection=list(assets),
            partition_key=partition,
            run_config={"ops": {asset: {"config": given} for asset, given in config.items()}} if config else None,
            raise_on_error=False,
        )

    def made(self, *assets: str, partition: str | None = None, **config: Any) -> dict[str, dict[str, Any]]:
        """The metadata of what was made, by asset; the run must succeed."""
        result = self.make(*assets, partition=partition, **config)
        assert result.success, [event.step_failure_data for event in result.all_events if event.is_step_failure]
        told = {}
        for asset in assets:
            (materialization,) = result.asset_materializations_for_node(asset)
            told[asset] = {name: value.value for name, value in materialization.metadata.items()}
        return told

    def value(self, asset: str, partition: str | None = None) -> Any:
        record = records.latest(self.instance, dg.AssetKey(asset), partition)
        assert record is not None
        return self.store.load(record)


Failure = Callable[[dg.ExecuteInProcessResult], str]


@pytest.fixture
def make_desk(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """A desk whose presets.yaml is this text, with `{base}` the folder of the base: of `tiny_base` if none is given."""
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), {"telemetry": {"enabled": False}}) as instance:

        def make(presets: str, base: Path = tiny_base) -> Desk:
            (file := tmp_path / "presets.yaml").write_text(presets.format(base=base))
            for module in (dataset_module, checkpoint_module):
                monkeypatch.setattr(module, "PRESETS", file)
            return Desk(tmp_path, instance)

        yield make


@pytest.fixture
def failure() -> Failure:
    """What a person is told of the one step that failed."""

    def read(result: dg.ExecuteInProcessResult) -> str:
        (event,) = [event for event in result.all_events if event.is_step_failure]
        data = event.step_failure_data.user_failure_data
        assert data is not None, event.step_failure_data.error
        return str(data.description)

    return read


@dataclass(frozen=True)
class Labelled:
    """Cleaned texts, and labels: int64 (n,), 0 negative, 1 positive."""

    texts: list[str]
    labels: np.ndarray

    def __getitem__(self, some: slice) -> "Labelled":
        return Labelled(self.texts[some], self.labels[some])


@pytest.fixture(scope="session")
def labelled(make_tweets: ModuleType) -> Labelled:
    """1,200 different tweets."""
    from resources.text.tweets import cleaned

    made = {cleaned(tweet.text): tweet.label for tweet in make_tweets.tweets(1_500, 3, 0.0)}
    assert len(made) >= 1_200
    texts = list(made)[:1_200]
    return Labelled(texts, np.array([made[text] == "positive" for text in texts], np.int64))


@pytest.fixture(scope="session")
def word_tokenizer(labelled: Labelled) -> bytes:
    """tokenizer.json of a word tokenizer with BERT's special tokens; [PAD] is 0."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(labelled.texts, trainers.WordLevelTrainer(special_tokens=special, vocab_size=800))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer.to_str().encode()


@pytest.fixture(scope="session")
def network_checkpoint(word_tokenizer: bytes) -> Callable[..., Any]:
    """A checkpoint of a BERT of one layer with random weights; `fields` are the card's."""
    import torch

    from assets.sentiment import network
    from assets.sentiment.card import TOKENIZER, SentimentCard
    from resources.store.types import Checkpoint

    def make(seed: int = 0, **fields: Any) -> Checkpoint:
        config = {
            "model_type": "bert",
            "vocab_size": 800,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 64,
            "num_labels": 2,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = network.of_config(config)
            for parameter in model.parameters():  # as large as trained ones: the answers differ from text to text
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter, std=0.3)
        card = {
            "product": "sentiment",
            "preset": "test",
            "recipe": {},
            "overrides": {},
            "data_version": "0",
            "code_version": "1",
            "seed": 0,
            "metrics": {},
            "file": "a_file",
            "base": "made in a test",
            "config": network.config_of(model),
            "labels": ("negative", "positive"),
            "max_length": 12,
            "temperature": 2.0,
        }
        return Checkpoint(model.state_dict(), SentimentCard(**(card | fields)), {TOKENIZER: word_tokenizer})

    return make


@pytest.fixture(scope="session")
def tiny_base(word_tokenizer: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as transformers writes it: a BERT of one layer with an untrained head for three labels."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("base")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.BertForSequenceClassification(
            transformers.BertConfig(
                vocab_size=800,
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=64,
                max_position_embeddings=64,
                id2label={0: "positive", 1: "neutral", 2: "negative"},
                label2id={"positive": 0, "neutral": 1, "negative": 2},
            )
        )
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(word_tokenizer)
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps({**kind, **special}))
    return folder
