"""The rows of a dataset as tensors: token ids of all tweets, made once, ordered by length.

Belongs here: tokenizing in batches, the dataset's tensors, and reading them back. Does not belong here: which
tokenizer it is (`resources/text/pretrained.py`), which rows there are (`rows.py`). Pure: torch and numpy.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from assets.sentiment.rows import Rows
from resources.progress import Logger, Progress
from resources.store.types import Tensors
from resources.text import pretrained

_BATCH = 10_000


@dataclass(frozen=True)
class Tokens:
    """`ids` int32 (n, L) filled up on the right with the padding token, special tokens included; `lengths` int32 (n,).

    `truncated` is the number of texts that were longer than allowed and are cut off.
    """

    ids: np.ndarray
    lengths: np.ndarray
    truncated: int


def tokenized(
    texts: Sequence[str], tokenizer: bytes, pad_id: int, max_length: int, log: Logger | None = None
) -> Tokens:
    """The tokens of texts, at most `max_length` each, by the tokenizer whose `tokenizer.json` these bytes are."""
    runs = pretrained.loaded(tokenizer)
    runs.no_padding()
    runs.enable_truncation(max_length)
    progress = None if log is None else Progress(log, "tokenizing", len(texts), "tweets")
    parts: list[np.ndarray] = []
    lengths = np.zeros(len(texts), np.int32)
    truncated = 0
    for start in range(0, len(texts), _BATCH):
        encoded = runs.encode_batch_fast(texts[start : start + _BATCH])
        lengths[start : start + len(encoded)] = [len(one) for one in encoded]
        truncated += sum(1 for one in encoded if one.overflowing)
        parts.append(np.concatenate([np.array(one.ids, np.int32) for one in encoded]))
        if progress is not None:
            progress.update(start + len(encoded))
    ids = np.full((len(texts), int(lengths.max(initial=0))), pad_id, np.int32)
    if parts:
        ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate(parts)
    return Tokens(ids, lengths, truncated)


def dataset(rows: Rows, tokens: Tokens, tokenizer: bytes, about: Mapping[str, Any]) -> Tensors:
    """All of it, ordered by length and then by identity: neighbours have about one length, so that a slice of rows is a
    batch with little padding.
    """
    order = np.argsort(tokens.lengths, kind="stable")  # the rows come ordered by identity
    encoded = [rows.texts[i].encode() for i in order]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return Tensors(
        {
            "ids": torch.from_numpy(tokens.ids[order]),
            "lengths": torch.from_numpy(tokens.lengths[order]),
            "labels": torch.from_numpy(rows.labels[order]),
            "split": torch.from_numpy(rows.split[order]),
            "texts": _bytes(b"".join(encoded)),
            "offsets": torch.from_numpy(offsets),
            "tokenizer": _bytes(tokenizer),
            "about": _bytes(json.dumps(about, ensure_ascii=False, sort_keys=True).encode()),
        }
    )


def texts_of(dataset: Mapping[str, Any]) -> list[str]:
    """The cleaned texts of a dataset, in the order of its rows."""
    content = dataset["texts"].cpu().numpy().tobytes()
    offsets = dataset["offsets"].cpu().tolist()
    return [content[begin:end].decode() for begin, end in itertools.pairwise(offsets)]


def about_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """What a dataset says about itself: preset, base and its digest, pad_id, max_length, labels, seed, counts."""
    said: dict[str, Any] = json.loads(dataset["about"].cpu().numpy().tobytes())
    return said


def tokenizer_of(dataset: Mapping[str, Any]) -> bytes:
    """The `tokenizer.json` of a dataset."""
    content: bytes = dataset["tokenizer"].cpu().numpy().tobytes()
    return content


def _bytes(content: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
