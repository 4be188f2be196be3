"""Made-up tweets, their tokens, and a small trained LSTM, for all tests of the product."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def corpus(make_tweets: ModuleType) -> Any:
    """`reading.Corpus` of 3,000 made-up tweets."""
    from assets.tweets import reading

    return reading.corpus_of(tweet.text for tweet in make_tweets.tweets(3_000))


@pytest.fixture(scope="session")
def tokenizer_json(corpus: Any) -> bytes:
    """A vocabulary of 700 tokens, learned from the train split of `corpus`."""
    pytest.importorskip("tokenizers")
    from assets.tweets import bpe

    train = [text for text, split in zip(corpus.texts, corpus.splits, strict=True) if split == 0]
    return bpe.learn(train, 700)


@pytest.fixture(scope="session")
def tokens(corpus: Any, tokenizer_json: bytes) -> dict[str, Any]:
    """`corpus` as the tensors of `tweet_tokens`, in rows of 48."""
    pytest.importorskip("torch")
    from assets.tweets import token_rows

    return token_rows.make(corpus.texts, corpus.splits, tokenizer_json, corpus="c" * 64, row_length=48)


@pytest.fixture(scope="session")
def tiny_gpt2(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained GPT-2: byte-level tokens, one mark both before and after a text, none to fill up."""
    transformers = pytest.importorskip("transformers")
    import tokenizers
    import torch

    mark = "<|endoftext|>"
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, special_tokens=[mark], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus.texts[:1000], trainer)
    config = transformers.GPT2Config(
        vocab_size=600, n_positions=128, n_embd=48, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=mark, eos_token=mark)
    torch.manual_seed(0)
    return _saved(transformers.GPT2LMHeadModel(config), wrapped, tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="session")
def tiny_llama(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained Llama: sentencepiece's way to mark spaces, marks of its own for begin and end, and an
    output layer that is not tied to the embeddings.
    """
    transformers = pytest.importorskip("transformers")
    import tokenizers
    import torch

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    tokenizer.decoder = tokenizers.decoders.Sequence(
        [tokenizers.decoders.Replace("▁", " "), tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("▁", "merged_with_next")
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=900, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(corpus.texts[:1000], trainer)
    config = transformers.LlamaConfig(
        vocab_size=900, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=128, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False,
    )  # fmt: skip
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    return _saved(transformers.LlamaForCausalLM(config), wrapped, tmp_path_factory.mktemp("llama"))


def _saved(model: Any, tokenizer: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
