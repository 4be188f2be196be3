"""What a training needs to go on after a kill: Lightning's checkpoint, kept where the store keeps partial results.

Belongs here: writing and reading it. Does not belong here: when (`loop.py`), and where that is (`trainer.py`). Pure:
torch and Lightning.
"""

from __future__ import annotations

import io
from typing import Any, Protocol

import torch
from lightning.pytorch.plugins.io import CheckpointIO

STATE = "training_state.pt"


class State(Protocol):
    """Where a training keeps what it needs to go on after a kill; a store's `Scratch` is one."""

    def put(self, name: str, content: bytes) -> None: ...

    def get(self, name: str) -> bytes | None: ...


class StateIO(CheckpointIO):
    """Lets Lightning keep its checkpoints in a `State` instead of a file. Nothing is ever unpickled freely."""

    def __init__(self, state: State) -> None:
        self._state = state

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        self._state.put(str(path).rpartition("/")[2], buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        saved = saved_state(self._state)
        if saved is None:
            raise FileNotFoundError(str(path))
        return saved

    def remove_checkpoint(self, path: Any) -> None:
        raise NotImplementedError("the store deletes the state when the checkpoint is stored")


def saved_state(state: State | None) -> dict[str, Any] | None:
    """What an earlier run of this training left, on the CPU; None if it left nothing. Nothing else is unpickled."""
    content = None if state is None else state.get(STATE)
    if content is None:
        return None
    saved: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return saved
