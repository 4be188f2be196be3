"""Made-up labelled tweets, and tiny networks over a vocabulary of their words."""

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_tweets(repo: Path) -> ModuleType:
    """samples/tweets/make_tweets.py."""
    spec = importlib.util.spec_from_file_location("make_tweets", repo / "samples/tweets/make_tweets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_tweets"] = module
    spec.loader.exec_module(module)
    return module


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
