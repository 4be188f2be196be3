"""Named tensors as assets return and receive them; `types.py` has it beside the other values.

A module of its own, so that what brings tensors onto a device needs nothing but torch and safetensors. torch itself is
not imported here: a tensor is `Any`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Tensors(Mapping[str, Any]):
    """Named torch tensors, in the order of their names; stored as safetensors. Needs torch (the `train` extra).

    Loaded from the store they are on the run's device and lent: others may use the same memory, so clone a tensor
    before writing to it. Values, dtypes, shapes and the sharing of one tensor by several names come back exactly;
    strides and `requires_grad` do not.
    """

    data_version: str | None = None
    """Of an asset's value that was loaded from the store: the digest of all of it, which is its data version."""

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self._tensors = {name: tensors[name] for name in sorted(tensors, key=str)}

    def __getitem__(self, name: str) -> Any:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        shown = [f"{name}: {str(t.dtype).removeprefix('torch.')} {list(t.shape)}" for name, t in self._tensors.items()]
        more = f", and {len(shown) - 8} more" if len(shown) > 8 else ""
        return f"Tensors({', '.join(shown[:8])}{more})"

    @property
    def nbytes(self) -> int:
        """Bytes of the values; a tensor under several names counts once."""
        return sum(tensor.nbytes for tensor in {id(t): t for t in self._tensors.values()}.values())
