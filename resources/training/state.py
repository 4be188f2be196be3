"""What a training needs to go on after a kill: Lightning's checkpoint, kept where the store keeps partial results.

Belongs here: writing and reading it. Does not belong here: when (`keeper.py`), and where that is (`trainer.py`). Pure:
torch and Lightning.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from lightning.pytorch.plugins.io import CheckpointIO

STATE = "training_state.pt"
_KEPT = {"epochs", "best", "best_value", "best_epoch", "monitor", "stopped", "wall_s"}


class Unreadable(Exception):
    """A state that some other version of this program, or of torch, has written."""


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
        self._state.put(str(path).rpartition("/")[2], b"")  # read as none; the store deletes it with the scratch


def saved_state(state: State | None) -> dict[str, Any] | None:
    """What an earlier run of this training left, on the CPU; None if it left nothing. Nothing else is unpickled.

    Raises: Unreadable if that is not what this version of torch reads.
    """
    content = None if state is None else state.get(STATE)
    if not content:  # none was ever put, or it was removed
        return None
    try:
        saved: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever another version may have written
        raise Unreadable(f"{type(error).__name__}: {error}") from error
    return saved


def fits(saved: dict[str, Any], module: torch.nn.Module, callback: str, monitor: Sequence[str]) -> bool:
    """Whether a state is of this network, and has in it what `callback` needs: names and shapes are compared, and what
    the best epoch was known by.
    """
    weights, own = saved.get("state_dict", {}), module.state_dict()
    same = {name: tensor.shape for name, tensor in weights.items()} == {name: t.shape for name, t in own.items()}
    kept = saved.get("callbacks", {}).get(callback, {})
    return same and kept.keys() >= _KEPT and list(kept["monitor"]) == list(monitor)
