"""Language models asked by texts: where a continuation begins, how likely it is, what comes next, what is made."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from assets.tweets import bpe  # noqa: E402
from assets.tweets.language_models import (  # noqa: E402
    Asked,
    LanguageModel,
    LstmLanguageModel,
    TransformerLanguageModel,
    of_checkpoint,
)
from assets.tweets.lstm_generation import Sampling  # noqa: E402
from assets.tweets.network import TweetLSTM  # noqa: E402
from assets.tweets.next_word import next_words  # noqa: E402
from assets.tweets.prefixes import cut  # noqa: E402
from resources.errors import BadInput  # noqa: E402
from resources.store.types import Checkpoint  # noqa: E402
from resources.text import causal  # noqa: E402
from resources.training.documents import Card  # noqa: E402

pytestmark = pytest.mark.train
KINDS = ["lstm", "gpt2", "llama"]


def sharpened(model: Any) -> Any:
    """Untrained networks find all tokens nearly alike; this one has preferences, so that rankings are no ties."""
    torch.manual_seed(4)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.copy_(torch.randn_like(weights) * (0.6 if weights.shape[0] > 500 else 0.25))
    return model


@pytest.fixture(scope="module")
def models(tokenizer_json: bytes, tiny_gpt2: Path, tiny_llama: Path) -> dict[str, LanguageModel]:
    lstm = sharpened(TweetLSTM(bpe.load(tokenizer_json).get_vocab_size(), 32, 48, 2, 0.0))
    made: dict[str, LanguageModel] = {"lstm": LstmLanguageModel(lstm, bpe.load(tokenizer_json))}
    for name, folder in (("gpt2", tiny_gpt2), ("llama", tiny_llama)):
        loaded = causal.load(causal.Found(name, folder, ""), "cpu")
        sharpened(loaded.model)
        made[name] = TransformerLanguageModel(loaded)
    return made


@pytest.fixture(scope="module")
def halves(corpus: Any) -> list[tuple[str, str]]:
    return [halves for text in corpus.texts[:120] if (halves := cut(text)) is not None][:60]


def log_probabilities(model: LanguageModel, ids: list[int]) -> Any:
    """(tokens + 1, vocabulary): of the token at each place and of the one after the last, in one plain forward pass."""
    with torch.no_grad():
        if isinstance(model, LstmLanguageModel):
            hidden, _ = model.network(torch.tensor([[bpe.END, *ids]]))
            return model.network.logits(hidden)[0].log_softmax(-1)
        assert isinstance(model, TransformerLanguageModel)
        return model.model.network(torch.tensor([[model.model.begin, *ids]])).logits[0].log_softmax(-1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prefix_has_the_first_tokens_of_the_whole(
    kind: str, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    model = models[kind]
    for row, (before, after) in zip(model.rows(halves), halves, strict=True):
        assert row.ids == model.encode([before + after])[0]
        assert row.ids[: row.given] == model.encode([before])[0]
        assert model.decode([row.ids])[0] == before + after


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_across_the_boundary_is_charged_to_the_continuation(
    kind: str, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    """No tokenizer here makes one at a space; within a word any of them may."""
    model, whole = models[kind], "".join(halves[0])
    ids = model.encode([whole])[0]
    cuts = [(whole[:at], whole[at:]) for at in range(2, len(whole) - 1)]
    across = [
        (before, after) for before, after in cuts if model.encode([before])[0] != ids[: len(model.encode([before])[0])]
    ]
    assert across
    for row, (before, _) in zip(model.rows(across), across, strict=True):
        assert row.ids == ids
        assert before.startswith(model.decode([row.ids[: row.given]])[0])  # what is given is the prefix's alone
        assert len(model.decode([row.ids[: row.given + 1]])[0]) > len(before) or row.given < len(
            model.encode([before])[0]
        )


@pytest.mark.parametrize("kind", KINDS)
def test_likelihoods_are_those_of_tweets_one_by_one(
    kind: str, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    model = models[kind]
    rows = model.rows(halves)
    told: list[int] = []
    for row, found in zip(rows, model.nll(rows, told.append), strict=True):
        logs = log_probabilities(model, row.ids)
        wanted = [-float(logs[place, row.ids[place]]) for place in range(row.given, len(row.ids))]
        assert found == pytest.approx(wanted, abs=1e-4)
    assert told[-1] == len(rows)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_texts_longer_than_the_context_are_scored_in_windows_and_completed_from_their_end(
    kind: str, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    model = models[kind]
    assert isinstance(model, TransformerLanguageModel)
    assert model.model.context == 128
    long = " ".join(before + after for before, after in halves)
    short = halves[0]
    cuts = [short, (long[:30], long[30:]), (long[:-30], long[-30:]), (long[:900], long[900:])]
    rows = model.rows([(before.strip(), f" {after.strip()}") for before, after in cuts])
    assert len(rows[1].ids) > 300
    found = model.nll(rows)
    assert [len(each) for each in found] == [len(row.ids) - row.given for row in rows]
    assert found[0] == pytest.approx(model.nll(rows[:1])[0], abs=1e-4)
    first = log_probabilities(model, rows[1].ids[:126])  # what fits is given all before it
    assert found[1][:50] == pytest.approx(
        [-float(first[place, rows[1].ids[place]]) for place in range(rows[1].given, rows[1].given + 50)], abs=1e-4
    )
    ids = rows[2].ids
    with torch.no_grad():  # the last token sees half a context at least
        last = model.model.network(torch.tensor([ids[rows[2].given - 64 : -1]])).logits[0, -1].log_softmax(-1)
    assert found[2][-1] == pytest.approx(-float(last[ids[-1]]), abs=1e-4)
    [made] = model.complete([long], None, most_tokens=200)
    assert made == model.complete([long[len(long) // 2 :]], None, most_tokens=200)[0]  # the same end
    assert next_words(model, [long])[0] == next_words(model, [long[len(long) // 2 :]])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_takes_the_likeliest_token_whatever_stands_beside_a_prompt(
    kind: str, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    """Prompts of many lengths go through the network together; alone each of them gets the same."""
    model, prompts = models[kind], [before for before, _ in halves[:12]]
    assert len({len(ids) for ids in model.encode(prompts)}) > 3
    together = model.complete(prompts, [4] * len(prompts))
    assert together == [model.complete([prompt], [4])[0] for prompt in prompts]
    given = model.encode(prompts)
    made = model._generate(Asked(given, [9] * len(given), [5] * len(given), None), lambda done: None)
    no_text = model.model.never if isinstance(model, TransformerLanguageModel) else []
    for ids, more in zip(given, made, strict=True):
        for place, token in enumerate(more):
            following = log_probabilities(model, [*ids, *more[:place]])[-1]
            following[no_text] = -math.inf
            assert token == int(following.argmax())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", [None, Sampling(seed=5)], ids=["greedy", "sampling"])
def test_completions_keep_to_their_number_of_words(
    kind: str, sampling: Sampling | None, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    prompts = [before for before, _ in halves[:20]]
    most = [1 + number % 4 for number in range(len(prompts))]
    made = models[kind].complete(prompts, most, sampling)
    assert all(len(text.split()) <= words for text, words in zip(made, most, strict=True))
    assert any(len(text.split()) == words for text, words in zip(made, most, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_follows_from_its_seed(
    kind: str, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    model, prompts = models[kind], [before for before, _ in halves[:10]]
    state = torch.get_rng_state()
    one = model.complete(prompts, [5] * 10, Sampling(temperature=1.5, top_p=1.0, seed=1))
    assert torch.equal(torch.get_rng_state(), state)  # others' random numbers are theirs
    assert one == model.complete(prompts, [5] * 10, Sampling(temperature=1.5, top_p=1.0, seed=1))
    assert one != model.complete(prompts, [5] * 10, Sampling(temperature=1.5, top_p=1.0, seed=2))


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_top_p_is_greedy(
    kind: str, models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    model, prompts = models[kind], [before for before, _ in halves[:10]]
    assert model.complete(prompts, [4] * 10, Sampling(top_p=1e-6)) == model.complete(prompts, [4] * 10)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_completion_ends_at_the_end_mark_and_at_a_line_end(kind: str, models: dict[str, LanguageModel]) -> None:
    model = models[kind]
    assert isinstance(model, TransformerLanguageModel)
    inner = model.model
    for end in inner.ends:
        assert inner._until_end([300, 301, end, 302]) == [300, 301]
    [prompt] = model.encode(["so it is"])
    [first] = inner.generate([prompt], most=[1])
    ends, inner.ends = inner.ends, (first[0],) if first else inner.ends
    try:
        assert inner.generate([prompt], most=[5]) == [[]]  # its likeliest token ends it now
    finally:
        inner.ends = ends


def test_handles_in_completions_are_placeholders(
    models: dict[str, LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["gpt2"]
    told = model.encode([" thanks @somebody99 and\nmore"])
    monkeypatch.setattr(model, "_generate", lambda *_: told)
    assert model.complete(["so it is"], [5]) == [" thanks @user and"]


@pytest.mark.parametrize(
    ("prompt", "told", "joined"),
    [
        ("thanks @", "somebody99 and more", "thanks @user and more"),
        ("thanks @user", "99 and", "thanks @user and"),
        ("see twitter.com", "/somebody now", "see twitter.com now"),
        ("write to some.body", "@mail.example now", "write to some.body now"),
        ("good mor", "ning all", "good morning all"),
        ("good", " day", "good day"),
        ("good", "", "good"),
    ],
    ids=["at", "user", "link", "mail", "word", "space", "nothing"],
)
def test_a_name_that_begins_in_the_prompt_is_none_when_joined(
    prompt: str, told: str, joined: str, models: dict[str, LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["gpt2"]
    monkeypatch.setattr(model, "_generate", lambda *_: model.encode([told]))
    assert prompt + model.complete([prompt], [5])[0] == joined


@pytest.mark.parametrize("kind", KINDS)
def test_next_words_are_those_of_a_search_through_all_tokens(kind: str, models: dict[str, LanguageModel]) -> None:
    """All words of one or two tokens, each with its exact probability; the beam, wide enough, finds the same."""
    model, prompt = models[kind], "so it is"
    ids = model.encode([prompt])[0]
    logs = log_probabilities(model, ids)[-1]
    best: dict[str, float] = {}

    def note(tokens: list[int], value: float) -> None:
        word = model.decode([[*ids, *tokens]])[0][len(prompt) :].strip()
        if word and len(word.split()) == 1:
            best[word] = math.log(math.exp(best.get(word, -math.inf)) + math.exp(value))

    starts = [int(token) for token in model.begins_word.nonzero()]
    for start in starts:
        after = log_probabilities(model, [*ids, start])[-1]
        note([start], float(logs[start] + after[model.ends_word].logsumexp(0)))
        if logs[start] < logs[starts].max() - 6:
            continue  # too unlikely to begin one of the three likeliest words
        for more in after.masked_fill(model.ends_word, -math.inf).topk(20).indices.tolist():
            beyond = log_probabilities(model, [*ids, start, more])[-1]
            note([start, more], float(logs[start] + after[more] + beyond[model.ends_word].logsumexp(0)))
    wanted = sorted(best.items(), key=lambda item: -item[1])
    [found] = next_words(model, [prompt], 3, width=300)
    short = [(word, value) for word, value in found if len(model.encode([f"x {word}"])[0]) <= 3]
    assert short  # words of one or two tokens are among the three
    for word, value in short:
        assert value == pytest.approx(best[word], abs=0.02)  # longer ways to spell the same word add little
    assert found[0][1] >= wanted[0][1] - 0.02  # as above


def test_next_words_are_the_same_in_any_company(
    models: dict[str, LanguageModel], halves: list[tuple[str, str]]
) -> None:
    for model in models.values():
        prompts = [before for before, _ in halves[:10]]
        told: list[int] = []
        together = next_words(model, prompts, told=told.append)
        assert told[-1] == len(prompts)
        assert all(one < other for one, other in pairwise(told))
        for prompt, words in zip(prompts, together, strict=True):
            [alone] = next_words(model, [prompt])
            assert [word for word, _ in alone] == [word for word, _ in words]


def test_a_checkpoint_of_another_product_is_refused() -> None:
    card = Card(
        product="x", preset="x", recipe={}, overrides={}, data_version="", code_version="1", seed=0, metrics={}
    )  # fmt: skip
    with pytest.raises(BadInput, match="Card"):
        of_checkpoint(Checkpoint({}, card), "cpu")


def test_tokens_that_are_no_text_are_never_written(tiny_llama: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.add_tokens(["<start_of_image>", "[multimodal]"])  # as Gemma's, which are not marked as special
    network = transformers.AutoModelForCausalLM.from_pretrained(tiny_llama)
    network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    wanted = [tokenizer.convert_tokens_to_ids(name) for name in ("<start_of_image>", "[multimodal]")]
    network.get_output_embeddings().register_forward_hook(
        lambda module, given, logits: logits.index_add(
            -1, torch.tensor(wanted), torch.full((*logits.shape[:-1], 2), 1e3)
        )
    )
    model = TransformerLanguageModel(causal.Causal(network.eval(), tokenizer))
    for sampling in (None, Sampling(1.0, 1.0, 0)):
        [text] = model.complete(["good morning"], [4], sampling)
        assert text.strip()
        assert "image" not in text
        assert "multimodal" not in text
