"""Reads the batches of CIFAR-10, which are pickles of Python 2, without running anything.

Belongs here: what such a file may hold, and its values. Does not belong here: what the batches mean (`source.py`).
Pure: NumPy alone.

A pickle is a program, and `pickle.load` runs it. Even an unpickler that admits only some names can be made to fill
the memory (a memo index of 4 billion) or to hash for ever (tuples of tuples). So this module is no unpickler: it goes
through the opcodes as `pickletools` reads them and knows only those that build a dict, list, tuple, text, number or an
array of uint8. Every other opcode, and every other name, is refused and named.
"""

from __future__ import annotations

import math
import pickletools
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 64 << 20
"""The largest official batch has 31 MB."""
MAX_OBJECTS = 1_000_000
"""Opcodes in a file; an official batch has about 60,000."""


class BadPickle(ValueError):
    """Not a pickle of the kind that CIFAR-10's batches are; the message says what was found."""


@dataclass(frozen=True)
class _Name:
    """A name that the pickle asks for. Nothing is imported: it stands for what this module does instead."""

    name: str


class _Array:
    """An array that has no state yet: NumPy makes it empty and sets its state afterwards."""


_RECONSTRUCT = (_Name("numpy.core.multiarray._reconstruct"), _Name("numpy._core.multiarray._reconstruct"))
_NDARRAY, _DTYPE, _ENCODE = _Name("numpy.ndarray"), _Name("numpy.dtype"), _Name("_codecs.encode")
_KNOWN = {*_RECONSTRUCT, _NDARRAY, _DTYPE, _ENCODE}
_MARK = object()
_UINT8 = object()

_BYTES = {"SHORT_BINSTRING", "BINSTRING"}  # pickletools reads them as Latin-1 text
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINBYTES", "BINBYTES"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Any] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def loads(content: bytes) -> Any:
    """The value in a pickle of protocol 2 to 4: dicts, lists, tuples, bytes, str, int, bool, None, uint8 arrays.

    Texts of Python 2 come back as bytes, as with `pickle.loads(..., encoding="bytes")`.
    Raises: BadPickle.
    """
    if len(content) > MAX_BYTES:
        raise BadPickle(f"it has {len(content):,} bytes; a batch has at most {MAX_BYTES:,}")
    try:
        return _Reader().read(content)
    except BadPickle:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadPickle(f"it is cut off or damaged ({error})") from error


class _Reader:
    """The stack and the memo of one pickle, and how many bytes it had encoded."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.encoded = 0

    def read(self, content: bytes) -> Any:
        for count, (opcode, value, _) in enumerate(pickletools.genops(content)):
            if count > MAX_OBJECTS:
                raise BadPickle(f"it has more than {MAX_OBJECTS:,} parts")
            if opcode.name == "STOP":
                (result,) = self.stack
                return result
            self._do(opcode.name, value)
        raise BadPickle("it does not end")

    def _do(self, name: str, value: Any) -> None:
        stack = self.stack
        if name in ("BINPUT", "LONG_BINPUT"):
            self.memo[value] = stack[-1]
        elif name in _VALUES:
            stack.append(value)
        elif name in _BYTES:
            stack.append(value.encode("latin-1"))
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[value])
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "APPENDS":
            items = self._to_mark()
            self._top(list).extend(items)
        elif name == "APPEND":
            item = stack.pop()
            self._top(list).append(item)
        elif name == "SETITEMS":
            items = self._to_mark()
            self._set(items[::2], items[1::2])
        elif name == "SETITEM":
            item, key = stack.pop(), stack.pop()
            self._set([key], [item])
        elif name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name == "GLOBAL":
            self._name(value.replace(" ", "."))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            self._name(f"{module}.{attribute}")
        elif name == "REDUCE":
            given, called = stack.pop(), stack.pop()
            stack.append(self._called(called, given))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1] = _built(stack[-1], state)
        elif name not in ("PROTO", "FRAME"):
            raise BadPickle(f"it holds the opcode {name}, which no batch needs")

    def _to_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:  # IndexError where there is none
            at -= 1
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise BadPickle(f"it adds to something that is no {kind.__name__}")
        return self.stack[-1]

    def _set(self, keys: list[Any], values: list[Any]) -> None:
        if not all(isinstance(key, bytes | str | int) for key in keys):
            raise BadPickle("it has a key that is neither text nor number")
        self._top(dict).update(zip(keys, values, strict=True))

    def _name(self, name: str) -> None:
        if _Name(name) not in _KNOWN:
            raise BadPickle(f"it asks for {name[:100]}, which no batch needs")
        self.stack.append(_Name(name))

    def _called(self, called: Any, given: Any) -> Any:
        """What a known name makes of its arguments."""
        first = given[0]
        if called in _RECONSTRUCT and first == _NDARRAY:
            return _Array()
        if called == _DTYPE:
            if first not in (b"u1", "u1"):
                # Only a text is shown: the text of nested tuples could fill the memory.
                shown = first[:20] if isinstance(first, bytes | str) else "something else"
                raise BadPickle(f"it holds an array of {shown!r}; pictures are uint8 (u1)")
            return _UINT8
        if called == _ENCODE and type(first) is str and given[1] == "latin1":  # Python 3 writes bytes in this way
            self.encoded += len(first)
            if self.encoded > MAX_BYTES:
                raise BadPickle("it makes more bytes than it has")
            return first.encode("latin-1")
        raise BadPickle("it calls something that no batch needs")


def _built(target: Any, state: Any) -> Any:
    """`target` with its state: for an array version, shape, type, whether columns come first, and the bytes."""
    import numpy as np

    if target is _UINT8:  # byte order and the like: there is nothing to set for single bytes
        return target
    if not isinstance(target, _Array):
        raise BadPickle("it sets the state of something that is no array")
    _, shape, kind, by_columns, data = state
    if kind is not _UINT8 or type(data) is not bytes:
        raise BadPickle("it holds an array that is not of uint8 (u1)")
    if len(shape) > 4 or not all(type(length) is int and 0 <= length <= len(data) for length in shape):
        raise BadPickle("it holds an array without a proper shape")
    if math.prod(shape) != len(data):
        raise BadPickle(f"it holds an array of shape {tuple(shape)} with {len(data):,} bytes")
    return np.frombuffer(data, np.uint8).reshape(shape, order="F" if by_columns else "C")
