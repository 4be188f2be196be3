"""A corpus as the tensors that are learned from, and what they say of themselves.

Belongs here: these tensors, made and read. Does not belong here: ids of texts (`bpe.py`), filling rows (`packing.py`),
the asset (`tokens.py`). Pure: torch, NumPy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assets.tweets import bpe, packing

SPLITS = ("train", "validation", "test")


def make(
    texts: Sequence[str],
    splits: np.ndarray,
    tokenizer: bytes,
    *,
    corpus: str,
    row_length: int,
    seed: int = 0,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, Tensor]:
    """`<split>_rows` int16 (rows, 1 + row_length) and `<split>_used` int32 (rows,) of each split, as `packing.pack`
    makes them; `tokenizer` (tokenizer.json) and `about` (JSON) as uint8.

    texts (tweets,), splits uint8 (tweets,); `corpus` is their data version, `progress` is told how many are done.
    """
    loaded = bpe.load(tokenizer)
    tensors: dict[str, Tensor] = {}
    counted: dict[str, dict[str, Any]] = {}
    done = 0
    for number, split in enumerate(SPLITS):
        own = [texts[place] for place in np.flatnonzero(splits == number).tolist()]
        before = done
        ids, lengths = bpe.encode_all(loaded, own, lambda more: progress(before + more))  # noqa: B023 - called at once
        done += len(own)
        packed = packing.pack(ids, lengths, row_length, seed + number)
        tensors[f"{split}_rows"] = torch.from_numpy(packed.rows)
        tensors[f"{split}_used"] = torch.from_numpy(packed.used)
        counted[split] = {
            "tweets": len(own),
            "tokens": len(ids) + len(own),
            "rows": len(packed.rows),
            "cut": packed.cut,
            "waste": round(packed.waste, 6),
        }
    about = {"corpus": corpus, "vocabulary": loaded.get_vocab_size(), "row_length": row_length, "splits": counted}
    tensors["about"] = _tensor(json.dumps(about, sort_keys=True).encode())
    tensors["tokenizer"] = _tensor(tokenizer)
    return tensors


def about_of(tokens: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the tensors say of themselves: `corpus`, `vocabulary`, `row_length`, and by split `tweets`, `tokens` (with
    the mark after each tweet), `rows`, `cut` tweets and the share of `waste`.
    """
    found: dict[str, Any] = json.loads(_content(tokens["about"]))
    return found


def tokenizer_of(tokens: Mapping[str, Tensor]) -> bytes:
    """The tokenizer.json that they were made with."""
    return _content(tokens["tokenizer"])


def held(tokens: Mapping[str, Tensor], split: str) -> tuple[int, int]:
    """How many tweets and tokens the rows of a split really hold, counted in the rows themselves."""
    rows, used = tokens[f"{split}_rows"][:, 1:], tokens[f"{split}_used"]
    real = torch.arange(rows.shape[1], device=rows.device) < used[:, None]
    return int(((rows == bpe.END) & real).sum()), int(real.sum())


def _tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _content(tensor: Tensor) -> bytes:
    return tensor.cpu().numpy().tobytes()
