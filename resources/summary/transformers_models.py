"""A text model of transformers: found on this machine or a hub, loaded, and asked.

Belongs here: everything that touches torch and transformers, imported where it is used.
Does not belong here: what is asked, and what becomes of the answers (`writing.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resources.device import Torch, choose, memory_of, ran_out
from resources.errors import MissingExtra, MissingModel
from resources.summary.writer import Answer
from resources.text import pretrained

_LARGEST_ROOM = 3072
"""Tokens given to a model at once, even if it takes more: small models lose what stands in the middle of long texts."""
_BATCH, _CPU_BATCH = 8, 4
"""Requests at once. Each token of the answer reads all weights from memory, once for the whole batch."""


def find(model: str, cache: str, offline: bool, setting: str = "SCRIPTORIUM_SUMMARY_MODEL") -> Path:
    """The local folder (or `.gguf` file) of `model`: a path, or a name in Hugging Face's cache, in ours, or on the hub.

    `setting` names, for messages, what the user can change.
    Raises: MissingModel if it is nowhere, or offline and not here; MissingExtra without transformers.
    """
    _need_extra()
    return pretrained.find(model, cache, offline, setting)


def _need_extra() -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "A summary model needs torch and transformers.",
            "Run `make setup EXTRAS=train`, or set SCRIPTORIUM_SUMMARY_MODEL=extractive.",
        ) from error


class TransformersWriter:
    """A loaded model, a `writer.Writer`. It answers several requests at once on a device; where memory does not
    suffice, half as many, and so on down to one; then it moves to the CPU, unless the device was asked for by name.

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
        # A decoder goes on where its request ends, so shorter requests are filled up on the left.
        self._tokenizer.padding_side = "right" if self._pairs else "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self.steps: list[str] = []
        self._move(target)
        self.batch = _CPU_BATCH if self._device == "cpu" else _BATCH
        if self._tokenizer.pad_token_id is None:
            self.batch = 1
        self._prefix = ((getattr(config, "task_specific_params", None) or {}).get("summarization") or {}).get("prefix")
        self.room, self._answer_limit = self._measure(config)

    @property
    def where(self) -> str:
        """Device, number format, and the steps that were needed to fit, in words."""
        steps = f", after a step to {' and '.join(self.steps)}" if self.steps else ""
        return f"{self._device}, {str(self._model.dtype).removeprefix('torch.')}{steps}"

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
        if self._pairs:
            return request
        # A plain model goes on with a text: what is wanted comes last, and the first mark leads into the answer.
        told, _, text = request.partition("\n\n")
        return f"{text}\n\n{told}\n\n- "

    def ask(self, requests: Sequence[str], longest: int, *, again: bool = False) -> list[Answer]:
        """See `writer.Writer`. `again` draws, with a fixed seed."""
        if len(requests) > self.batch:
            some, more = requests[: self.batch], requests[self.batch :]
            return self.ask(some, longest, again=again) + self.ask(more, longest, again=again)
        made = None
        try:
            made = self._generate(requests, longest, again)
        except RuntimeError as error:
            if not ran_out(error, self._device) or (self.batch == 1 and (self._pinned or self._device == "cpu")):
                raise
        if made is None:  # out of the except block, whose traceback holds on to the device's memory
            if self.batch > 1:
                self.batch //= 2
                self.steps.append(f"batch {self.batch}")
            else:
                self._move("cpu")
                self.steps.append("the CPU")
            memory_of(self._device).release()
            return self.ask(requests, longest, again=again)
        return made

    def _generate(self, requests: Sequence[str], longest: int, again: bool) -> list[Answer]:
        import torch

        chat = not self._pairs and getattr(self._tokenizer, "chat_template", None)
        inputs = self._tokenizer(
            list(requests), return_tensors="pt", padding=len(requests) > 1, add_special_tokens=not chat
        )
        inputs.pop("token_type_ids", None)
        longest = min(longest, self._answer_limit)
        config = copy.deepcopy(self._model.generation_config)
        config.update(max_new_tokens=longest, max_length=None, min_length=0, num_beams=1, repetition_penalty=1.1)
        config.update(do_sample=again, temperature=0.7 if again else None, top_p=0.9 if again else None, top_k=None)
        if config.pad_token_id is None:
            config.pad_token_id = self._tokenizer.pad_token_id
        torch.manual_seed(0)
        with torch.inference_mode():
            output = self._model.generate(**inputs.to(self._model.device), generation_config=config)
        start = 0 if self._pairs else inputs["input_ids"].shape[1]
        ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        answers = []
        for tokens in output[:, start:].tolist():
            cut_short = len(tokens) >= longest and not set(tokens) & set(ends)
            answers.append(Answer(str(self._tokenizer.decode(tokens, skip_special_tokens=True)), cut_short))
        return answers

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
        self._device = device

    def _measure(self, config: Any) -> tuple[int, int]:
        """Tokens for a request, tokens for an answer. A decoder shares one context between the two."""
        text = config.get_text_config()
        limits = [getattr(text, "max_position_embeddings", None), getattr(text, "n_positions", None)]
        limits += [self._tokenizer.model_max_length]
        context = min((limit for limit in limits if limit and limit < 10**6), default=_LARGEST_ROOM)
        answer = min(768, context // 3)
        return min(_LARGEST_ROOM, context if self._pairs else context - answer), answer
