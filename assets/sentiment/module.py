"""Training the classifier: what of it learns, how fast, and what is measured after each epoch.

Belongs here: the loss, the optimiser, frozen parts, LoRA, metrics. Does not belong here: the network (`network.py`),
the loop (`resources/training/loop.py`). Pure: torch, Lightning and peft.

AdamW with a linear rise and fall of its rates, as in the fine-tuning of BERT (Devlin et al. 2019, appendix A.3). LoRA:
Hu et al. 2021 (arXiv:2106.09685).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from assets.sentiment import network
from assets.sentiment.recipe import SentimentRecipe
from resources.training.module import TrainedModule

_LORA_SCALE = 2  # alpha / rank, the usual choice: a rank is then changed without another learning rate
_LORA_PREFIX = "base_model.model."  # before the names of what peft wraps
_CLASSES = len(network.LABELS)


class SentimentModule(TrainedModule):
    """`network` is a transformers classifier; the best epoch is that of the highest macro-averaged F1 on validation.

    Each epoch has `loss` and `accuracy` of the training tweets as they were learned from, `val_loss`, `val_accuracy`
    and `val_macro_f1`. Losses are cross-entropies in nats, weighted by class where the recipe says so.
    """

    monitor = ("val_macro_f1", "max")
    weights: Tensor

    def __init__(self, model: Any, recipe: SentimentRecipe, counts: tuple[int, int]) -> None:
        """`counts`: training tweets of each class. The model itself is changed: frozen, wrapped."""
        super().__init__()
        self.recipe = recipe
        self._prefix = _LORA_PREFIX if recipe.lora_rank else ""
        self._head = {name for name, _ in model.named_parameters() if network.is_head(model, name)}
        _freeze(model, recipe.freeze)
        self.network = _with_lora(model, recipe) if recipe.lora_rank else model
        balanced = torch.tensor([sum(counts) / (_CLASSES * max(1, count)) for count in counts])
        self.register_buffer("weights", balanced if recipe.class_weights else torch.ones(_CLASSES), persistent=False)
        self._confusion: Tensor | None = None

    def train(self, mode: bool = True) -> SentimentModule:
        """As always, but a frozen body goes without dropout: its output would only become less telling."""
        super().train(mode)
        if mode and self.recipe.freeze == "body":
            self.network.base_model.eval()
        return self

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        loss, _ = self._step(batch, "")
        return loss

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        _, predicted = self._step(batch, "val_")
        cells = batch["labels"] * _CLASSES + predicted
        counted = torch.zeros(_CLASSES**2, dtype=torch.int64, device=cells.device)
        counted.scatter_add_(0, cells, torch.ones_like(cells))  # bincount would wait for the device
        self._confusion = counted if self._confusion is None else self._confusion + counted

    def epoch_metrics(self) -> dict[str, float]:
        if self._confusion is None:
            return {}
        confusion, self._confusion = self._confusion.view(_CLASSES, _CLASSES), None
        return {"val_macro_f1": macro_f1(confusion.cpu())}

    def _step(self, batch: dict[str, Tensor], prefix: str) -> tuple[Tensor, Tensor]:
        """The mean loss, and what was predicted (n,)."""
        labels = batch["labels"]
        logits = network.logits(self.network, batch["ids"], batch["lengths"]).float()
        each = functional.cross_entropy(logits, labels, reduction="none")
        loss = (each * self.weights[labels]).mean()
        predicted = logits.detach().argmax(1)
        self.tally(f"{prefix}loss", loss, len(labels))
        self.tally(f"{prefix}accuracy", (predicted == labels).float().mean(), len(labels))
        return loss, predicted

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1  # biases and normalisations have one dimension
                groups.setdefault((self._is_head(name), decays), []).append(parameter)
        rates = {False: recipe.learning_rate, True: recipe.head_learning_rate}
        decay = {False: 0.0, True: recipe.weight_decay}
        optimizer = torch.optim.AdamW(
            [
                {"params": some, "lr": rates[head], "weight_decay": decay[decays]}
                for (head, decays), some in sorted(groups.items(), key=lambda item: item[0])
            ],
            fused=True,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        rising = round(recipe.warm_up * steps)

        def share(step: int) -> float:
            if step < rising:
                return (step + 1) / rising
            return (steps - step) / max(1, steps - rising)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Lightning clips for no fused optimiser in mixed precision, lest gradients be scaled; bf16's never are."""
        if gradient_clip_val is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def _is_head(self, name: str) -> bool:
        """Of a parameter of `network`, where peft puts a copy of each head into `<head>.modules_to_save.default`."""
        return name.removeprefix(self._prefix).replace(".modules_to_save.default", "") in self._head

    def plain(self, weights: dict[str, Tensor]) -> Any:
        """The classifier with the weights of a training (a state_dict of this module) on the CPU, in plain layers:
        what LoRA has learned is added to the weights it stood beside.
        """
        self.load_state_dict(weights)
        self.to("cpu").eval()
        if not self.recipe.lora_rank:
            return self.network
        return copy.deepcopy(self.network).merge_and_unload()


def macro_f1(confusion: Tensor) -> float:
    """The mean over classes of 2 TP / (2 TP + FP + FN), 0 for a class that is neither there nor predicted.

    `confusion` (classes, classes), true class by row.
    """
    right = confusion.diagonal().double()
    both = (confusion.sum(0) + confusion.sum(1)).double()
    return float((2 * right / both.clamp_min(1)).mean())


def _freeze(model: Any, what: str) -> None:
    if what == "embeddings":
        network.embeddings(model).requires_grad_(False)
    elif what == "body":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(network.is_head(model, name))


def _with_lora(model: Any, recipe: SentimentRecipe) -> Any:
    """LoRA beside every linear layer of the body (as in QLoRA, Dettmers et al. 2023); the head is trained as it is."""
    import peft

    body = [
        f"{model.base_model_prefix}.{name}"
        for name, module in model.base_model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith("pooler.")
    ]
    pooler = [f"{model.base_model_prefix}.pooler"] if getattr(model.base_model, "pooler", None) is not None else []
    heads = [name for name, _ in model.named_children() if name != model.base_model_prefix]
    trained = [name for name in heads if any(True for _ in model.get_submodule(name).parameters())]
    settings = peft.LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=_LORA_SCALE * recipe.lora_rank,
        target_modules=body,
        modules_to_save=[*trained, *pooler],
    )
    return peft.get_peft_model(model, settings)
