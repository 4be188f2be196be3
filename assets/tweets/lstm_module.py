"""The LSTM under training: its loss over all tokens of packed tweets, its optimiser, its metrics.

Belongs here: these. Does not belong here: layers (`network.py`), which rows come when (`row_batches.py`), the loop
(`resources/training/loop.py`). Pure: torch and Lightning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assets.tweets import bpe, prefixes
from assets.tweets.chunked_loss import IGNORED, cross_entropy_sum, positions_at_once
from assets.tweets.lstm_generation import generate
from assets.tweets.lstm_recipe import LstmRecipe
from assets.tweets.network import TweetLSTM
from assets.tweets.row_batches import filling
from assets.tweets.schedule import course, perplexity
from resources.training.batches import Batch
from resources.training.module import TrainedModule


@dataclass(frozen=True)
class Completions:
    """Tweets to be completed after each round: the ids that are given, and the texts that are to be found."""

    given: Sequence[Sequence[int]]
    wanted: Sequence[str]
    tokenizer: Any

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Any) -> Completions | None:
        """Of the tweets that can be cut; None if there are none."""
        halves = [halves for text in texts if (halves := prefixes.cut(text)) is not None]
        if not halves:
            return None
        given = bpe.encode(tokenizer, [before for before, _ in halves])
        return cls(given, [after for _, after in halves], tokenizer)

    def rouge_l(self, network: TweetLSTM) -> float:
        """The mean F1 of ROUGE-L of greedy completions, which may have as many words as a transformer's."""
        words = [len(after.split()) + prefixes.EXTRA_WORDS for after in self.wanted]
        made = generate(network, self.given, most=[prefixes.most_tokens(count) for count in words])
        decoded = [bpe.decode(self.tokenizer, ids).split() for ids in made]
        texts = [" ".join(text[:count]) for text, count in zip(decoded, words, strict=True)]
        scores = prefixes.rouge(self.wanted, texts, ["rougeL"])["rougeL"]
        return sum(scores) / len(scores)


class LstmModule(TrainedModule):
    """Trains `network` as `recipe` says, on batches as `row_batches.cut` makes them.

    `loss` and `val_loss` are nats per token; every token of the corpus weighs the same, whatever row it is in.
    """

    def __init__(
        self,
        network: TweetLSTM,
        recipe: LstmRecipe,
        tokens_per_row: float,
        val_tokens_per_row: float,
        completions: Completions | None = None,
    ) -> None:
        """`tokens_per_row` is the mean number of targets that are used, over all train rows, or those validated."""
        super().__init__()
        self.network, self.recipe = network, recipe
        self._tokens_per_row, self._val_tokens_per_row = tokens_per_row, val_tokens_per_row
        self._completions = completions

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The batch's loss: divided by what its rows hold on average, so that nothing is read from the device."""
        rows = len(batch["ids"])
        loss = self._sum(batch) / (rows * self._tokens_per_row)
        self.tally("loss", loss, rows)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        rows = len(batch["ids"])
        self.tally("val_loss", self._sum(batch) / (rows * self._val_tokens_per_row), rows)

    def _sum(self, batch: Batch) -> Tensor:
        """The negative log-likelihoods of all targets that are no filling, summed."""
        hidden, _ = self.network(batch["ids"])
        wanted = batch["targets"].masked_fill(filling(batch), IGNORED)
        chunk = positions_at_once(self.network.vocabulary, hidden.device)
        return cross_entropy_sum(hidden, wanted, self.network.logits, chunk)

    def take_tallies(self) -> dict[str, float]:
        """Each loss, and the perplexity that it means: the mean of the former is not the mean of the latter."""
        means = super().take_tallies()
        return {**means, **{name.replace("loss", "perplexity"): perplexity(loss) for name, loss in means.items()}}

    def epoch_metrics(self) -> dict[str, float]:
        """`val_rouge_l` of the tweets that are completed after each round, if there are any."""
        if self._completions is None:
            return {}
        self.network.eval()
        try:
            return {"val_rouge_l": self._completions.rouge_l(self.network)}
        finally:
            self.network.train()

    def configure_optimizers(self) -> Any:
        """AdamW; biases do not decay. The learning rate changes with every step."""
        recipe = self.recipe
        parameters = list(self.network.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        # Not fused: Lightning refuses to clip gradients for such an optimiser in mixed precision.
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, course(steps, recipe.warm_up, "cosine"))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
