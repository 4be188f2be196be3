"""Which of the pictures that stood still in a video are kept.

Belongs here: what a candidate is; each slide once, few pictures of people, writing first. Does not belong here: finding
candidates (`scenes.py`), comparing two pictures (`pictures.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from resources.media.pictures import distance, look_alike, no_blocks
from resources.media.text_likeness import TEXT_LIKE, Writing

_MOVES_SHARE, _MOVES_TIMES = 0.2, 2
"""A block moves if it did in a fifth of all looks, and not only once, as where a point of a slide appears."""
_ALIVE_SHARE = 0.08
"""A lecturer's picture in a corner, a quarter of the width and height, is 0.06; a head and shoulders move in more."""
_MORE_COMPLETE = 1.02
"""A slide that comes back with so much more written on it, a few words, is shown as it then was; noise adds less."""


@dataclass(eq=False)
class Candidate:
    """A picture that stood still: when it appeared, where its frame is, and what moved in it all the same.

    `picture` is 90 x 160 grey levels, `text` what is written on it; of `looks` looks at it, each of the 9 x 16 blocks
    had moved in `moved`.
    """

    time_s: float
    pts: int
    is_key: bool
    picture: Any
    text: Writing = field(default_factory=Writing)
    moved: Any = field(default_factory=lambda: no_blocks(int))
    looks: int = 0

    def look(self, moving: Sequence[Any]) -> None:
        """Adds looks: which blocks moved, each time."""
        self.moved = self.moved + sum(moving)
        self.looks += len(moving)

    @property
    def moves(self) -> Any:
        """Which blocks move all the time: the lecturer's picture in a corner, a video within the slide."""
        return self.moved >= max(_MOVES_TIMES, _MOVES_SHARE * self.looks)

    @property
    def is_text(self) -> bool:
        return self.text.likeness >= TEXT_LIKE

    @property
    def is_camera(self) -> bool:
        """Whether it shows people or a room: nothing to read, and much of it moves. A photograph stands still."""
        return not self.is_text and float(self.moves.mean()) >= _ALIVE_SHARE


def selected(
    candidates: Sequence[Candidate], min_change: float, max_slides: int, max_camera_views: int
) -> list[Candidate]:
    """At most `max_slides` in order of time: each slide once, `max_camera_views` of people and rooms, writing first."""
    kept = each_once(candidates, min_change)
    views = most_distinct([one for one in kept if one.is_camera], max_camera_views)
    kept = [one for one in kept if not one.is_camera or one in views]
    if len(kept) <= max_slides:
        return kept
    written = most_distinct([one for one in kept if one.is_text], max_slides)
    others = [one for one in kept if not one.is_text]
    return sorted(most_distinct(others, max_slides, written), key=lambda one: one.time_s)


def each_once(candidates: Sequence[Candidate], min_change: float) -> list[Candidate]:
    """Without what comes back, wherever in the video: at its first time, in its most complete state."""
    kept: list[Candidate] = []
    for candidate in candidates:
        moves = candidate.moves
        for i, other in enumerate(kept):
            if look_alike(candidate.picture, other.picture, min_change, moves | other.moves):
                if candidate.text.share > other.text.share * _MORE_COMPLETE:
                    kept[i] = replace(candidate, time_s=other.time_s)
                break
        else:
            kept.append(candidate)
    return kept


def most_distinct(candidates: Sequence[Candidate], count: int, taken: Sequence[Candidate] = ()) -> list[Candidate]:
    """At most `count` in order of time: `taken`, then the first, then ever the one most unlike all taken so far."""
    import numpy as np

    found, left = list(taken), list(candidates)
    if left and len(found) < count:
        pictures = np.stack([candidate.picture for candidate in left])
        nearest = np.full(len(left), np.inf)
        for one in found:
            nearest = np.minimum(nearest, distance(pictures, one.picture))
        for _ in range(min(count - len(found), len(left))):
            number = int(nearest.argmax())
            found.append(left[number])
            nearest = np.minimum(nearest, distance(pictures, pictures[number]))
            nearest[number] = -1
    return sorted(found, key=lambda one: one.time_s)
