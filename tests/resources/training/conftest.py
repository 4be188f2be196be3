"""What the tests of trainings share: a small regression problem, its network, and a state that lives in memory."""

from collections.abc import Callable
from typing import Any

import pytest


class MemoryState(dict[str, bytes]):
    """A training's state, kept like a scratch keeps it."""

    def put(self, name: str, content: bytes) -> None:
        self[name] = content


@pytest.fixture
def state() -> MemoryState:
    return MemoryState()


@pytest.fixture
def problem() -> Callable[..., tuple[Any, Any, Any]]:
    """Makes (module, train batches, validation batches): 600 samples of 8 numbers, the target is their sum."""
    import torch
    from torch import nn

    from resources.training.batches import DeviceBatches
    from resources.training.loop import seeded
    from resources.training.module import TrainedModule

    class Sum(TrainedModule):
        def __init__(self, learning_rate: float) -> None:
            super().__init__()
            # Dropout, so that the random stream matters to what is learned.
            self.network = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, 1))
            self.learning_rate = learning_rate

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = ((self.network(batch["x"]) - batch["y"]) ** 2).mean()
            self.tally("loss", loss, len(batch["x"]))
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.tally("val_loss", ((self.network(batch["x"]) - batch["y"]) ** 2).mean(), len(batch["x"]))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), self.learning_rate)
            steps = self.trainer.estimated_stepping_batches
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=int(steps))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def make(learning_rate: float = 1e-2, seed: int = 0) -> tuple[Any, Any, Any]:
        generator = torch.Generator().manual_seed(7)
        x = torch.randn(600, 8, generator=generator)
        y = x.sum(1, keepdim=True)
        train = DeviceBatches({"x": x[:500], "y": y[:500]}, 100, shuffle=True, seed=seed)
        seeded(seed)
        return Sum(learning_rate), train, DeviceBatches({"x": x[500:], "y": y[500:]}, 50)

    return make
