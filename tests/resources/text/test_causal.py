"""Finding causal language models: what `auto` is, what is refused and how, weights out and in again."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from resources.errors import MissingModel  # noqa: E402
from resources.text import causal, pretrained  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An untrained GPT-2 with a tokenizer of bytes."""
    import tokenizers

    mark = "<|endoftext|>"
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {mark: 0, **{letter: number for number, letter in enumerate(alphabet, start=1)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    config = transformers.GPT2Config(
        vocab_size=257, n_positions=32, n_embd=8, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0
    )
    where = tmp_path / "model"
    transformers.GPT2LMHeadModel(config).save_pretrained(where)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=mark, eos_token=mark).save_pretrained(
        where
    )
    return where


def nothing_found(model: str, *_: Any) -> Path:
    raise MissingModel(f"The model {model} is not on this machine.", "Fetch it.")


def test_a_folder_is_taken_as_it_is(folder: Path) -> None:
    found = causal.find(str(folder), "", offline=True)
    assert (found.name, found.folder) == (str(folder), folder.resolve())


def test_auto_is_the_hub_s_default_where_it_is_cached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find", lambda model, *_: folder)
    found = causal.find("auto", "", offline=True)
    assert (found.name, found.folder) == ("distilgpt2", folder)
    assert "distilgpt2" in found.said


def test_auto_is_the_package_where_there_is_no_hub(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "find", nothing_found)
    monkeypatch.setattr(causal.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(causal, "packaged", lambda cache: cache / "converted")
    found = causal.find("auto", str(tmp_path), offline=True)
    assert (found.name, found.folder) == ("gemma-3-270m", tmp_path / "converted")
    assert "not on this machine" in found.said  # why it is not distilgpt2


def test_with_neither_the_command_that_installs_one_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pretrained, "find", nothing_found)
    monkeypatch.setattr(causal.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingModel, match="make setup EXTRAS=offline,train,language-model"):
        causal.find("auto", str(tmp_path), offline=True)


def test_a_named_model_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="nobody/nothing"):
        causal.find("nobody/nothing", str(tmp_path), offline=True)
    with pytest.raises(MissingModel, match="no model at"):
        causal.find(str(tmp_path / "nowhere"), str(tmp_path), offline=True)


def test_a_download_that_broke_off_is_no_model(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingModel, match="no weights"):
        causal.find(str(folder), "", offline=True)


def test_what_is_no_language_model_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(MissingModel, match="causal language model"):
        causal.load(causal.find(str(folder), "", offline=True), "cpu")


def test_code_that_comes_with_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "odd.py").write_text(f"open({str(ran)!r}, 'w')\nclass Odd: pass\n")
    (folder / "config.json").write_text(
        '{"model_type": "odd", "auto_map": {"AutoConfig": "odd.Odd", "AutoModelForCausalLM": "odd.Odd"}}'
    )
    with pytest.raises(MissingModel):
        causal.load(causal.find(str(folder), "", offline=True), "cpu")
    assert not ran.exists()


def test_the_digest_is_of_bytes_and_not_of_places(folder: Path, tmp_path: Path) -> None:
    before = causal.Found("a", folder, "").digest()
    moved = folder.rename(tmp_path / "elsewhere")
    (moved / "README.md").write_text("of no matter")
    assert causal.Found("b", moved, "").digest() == before
    weights = moved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert causal.Found("b", moved, "").digest() != before


def test_a_model_is_rebuilt_from_its_parts(folder: Path) -> None:
    loaded = causal.load(causal.find(str(folder), "", offline=True), "cpu")
    weights, files = causal.weights_of(loaded.model), causal.tokenizer_files(loaded.tokenizer)
    config = loaded.model.config.to_json_string().encode()
    state = torch.get_rng_state()
    again = causal.rebuilt(weights, config, files, "cpu")
    assert torch.equal(torch.get_rng_state(), state)
    ids = torch.tensor([[0, 5, 7, 9]])
    assert torch.equal(again.model(ids).logits, loaded.model(ids).logits)
    assert again.tokenizer("so it is")["input_ids"] == loaded.tokenizer("so it is")["input_ids"]
    assert not again.model.training
    with pytest.raises(MissingModel, match=r"transformer\.wte\.weight"):
        causal.rebuilt({n: w for n, w in weights.items() if "wte" not in n}, config, files, "cpu")


def test_marks_of_a_tokenizer(folder: Path) -> None:
    tokenizer = causal.load(causal.find(str(folder), "", offline=True), "cpu").tokenizer
    assert (causal.begin_id(tokenizer), causal.end_id(tokenizer)) == (0, 0)
    tokenizer.bos_token = None  # as Qwen's
    assert causal.begin_id(tokenizer) == 0
    tokenizer.eos_token = None
    with pytest.raises(MissingModel, match="no mark"):
        causal.begin_id(tokenizer)
