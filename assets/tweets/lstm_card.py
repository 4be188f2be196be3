"""The card of an LSTM checkpoint: what completions need besides the weights and tokenizer.json.

Belongs here: its fields. Does not belong here: how they are used (`lstm_training.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from resources.training.documents import Card


class LstmCard(Card):
    """What a network was made of.

    `corpus` is the data version of the tweet_corpus it learned from: only models of one corpus are compared, since its
    splits are theirs; `data_version` is that of the tweet_tokens made of it. `vocabulary` counts tokens, `row_length`
    those of a packed row; the rest are the network's widths and layers. `rounds` of `epochs` make one pass through the
    corpus (`epoch` counts them).
    """

    corpus: str
    vocabulary: int
    embedding: int
    hidden: int
    layers: int
    row_length: int
    rounds: int
