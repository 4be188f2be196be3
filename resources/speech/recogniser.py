"""A Whisper model on a device: loading it, naming what went wrong there, and stopping it.

Belongs here: what touches the loaded model apart from decoding. Does not belong here: which model (`models.py`), what
to do when memory does not suffice (`ladder.py`), decoding (`decoding.py`, `redecode.py`).
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.background import Handle
from resources.device import CTranslate2, MissingDevice, choose
from resources.errors import MissingModel, ScriptoriumError
from resources.speech.models import ModelChoice

COMPUTE_TYPE = {"cuda": "float16", "cpu": "int8"}


class DeviceFull(ScriptoriumError):
    """The device's memory did not suffice; another process may give some back."""

    retry = True


@dataclass(frozen=True)
class Recogniser:
    """A loaded `faster_whisper.WhisperModel`, where and how it runs, and why it is this one there."""

    model: Any
    choice: ModelChoice
    device: str
    compute_type: str
    reason: str


def find_device(wanted: str) -> str:
    """`cuda` or `cpu` for `auto`, `cuda` or `cpu`. Raises MissingDevice if CUDA is wanted and there is none."""
    return choose(wanted, CTranslate2(), "SCRIPTORIUM_SPEECH_DEVICE").name.partition(":")[0]


def load_model(folder: Path, device: str, threads: int, compute_type: str | None = None) -> Any:
    """The model in `folder` on `device`; `threads` 0 means all cores this process may use;
    `compute_type` is CTranslate2's, best for the device if None.

    On CUDA it hears half a minute of nothing first, because missing libraries show only then.
    Raises MissingModel, MissingDevice, DeviceFull.
    """
    import numpy as np
    from faster_whisper import WhisperModel

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with device_errors(folder):
        model = WhisperModel(
            str(folder), device=device, compute_type=compute_type or COMPUTE_TYPE[device], cpu_threads=threads or cores
        )
        if device == "cuda":
            model.encode(np.zeros((model.model.n_mels, 3000), dtype=np.float32))
    return model


@contextmanager
def device_errors(folder: Path | None = None) -> Iterator[None]:
    """Give what CTranslate2 raises (RuntimeError or ValueError with a text) a name; `folder` while loading."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        text = str(error).lower()
        if "out of memory" in text or "failed to allocate" in text:
            raise DeviceFull(
                f"The memory did not suffice for speech recognition: {error}.",
                "Stop what else runs there, lower SCRIPTORIUM_SPEECH_BATCH_SIZE, or take a smaller model.",
            ) from error
        if any(sign in text for sign in ("cuda", "cublas", "cudnn", "float16")):
            raise MissingDevice(
                f"CUDA can't be used for speech recognition: {error}.",
                "Set SCRIPTORIUM_SPEECH_DEVICE=cpu, or install what is missing (pip install nvidia-cublas-cu12"
                " nvidia-cudnn-cu12).",
            ) from error
        if folder is not None:
            raise MissingModel(
                f"The speech model in {folder} can't be loaded: {error}.",
                "Fetch or convert it again, or set SCRIPTORIUM_SPEECH_MODEL=auto.",
            ) from error
        raise


def stoppable(model: Any, handle: Handle) -> Any:
    """The same model, asking before each call into native code whether to go on: a call takes seconds at most."""
    twin = copy.copy(model)
    twin.model = _Asking(model.model, handle)
    return twin


class _Asking:
    def __init__(self, model: Any, handle: Handle) -> None:
        self._model, self._handle = model, handle

    def __getattr__(self, name: str) -> Any:
        if name in ("encode", "generate", "align"):
            self._handle.check()
        return getattr(self._model, name)
