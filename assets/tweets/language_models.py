"""Language models of both kinds as the comparison and the completions ask them: by texts, not by tokens.

Belongs here: texts to tokens and back, where a word begins, an LSTM or a transformer from its checkpoint. Does not
belong here: what is computed of the answers (`metrics.py`), the search for whole words (`next_word.py`). Pure: torch,
tokenizers, transformers.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from assets.tweets import bpe, lstm_generation, scoring
from assets.tweets.lstm_card import LstmCard
from assets.tweets.lstm_generation import Sampling
from assets.tweets.lstm_training import TOKENIZER, network_of
from assets.tweets.network import TweetLSTM
from assets.tweets.prefixes import most_tokens as most_tokens_of
from assets.tweets.transformer_batches import encoded
from assets.tweets.transformer_card import TransformerCard
from assets.tweets.transformer_model import TransformerModel
from resources.errors import BadInput
from resources.store.types import Checkpoint
from resources.text import causal, tweets

_BLANKS = ("Ġ", "▁", " ")  # how a token says that a space is before it: byte-level, sentencepiece, plainly
_LINE_ENDS = ("Ċ", "\n", "<0x0A>")
_CONTROL = re.compile(r"<(?!0x)[^<>\s]+>|\[[^\[\]\s]+\]")
"""How added tokens that are no text look: `<start_of_image>`, `[multimodal]`; `<0x0A>` is a byte. Not every tokenizer
marks all of them as special."""


@dataclass(frozen=True)
class Row:
    """A text's tokens without marks, and how many of them, `given`, belong to its prefix alone."""

    ids: list[int]
    given: int


class Asked(NamedTuple):
    """Prefixes to be continued: tokens of each, how many words and tokens at most, and how they are drawn."""

    prefixes: list[list[int]]
    most_words: Sequence[int]
    most: Sequence[int]
    sampling: Sampling | None


class LanguageModel(ABC):
    """`begins_word` and `ends_word`, bool (vocabulary,) on the model's device: tokens with a space before them; those,
    and tokens after which the tweet is over. `width` hypotheses of next words are followed at once.
    """

    vocabulary: int
    begin: int
    """The mark before every tweet."""
    begins_word: Tensor
    ends_word: Tensor
    scorer: scoring.Scorer

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, without marks."""

    @abstractmethod
    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """The text of each row of tokens."""

    @abstractmethod
    def read(self, prefixes: Sequence[Sequence[int]]) -> tuple[Tensor, Any]:
        """Log-probabilities of the next token, float32 (n, vocabulary), and a state; prefixes are of one length."""

    @abstractmethod
    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The same after one more token of each row, int64 (n,)."""

    @abstractmethod
    def select(self, state: Any, rows: Tensor) -> Any:
        """The state of these rows, some of them several times."""

    @abstractmethod
    def _generate(self, asked: Asked, told: Callable[[int], object]) -> list[list[int]]: ...

    def rows(self, halves: Sequence[tuple[str, str]]) -> list[Row]:
        """Tokens of each prefix and its continuation, read together as one text.

        Both kinds of tokenizer take texts apart at spaces, before which the continuation begins, so that the prefix's
        tokens begin those of the whole. Where they don't, every token that is not the prefix's alone counts as part of
        the continuation: it is charged a little more, never less.
        """
        wholes = self.encode([before + after for before, after in halves])
        prefixes = self.encode([before for before, _ in halves])
        return [Row(whole, _common(whole, prefix)) for whole, prefix in zip(wholes, prefixes, strict=True)]

    def nll(self, rows: Sequence[Row], told: Callable[[int], object] = lambda done: None) -> list[list[float]]:
        """−log p in nats of each token after a row's prefix, given all before it. The end of the tweet is none. `told`
        gets the number of rows done.
        """
        whole = [[self.begin, *row.ids] for row in rows]
        return scoring.row_nll(self.scorer, whole, [row.given + 1 for row in rows], told)

    def complete(
        self,
        prefixes: Sequence[str],
        most_words: Sequence[int] | None,
        sampling: Sampling | None = None,
        *,
        most_tokens: int | None = None,
        told: Callable[[int], object] = lambda done: None,
    ) -> list[str]:
        """A continuation of each prefix: at most `most_words[i]` words and `most_tokens` tokens (one of the two is
        given), up to where the model ends the tweet.

        Greedy without `sampling`. Texts are cleaned, as all tweets are: no model hands out names that it once read.
        `told` gets the number of prefixes done.
        """
        given = self.encode(prefixes)
        if most_words is None:
            assert most_tokens is not None, "a completion has a limit"
            most_words = [most_tokens] * len(prefixes)  # each has at least one token
        most = [most_tokens_of(words) for words in most_words]
        if most_tokens is not None:
            most = [min(each, most_tokens) for each in most]
        made = self._generate(Asked(given, most_words, most, sampling), told)
        before = self.decode(given)
        whole = self.decode([[*ids, *more] for ids, more in zip(given, made, strict=True)])
        lines = [(text[len(start) :].splitlines() or [""])[0] for start, text in zip(before, whole, strict=True)]
        return [_continued(*each) for each in zip(before, lines, most_words, strict=True)]


class LstmScorer:
    """A `TweetLSTM` as `scoring.py` asks networks."""

    context: int | None = None  # its state may go on for ever

    def __init__(self, network: TweetLSTM) -> None:
        self.network, self.vocabulary = network, network.vocabulary

    @property
    def device(self) -> str:
        return str(self.network.embedding.weight.device)

    def hidden(self, ids: Tensor) -> Tensor:
        hidden: Tensor = self.network(ids)[0]
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        return self.network.logits(hidden)


class LstmLanguageModel(LanguageModel):
    """A `TweetLSTM` and its tokenizer."""

    def __init__(self, network: TweetLSTM, tokenizer: Any) -> None:
        self.network, self.tokenizer = network.eval(), tokenizer
        self.vocabulary, self.begin, self.scorer = network.vocabulary, bpe.END, LstmScorer(network)
        device = network.embedding.weight.device
        pieces = [str(tokenizer.id_to_token(i)) for i in range(tokenizer.get_vocab_size())]
        self.begins_word = _mask([piece.startswith(_BLANKS) for piece in pieces], self.vocabulary).to(device)
        self.ends_word = self.begins_word.clone()
        self.ends_word[bpe.END] = True

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return bpe.encode(self.tokenizer, texts)

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return [bpe.decode(self.tokenizer, row) for row in rows]

    def read(self, prefixes: Sequence[Sequence[int]]) -> tuple[Tensor, Any]:
        return lstm_generation.read(self.network, prefixes)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return lstm_generation.step(self.network, tokens, state)

    def select(self, state: Any, rows: Tensor) -> Any:
        return tuple(part[:, rows].contiguous() for part in state)

    def _generate(self, asked: Asked, told: Callable[[int], object]) -> list[list[int]]:
        made = lstm_generation.generate(self.network, asked.prefixes, most=list(asked.most), sampling=asked.sampling)
        told(len(asked.prefixes))
        return made


class TransformerLanguageModel(LanguageModel):
    """A causal model of transformers and its tokenizer."""

    def __init__(self, loaded: causal.Causal) -> None:
        self.tokenizer = loaded.tokenizer
        pieces = [str(piece) for piece in self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer))))]
        lines = [i for i, piece in enumerate(pieces) if any(mark in piece for mark in _LINE_ENDS)]
        begin, end = causal.begin_id(self.tokenizer), causal.end_id(self.tokenizer)
        added = {number: str(token) for number, token in self.tokenizer.added_tokens_decoder.items()}
        controls = {*self.tokenizer.all_special_ids, *(i for i, name in added.items() if _CONTROL.fullmatch(name))}
        self.model = self.scorer = TransformerModel(loaded.model, begin, end, lines, sorted(controls))
        self.vocabulary, self.begin = self.model.vocabulary, begin
        self.begins_word = _mask([piece.startswith(_BLANKS) for piece in pieces], self.vocabulary).to(self.model.device)
        self.ends_word = self.begins_word.clone()
        self.ends_word[[*controls, *self.model.ends]] = True

    def encode(self, texts: Sequence[str], told: Callable[[int], object] = lambda done: None) -> list[list[int]]:
        """As the others; `told` gets the number of texts done."""
        return encoded(self.tokenizer, texts, told)

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return [
            str(self.tokenizer.decode(row, skip_special_tokens=True, clean_up_tokenization_spaces=False))
            for row in rows
        ]

    def tweet_nll(self, texts: Sequence[str]) -> list[list[float]]:
        """−log p in nats of each token of whole tweets, and last of the mark that ends each; the mark that begins it is
        given. Nothing that is filled up counts.
        """
        rows = [[self.model.begin, *ids, self.model.end] for ids in self.encode(texts)]
        return scoring.row_nll(self.model, rows, [1] * len(rows))

    def read(self, prefixes: Sequence[Sequence[int]]) -> tuple[Tensor, Any]:
        return self.model.read(prefixes)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.model.step(tokens, state)

    def select(self, state: Any, rows: Tensor) -> Any:
        return self.model.select(state, rows)

    def _generate(self, asked: Asked, told: Callable[[int], object]) -> list[list[int]]:
        return self.model.generate(
            asked.prefixes,
            most=asked.most,
            most_words=asked.most_words,
            begins_word=self.begins_word,
            sampling=asked.sampling,
            told=told,
        )


def of_checkpoint(checkpoint: Checkpoint, device: str) -> LanguageModel:
    """The language model of a checkpoint of either kind, from its card, weights and files alone.

    Raises: BadInput if it is another product's; MissingModel if its parts don't belong together.
    """
    card = checkpoint.card
    if isinstance(card, TransformerCard):
        files = {name: checkpoint.files[name] for name in card.tokenizer_files}
        config = json.dumps(card.config).encode()
        return TransformerLanguageModel(causal.rebuilt(checkpoint.weights, config, files, device))
    if isinstance(card, LstmCard):
        tokenizer = checkpoint.files[TOKENIZER]
        content = tokenizer if isinstance(tokenizer, bytes) else tokenizer.read_bytes()
        return LstmLanguageModel(network_of(checkpoint, device), bpe.load(content))
    raise BadInput(f"The checkpoint's card is a {type(card).__name__}.", "Choose a checkpoint of tweets.")


def _continued(before: str, line: str, words: int) -> str:
    """At most so many words of `line`, cleaned, with a space before them unless they go on within the last word of
    `before`. They are cleaned together with it, since "@" and "somebody" are a name only when joined.
    """
    last = "" if line[:1].strip() == "" else before.rpartition(" ")[2]
    text = tweets.cleaned(last + line)
    # Where that word has become a placeholder as a whole, `before` can't take it back: what was added is left out.
    text = text[len(last) :] if text.startswith(last) else f" {text.partition(' ')[2]}"
    kept = " ".join(text.split()[:words])
    return kept if not kept or (last and text[:1].strip()) else f" {kept}"


def _mask(values: Sequence[bool], vocabulary: int) -> Tensor:
    """bool (vocabulary,): embeddings may have rows that the tokenizer has no token for."""
    mask = torch.zeros(vocabulary, dtype=torch.bool)
    mask[: len(values)] = torch.tensor(list(values))[:vocabulary]
    return mask


def _common(whole: Sequence[int], prefix: Sequence[int]) -> int:
    count = 0
    for one, other in zip(whole, prefix, strict=False):
        if one != other:
            break
        count += 1
    return count
