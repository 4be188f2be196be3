"""The values assets return and receive. Free of Dagster and of every heavy library.

Belongs here: the classes an asset may be annotated with. Does not belong here: how they are written (`codecs.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from resources.store.tensors import Tensors as Tensors

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~-]{0,199}\Z")


def safe_name(name: str) -> str:
    """Return `name` if it is a flat, portable file name (letters, digits, `._~-`, at most 200); else ValueError."""
    if not _SAFE_NAME.match(name):
        raise ValueError(
            f"{name!r} is no safe file name: use 1 to 200 of A-Z a-z 0-9 . _ ~ -, not led by '.', '-' or '~'"
        )
    return name


class Document(BaseModel):
    """A JSON document. Subclasses register under their class name, so that a manifest can name what it holds.

    Payloads hold nothing of the run that made them: no run id, clock time or duration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    registry: ClassVar[dict[str, type[Document]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        known = Document.registry.get(cls.__name__)
        if known is not None and known.__module__ != cls.__module__:
            raise TypeError(f"two documents are named {cls.__name__}: in {known.__module__} and {cls.__module__}")
        Document.registry[cls.__name__] = cls


class Text(str):
    """A text, stored as UTF-8. `suffix` is `.md` or `.txt`; it comes back as `Text`, which is a `str`."""

    suffix: str

    def __new__(cls, value: str, suffix: str = ".txt") -> Text:
        if suffix not in (".md", ".txt"):
            raise ValueError(f"a Text is .md or .txt, not {suffix!r}")
        text = super().__new__(cls, value)
        text.suffix = suffix
        return text


class Files(Mapping[str, Path | bytes]):
    """Named files: flat safe names to a local path or bytes. Loaded from the store, every value is a read-only path."""

    def __init__(self, files: Mapping[str, Path | bytes]) -> None:
        self._files = {safe_name(name): files[name] for name in sorted(files)}

    def __getitem__(self, name: str) -> Path | bytes:
        return self._files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def path(self, name: str) -> Path:
        """The local path of `name`; TypeError if it is still bytes (not yet stored)."""
        value = self._files[name]
        if not isinstance(value, Path):
            raise TypeError(f"{name} has no path yet: it is stored when the asset returns")
        return value


class File(Files):
    """Exactly one named file. `File("audio.flac", path)`; loaded from the store, `.only` is its read-only path."""

    def __init__(self, name: str, content: Path | bytes) -> None:
        super().__init__({name: content})
        self.name = name

    @property
    def only(self) -> Path:
        return self.path(self.name)


class Table:
    """A pandas DataFrame in `frame`, stored as Parquet. Needs pandas and pyarrow (the `train` extra)."""

    data_version: str | None = None
    """Of a table that was loaded from the store: its digest, which is its asset's data version."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame


class Checkpoint:
    """Weights and everything needed to use them: a `card` (a `Document` of the product's own class), other files.

    The card holds what is decided besides the weights: architecture, label map, thresholds, normalisation, data digest,
    seed, metrics. `files` are such as a tokenizer's. Stored as safetensors and JSON; loading never unpickles.
    """

    WEIGHTS, CARD = "weights.safetensors", "card.json"
    data_version: str | None = None
    """Of a checkpoint that was loaded from the store: the digest of all of it, which is its asset's data version."""

    def __init__(
        self, weights: Mapping[str, Any], card: Document, files: Mapping[str, Path | bytes] | None = None
    ) -> None:
        """Raises: ValueError if a file has an unsafe name, or one that the weights or the card have."""
        self.weights = weights if isinstance(weights, Tensors) else Tensors(weights)
        self.card = card
        self.files = files if isinstance(files, Files) else Files(files or {})
        if taken := {self.WEIGHTS, self.CARD} & set(self.files):
            raise ValueError(f"a checkpoint's own files are named {' and '.join(sorted(taken))}: choose other names")

    def __repr__(self) -> str:
        return f"Checkpoint({type(self.card).__name__}, {len(self.weights)} tensors, {self.weights.nbytes:,} bytes)"
