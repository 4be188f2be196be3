"""The card of a sentiment checkpoint: what predictions need besides the weights.

Belongs here: its fields. Does not belong here: how they are used (`network.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from resources.training.documents import Card

TOKENIZER = "tokenizer.json"
"""Name of the tokenizer among a checkpoint's files."""


class StartedFrom(BaseModel):
    """The checkpoint whose weights a training began with: the file it learned from, and its data version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    checkpoint: str


class SentimentCard(Card):
    """What a model was made of and how its answers are read.

    `file` is the partition key of the file it learned from. `base` is the pretrained encoder, `base_digest` that of its
    files, `base_head` whether its head came with it or was begun anew, `config` the network's as transformers writes
    it. `labels` are the outputs' meanings in order, `max_length` the most tokens of a tweet, `pad_id` what fills up.
    Probabilities are softmax(logits / temperature). `split_seed` is the seed by which its dataset was divided, None for
    a baseline. `started_from` is None where training began with the base.
    `model` says what the weights are: those of such a network, or of a baseline without one, whose `base` is empty.
    """

    file: str
    model: Literal["network", "majority", "tfidf"] = "network"
    base: str = ""
    base_digest: str = ""
    base_head: Literal["released", "new"] = "new"
    config: dict[str, Any] = Field(default_factory=dict)
    labels: tuple[str, ...]
    max_length: int = 0
    pad_id: int = 0
    temperature: float
    split_seed: int | None = None
    started_from: StartedFrom | None = None
