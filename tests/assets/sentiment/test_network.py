"""Heads for three labels lose their neutral output by their own label map, in every architecture and order."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from assets.sentiment import network  # noqa: E402
from resources.errors import BadInput, MissingModel  # noqa: E402
from resources.store.types import Checkpoint  # noqa: E402
from resources.text.pretrained import Encoder  # noqa: E402

pytestmark = pytest.mark.train

SIZE = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 40}
DISTILLED = {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8, "vocab_size": 40}
CONFIGS: dict[str, Callable[..., Any]] = {
    "xlm-roberta": lambda **more: transformers.XLMRobertaConfig(**SIZE, **more),
    "bert": lambda **more: transformers.BertConfig(**SIZE, **more),
    "distilbert": lambda **more: transformers.DistilBertConfig(**DISTILLED, **more),
    "electra": lambda **more: transformers.ElectraConfig(**SIZE, embedding_size=8, **more),
    "deberta-v2": lambda **more: transformers.DebertaV2Config(**SIZE, **more),
}
IDS = torch.tensor([[5, 7, 9, 11, 13], [6, 8, 10, 1, 1], [12, 14, 16, 18, 1]], dtype=torch.int32)
LENGTHS = torch.tensor([5, 3, 4], dtype=torch.int32)

Made = tuple[Encoder, Any]


@pytest.fixture
def released(tmp_path: Path) -> Callable[..., Made]:
    """Saves a tiny classifier with these labels in order; the encoder, and the classifier itself."""

    def make(kind: str, names: list[str], seed: int = 0) -> Made:
        torch.manual_seed(seed)
        config = CONFIGS[kind](num_labels=len(names), id2label=dict(enumerate(names)))
        model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
        for parameter in model.parameters():  # first weights are so small that all outputs are alike
            torch.nn.init.normal_(parameter, std=0.5)
        folder = tmp_path / f"{kind}-{'-'.join(names)}"
        model.save_pretrained(folder)
        return Encoder("a base", folder, ""), model

    return make


def _probabilities(model: Any) -> Any:
    with torch.no_grad():
        return torch.softmax(network.logits(model.eval(), IDS, LENGTHS).double(), 1)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize(
    "names", list(itertools.permutations(["negative", "neutral", "positive"])), ids=lambda names: "-".join(names)
)
def test_the_neutral_output_goes_wherever_it_is(
    kind: str, names: tuple[str, ...], released: Callable[..., Made]
) -> None:
    encoder, whole = released(kind, list(names))
    model, head = network.load_base(encoder)
    assert head == "released"
    every = _probabilities(whole)
    kept = every[:, [names.index("negative"), names.index("positive")]]
    # Given that a tweet is not neutral: the two that are left, made to sum to one.
    torch.testing.assert_close(_probabilities(model), kept / kept.sum(1, keepdim=True), rtol=1e-5, atol=1e-7)
    assert model.config.id2label == {0: "negative", 1: "positive"}


@pytest.mark.parametrize("names", [["POS", "NEG", "NEU"], ["Positive", "Negative"], ["neg", "pos"]], ids="-".join)
def test_labels_are_read_whatever_their_case_and_length(names: list[str], released: Callable[..., Made]) -> None:
    encoder, whole = released("bert", names)
    model, head = network.load_base(encoder)
    first = [name[:3].casefold() for name in names]
    kept = _probabilities(whole)[:, [first.index("neg"), first.index("pos")]]
    torch.testing.assert_close(_probabilities(model), kept / kept.sum(1, keepdim=True), rtol=1e-5, atol=1e-7)
    assert head == "released"


def test_labels_without_meaning_are_refused_until_they_are_told(released: Callable[..., Made]) -> None:
    names = ["LABEL_0", "LABEL_1", "LABEL_2"]
    encoder, whole = released("xlm-roberta", names)
    with pytest.raises(BadInput, match="0: LABEL_0, 1: LABEL_1, 2: LABEL_2") as caught:
        network.load_base(encoder)
    assert "base_labels" in caught.value.remedy
    model, _ = network.load_base(encoder, base_labels=["positive", "neutral", "negative"])
    kept = _probabilities(whole)[:, [2, 0]]
    torch.testing.assert_close(_probabilities(model), kept / kept.sum(1, keepdim=True), rtol=1e-5, atol=1e-7)
    with pytest.raises(BadInput, match="names 2 outputs"):
        network.load_base(encoder, base_labels=["negative", "positive"])


@pytest.mark.parametrize("names", [["toxic", "fine"], ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"]])
def test_another_task_s_head_is_refused_or_replaced_on_request(names: list[str], released: Callable[..., Made]) -> None:
    encoder, whole = released("bert", names)
    with pytest.raises(BadInput, match="head: new"):
        network.load_base(encoder)
    torch.manual_seed(1)
    model, head = network.load_base(encoder, head="new")
    assert head == "new"
    assert model.classifier.out_features == 2
    torch.testing.assert_close(
        model.bert.embeddings.word_embeddings.weight, whole.bert.embeddings.word_embeddings.weight
    )


def test_an_encoder_without_a_head_gets_one_by_the_seed(tmp_path: Path) -> None:
    transformers.BertModel(CONFIGS["bert"]()).save_pretrained(tmp_path / "body")
    encoder = Encoder("a base", tmp_path / "body", "")
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model, head = network.load_base(encoder)
        assert head == "new"
        drawn.append(model.classifier.weight.detach())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_weights_that_lack_a_part_of_the_body_are_refused(released: Callable[..., Made]) -> None:
    from safetensors.torch import load_file, save_file

    encoder, _ = released("bert", ["negative", "positive"])
    weights = load_file(encoder.folder / "model.safetensors")
    del weights["bert.encoder.layer.0.attention.self.query.weight"]
    save_file(weights, encoder.folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingModel, match=r"lack 1 tensors.*query\.weight"):
        network.load_base(encoder)


def test_pytorch_weights_are_read_as_tensors_and_never_run(released: Callable[..., Made], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    encoder, whole = released("xlm-roberta", ["negative", "neutral", "positive"])
    weights = load_file(encoder.folder / "model.safetensors")
    (encoder.folder / "model.safetensors").unlink()
    torch.save(weights, encoder.folder / "pytorch_model.bin")
    kept = _probabilities(whole)[:, [0, 2]]
    model, _ = network.load_base(encoder)
    torch.testing.assert_close(_probabilities(model), kept / kept.sum(1, keepdim=True), rtol=1e-5, atol=1e-7)
    torch.save({**weights, "evil": Evil()}, encoder.folder / "pytorch_model.bin")
    with pytest.raises(MissingModel, match="more than tensors"):
        network.load_base(encoder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", CONFIGS)
def test_padding_changes_nothing(kind: str, released: Callable[..., Made]) -> None:
    encoder, _ = released(kind, ["negative", "positive"])
    model, _ = network.load_base(encoder)
    with torch.no_grad():
        alone = [network.logits(model.eval(), IDS[i : i + 1, :n], LENGTHS[i : i + 1]) for i, n in enumerate(LENGTHS)]
        torch.testing.assert_close(network.logits(model, IDS, LENGTHS), torch.cat(alone), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_network_is_built_again_from_its_checkpoint_alone(
    kind: str, released: Callable[..., Made], network_checkpoint: Callable[..., Checkpoint]
) -> None:
    encoder, _ = released(kind, ["negative", "neutral", "positive"])
    model, _ = network.load_base(encoder)
    config = network.config_of(model)
    assert str(encoder.folder) not in str(config)
    like = network_checkpoint(config=config)
    again, tokenizer = network.of_checkpoint(Checkpoint(model.state_dict(), like.card, like.files), "cpu")
    assert torch.equal(_probabilities(again), _probabilities(model))
    assert tokenizer.encode("good").ids[0] == 2


def test_the_head_is_all_behind_the_last_layer(released: Callable[..., Made]) -> None:
    for kind, expected in {
        "bert": {"bert.pooler.dense", "classifier"},
        "xlm-roberta": {"classifier.dense", "classifier.out_proj"},
        "distilbert": {"pre_classifier", "classifier"},
    }.items():
        encoder, _ = released(kind, ["negative", "positive"])
        model, _ = network.load_base(encoder)
        heads = {name.rpartition(".")[0] for name, _ in model.named_parameters() if network.is_head(model, name)}
        assert heads == expected
