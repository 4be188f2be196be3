"""Encoders are found where they are, told apart by their files, and read without running anything in them."""

import importlib.util
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from resources import model_hub  # noqa: E402
from resources.errors import MissingModel  # noqa: E402
from resources.text import pretrained  # noqa: E402

pytestmark = pytest.mark.train

WORDS = ["hello world", "a good day", "ein schöner tag", "привет мир", "bad weather again", "good morning world"]


@pytest.fixture(scope="module")
def sentencepiece_model() -> bytes:
    """A trained unigram model of sentencepiece, with `<unk> <s> </s>` first, as XLM-RoBERTa's has."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS * 50), model_writer=model, vocab_size=70, hard_vocab_limit=False, minloglevel=2
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def xlm_roberta(sentencepiece_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny XLM-RoBERTa for three labels, in the files in which such repositories come: no tokenizer.json."""
    folder = tmp_path_factory.mktemp("xlm-roberta")
    config = transformers.XLMRobertaConfig(
        vocab_size=80,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=514,
        num_labels=3,
    )
    transformers.XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model)
    return folder


def in_cache(cache: Path, name: str, files: Path) -> Path:
    """Put a model where a hub's download would lie."""
    root = cache / "huggingface" / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0123abc")
    shutil.copytree(files, root / "snapshots" / "0123abc")
    return root / "snapshots" / "0123abc"


def test_auto_is_the_package_where_the_tweet_model_can_not_be_had(tmp_path: Path) -> None:
    pytest.importorskip(pretrained.PACKAGE)
    found = pretrained.encoder("auto", str(tmp_path), offline=True)
    assert found.name == pretrained.PACKAGE
    assert (found.folder / "model.safetensors").is_file()
    assert pretrained.TWEET_ENCODER in found.said
    assert "SCRIPTORIUM_OFFLINE" in found.said
    assert pretrained.encoder(found.name, str(tmp_path), offline=True).digest == found.digest


def test_auto_is_the_tweet_model_where_it_is_cached(tmp_path: Path, xlm_roberta: Path) -> None:
    folder = in_cache(tmp_path, pretrained.TWEET_ENCODER, xlm_roberta)
    found = pretrained.encoder("auto", str(tmp_path), offline=True)
    assert (found.name, found.folder) == (pretrained.TWEET_ENCODER, folder)


def test_a_cached_model_without_its_weights_is_none(tmp_path: Path, xlm_roberta: Path) -> None:
    folder = in_cache(tmp_path, "someone/half", xlm_roberta)
    assert pretrained.find("someone/half", str(tmp_path), True, "base") == folder
    (folder / "model.safetensors").unlink()
    (folder / "training_args.bin").write_bytes(b"")
    with pytest.raises(MissingModel, match="someone/half is not on this machine"):
        pretrained.find("someone/half", str(tmp_path), True, "base")


def test_a_hub_that_does_not_answer_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(pretrained.PACKAGE)
    import huggingface_hub

    asked: list[str] = []

    def model_info(self: Any, repository: str, **more: Any) -> None:
        asked.append(repository)
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(pretrained, "hub", model_hub.ModelHub())
    for _ in range(2):
        assert pretrained.encoder("auto", str(tmp_path), offline=False).name == pretrained.PACKAGE
    assert asked == [pretrained.TWEET_ENCODER]


def test_a_fetch_takes_safetensors_and_pytorch_weights_only_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, xlm_roberta: Path
) -> None:
    import huggingface_hub

    asked: list[list[str]] = []

    def snapshot_download(name: str, *, cache_dir: str, local_files_only: bool = False, **more: Any) -> str:
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not cached")
        asked.append(more["allow_patterns"])
        folder = tmp_path / "fetched"
        folder.mkdir(exist_ok=True)
        if "*.bin" in more["allow_patterns"]:
            (folder / "pytorch_model.bin").write_bytes(b"")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(pretrained.hub, "has", lambda name, offline: True)
    assert pretrained.find("someone/old", str(tmp_path), False, "base") == tmp_path / "fetched"
    assert ["*.bin" in patterns for patterns in asked] == [False, True]


@pytest.mark.parametrize(
    "base", ["someone/missing", "/nowhere/at/all", "no name of a model"], ids=["name", "path", "odd"]
)
def test_a_base_asked_for_by_name_is_never_replaced(base: str, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=base):
        pretrained.encoder(base, str(tmp_path), offline=True)


def test_without_the_package_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingModel, match="make setup EXTRAS=offline,train,encoder") as caught:
        pretrained.encoder("auto", str(tmp_path), offline=True)
    assert pretrained.TWEET_ENCODER in caught.value.message


def test_the_digest_is_of_what_is_read(tmp_path: Path, xlm_roberta: Path) -> None:
    def digest(name: str, change: Callable[[Path], object] = lambda folder: None) -> str:
        folder = tmp_path / name
        shutil.copytree(xlm_roberta, folder)
        change(folder)
        return pretrained.encoder(str(folder), "", offline=True).digest

    def grow(name: str) -> Callable[[Path], object]:
        return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b" ")

    first = digest("one")
    assert digest("two", lambda folder: (folder / "README.md").write_text("words")) == first
    changed = [digest(name, grow(name)) for name in ("config.json", "model.safetensors", "sentencepiece.bpe.model")]
    assert len({first, *changed}) == 4


def test_a_tokenizer_is_made_from_a_sentencepiece_model_alone(xlm_roberta: Path, sentencepiece_model: bytes) -> None:
    import sentencepiece

    made = pretrained.tokenizer(pretrained.encoder(str(xlm_roberta), "", offline=True))
    assert (made.pad_id, made.longest) == (1, 512)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model)
    for text in WORDS:
        # fairseq's order of special tokens puts every piece one further on: Conneau et al.'s vocabulary is so.
        assert made.load().encode(text).ids == [0, *(piece + 1 for piece in pieces.encode(text)), 2]


def test_the_packaged_tokenizer_neither_fills_up_nor_cuts_off(tmp_path: Path) -> None:
    pytest.importorskip(pretrained.PACKAGE)
    made = pretrained.tokenizer(pretrained.encoder(pretrained.PACKAGE, str(tmp_path), offline=True))
    assert (made.pad_id, made.longest) == (0, 512)
    assert [len(each) for each in made.load().encode_batch(["good day", "word " * 1000])] == [4, 1002]


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path, xlm_roberta: Path) -> None:
    shutil.copytree(xlm_roberta, tmp_path / "model")
    (tmp_path / "model" / "sentencepiece.bpe.model").unlink()
    with pytest.raises(MissingModel, match="tokenizer"):
        pretrained.tokenizer(pretrained.encoder(str(tmp_path / "model"), "", offline=True))


def test_a_tokenizer_of_another_network_is_refused(tmp_path: Path, xlm_roberta: Path) -> None:
    shutil.copytree(xlm_roberta, tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"vocab_size": 80', '"vocab_size": 20'))
    with pytest.raises(MissingModel, match="its network knows 20"):
        pretrained.tokenizer(pretrained.encoder(str(tmp_path / "model"), "", offline=True))
