"""From a checkpoint and texts to probabilities.

Belongs here: cleaning and tokenizing as the checkpoint says, batches, the temperature; for networks and for baselines
alike. Does not belong here: fitting (`module.py`, `baselines.py`), scores (`scoring.py`), files (`predictions.py`).
Pure torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from assets.sentiment import baselines, network
from assets.sentiment.card import TOKENIZER, SentimentCard
from assets.sentiment.tokenizing import tokenized
from resources.errors import BadInput
from resources.store.types import Checkpoint
from resources.text.tweets import cleaned

if TYPE_CHECKING:
    import numpy as np

BATCH, CPU_BATCH = 512, 64
"""Tweets at once. They are sorted by length, so little of a batch is padding."""


def probabilities(
    checkpoint: Checkpoint, texts: Sequence[str], device: str = "cpu", step: Callable[[int], object] = id
) -> np.ndarray:
    """Probabilities, float64 (n, 2), of texts as people write them: of negative and of positive.

    Texts are cleaned here. The same checkpoint, texts in their order and device give the same bits; a row may differ in
    its last bits where the rows beside it are others. `step` hears how many texts are done.
    Raises: BadInput if the checkpoint is none of sentiment.
    """
    shares: np.ndarray = calibrated(logits(checkpoint, texts, device, step), card_of(checkpoint).temperature).numpy()
    return shares


def calibrated(scores: Tensor, temperature: float) -> Tensor:
    """Logits (n, classes) divided by `temperature`, as probabilities; float64."""
    return torch.softmax(scores.double() / temperature, 1)


def logits(
    checkpoint: Checkpoint, texts: Sequence[str], device: str = "cpu", step: Callable[[int], object] = id
) -> Tensor:
    """Logits (n, classes) on the CPU, before the temperature. Raises: as `probabilities`."""
    card = card_of(checkpoint)
    plain = [cleaned(text) for text in texts]
    if card.model == "majority":
        return baselines.majority_logits(checkpoint.weights, len(plain))
    if card.model == "tfidf":
        return baselines.terms_logits(checkpoint.weights, _file(checkpoint, baselines.VOCABULARY), plain)
    model, _ = network.of_checkpoint(checkpoint, device)
    tokens = tokenized(plain, _file(checkpoint, TOKENIZER), card.pad_id, card.max_length)
    return network_logits(model, torch.from_numpy(tokens.ids), torch.from_numpy(tokens.lengths), device, step)


def network_logits(model: Any, ids: Tensor, lengths: Tensor, device: str, step: Callable[[int], object] = id) -> Tensor:
    """Logits (n, classes), float32 on the CPU, of tokens as the dataset has them, wherever they lie.

    The model is on `device` and in evaluation mode.
    """
    lengths = lengths.cpu()
    order = torch.sort(lengths, stable=True).indices
    size = CPU_BATCH if torch.device(device).type == "cpu" else BATCH
    out = torch.zeros(len(lengths), model.config.num_labels)
    done = 0
    # Kernels are chosen by rule, not by a race: else the same texts need not give the same bits again.
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        for rows in order.split(size) if len(order) else ():
            longest = int(lengths[rows[-1]])
            some = ids.index_select(0, rows.to(ids.device))[:, :longest].to(device)
            out[rows] = network.logits(model, some, lengths[rows].to(device)).float().cpu()
            step(done := done + len(rows))
    return out


def card_of(checkpoint: Checkpoint) -> SentimentCard:
    """Its card. Raises: BadInput if it is another product's."""
    if not isinstance(checkpoint.card, SentimentCard):
        raise BadInput(
            f"The checkpoint's card is a {type(checkpoint.card).__name__}.", "Choose a checkpoint of sentiment."
        )
    return checkpoint.card


def _file(checkpoint: Checkpoint, name: str) -> bytes:
    content = checkpoint.files[name]
    return content.read_bytes() if isinstance(content, Path) else content
