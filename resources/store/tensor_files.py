"""Named tensors as the bytes of a safetensors file, exactly or not at all.

Belongs here: what may be stored, the file's bytes, reading a foreign `.pt`. Does not belong here: where the file lies
(`blobs.py`) and how it comes onto a device (`loader.py`).

safetensors can write a file too, but only to a path of its own or into a second copy in memory, and without a digest
or fsync. The format is a length, a JSON header and the raw values (https://github.com/huggingface/safetensors#format);
here it is made piece by piece, so that the store hashes what it writes and a bundle is never held twice.
Pure: torch is imported only when tensors come.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.device import ran_out
from resources.errors import BadInput, UnsupportedValue

TIED = "tied"
"""Key of the file's metadata under which names stand that share the tensor of another name, as JSON."""

# torch's name of a dtype -> safetensors'. What is not listed is refused.
DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2": "F8_E5M2",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_ALIGNMENT = 8
_LONGEST_HEADER = 100_000_000 - _ALIGNMENT  # safetensors refuses to read a longer one
_OVERLAP_WORK = 100_000  # at most so many steps are spent on telling whether two views overlap
_PIECE = 64 << 20  # bytes copied from a device, and hashed, at a time


@dataclass(frozen=True)
class Entry:
    """One tensor in the file: safetensors' name of its dtype, its shape, its bytes."""

    name: str
    dtype: str
    shape: list[int]
    nbytes: int


class TensorFile:
    """Named tensors, and, iterated over, the bytes of their safetensors file.

    `tensors` holds them as a reader will get them: detached, contiguous, and those that were one tensor under several
    names still one. Strides and `requires_grad` are not kept; values, dtypes, shapes and sharing are.
    """

    def __init__(self, tensors: Mapping[str, Any], what: str) -> None:
        """`what` names the artifact, for messages. Raises: UnsupportedValue, naming the tensor."""
        self._what = what
        self.tensors: dict[str, Any] = {}
        self.tied: dict[str, str] = {}
        seen: dict[tuple[Any, ...], str] = {}
        spans: list[_Span] = []
        alive = []  # a copy that were freed here could give its address to the next one
        for name in sorted(_checked_names(tensors, what)):
            try:
                tensor = _checked(name, tensors[name], what)
                alive.append(tensor)
                span = _Span.of(name, tensor)
                same = (*span.place, tensor.dtype)
                if tensor.numel() and same in seen:
                    self.tied[name] = seen[same]
                    self.tensors[name] = self.tensors[seen[same]]
                    continue
                self.tensors[name] = _contiguous(tensor)
            except RuntimeError as error:  # wrappers that are tensors by type, and have no memory of their own
                raise UnsupportedValue(
                    f'{what} returned "{name}", which can\'t be stored: {str(error).splitlines()[0][:200]}.',
                    "Give a plain, dense torch.Tensor.",
                ) from error
            if tensor.numel():
                seen[same] = name
                spans.append(span)
        _refuse_overlaps(spans, what)
        stored = [name for name in self.tensors if name not in self.tied]
        # Widest values first, so that each tensor begins at a multiple of its item size.
        stored.sort(key=lambda name: (-self.tensors[name].element_size(), name))
        self.entries = [
            Entry(name, _dtype(tensor), list(tensor.shape), tensor.numel() * tensor.element_size())
            for name, tensor in ((name, self.tensors[name]) for name in stored)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes of the values, without the header."""
        return sum(entry.nbytes for entry in self.entries)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        yield self._header()
        for entry in self.entries:
            yield from _pieces(self.tensors[entry.name])

    def _header(self) -> bytes:
        fields: dict[str, Any] = {"__metadata__": {TIED: json.dumps(self.tied, sort_keys=True)}} if self.tied else {}
        end = 0
        for entry in self.entries:
            start, end = end, end + entry.nbytes
            fields[entry.name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [start, end]}
        header = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
        if len(header) > _LONGEST_HEADER:
            raise UnsupportedValue(
                f"{self._what} returned {len(fields)} tensors, whose names and shapes take {len(header):,} bytes:"
                f" safetensors reads no more than {_LONGEST_HEADER:,}.",
                "Stack tensors of one shape into one.",
            )
        header += b" " * (-len(header) % _ALIGNMENT)
        return len(header).to_bytes(8, "little") + header


def value_bytes(dtype: str, shape: Iterable[int]) -> int:
    """Bytes of the values of one tensor, by safetensors' name of its dtype: exactly what it takes on a device."""
    bits = 8 if dtype == "BOOL" else int("".join(itertools.takewhile(str.isdigit, dtype.lstrip("BFIUC"))))
    return math.prod(shape) * bits // 8


def read_pt(path: Path, under: str | None = None) -> dict[str, Any]:
    """The tensors of a foreign `.pt` or `.pth` file, on the CPU, by name; nothing in it is executed.

    `under` is the key, with dots between levels, of the dictionary to take, where the file holds more than a state
    dict: `read_pt(path, under="state_dict")`. Dictionaries inside it are flattened, their keys joined by dots.
    Raises: BadInput if the file can't be read without running code from it, or holds anything but tensors there.
    """
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"{path} is not there.", "Check the path.") from None
    except Exception as error:  # untrusted bytes: torch meets them with any of a dozen kinds
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise BadInput(
            f"{path} can't be read as tensors alone ({reason[:200]}).",
            "Save its state_dict() with torch.save where it comes from, and import that.",
        ) from error
    for key in under.split(".") if under else []:
        if not isinstance(content, Mapping) or key not in content:
            raise BadInput(f"{path} has nothing under {under!r}. {_inside(content)}", "Choose another `under`.")
        content = content[key]
    if isinstance(content, torch.Tensor):
        raise BadInput(f"{path} holds one tensor without a name.", 'Load it with torch, and return {"name": tensor}.')
    tensors: dict[str, Any] = {}
    for name, value in _flattened(content, ""):
        if name in tensors:
            raise BadInput(f"{path} holds two tensors that would be named {name!r}.", "Rename one where it comes from.")
        tensors[name] = value
    wrong = {name: type(value).__name__ for name, value in tensors.items() if not isinstance(value, torch.Tensor)}
    if wrong or not tensors:
        some = ", ".join(f"{name or 'the file itself'} is a {kind}" for name, kind in list(wrong.items())[:5])
        raise BadInput(
            f"{path} holds more than tensors: {some}. {_inside(content)}" if wrong else f"{path} holds no tensors.",
            'Name the part that holds them, such as under="state_dict".',
        )
    return tensors


def _checked_names(tensors: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    for name in tensors:
        if not isinstance(name, str) or name == "__metadata__":
            raise UnsupportedValue(f"{what} returned a tensor under the name {name!r}.", "Give it another name, a str.")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UnsupportedValue(
                f"{what} returned a tensor under the name {name!r}, which UTF-8 can't hold.", "Give it another name."
            ) from None
    return tensors


def _checked(name: str, tensor: Any, what: str) -> Any:
    """The tensor without its gradient; UnsupportedValue if it would not come back as it is."""
    import torch

    def refused(how: str, remedy: str) -> UnsupportedValue:
        return UnsupportedValue(f'{what} returned "{name}", which {how}.', remedy)

    if not isinstance(tensor, torch.Tensor):
        raise refused(
            f"is a {type(tensor).__name__} and no tensor", "Make it one with torch.as_tensor, or put it into the card."
        )
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        raise refused(f"is a {type(tensor).__name__}", "Give a plain torch.Tensor: a subclass would not come back.")
    if tensor.layout != torch.strided:
        raise refused(f"has the layout {tensor.layout}", "Give a dense tensor, or its indices and values by name.")
    if tensor.is_meta:
        raise refused("is on the meta device and has no values", "Load its weights first.")
    if str(tensor.dtype).removeprefix("torch.") not in DTYPES:
        raise refused(f"is {tensor.dtype}", f"Convert it to one of: {', '.join(DTYPES)}.")
    if tensor.numel() and not tensor.data_ptr():
        raise refused("can't be stored: it has no memory of its own", "Clone it, while its values are still there.")
    return tensor.detach().resolve_conj().resolve_neg()


def _dtype(tensor: Any) -> str:
    return DTYPES[str(tensor.dtype).removeprefix("torch.")]


def _contiguous(tensor: Any) -> Any:
    """The tensor, or a contiguous copy; in host memory, where its device has no room for one."""
    try:
        return tensor.contiguous()
    except RuntimeError as error:
        if not ran_out(error, tensor.device.type):
            raise
    return tensor.cpu().contiguous()


@dataclass(frozen=True)
class _Span:
    """Where a tensor's values lie: in which memory, from which byte, and how they are spread (bytes per step)."""

    name: str
    memory: str
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    item: int

    @classmethod
    def of(cls, name: str, tensor: Any) -> _Span:
        memory, start = str(tensor.device), tensor.data_ptr()
        if tensor.device.type not in ("cpu", "cuda"):  # Metal's pointers are no addresses: count from the storage
            memory, start = f"{memory} {start}", 0
            if tensor.numel():
                memory = f"{tensor.device} {tensor.untyped_storage().data_ptr()}"
                start = tensor.storage_offset() * tensor.element_size() + 1
        item = tensor.element_size()
        return cls(name, memory, start, tuple(tensor.shape), tuple(stride * item for stride in tensor.stride()), item)

    @property
    def place(self) -> tuple[Any, ...]:
        return self.memory, self.start, self.shape, self.strides

    @property
    def end(self) -> int:
        """One byte after the last value."""
        steps = zip(self.shape, self.strides, strict=True)
        return self.start + sum((size - 1) * stride for size, stride in steps) + self.item

    def overlaps(self, other: _Span) -> bool:
        """Whether any byte belongs to both; True also where that is too hard to tell."""
        import numpy as np

        try:
            return bool(np.shares_memory(self._array(), other._array(), max_work=_OVERLAP_WORK))  # type: ignore[call-overload,arg-type,unused-ignore]
        except np.exceptions.TooHardError:
            return True

    def _array(self) -> Any:
        """An array at this place, never read from."""
        import numpy as np

        place = {"version": 3, "typestr": f"|V{self.item}", "data": (self.start, True)}
        holder = type("Place", (), {"__array_interface__": {**place, "shape": self.shape, "strides": self.strides}})
        return np.asarray(holder())


def _refuse_overlaps(spans: list[_Span], what: str) -> None:
    """Views that share a part of their memory would come back as separate tensors, unknown to their reader."""
    reaching: list[_Span] = []  # those before, in the same memory, that end after the start of this one
    for span in sorted(spans, key=lambda one: (one.memory, one.start)):
        reaching = [one for one in reaching if one.memory == span.memory and one.end > span.start]
        for one in reaching:
            if one.overlaps(span):
                raise UnsupportedValue(
                    f'{what} returned "{one.name}" and "{span.name}", which share a part of their memory.',
                    "Clone one of them, or return the tensor that both are views of.",
                )
        reaching.append(span)


def flat_bytes(tensor: Any) -> Any:
    """The bytes of a contiguous tensor, as a tensor of uint8 over the same memory."""
    import torch

    # A dimension of size 1 may have any stride in a tensor that counts as contiguous; `view` minds, this doesn't.
    return tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8)


def _pieces(tensor: Any) -> Iterator[memoryview]:
    """The bytes of a contiguous tensor; from a device they are copied piece by piece."""
    flat = flat_bytes(tensor)
    for start in range(0, flat.numel(), _PIECE):
        yield memoryview(flat[start : start + _PIECE].cpu().numpy())


def _flattened(content: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flattened(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, content


def _inside(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"It is a {type(content).__name__}."
    return f"It holds: {', '.join(str(key) for key in list(content)[:10])}."
