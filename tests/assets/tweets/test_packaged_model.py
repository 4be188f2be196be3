"""The language model that comes as a package, as it is and after a few steps of fine-tuning: 270 million parameters.

It is converted once for all tests of this file, into the folder of temporary files, and freed after them.
"""

import gc
import math
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from assets.tweets import transformer_training as steps  # noqa: E402
from assets.tweets.language_models import TransformerLanguageModel  # noqa: E402
from assets.tweets.next_word import next_words  # noqa: E402
from assets.tweets.prefixes import cut  # noqa: E402
from assets.tweets.transformer_recipe import TransformerRecipe  # noqa: E402
from resources.text import causal  # noqa: E402
from resources.training.loop import fit  # noqa: E402
from resources.training.plan import Plan  # noqa: E402

# The conversion alone takes a minute and a half on a busy machine.
pytestmark = [pytest.mark.train, pytest.mark.language_model, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> causal.Found:
    return causal.find("auto", str(tmp_path_factory.mktemp("cache")), offline=True)


@pytest.fixture(scope="module")
def loaded(found: causal.Found) -> Iterator[causal.Causal]:
    one = causal.load(found, "cpu")
    yield one
    one.model = None
    gc.collect()


def test_it_is_converted_once(found: causal.Found) -> None:
    assert found.name == "gemma-3-270m"
    assert [path.name for path in found.folder.glob("*.safetensors")] == ["model.safetensors"]
    written = (found.folder / "model.safetensors").stat().st_mtime_ns
    again = causal.packaged(found.folder.parent.parent)
    assert again == found.folder
    assert (again / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in found.folder.parent.iterdir()] == [found.folder.name]  # nothing half-made is left


def test_batched_perplexity_is_that_of_tweets_one_by_one(loaded: causal.Causal, corpus: Any) -> None:
    model = TransformerLanguageModel(loaded)
    assert (model.model.begin, model.model.end) == (2, 1)
    texts = corpus.texts[:50]
    batched = [value for row in model.tweet_nll(texts) for value in row]
    total, tokens = 0.0, 0
    for text in texts:
        ids = torch.tensor([[2, *loaded.tokenizer(text, add_special_tokens=False)["input_ids"], 1]])
        with torch.no_grad():
            total += float(loaded.model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    assert len(batched) == tokens
    assert math.exp(sum(batched) / tokens) == pytest.approx(math.exp(total / tokens), rel=1e-4)


def test_prefixes_complete_texts_and_completions(loaded: causal.Causal, corpus: Any) -> None:
    model = TransformerLanguageModel(loaded)
    halves = [half for text in corpus.texts[:40] if (half := cut(text)) is not None]
    for row, (before, after) in zip(model.rows(halves), halves, strict=True):
        assert row.ids[: row.given] == model.encode([before])[0]
        assert model.decode([row.ids])[0] == before + after
    prompts = ["Once upon a", "I went to the beach with my"]
    assert model.complete(prompts, [1, 1])[0].strip(" .,") == "time"
    assert next_words(model, prompts)[0][0][0].strip(".,") == "time"
    assert model.complete(prompts, [4, 4]) == [model.complete([prompt], [4])[0] for prompt in prompts]


def test_a_few_steps_of_fine_tuning_help(found: causal.Found, loaded: causal.Causal, corpus: Any) -> None:
    recipe = TransformerRecipe(
        description="of a test", method="fine_tuned", train_tweets=24, batch_size=4, learning_rate=2e-4,
        freeze="embeddings", gradient_clip=1.0, validation_tweets=8, rouge_tweets=0,
    )  # fmt: skip
    made = steps.prepare(corpus.texts, corpus.splits, recipe, found, "cpu")
    assert made.module is not None
    assert made.train is not None
    before = [value for row in TransformerLanguageModel(loaded).tweet_nll(made.validation) for value in row]
    training = fit(made.module, made.train, made.held_out, Plan.of(recipe, "cpu"))
    [epoch] = training.epochs
    assert epoch["val_loss"] < sum(before) / len(before) - 0.3  # far beyond what rounding or an order changes
    made.module.model.network = None
