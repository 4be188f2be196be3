"""When somebody speaks: probabilities of speech over time, and the stretches, parts and shares that follow from them.

Belongs here: one pass of Silero VAD, and everything that is read off its figures. Does not belong here: the samples and
the windows that are given to the recogniser (`windows.py`), words (`gate.py`, `decoding.py`).

The net is the dear part and runs once; any number of thresholds can then be tried on its figures, 112 kB an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from resources.speech.windows import RATE, VAD, WINDOW_S, Samples, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAME = 512
"""Samples per probability: Silero VAD knows no other at 16 kHz."""

SENSITIVE = 0.3
"""The threshold at which quiet or distant speech is found that 0.5 misses (and now and then a sound that is none)."""

_BLOCK = 300 * RATE // FRAME
_WARM_UP = 2 * RATE // FRAME
"""Frames of the block before that the net hears again: it starts each block with an empty memory."""

_HYSTERESIS = 0.15
"""Speech that has begun goes on until its probability is this much below the threshold (Silero's own value)."""

_QUIET_S = 1.0
"""A part is cut in the middle of the quietest stretch of this length."""

_REACH_S = 0.25
"""A word covers this much around it: so far its times may be off."""


def probabilities(samples: Samples, check: Callable[[], None]) -> NDArray[np.uint8]:
    """How probable speech is in each frame of `FRAME` samples, in 255ths; the last frame may be shorter.

    `check` is called before each block of five minutes.
    """
    import numpy as np
    from faster_whisper.vad import get_vad_model

    net: Any = get_vad_model()
    frames = -(-len(samples) // FRAME)
    found = np.zeros(frames, dtype=np.uint8)
    for first in range(0, frames, _BLOCK):
        check()
        behind = min(first + _BLOCK, frames)
        before = max(0, first - _WARM_UP)
        # One frame more than is used: the net's wrapper wipes the end of its last one.
        sound = np.zeros((behind + 1 - before) * FRAME, dtype=np.float32)
        heard = samples.read(Span(before * FRAME, min((behind + 1) * FRAME, len(samples))))
        sound[: len(heard)] = heard
        values = np.asarray(net(sound)).reshape(-1)[first - before : behind - before]
        found[first:behind] = np.round(values * 255).astype(np.uint8)
    return found


def parts(found: NDArray[np.uint8], longest_s: float) -> list[tuple[int, int]]:
    """Cut the recording into parts of at most `longest_s`, each at the quietest second of its last fifth.

    Frames: first included, last not. The search begins where a fifth of a part can be left behind, but the quietest
    second counts for more: what is left at the end may be shorter.
    """
    import numpy as np

    longest = max(2, int(longest_s * RATE / FRAME))
    width = min(max(1, int(_QUIET_S * RATE / FRAME)), longest)
    cuts = [0]
    while len(found) - cuts[-1] > longest:
        last = cuts[-1] + longest
        first = min(last - longest // 5, len(found) - longest // 5 - width)
        first = max(first, cuts[-1] + 1)
        around = found[max(0, first - width // 2) : last + width - width // 2].astype(np.int64)
        sums = np.convolve(around, np.ones(width, dtype=np.int64), mode="valid")[: last - first + 1]
        cuts.append(first + int(np.argmin(sums)))
    return list(zip(cuts, [*cuts[1:], len(found)], strict=True))


def voiced(found: NDArray[np.uint8], threshold: float, begun: bool = False) -> NDArray[np.bool_]:
    """For each frame whether somebody speaks: from where `threshold` is reached to where it is missed clearly.

    `begun`: somebody does already when the first frame begins.
    """
    import numpy as np

    begins, ends = threshold * 255, max(threshold - _HYSTERESIS, 0.01) * 255
    result = np.full(len(found), begun)
    # Only frames at or above the threshold begin, only those below the lower bound end; between them all stays.
    events = np.where(found >= begins, 1, np.where(found < ends, -1, 0))
    places = np.flatnonzero(events)
    if len(places):
        result[places[0] :] = np.repeat(events[places] > 0, np.diff(np.append(places, len(found))))
    return result


def stretches(found: NDArray[np.uint8], threshold: float, first: int, total: int, begun: bool = False) -> list[Span]:
    """Stretches with speech, none longer than `WINDOW_S`, padded where there is silence to pad with.

    `found` are the frames of a part that begins at frame `first` of a recording of `total` samples; `begun`: within
    speech.
    """
    runs = _runs(voiced(found, threshold, begun), int(VAD["min_silence_duration_ms"] * RATE / 1000 / FRAME))
    pad = int(VAD["speech_pad_ms"] * RATE / 1000)
    longest = int((WINDOW_S * RATE - 2 * pad) // FRAME)
    runs = [piece for run in runs for piece in _short_enough(found, run, longest)]
    start, end = first * FRAME, min((first + len(found)) * FRAME, total)
    spans = []
    for index, (begin, behind) in enumerate(runs):
        earliest = start if index == 0 else (first * 2 + runs[index - 1][1] + begin) * FRAME // 2
        latest = end if index == len(runs) - 1 else (first * 2 + behind + runs[index + 1][0]) * FRAME // 2
        spans.append(
            Span(max((first + begin) * FRAME - pad, earliest), min((first + behind) * FRAME + pad, latest, end))
        )
    return spans


def heard_speech(found: NDArray[np.uint8]) -> Callable[[float, float], float]:
    """A function of two seconds: the share of the time between them in which a sensitive detector hears speech."""
    import numpy as np

    before = np.concatenate([[0], np.cumsum(voiced(found, SENSITIVE), dtype=np.int32)])

    def share(start_s: float, end_s: float) -> float:
        first = min(int(start_s * RATE / FRAME), len(found))
        behind = min(max(first + 1, -int(-end_s * RATE // FRAME)), len(found))
        return float(before[behind] - before[first]) / max(1, behind - first)

    return share


def kept(found: NDArray[np.uint8], spans: Sequence[Span], first: int) -> tuple[int, int]:
    """Of the frames that a sensitive detector takes for speech, how many lie within `spans`, and how many there are."""
    wanted = voiced(found, SENSITIVE)
    ranges = [(span.start / FRAME - first, span.end / FRAME - first) for span in spans]
    return int((wanted & _inside(ranges, len(found))).sum()), int(wanted.sum())


def covered(
    found: NDArray[np.uint8], spans: Sequence[Span], times: Sequence[tuple[float, float]], threshold: float, first: int
) -> tuple[int, int]:
    """Of the frames with speech within `spans`, how many lie under words (`times`, in seconds), and how many there are.

    Counted on frames with speech, not on the spans, which are padded with silence.
    """
    ranges = [(span.start / FRAME - first, span.end / FRAME - first) for span in spans]
    wanted = voiced(found, threshold) & _inside(ranges, len(found))
    words = [
        (a * RATE / FRAME - first, b * RATE / FRAME - first)
        for a, b in ((s - _REACH_S, e + _REACH_S) for s, e in times)
    ]
    return int((wanted & _inside(words, len(found))).sum()), int(wanted.sum())


def _inside(ranges: Sequence[tuple[float, float]], length: int) -> NDArray[np.bool_]:
    import numpy as np

    inside = np.zeros(length, dtype=bool)
    for begin, behind in ranges:
        inside[max(0, round(begin)) : max(0, round(behind))] = True
    return inside


def _runs(mask: NDArray[np.bool_], shortest_gap: int) -> list[tuple[int, int]]:
    """Runs of true, those with less than `shortest_gap` between them joined."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for begin, behind in edges.reshape(-1, 2).tolist():
        if runs and begin - runs[-1][1] < shortest_gap:
            runs[-1] = (runs[-1][0], behind)
        else:
            runs.append((begin, behind))
    return runs


def _short_enough(found: NDArray[np.uint8], run: tuple[int, int], longest: int) -> list[tuple[int, int]]:
    """The run cut where speech is least probable, in the second half of what fits, until all pieces fit."""
    import numpy as np

    begin, behind = run
    pieces = []
    while behind - begin > longest:
        half = begin + longest // 2
        cut = half + int(np.argmin(found[half : begin + longest])) + 1
        pieces.append((begin, cut))
        begin = cut
    return [*pieces, (begin, behind)]
