"""Whether tensors still hold what they held: cheap enough to ask each time they are lent.

Belongs here: one number for the content of a tensor, computed where the tensor is. Does not belong here: digests, which
prove what was stored (`durable.py`); a fingerprint only has to notice that somebody wrote by accident.
"""

from __future__ import annotations

import functools
from typing import Any

from resources.store.tensor_files import flat_bytes

_WORD = 8
_PIECES = {"cpu": 1 << 20}  # bytes at a time: what stays in a CPU's cache; a GPU wants more
_PIECE = 64 << 20


def fingerprint(tensor: Any) -> int:
    """A number that depends on every bit of a contiguous tensor and on its place.

    The values, taken as 64-bit words, are multiplied by fixed random odd numbers and added up, modulo 2**64 (a
    multiply-shift hash, Dietzfelbinger et al. 1997, without the shift), a piece at a time. On a device it is computed
    there, and only the result is copied.
    """
    import torch

    flat = flat_bytes(tensor)
    piece_size = _PIECES.get(tensor.device.type, _PIECE)
    weights = _weights(str(tensor.device), piece_size // _WORD)
    total = torch.zeros((), dtype=torch.int64, device=tensor.device)
    for start in range(0, flat.numel(), piece_size):
        piece = flat[start : start + piece_size]
        if left := -piece.numel() % _WORD:
            piece = torch.nn.functional.pad(piece, (0, left))
        elif piece.storage_offset() % _WORD:  # can't be taken as words where it lies
            piece = piece.clone()
        words = piece.view(torch.int64)
        total = total * 31 + (words * weights[: words.numel()]).sum()
    return int(total.item())


@functools.cache
def _weights(device: str, count: int) -> Any:
    import torch

    generator = torch.Generator().manual_seed(20_261_121)
    numbers = torch.randint(-(2**62), 2**62, (count,), generator=generator) * 2 + 1
    return numbers.to(device)
