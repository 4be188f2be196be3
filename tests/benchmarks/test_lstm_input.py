"""What is compared in benchmarks/lstm_input.py is comparable: every side learns from the same tokens in an epoch."""

from collections import Counter
from collections.abc import Callable
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("tokenizers")

from assets.tweets.lstm_recipe import LstmRecipe  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("benchmarks/lstm_input.py")


def test_every_side_is_taught_each_token_once_an_epoch(script: ModuleType) -> None:
    of = script.made_up(100)
    expected = Counter([token for ids in of for token in ids] + [0] * len(of))
    prefixes = script.Prefixes(of)
    assert Counter(prefixes[i][2] for i in range(len(prefixes))) == expected
    given, count, wanted = prefixes[3]
    assert (count, wanted, given.shape) == (4, of[0][3], (140,))
    assert given.tolist()[:4] == [0, *of[0][:3]]
    whole = script.WholeTweets(of)
    _, taught = script.collated([whole[i] for i in range(len(whole))])
    assert Counter(taught[taught >= 0].tolist()) == expected
    rows, used = script.packed(of, "cpu")
    real = torch.arange(64) < used[:, None]
    assert Counter(rows[:, 1:][real].tolist()) == expected


def test_an_epoch_of_every_side_has_as_many_useful_tokens_as_the_corpus(script: ModuleType) -> None:
    """What is counted of the batches adds up to the corpus exactly where an epoch ends: no padding, nothing twice."""
    of = script.made_up(60)
    tokens = sum(map(len, of)) + len(of)
    recipe = LstmRecipe(description="of a test", embedding=8, hidden=8, batch_size=4)
    for name, side in script.sides(of, recipe, "cpu").items():
        useful = 0
        while useful < tokens:
            loss, count = side.step(next(side.batches))
            useful += count
        assert useful == tokens, name
        assert loss.requires_grad
