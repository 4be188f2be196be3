"""The card of a transformer checkpoint: what completions need besides weights and tokenizer.

Belongs here: its fields. Does not belong here: how they are used (`transformer_model.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from typing import Any

from resources.training.documents import Card


class TransformerCard(Card):
    """What a language model was made of.

    `corpus` is the data version of the tweet_corpus it learned from, or was validated on: only models of one corpus are
    compared, since its splits are theirs. `base` is the pretrained model, `base_said` why it is that one, `base_digest`
    a digest over its files. `config` is the model's configuration as transformers writes it, `tokenizer_files` the
    checkpoint's files that make up its tokenizer. `begin` and `end` are the tokens before and after every tweet;
    `rounds` of `epochs` make one pass through the tweets (`epoch` counts them).
    """

    corpus: str
    base: str
    base_said: str
    base_digest: str
    config: dict[str, Any]
    tokenizer_files: tuple[str, ...]
    begin: int
    end: int
    rounds: int
