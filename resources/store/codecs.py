"""How each kind of value becomes files, and comes back.

Belongs here: one codec per class of `types.py`. Does not belong here: where the files go (`blobs.py`).
The codec is chosen from the value on write and from the manifest's `kind` on read. Equal values give equal bytes.
Nothing is ever pickled. pandas, pyarrow and torch are imported only when a value needs them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from resources.errors import MissingExtra, ScriptoriumError, UnsupportedValue
from resources.store.manifests import StoredTensor
from resources.store.tensor_files import TensorFile
from resources.store.types import Checkpoint, Document, File, Files, Table, Tensors, Text

_STORABLE = "An asset returns a Tensors, Checkpoint, Table, Document, Text, File or Files of resources.store.types."

_PLAIN = "Give its fields plain types (str, int, float, bool, list, dict, models), validated, without NaN or infinity."


class OutdatedArtifact(ScriptoriumError):
    """The bytes are sound, but this version of the code has no class that takes them."""


@dataclass(frozen=True)
class Encoded:
    """A value as files: safe flat names to bytes, to the path of a file to copy, or to tensors."""

    files: Mapping[str, Path | bytes | TensorFile]
    detail: dict[str, str] = field(default_factory=dict)

    @property
    def tensors(self) -> list[StoredTensor] | None:
        """What the manifest says of the tensors in these files; None if there are no such files."""
        files = {name: file for name, file in self.files.items() if isinstance(file, TensorFile)}
        listed = [
            StoredTensor(file=name, name=entry.name, dtype=entry.dtype, shape=entry.shape)
            for name, file in files.items()
            for entry in file.entries
        ]
        return listed if files else None


@dataclass(frozen=True)
class Access:
    """How a codec gets at stored files: verified bytes in memory, a verified read-only path, or tensors on a device."""

    names: list[str]
    read: Callable[[str], bytes]
    path: Callable[[str], Path]
    tensors: Callable[[str], Tensors]


class Codec(Protocol):
    """`kind` stands in manifests, so it never changes its meaning. `what` names the artifact, for messages."""

    @property
    def kind(self) -> str: ...

    @property
    def takes(self) -> type: ...

    def encode(self, value: Any, what: str) -> Encoded: ...

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> Any: ...


class FileCodec:
    """`File`: its one file, as it is."""

    kind, takes = "file", File

    def encode(self, value: File, what: str) -> Encoded:
        return _encode_files(value, what)

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> File:
        (name,) = access.names
        return File(name, access.path(name))


class FilesCodec:
    """`Files`: the files, as they are."""

    kind, takes = "files", Files

    def encode(self, value: Files, what: str) -> Encoded:
        return _encode_files(value, what)

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> Files:
        return Files({name: access.path(name) for name in access.names})


class TextCodec:
    """`Text`: UTF-8, line ends as they are."""

    kind, takes = "text", Text

    def encode(self, value: Text, what: str) -> Encoded:
        return Encoded({f"text{value.suffix}": _utf8(str(value), what)}, {"suffix": value.suffix})

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> Text:
        (name,) = access.names
        return Text(access.read(name).decode(), detail["suffix"])


class DocumentCodec:
    """`Document`: JSON with sorted keys, UTF-8, no blanks; the manifest names the registered class."""

    kind, takes = "document", Document

    def encode(self, value: Document, what: str) -> Encoded:
        return Encoded({"document.json": _json(value, what)}, {"class": type(value).__name__})

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> Document:
        return _document(access.read("document.json"), detail["class"], what)


class TableCodec:
    """`Table`: Parquet (zstd). Equal frames give equal bytes as long as pyarrow and pandas stay the same."""

    kind, takes = "table", Table

    def encode(self, value: Table, what: str) -> Encoded:
        pandas, pyarrow = _import_pandas()
        if not isinstance(value.frame, pandas.DataFrame):
            raise UnsupportedValue(
                f"{what} returned a Table of a {type(value.frame).__name__}.", "A Table holds a pandas DataFrame."
            )
        buffer = io.BytesIO()
        try:
            value.frame.to_parquet(buffer, engine="pyarrow", compression="zstd")
        except (pyarrow.ArrowException, ValueError, TypeError) as error:
            raise UnsupportedValue(
                f"{what} returned a Table that Parquet can't hold ({error}).",
                "Give every column one plain type and every column a text name.",
            ) from error
        return Encoded({"table.parquet": buffer.getvalue()})

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> Table:
        pandas, _ = _import_pandas()
        return Table(pandas.read_parquet(io.BytesIO(access.read("table.parquet")), engine="pyarrow"))


class TensorsCodec:
    """`Tensors`: one safetensors file."""

    kind, takes = "tensors", Tensors
    _name = "tensors.safetensors"

    def encode(self, value: Tensors, what: str) -> Encoded:
        return Encoded({self._name: TensorFile(value, what)})

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> Tensors:
        return access.tensors(self._name)


class CheckpointCodec:
    """`Checkpoint`: weights as safetensors, the card as JSON, the other files as they are."""

    kind, takes = "checkpoint", Checkpoint

    def encode(self, value: Checkpoint, what: str) -> Encoded:
        if not isinstance(value.card, Document):
            raise UnsupportedValue(
                f"{what} returned a Checkpoint whose card is a {type(value.card).__name__}.",
                "Make it a Document of your own class, so that it is checked when it is read.",
            )
        files = _encode_files(value.files, what).files
        weights, card = TensorFile(value.weights, what), _json(value.card, what)
        return Encoded({**files, value.WEIGHTS: weights, value.CARD: card}, {"class": type(value.card).__name__})

    def decode(self, detail: Mapping[str, str], access: Access, what: str) -> Checkpoint:
        own = (Checkpoint.WEIGHTS, Checkpoint.CARD)
        card = _document(access.read(Checkpoint.CARD), detail["class"], what)
        files = {name: access.path(name) for name in access.names if name not in own}
        return Checkpoint(access.tensors(Checkpoint.WEIGHTS), card, files)


CODECS: tuple[Codec, ...] = (
    FileCodec(),
    FilesCodec(),
    TextCodec(),
    DocumentCodec(),
    TableCodec(),
    TensorsCodec(),
    CheckpointCodec(),
)


def for_value(value: object, what: str) -> Codec:
    """The codec that stores `value`. Raises: UnsupportedValue, naming `what` and the value's type."""
    for codec in CODECS:
        if isinstance(value, codec.takes):
            return codec
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    if name == "NoValueSentinel":
        raise UnsupportedValue(f"{what} returned a result without a value.", f"Give it `value=`. {_STORABLE}")
    raise UnsupportedValue(f"{what} returned a {name}, which the store has no codec for.", _STORABLE)


def for_kind(kind: str, what: str) -> Codec:
    """The codec a manifest names. Raises: OutdatedArtifact."""
    for codec in CODECS:
        if codec.kind == kind:
            return codec
    raise OutdatedArtifact(
        f"{what} is stored as {kind!r}, which this code doesn't know.", "Materialize the asset again with this version."
    )


def _encode_files(value: Files, what: str) -> Encoded:
    for name in value:
        content = value[name]
        if isinstance(content, Path):
            if not content.is_file():
                raise UnsupportedValue(
                    f"{what} returned {name}, but {content} is not a file.",
                    "Write the file before returning it, and leave it there: the store copies it.",
                )
        elif not isinstance(content, bytes):
            raise UnsupportedValue(
                f"{what} returned {name} as a {type(content).__name__}.", "A file is given as a Path or as bytes."
            )
    return Encoded(dict(value))


def _json(value: Document, what: str) -> bytes:
    """A document as JSON with sorted keys, from which it comes back equal; else UnsupportedValue."""
    name = type(value).__name__
    try:
        payload = json.dumps(
            value.model_dump(mode="json", warnings="error"),
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
        )
    except ValueError as error:
        raise UnsupportedValue(f"{what} returned a {name} that JSON can't hold ({error}).", _PLAIN) from error
    content = _utf8(payload, what)
    try:
        same = type(value).model_validate_json(content) == value
    except ValidationError:
        same = False
    if not same:
        raise UnsupportedValue(f"{what} returned a {name} that would not come back from JSON as it was.", _PLAIN)
    return content


def _document(content: bytes, name: str, what: str) -> Document:
    """The document of the registered class `name`. Raises: OutdatedArtifact."""
    known = Document.registry.get(name)
    if known is None:
        raise OutdatedArtifact(
            f"{what} holds a document of class {name}, which this code doesn't know.",
            "Import the module that defines it, or materialize the asset again with this version.",
        )
    try:
        return known.model_validate_json(content)
    except ValidationError as error:
        raise OutdatedArtifact(
            f"{what} was stored by another version of the code: {name} no longer takes it ({_first(error)}).",
            "Materialize the asset again.",
        ) from error


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedValue(
            f"{what} returned text that UTF-8 can't hold ({error.reason} at {error.start}).",
            "Decode the text properly before returning it.",
        ) from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'document'}: {first['msg']}"


def _import_pandas() -> tuple[Any, Any]:
    try:
        import pandas
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra(
            f"A Table needs {error.name}, which is not installed.", "Install it with: make setup EXTRAS=train"
        ) from error
    return pandas, pyarrow
