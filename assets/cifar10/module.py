"""A CIFAR-10 network under training: its loss, its optimiser, the course of its learning rates.

Belongs here: these. Does not belong here: the loop (`resources/training/loop.py`), layers (`network.py`), what is done
to the images (`augment.py`). Pure torch and Lightning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from assets.cifar10.muon import Muon
from assets.cifar10.network import Fast
from assets.cifar10.recipe import Cifar10Recipe
from resources.training.module import TrainedModule


class Cifar10Module(TrainedModule):
    """Trains `network` as `recipe` says. Batches have `images` (n, 3, 32, 32), normalised, and `labels` (n,) int64."""

    def __init__(self, network: nn.Module, recipe: Cifar10Recipe) -> None:
        super().__init__()
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.network = network.to(memory_format=layout)  # type: ignore[call-overload]  # not in torch's stubs
        self.recipe = recipe
        self._pauses: list[RemovableHandle] = []

    def on_fit_start(self) -> None:
        """On the CPU a backward pass of `resnet18` takes half a minute, all of it in one call of C++.

        A signal is heard between two calls of Python functions, so a person who ends the run would wait for it. With
        one such call for each convolution it is two seconds at most (measured, on two busy cores). GPUs work on their
        own, and compiled networks are one call whatever is done.
        """
        if self.trainer.strategy.root_device.type == "cpu" and not self.recipe.compile:
            convolutions = (module for module in self.network.modules() if isinstance(module, nn.Conv2d))
            self._pauses = [module.register_forward_hook(_pause_backward) for module in convolutions]

    def on_fit_end(self) -> None:
        while self._pauses:
            self._pauses.pop().remove()

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The mean loss, labels smoothed. Tallies it as `loss`, and `accuracy`."""
        logits, labels = self.network(batch["images"]), batch["labels"]
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.tally("loss", loss, len(labels))
        self.tally("accuracy", (logits.argmax(1) == labels).float().mean(), len(labels))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Tallies `val_loss`, the cross-entropy without smoothing and without further views, and `val_accuracy`."""
        logits, labels = self.network(batch["images"]), batch["labels"]
        self.tally("val_loss", functional.cross_entropy(logits.float(), labels), len(labels))
        self.tally("val_accuracy", (logits.argmax(1) == labels).float().mean(), len(labels))

    def configure_optimizers(self) -> Any:
        """One optimiser, and a learning rate that changes with every step, for each group in its own way."""
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer, courses = self._optimizer(steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, courses)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, list[Callable[[int], float]]]:
        """The optimiser over `steps` steps, and for each of its groups the share of the peak learning rate by step."""
        recipe = self.recipe
        whole = one_cycle(steps, recipe.warm_up)
        groups: list[dict[str, Any]] = []
        courses: list[Callable[[int], float]] = []
        for kind, parameters in self._by_kind().items():
            if not parameters:
                continue
            rate = {"head": recipe.head_learning_rate, "weights": None}.get(kind, recipe.bias_learning_rate)
            rate = rate or recipe.learning_rate
            # Every group shrinks alike, whatever its learning rate: by that of the weights times the decay.
            decay = recipe.weight_decay * recipe.learning_rate / rate
            group: dict[str, Any] = {"params": parameters, "lr": rate, "weight_decay": decay}
            if kind == "weights" and recipe.optimizer == "muon":
                group |= {"orthogonal": True, "momentum": recipe.muon_momentum, "weight_decay": 0.0}
            groups.append(group)
            # Once its learning rate is 0 the whitening's bias stands still: the layer is frozen altogether.
            short = round(steps * recipe.whitening_epochs / recipe.epochs)
            courses.append(one_cycle(min(short, steps), 0.0) if kind == "whitening" else whole)
        options: dict[str, Any] = {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
        if recipe.optimizer == "muon":
            return Muon(groups, lr=recipe.learning_rate, **options), courses
        return torch.optim.SGD(groups, lr=recipe.learning_rate, **options), courses

    def _by_kind(self) -> dict[str, list[nn.Parameter]]:
        """What is trained: convolutions' `weights`, `biases` and scales, the `head`, the bias of the `whitening`."""
        kinds: dict[str, list[nn.Parameter]] = {"weights": [], "biases": [], "head": [], "whitening": []}
        for name, parameter in self.network.named_parameters():
            if not parameter.requires_grad:
                continue
            if isinstance(self.network, Fast) and name == "whitening.bias":
                kinds["whitening"].append(parameter)
            elif parameter.ndim == 1:
                kinds["biases"].append(parameter)
            else:
                kinds["head" if name == "head.weight" else "weights"].append(parameter)
        return kinds


def _pause_backward(module: nn.Module, given: Any, out: Tensor) -> None:
    """A forward hook: when the gradient of `out` is there, Python is called, and does nothing."""
    if out.requires_grad:
        out.register_hook(lambda gradient: None)


def one_cycle(steps: int, warm_up: float) -> Callable[[int], float]:
    """The share of the peak learning rate at step 0, 1, ...: up in `warm_up` of the `steps`, then straight down to 0.

    The first step is never 0, and from the step `steps` on it stays 0. One cycle after Smith and Topin 2017
    (arXiv:1708.07120), with straight lines.
    """
    peak = warm_up * steps

    def share(step: int) -> float:
        if step < peak:
            return (step + 1) / (peak + 1)
        return max(0.0, (steps - step) / (steps - peak)) if steps > peak else 0.0

    return share
