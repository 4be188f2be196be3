"""Ten classes of drawn shapes and textures: what the sample pictures show.

Belongs here: what each class looks like and how it varies. Does not belong here: files and archives
(`make_cifar10.py`).

A picture is a mask (the shape, antialiased) that mixes two colours. Place, size, angle, both colours, a gradient and
noise are drawn at random, and so is which colour is the brighter one: the mean of a class is all but grey, hence a
nearest-class-mean classifier fails where a small convolutional network does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
CLASSES = ("checks", "cross", "disc", "dots", "ring", "square", "star", "stripes", "triangle", "waves")
"""In alphabetical order, so that folders named after them give the same labels."""
_TEXTURES = ("checks", "dots", "stripes", "waves")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_LEAST_CONTRAST = 45.0
"""Grey levels between the two colours, so that a picture still shows its class in black and white."""


def _star(u: Array, v: Array) -> Array:
    """Five points: the angle is folded onto half a point, whose edge is one straight line."""
    half = np.pi / 5
    angle = np.abs((np.arctan2(v, u) + half) % (2 * half) - half)
    radius = np.hypot(u, v)
    inner = 0.42 * np.array([np.cos(half), np.sin(half)])
    normal = np.array([inner[1], 1 - inner[0]]) / np.hypot(inner[1], 1 - inner[0])
    return (radius * np.cos(angle) - 1) * normal[0] + radius * np.sin(angle) * normal[1]


def _triangle(u: Array, v: Array) -> Array:
    edges = [u * np.cos(turn) + v * np.sin(turn) for turn in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    return np.maximum.reduce(edges) - 0.55


def _cross(u: Array, v: Array) -> Array:
    u, v = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(u - 1, v - 0.3), np.maximum(u - 0.3, v - 1))


_INSIDE: dict[str, Callable[[Array, Array], Array]] = {
    "disc": lambda u, v: np.hypot(u, v) - 0.9,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.75) - 0.22,
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 0.8,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    # Textures: u and v count periods.
    "stripes": lambda u, v: np.sin(2 * np.pi * u) / (2 * np.pi),
    "waves": lambda u, v: np.sin(2 * np.pi * (u + 0.35 * np.sin(2 * np.pi * 0.6 * v))) / (2 * np.pi),
    "checks": lambda u, v: np.sin(np.pi * u) * np.sin(np.pi * v) / np.pi,
    "dots": lambda u, v: np.hypot(u % 1 - 0.5, v % 1 - 0.5) - 0.28,
}
"""Signed distance from the edge, below 0 inside, in the units of its arguments."""


def draw(name: str, count: int, side: int, random: np.random.Generator) -> Array:
    """`count` pictures of one class: uint8, count x 3 x side x side."""

    def each(low: float, high: float) -> Array:
        return random.uniform(low, high, (count, 1, 1)).astype(np.float32)

    axis = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1  # -1 to 1 across the picture
    x, y = axis[None, None, :], axis[None, :, None]
    if name in _TEXTURES:
        scale, shift_x, shift_y = each(0.4, 0.65), each(-1, 1), each(-1, 1)  # 0.4: a period is 6 of 32 pixels
    else:
        scale = each(0.36, 0.75)
        shift_x, shift_y = each(-0.3, 0.3), each(-0.3, 0.3)
    angle = each(0, 2 * np.pi)
    u = ((x - shift_x) * np.cos(angle) + (y - shift_y) * np.sin(angle)) / scale
    v = ((y - shift_y) * np.cos(angle) - (x - shift_x) * np.sin(angle)) / scale
    pixels = _INSIDE[name](u, v) * scale * (side / 2)
    mask = np.clip(0.5 - pixels, 0, 1)[:, None]

    back, front = _colours(count, random)
    slope = each(-25, 25) * x + each(-25, 25) * y  # light from one side
    picture = back + (front - back) * mask + slope[:, None]
    noise = random.normal(0, 1, (count, 3, side, side)).astype(np.float32)
    picture += noise * random.uniform(3, 30, (count, 1, 1, 1)).astype(np.float32)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _colours(count: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Two colours for each picture, count x 3 x 1 x 1, far enough apart in brightness; either may be the brighter."""
    pairs = random.uniform(20, 235, (2, count, 3)).astype(np.float32)
    while (close := np.abs((pairs[0] - pairs[1]) @ _LUMA) < _LEAST_CONTRAST).any():
        pairs[:, close] = random.uniform(20, 235, (2, int(close.sum()), 3))
    return pairs[0][:, :, None, None], pairs[1][:, :, None, None]
