"""Pretrained transformers, as they are and fine-tuned: no filling counts; trainings learn, go on, come back."""

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("lightning")

from assets.tweets import transformer_training as steps  # noqa: E402
from assets.tweets.language_models import TransformerLanguageModel, of_checkpoint  # noqa: E402
from assets.tweets.transformer_module import TransformerModule  # noqa: E402
from assets.tweets.transformer_recipe import TransformerRecipe  # noqa: E402
from resources.errors import BadInput  # noqa: E402
from resources.store.types import Checkpoint  # noqa: E402
from resources.text import causal  # noqa: E402
from resources.training import presets  # noqa: E402
from resources.training.keeper import Training  # noqa: E402
from resources.training.loop import fit  # noqa: E402
from resources.training.plan import Plan  # noqa: E402

pytestmark = pytest.mark.train


def recipe(**fields: Any) -> TransformerRecipe:
    given = {
        "description": "of a test", "method": "fine_tuned", "train_tweets": 1024, "epochs": 2, "rounds": 2,
        "batch_size": 32, "learning_rate": 5e-3, "gradient_clip": 1.0, "validation_tweets": 40, "rouge_tweets": 8,
    }  # fmt: skip
    return TransformerRecipe.model_validate({**given, **fields})


def prepared(corpus: Any, folder: Path, of: TransformerRecipe) -> steps.Prepared:
    return steps.prepare(corpus.texts, corpus.splits, of, causal.Found("tiny", folder, "of a test"), "cpu")


def trained(made: steps.Prepared, **more: Any) -> Training:
    assert made.module is not None
    assert made.train is not None
    return fit(made.module, made.train, made.held_out, Plan.of(made.recipe.counted_in_rounds(), "cpu"), **more)


def finished(made: steps.Prepared, training: Training | None) -> Checkpoint:
    return steps.finish(made, training, preset="of_a_test", overrides={}, corpus="c" * 64, device="cpu")


@pytest.fixture(scope="module")
def fine_tuned(corpus: Any, tiny_gpt2: Path) -> tuple[steps.Prepared, Training, Checkpoint]:
    made = prepared(corpus, tiny_gpt2, recipe())
    training = trained(made)
    return made, training, finished(made, training)


@pytest.mark.parametrize("model", ["tiny_gpt2", "tiny_llama"])
def test_batched_perplexity_is_that_of_tweets_one_by_one(
    model: str, corpus: Any, request: pytest.FixtureRequest
) -> None:
    """GPT-2 has one mark for begin and end, and none to fill up with; Llama has one for each."""
    folder = request.getfixturevalue(model)
    loaded = causal.load(causal.Found("tiny", folder, ""), "cpu")
    own = TransformerLanguageModel(loaded)
    texts = corpus.texts[:50]
    batched = [value for row in own.tweet_nll(texts) for value in row]
    single = []
    for text in texts:
        ids = torch.tensor([[own.model.begin, *own.encode([text])[0], own.model.end]])
        with torch.no_grad():
            # The loss of transformers itself: the mean over all tokens but the first.
            mean = loaded.model(input_ids=ids, labels=ids).loss
        single.append((float(mean), ids.shape[1] - 1))
    tokens = sum(count for _, count in single)
    assert len(batched) == tokens
    one_by_one = math.exp(sum(mean * count for mean, count in single) / tokens)
    assert math.exp(sum(batched) / tokens) == pytest.approx(one_by_one, rel=1e-4)


def test_validation_in_training_is_the_same_number(
    fine_tuned: tuple[steps.Prepared, Training, Checkpoint],
) -> None:
    _, training, checkpoint = fine_tuned
    last = training.epochs[training.kept_epoch - 1]
    assert checkpoint.card.metrics["val_loss"] == pytest.approx(last["val_loss"], rel=1e-5)  # type: ignore[attr-defined]
    assert last["val_perplexity"] == pytest.approx(math.exp(last["val_loss"]))


def by_frequency(corpus: Any, made: steps.Prepared) -> float:
    """Nats per token of the validation tweets for who knows the frequencies of tokens in exactly these tweets."""
    rows = [[*ids, made.language_model.model.end] for ids in made.language_model.encode(made.validation)]
    counts = torch.bincount(torch.tensor([token for row in rows for token in row])).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log()).sum())


def test_fine_tuning_learns(corpus: Any, tiny_gpt2: Path, fine_tuned: tuple[Any, Training, Checkpoint]) -> None:
    _, training, checkpoint = fine_tuned
    zero_shot = finished(prepared(corpus, tiny_gpt2, recipe(method="zero_shot")), None)
    before, after = (each.card.metrics["val_loss"] for each in (zero_shot, checkpoint))  # type: ignore[attr-defined]
    assert before == pytest.approx(math.log(600), rel=0.05)  # untrained: about as likely as any of 600 tokens
    assert after < by_frequency(corpus, fine_tuned[0])  # context is used, not only how frequent tokens are
    assert [epoch["epoch"] for epoch in training.epochs] == [1, 2, 3, 4]
    assert all("val_rouge_l" in epoch for epoch in training.epochs)
    assert zero_shot.card.baseline  # type: ignore[attr-defined]


def test_a_checkpoint_is_all_that_is_needed(fine_tuned: tuple[steps.Prepared, Training, Checkpoint]) -> None:
    made, _, checkpoint = fine_tuned
    again = of_checkpoint(checkpoint, "cpu")
    texts = made.validation[:5]
    assert isinstance(again, TransformerLanguageModel)
    assert again.tweet_nll(texts) == made.language_model.tweet_nll(texts)
    assert "lm_head.weight" not in checkpoint.weights  # it is tied to the embeddings, which are there
    assert again.model.network.lm_head.weight is again.model.network.transformer.wte.weight


def test_an_untied_output_layer_is_kept(corpus: Any, tiny_llama: Path) -> None:
    made = prepared(corpus, tiny_llama, recipe(epochs=1, rounds=1))
    checkpoint = finished(made, trained(made))
    assert "lm_head.weight" in checkpoint.weights
    again = of_checkpoint(checkpoint, "cpu")
    assert isinstance(again, TransformerLanguageModel)
    assert again.tweet_nll(made.validation[:3]) == made.language_model.tweet_nll(made.validation[:3])


def test_zero_shot_has_the_released_weights_to_the_bit(corpus: Any, tiny_gpt2: Path, tmp_path: Path) -> None:
    released = causal.load(causal.Found("tiny", tiny_gpt2, ""), "cpu")
    released.model.to(torch.bfloat16).save_pretrained(tmp_path)
    released.tokenizer.save_pretrained(tmp_path)
    checkpoint = finished(prepared(corpus, tmp_path, recipe(method="zero_shot")), None)
    stored = checkpoint.weights["transformer.wte.weight"]
    assert stored.dtype == torch.bfloat16
    assert torch.equal(stored, released.model.transformer.wte.weight)


def test_frozen_embeddings_stay_and_the_rest_moves(corpus: Any, tiny_gpt2: Path) -> None:
    made = prepared(corpus, tiny_gpt2, recipe(freeze="embeddings", epochs=1))
    network = made.language_model.model.network
    embeddings = network.transformer.wte.weight.detach().clone()
    layer = network.transformer.h[0].mlp.c_fc.weight.detach().clone()
    trained(made)
    assert torch.equal(network.transformer.wte.weight, embeddings)
    assert not torch.equal(network.transformer.h[0].mlp.c_fc.weight, layer)


def test_a_state_has_tied_weights_once(fine_tuned: tuple[steps.Prepared, Training, Checkpoint]) -> None:
    made, training, _ = fine_tuned
    assert isinstance(made.module, TransformerModule)
    assert not [name for name in training.weights if name.endswith("lm_head.weight")]
    made.module.load_state_dict(training.weights)  # strict: nothing is missing


class Killed(Exception):
    pass


class Kept(dict[str, bytes]):
    def put(self, name: str, content: bytes) -> None:
        self[name] = content


def test_a_killed_training_goes_on_to_the_same_end(
    corpus: Any,
    tiny_gpt2: Path,
    fine_tuned: tuple[steps.Prepared, Training, Checkpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resources.training.keeper._STATE_SHARE", 0)  # save after every round, however short
    state, seen = Kept(), []

    def kill(numbers: dict[str, float]) -> None:
        seen.append(numbers)
        if len(seen) == 3:
            raise Killed  # its third round was not saved

    with pytest.raises(Killed):
        trained(prepared(corpus, tiny_gpt2, recipe()), state=state, on_epoch=kill)
    again = trained(prepared(corpus, tiny_gpt2, recipe()), state=state)
    _, whole, _ = fine_tuned
    assert again.resumed_from == 2
    for name in ("loss", "val_loss", "val_rouge_l"):
        assert [e[name] for e in again.epochs] == pytest.approx([e[name] for e in whole.epochs], rel=1e-6)
    for name, weights in whole.weights.items():
        assert torch.equal(again.weights[name], weights), name


def test_samples_follow_from_the_seed(corpus: Any, tiny_gpt2: Path) -> None:
    one, same, other = (
        prepared(corpus, tiny_gpt2, recipe(method="zero_shot", seed=seed)).validation for seed in (0, 0, 1)
    )
    assert one == same != other
    parts = {text: int(split) for text, split in zip(corpus.texts, corpus.splits, strict=True)}
    assert {parts[text] for text in one} == {1}


def test_too_few_tweets_are_refused(corpus: Any, tiny_gpt2: Path) -> None:
    with pytest.raises(BadInput, match="rounds"):
        prepared(corpus, tiny_gpt2, recipe(train_tweets=4, rounds=5, batch_size=32))
    with pytest.raises(BadInput, match="validation"):
        steps.prepare(["a b c d"], [0], recipe(), causal.Found("tiny", tiny_gpt2, ""), "cpu")


def test_tweets_longer_than_the_context_are_cut_to_it_in_training(corpus: Any, tiny_gpt2: Path) -> None:
    texts = [*corpus.texts[:20], "and so it goes on " * 60, "and so it went on " * 60]
    of = recipe(max_tokens=4096, epochs=1, rounds=1, rouge_tweets=0)
    made = steps.prepare(texts, [0] * 21 + [1], of, causal.Found("tiny", tiny_gpt2, ""), "cpu")
    assert made.cut == 1
    [epoch] = trained(made).epochs
    metrics = finished(made, None).card.metrics  # of the whole tweet, in windows
    assert math.isfinite(epoch["val_loss"] + metrics["val_loss"])


def test_every_preset_can_be_read() -> None:
    found = presets.read(Path(steps.__file__).with_name("transformer_presets.yaml"), TransformerRecipe)
    assert found["zero_shot"].is_baseline
    assert not found["fine_tuned"].is_baseline
    assert {machine for each in found.values() for machine in each.default_on} == {"cpu", "gpu"}
