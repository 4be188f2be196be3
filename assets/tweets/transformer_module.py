"""Fine-tuning a causal transformer on tweets: the loss, the metrics, the optimiser.

Belongs here: these. Does not belong here: the network (`transformer_model.py`), batches (`transformer_batches.py`), the
loop (`resources/training/loop.py`). Pure: torch and Lightning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from assets.tweets.chunked_loss import LOGITS, cross_entropy_sum
from assets.tweets.schedule import course, perplexity
from assets.tweets.transformer_model import TransformerModel
from assets.tweets.transformer_recipe import TransformerRecipe
from resources.training.module import TrainedModule


class TransformerModule(TrainedModule):
    """Trains `model` on batches of `TokenBatches`.

    `loss` is the mean cross-entropy in nats of a token given those before it in its tweet; the mark that ends a tweet
    is one of them, the mark that begins it is given. `perplexity` is the exponential of an epoch's mean. `val_rouge_l`
    comes from `completions`, which is asked after each validation for ROUGE-L of greedy completions.
    """

    def __init__(
        self, model: TransformerModel, recipe: TransformerRecipe, completions: Callable[[], float] | None = None
    ) -> None:
        super().__init__()
        self.model = model.train()
        self.recipe = recipe
        self._completions = completions
        self._means: dict[str, float] = {}
        if recipe.freeze == "embeddings":
            for layer in (model.network.get_input_embeddings(), model.network.get_output_embeddings()):
                layer.requires_grad_(False)
        self._leave_out_tied()

    def _leave_out_tied(self) -> None:
        """A state has each tensor once: Gemma's tied output layer alone would be 0.7 GB of it."""
        names: dict[int, str] = {}
        tied: dict[str, str] = {}
        for name, tensor in self.model.state_dict(keep_vars=True).items():
            first = names.setdefault(tensor.data_ptr(), name)
            if first != name and tensor.numel():
                tied[name] = first
        if not tied:
            return

        def without(module: Any, state: dict[str, Any], prefix: str, local: Any) -> None:
            for name in tied:
                state.pop(prefix + name, None)

        def with_them(module: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
            for name, first in tied.items():
                state.setdefault(prefix + name, state[prefix + first])

        self.model.register_state_dict_post_hook(without)
        self.model.register_load_state_dict_pre_hook(with_them)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """The mean loss of a token."""
        return self._loss(batch, "loss")

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self._loss(batch, "val_loss")

    def _loss(self, batch: dict[str, Tensor], name: str) -> Tensor:
        ids, positions = batch["ids"], batch["positions"]
        hidden = self.model.hidden(ids).flatten(0, 1).index_select(0, positions)
        targets = ids.flatten().index_select(0, positions + 1)
        chunk = max(1, LOGITS // self.model.vocabulary)
        loss = cross_entropy_sum(hidden, targets, self.model.logits, chunk) / len(positions)
        self.tally(name, loss, len(positions))
        return loss

    def take_tallies(self) -> dict[str, float]:
        self._means = super().take_tallies()
        return self._means

    def epoch_metrics(self) -> dict[str, float]:
        """`perplexity`, `val_perplexity`, `val_rouge_l`."""
        said = {name.replace("loss", "perplexity"): perplexity(mean) for name, mean in self._means.items()}
        if self._completions is not None:
            training = self.model.training
            self.model.eval()
            said["val_rouge_l"] = self._completions()
            self.model.train(training)
        return said

    def configure_optimizers(self) -> Any:
        """AdamW without decay on vectors (biases and norms), as GPT-2's descendants are trained; warm-up, then down."""
        recipe = self.recipe
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95))
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, course(steps, recipe.warm_up, recipe.schedule))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
