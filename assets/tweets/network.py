"""The LSTM that continues tweets.

Belongs here: the network, its first weights, the state it hands on. Does not belong here: the loss (`lstm_module.py`),
choosing the next token (`lstm_generation.py`). Pure: torch alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

State = tuple[Tensor, Tensor]
"""Hidden and cell state of every layer: (layers, rows, hidden) each."""


class TweetLSTM(nn.Module):
    """Embedding, a stack of LSTM layers, and a projection back to the embedding's width, whose product with the
    embedding matrix gives the logits: input and output share that matrix (Press and Wolf 2017, arXiv:1608.05859).

    The layers are one `nn.LSTM`, which stays on cuDNN's fused kernels. Dropout is on what goes into the first layer,
    between the layers, and on what comes out of the last.
    """

    def __init__(self, vocabulary: int, embedding: int, hidden: int, layers: int, dropout: float) -> None:
        """`embedding` and `hidden` are widths; `dropout` is the share of values set to zero while training."""
        super().__init__()
        self.vocabulary, self.hidden, self.layers = vocabulary, hidden, layers
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.projection = nn.Linear(hidden, embedding)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.dropout = nn.Dropout(dropout)
        self._first_weights()

    def _first_weights(self) -> None:
        """Embeddings so small that first logits are near zero, and a forget gate that begins open (Jozefowicz et al.
        2015): torch adds two biases, hence a half in each.
        """
        nn.init.normal_(self.embedding.weight, std=0.05)
        nn.init.zeros_(self.projection.bias)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
                nn.init.constant_(parameter[self.hidden : 2 * self.hidden], 0.5)  # gates come as input, forget, ...

    def forward(self, ids: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """ids int64 (rows, steps) → what `logits` takes (rows, steps, embedding), and the state after the last step.

        `state` is that of the steps before; without it the network begins anew. With `lengths` int64 (rows,), on the
        CPU, each row has so many ids (at least one), filled up on the right: the state is that after its own last id.
        """
        given: Any = self.dropout(self.embedding(ids))
        if lengths is not None:
            given = pack_padded_sequence(given, lengths, batch_first=True, enforce_sorted=False)
        out, state = self.lstm(given, state)
        if lengths is not None:
            out, _ = pad_packed_sequence(out, batch_first=True, total_length=ids.shape[1])
        return self.projection(self.dropout(out)), state

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, embedding) → (…, vocabulary): unnormalised log-probabilities of the next token."""
        return nn.functional.linear(hidden, self.embedding.weight, self.bias)
