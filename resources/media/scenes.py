"""Slides of a lecture video: pictures that stand still, each once, with the time at which it appears.

Belongs here: what a slide is. Does not belong here: decoding (`frames.py`), comparing (`pictures.py`).

1. Every key frame is decoded and compared with the next: most of a lecture is then known to stand still.
2. Where two key frames differ, or lie far apart, the frames between them are looked at four times a second. A slide
   begins where the picture has changed and then stands still for a second. What moves all the time, such as the
   lecturer's picture in a corner, does not count.
3. Of what was found, `selection.py` keeps each slide once, few pictures of people, and writing first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.media.frames import Decode, Group, frames, pixel_shape
from resources.media.pictures import changed, is_blank, jpeg, moving_blocks, no_blocks, small
from resources.media.selection import Candidate, selected
from resources.media.slide_index import Slide
from resources.media.text_likeness import writing
from resources.progress import Logger, Progress

_STEP_S, _STILL_S, _FADE_S, _LONG_GROUP_S = 0.25, 1.0, 2.0, 12.0
_STILL_SHARE = 0.15
"""As much of the picture may move while a slide stands still."""
_REDRAWN_SHARE = 0.02
_HIDDEN = 0.9
"""Somebody who walks in front of a slide hides a tenth or more of what is written on it."""
_FRUITLESS, _RETRY_EVERY = 10, 10
"""After so many groups in which nothing stood still, the video is a film: one group in ten is looked into."""
_MAX_CANDIDATES = 2000


@dataclass
class _Group:
    """A group of pictures, and how much of the picture (0 to 1) is another in the key frame that follows it."""

    pts: int
    time_s: float
    change: float = 1.0


def find_slides(
    path: Path, duration_s: float, min_change: float, max_slides: int, log: Logger, *, max_camera_views: int = 3
) -> list[tuple[Slide, bytes]]:
    """The slides of the video `path` in order of time, each with its JPEG; empty if it has no video.

    A new slide differs in at least `min_change` of the picture (0 to 1). Of people and rooms there are at most
    `max_camera_views` pictures; a film without any still picture gives its first frame. The same video gives the same
    bytes. Raises `BadInput`.
    """
    groups = _groups(path)
    if not groups:
        return []
    watcher = _Watcher(min_change)
    _watch(path, duration_s, groups, watcher, log)
    kept = selected(watcher.found(), min_change, max_slides, max_camera_views)
    return _rendered(path, groups, kept)


def _groups(path: Path) -> list[_Group]:
    groups: list[_Group] = []

    def wanted(group: Group) -> Decode:
        groups.append(_Group(group.pts, group.time_s))
        return Decode.KEY

    before: tuple[int, Any] | None = None
    for _, frame in frames(path, wanted):
        number, picture = _number(groups, frame.pts), small(frame)
        if before is not None and number == before[0] + 1:
            groups[before[0]].change = changed(before[1], picture)
        before = number, picture
    return groups


def _number(groups: Sequence[_Group], pts: int) -> int:
    return max(0, bisect_right(groups, pts, key=lambda group: group.pts) - 1)


def _watch(path: Path, duration_s: float, groups: Sequence[_Group], watcher: _Watcher, log: Logger) -> None:
    fruitless, looked_into = 0, -1.0

    def wanted(opened: Group) -> Decode:
        nonlocal fruitless, looked_into
        number, group = opened.number, groups[opened.number]
        if looked_into >= 0:
            fruitless = 0 if watcher.stood_still_s >= looked_into else fruitless + 1
            looked_into = -1.0
        length_s = (groups[number + 1].time_s if number + 1 < len(groups) else duration_s) - group.time_s
        if group.change < watcher.min_change / 2 and length_s <= _LONG_GROUP_S:
            return Decode.KEY
        beside = [groups[i].change for i in (number - 1, number + 1) if 0 <= i < len(groups)]
        if fruitless >= _FRUITLESS and min(beside, default=1.0) > _STILL_SHARE and number % _RETRY_EVERY:
            return Decode.KEY
        looked_into = group.time_s
        return Decode.ALL

    progress = Progress(log, "slides", duration_s, "s")
    next_s = reported_s = 0.0
    for time_s, frame in frames(path, wanted):
        if frame.key_frame or time_s >= next_s:
            watcher.see(time_s, frame)
            next_s = time_s + _STEP_S
        if time_s >= reported_s + 1:
            reported_s = time_s
            progress.update(min(time_s, duration_s))
    progress.update(duration_s)


class _Watcher:
    """Sees frames in order of time and notes which pictures stood still."""

    def __init__(self, min_change: float) -> None:
        self.min_change = min_change
        self.candidates: list[Candidate] = []
        self.stood_still_s = -1.0
        self._first: Candidate | None = None
        self._before: tuple[float, Any] | None = None
        self._still_since_s: float | None = None
        self._moved: list[Any] = []
        self._left_s = self._appeared_s = 0.0
        self._another_s: float | None = None

    def see(self, time_s: float, frame: Any) -> None:
        picture = small(frame)
        seen = Candidate(time_s, frame.pts, bool(frame.key_frame), picture)
        if not self.candidates and (self._first is None or is_blank(self._first.picture)):
            seen.text = writing(frame)
            self._first = seen
        if self._before is not None:
            moving = moving_blocks(self._before[1], picture)
            if moving.mean() > _STILL_SHARE:
                if self._still_since_s is not None:
                    self._left_s = time_s
                self._still_since_s, self._moved = None, []
            elif self._still_since_s is None:
                # A slide that fades in appears when the one before begins to go.
                self._still_since_s = settled_s = self._before[0]
                self._appeared_s = self._left_s if 0 <= settled_s - self._left_s <= _FADE_S else settled_s
            if self._still_since_s is not None:
                self._moved.append(moving)
                if time_s - self._still_since_s >= _STILL_S:
                    self.stood_still_s = time_s
                    self._stands_still(seen, frame)
                    self._moved = []
        self._before = time_s, picture

    def found(self) -> list[Candidate]:
        """The candidates; if nothing ever stood still, the first frame that shows anything."""
        return self.candidates or ([self._first] if self._first else [])

    def _stands_still(self, seen: Candidate, frame: Any) -> None:
        if is_blank(seen.picture):
            return
        moving = self._moved[-1]
        current = self.candidates[-1] if self.candidates else None
        moves = no_blocks() if current is None else current.moves
        if current is None or changed(current.picture, seen.picture, moving | moves) >= self.min_change:
            seen.time_s = self._appeared_s if self._another_s is None else max(self._appeared_s, self._another_s)
            self._another_s = None
            seen.text = writing(frame)
            seen.look(self._moved)
            self.candidates.append(seen)
            if len(self.candidates) > _MAX_CANDIDATES:
                del self.candidates[1::2]
            return
        current.look(self._moved)
        if changed(current.picture, seen.picture, moves) >= self.min_change:
            # What has just moved may stand still in a moment, as a slide much like the last.
            if self._another_s is None:
                self._another_s = seen.time_s
            return
        self._another_s = None
        text = current.text
        if (moving_blocks(current.picture, seen.picture) & ~moves).mean() > _REDRAWN_SHARE:
            text = writing(frame)
            if text.share < _HIDDEN * current.text.share:
                return
        elif not (seen.is_key and not current.is_key):
            return
        # The last state of a slide is the complete one: points appear one by one, drawings grow.
        current.pts, current.is_key, current.picture, current.text = seen.pts, seen.is_key, seen.picture, text


def _rendered(path: Path, groups: Sequence[_Group], kept: Sequence[Candidate]) -> list[tuple[Slide, bytes]]:
    modes: dict[int, Decode] = {}
    for candidate in kept:
        number = _number(groups, candidate.pts)
        if modes.get(number) is not Decode.ALL:
            modes[number] = Decode.KEY if groups[number].pts == candidate.pts else Decode.ALL
    left = {candidate.pts: candidate for candidate in kept}
    found, shape = [], pixel_shape(path)

    def render(wanted: Callable[[Group], Decode]) -> None:
        for _, frame in frames(path, wanted):
            if frame.pts in left:
                found.append((left.pop(frame.pts), *jpeg(frame, shape)))

    render(lambda group: modes.get(group.number, Decode.NOTHING))
    if left:  # a damaged video may give a frame only if all before it is decoded
        render(lambda _: Decode.ALL)
    return [
        (
            Slide(
                name=f"slide-{number:03d}.jpg",
                time_s=round(candidate.time_s, 3),
                width=width,
                height=height,
                text_likeness=round(candidate.text.likeness, 3),
            ),
            picture,
        )
        for number, (candidate, picture, width, height) in enumerate(sorted(found, key=lambda one: one[0].time_s), 1)
    ]
