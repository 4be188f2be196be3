"""Byte-level byte-pair encoding of tweets (Sennrich et al. 2016; on bytes as in GPT-2), by the library `tokenizers`.

Belongs here: learning the vocabulary, reading it back, texts to ids and ids to texts. Does not belong here: the asset
(`tokenizer.py`), rows of tokens (`packing.py`). Pure: tokenizers, NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from resources.errors import CorruptArtifact

END = 0
"""Id of the mark between tweets: it ends each one, and stands before the first."""
END_TEXT = "<|endoftweet|>"
SMALLEST = 257  # every byte, and the mark
LARGEST = 32_767  # ids are stored as int16

# GPT-2's pattern, with the placeholder for a mention as one piece (nearly every second tweet has one).
_PIECES = r"'(?:[sdmt]|ll|ve|re)| ?@user(?!\w)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_AT_ONCE = 20_000  # texts given to the library in one call: what it returns is large, and progress is reported


def learn(texts: Iterable[str], vocabulary: int, count: int | None = None) -> bytes:
    """tokenizer.json of the `vocabulary` most useful pieces of these texts; fewer if the texts do not have as many.

    Equal texts give equal bytes. A piece is merged where it was seen at least twice. `count` is how many texts there
    are, if it is known.
    """
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[END_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=count)
    return tokenizer.to_str(pretty=False).encode()


def load(content: bytes) -> Tokenizer:
    """The tokenizer of a tokenizer.json. The mark's own text, where a tweet has it, is read as any other text.

    Raises: CorruptArtifact if the mark is not where it should be, or there are more ids than int16 holds.
    """
    tokenizer = Tokenizer.from_str(content.decode())
    if tokenizer.token_to_id(END_TEXT) != END or tokenizer.get_vocab_size() > LARGEST:
        raise CorruptArtifact(
            f"This tokenizer has {END_TEXT} as id {tokenizer.token_to_id(END_TEXT)} among"
            f" {tokenizer.get_vocab_size():,}; it must be {END}, of at most {LARGEST:,}.",
            "Materialize tweet_tokenizer and tweet_tokens again.",
        )
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Ids of each text, without the mark. A text cut at a space gives the ids of both parts, one after the other."""
    return [each.ids for each in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def encode_all(
    tokenizer: Any, texts: Sequence[str], progress: Callable[[int], object] = lambda done: None
) -> tuple[np.ndarray, np.ndarray]:
    """Ids of all texts one after the other, int16 (tokens,), without marks; and how many each has, int32 (texts,).

    `progress` is told how many texts are done.
    """
    parts, lengths = [], []
    for start in range(0, len(texts), _AT_ONCE):
        some = encode(tokenizer, texts[start : start + _AT_ONCE])
        lengths.append(np.fromiter((len(ids) for ids in some), np.int32, len(some)))
        parts.append(np.fromiter((i for ids in some for i in ids), np.int16, int(lengths[-1].sum())))
        progress(start + len(some))
    return np.concatenate([np.zeros(0, np.int16), *parts]), np.concatenate([np.zeros(0, np.int32), *lengths])


def decode(tokenizer: Any, ids: Iterable[int]) -> str:
    """The text of these ids, up to the first mark. Bytes that are no UTF-8 become U+FFFD."""
    before: list[int] = []
    for each in ids:
        if each == END:
            break
        before.append(int(each))
    return str(tokenizer.decode(before, skip_special_tokens=False))
