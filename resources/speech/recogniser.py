"""A Whisper model on a device: loading it, naming what went wrong there, and hearing which language is spoken.

Belongs here: what touches the loaded model apart from decoding. Does not belong here: which model
(`models.py`), the decoding loop (`recognition.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from resources.device import CTranslate2, MissingDevice, choose
from resources.errors import MissingModel, ScriptoriumError
from resources.speech.models import ModelChoice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

COMPUTE_TYPE = {"cuda": "float16", "cpu": "int8"}


class DeviceFull(ScriptoriumError):
    """The device's memory did not suffice; another process may give some back."""

    retry = True


@dataclass(frozen=True)
class Recogniser:
    """A loaded `faster_whisper.WhisperModel`, where it runs, and why it is this one there."""

    model: Any
    choice: ModelChoice
    device: str
    reason: str


def find_device(wanted: str) -> str:
    """`cuda` or `cpu` for `auto`, `cuda` or `cpu`. Raises MissingDevice if CUDA is wanted and there is none."""
    return choose(wanted, CTranslate2(), "SCRIPTORIUM_SPEECH_DEVICE").name.partition(":")[0]


def load_model(folder: Path, device: str, threads: int) -> Any:
    """The model in `folder` on `device`; `threads` 0 means all cores this process may use.

    On CUDA it hears half a minute of nothing first, because missing libraries show only then.
    Raises MissingModel, MissingDevice, DeviceFull.
    """
    import numpy as np
    from faster_whisper import WhisperModel

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with device_errors(folder):
        model = WhisperModel(
            str(folder), device=device, compute_type=COMPUTE_TYPE[device], cpu_threads=threads or cores
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


def vote_on_language(model: Any, windows: Sequence[NDArray[np.float32]]) -> tuple[str, float]:
    """The language with the highest mean probability over `windows` (each at most 30 s at 16 kHz), and that mean."""
    import numpy as np
    from faster_whisper.audio import pad_or_trim

    features = np.stack([pad_or_trim(model.feature_extractor(window)[..., :-1]) for window in windows])
    totals: dict[str, float] = {}
    for votes in model.model.detect_language(model.encode(features)):
        for token, probability in votes:
            language = token[2:-2]  # "<|ru|>"
            totals[language] = totals.get(language, 0.0) + probability
    best = max(totals, key=lambda language: totals[language])
    return best, min(totals[best] / len(windows), 1.0)


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spread: the middles of `count` equal parts."""
    if len(items) <= count:
        return list(items)
    return [items[int((part + 0.5) * len(items) / count)] for part in range(count)]
