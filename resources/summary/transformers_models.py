"""A text model of transformers: found on this machine or a hub, loaded, and asked.

Belongs here: everything that touches torch and transformers, imported where it is used.
Does not belong here: what is asked, and what becomes of the answers (`transformers_summary.py`).
"""

from __future__ import annotations

import copy
from contextlib import suppress
from pathlib import Path
from typing import Any

from resources.device import Torch, choose, ran_out
from resources.errors import MissingExtra, MissingModel, ScriptoriumError
from resources.model_hub import hub

_LARGEST_ROOM = 3072
"""Tokens given to a model at once, even if it takes more: small models lose what stands in the middle of long texts."""
_FILES = ["*.json", "*.model", "*.txt", "*.jinja", "*.safetensors", "*.bin"]


class WriterFailed(ScriptoriumError):
    """The model ran, and did not answer with anything that can be used."""


def find(model: str, cache: str, offline: bool) -> Path:
    """The local folder (or `.gguf` file) of `model`: a path, or a name in Hugging Face's cache, in ours, or on the hub.

    Raises: MissingModel if it is nowhere, or offline and not here; MissingExtra without transformers.
    """
    _need_extra()
    path = Path(model).expanduser()
    if path.exists():
        return path.resolve()
    if path.is_absolute() or model.startswith((".", "~")):
        raise MissingModel(f"There is no model at {path}.", "Set SCRIPTORIUM_SUMMARY_MODEL to an existing folder.")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    own = str(Path(cache) / "huggingface") if cache else None
    for folder in dict.fromkeys([None, own]):
        with suppress(LocalEntryNotFoundError, HFValidationError):
            return Path(huggingface_hub.snapshot_download(model, cache_dir=folder, local_files_only=True))
    try:
        if hub.has(model, offline):
            return Path(huggingface_hub.snapshot_download(model, cache_dir=own, allow_patterns=_FILES))
        why = hub.why(offline)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        why = str(error).strip().splitlines()[0]
    raise MissingModel(
        f"The summary model {model} is not on this machine, and can't be fetched: {why}.",
        "Check its name, fetch it once while online, or set SCRIPTORIUM_SUMMARY_MODEL to a folder or to `extractive`.",
    )


def language_name(code: str) -> str:
    """The English name of a language Whisper knows: `ru` is `Russian`."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    return str(LANGUAGES.get(code, code)).title()


def _need_extra() -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "A summary model needs torch and transformers.",
            "Run `make setup EXTRAS=train`, or set SCRIPTORIUM_SUMMARY_MODEL=extractive.",
        ) from error


class Writer:
    """A loaded model. `room` is how many tokens a request may have, `device` where it runs and in which number format.

    Text is made token by token in the calling thread, so that an interruption is noticed between two tokens.
    """

    def __init__(self, name: str, path: Path, device: str) -> None:
        import torch
        import transformers

        where: dict[str, Any] = {"pretrained_model_name_or_path": str(path), "local_files_only": True}
        if path.suffix == ".gguf":
            where = {**where, "pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        self.name = name
        self._pinned = device != "auto"
        target = choose(device, Torch()).name
        dtype = torch.bfloat16 if target.startswith("cuda") and torch.cuda.is_bf16_supported() else torch.float32
        transformers.utils.logging.disable_progress_bar()
        try:
            config = transformers.AutoConfig.from_pretrained(**where)
            self._pairs = bool(config.is_encoder_decoder)
            maker = transformers.AutoModelForSeq2SeqLM if self._pairs else transformers.AutoModelForCausalLM
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
            self._model = maker.from_pretrained(**where, dtype=dtype).eval()
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise MissingModel(
                f"The summary model {name} can't be loaded: {str(error).strip().splitlines()[0]}",
                "It must be a sequence-to-sequence or causal text model with its tokenizer, without code of its own.",
            ) from error
        self._move(target)
        self._prefix = ((getattr(config, "task_specific_params", None) or {}).get("summarization") or {}).get("prefix")
        self.room, self._answer_limit = self._measure(config)

    @property
    def instructed(self) -> bool:
        """False for a model trained to summarize whatever it is given: an instruction would become part of the text."""
        return self._prefix is None

    def count(self, text: str) -> int:
        """How many tokens `text` has by the model's own tokenizer."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def frame(self, request: str) -> str:
        """`request` as the model wants it: in its chat template, behind its prefix, or as it is."""
        if self._prefix is not None:
            return f"{self._prefix}{request}"
        if not self._pairs and getattr(self._tokenizer, "chat_template", None):
            messages = [{"role": "user", "content": request}]
            # enable_thinking: templates of reasoning models know it, others pass it by
            return str(
                self._tokenizer.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
                )
            )
        return request if self._pairs else f"{request}\n\n- "

    def ask(self, request: str, longest: int, *, again: bool = False) -> tuple[str, bool]:
        """The answer to a framed `request`, at most `longest` tokens, and whether it was cut there.

        The same request has the same answer; with `again`, another one (drawn with a fixed seed).
        """
        import torch

        chat = not self._pairs and getattr(self._tokenizer, "chat_template", None)
        inputs = self._tokenizer(request, return_tensors="pt", add_special_tokens=not chat)
        inputs.pop("token_type_ids", None)
        longest = min(longest, self._answer_limit)
        config = copy.deepcopy(self._model.generation_config)
        config.update(max_new_tokens=longest, max_length=None, min_length=0, num_beams=1, repetition_penalty=1.1)
        config.update(do_sample=again, temperature=0.7 if again else None, top_p=0.9 if again else None, top_k=None)
        if config.pad_token_id is None:
            eos = config.eos_token_id
            config.pad_token_id = eos[0] if isinstance(eos, list) else eos
        torch.manual_seed(0)
        with torch.inference_mode():
            output = None
            try:
                output = self._model.generate(**inputs.to(self._model.device), generation_config=config)
            except torch.OutOfMemoryError:
                if self._pinned:
                    raise
            if output is None:  # out of the except block, whose traceback holds on to the device's memory
                self._move("cpu")
                output = self._model.generate(**inputs.to("cpu"), generation_config=config)
        start = 0 if self._pairs else inputs["input_ids"].shape[1]
        tokens = output[0][start:]
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)), len(tokens) >= longest

    def _move(self, device: str) -> None:
        import torch

        try:
            self._model.to(device)
            fits = True
        except RuntimeError as error:
            if self._pinned or not ran_out(error, device):
                raise
            fits = False
        if not fits:  # out of the except block, whose traceback holds on to the device's memory
            device = "cpu"
            self._model.to(device)
        if device == "cpu" and self._model.dtype != torch.float32:  # it came from a GPU; half precision is slow here
            self._model.float()
            torch.cuda.empty_cache()
        self.device = f"{device}, {str(self._model.dtype).removeprefix('torch.')}"

    def _measure(self, config: Any) -> tuple[int, int]:
        """Tokens for a request, tokens for an answer. A decoder shares one context between the two."""
        text = config.get_text_config()
        limits = [getattr(text, "max_position_embeddings", None), getattr(text, "n_positions", None)]
        limits += [self._tokenizer.model_max_length]
        context = min((limit for limit in limits if limit and limit < 10**6), default=_LARGEST_ROOM)
        answer = min(768, context // 3)
        return min(_LARGEST_ROOM, context if self._pairs else context - answer), answer
