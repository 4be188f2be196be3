"""A part of a recording, from probabilities of speech to words that can be trusted.

Belongs here: listening with one threshold and, if too little came of it, with a lower one; loops across windows; the
record a killed run leaves behind. Does not belong here: decoding windows (`decoding.py`), the signs (`gate.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from resources.background import Handle
from resources.speech import activity
from resources.speech.cutting import Heard, joined
from resources.speech.decoding import Decoded, Decoder
from resources.speech.documents import LEAST_COVERED, Dropped
from resources.speech.gate import REASONS, Voiced, sift
from resources.speech.windows import RATE, VAD, Span, group
from resources.timecode import clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT_SHARE = 0.9
"""Of what a sensitive detector takes for speech, less than this listened to is reason to listen again, before anybody
is warned (`LEAST_KEPT`). Clear speech has 1.0 (13 files), the sung sample 0.85."""

COVERED_SHARE = LEAST_COVERED
"""Less of the speech under words is reason to listen again."""

LEAST_S = 1.0
"""Less speech than this is no ground for a second listening: a cough has that much."""

_BETTER = (1.02, 1.0)
"""A second listening is kept if it has 2 % and one word more: other windows alone change the probabilities by that."""

_SAID = 10
"""So many left-out passages of a part are written to the log one by one."""


@dataclass(frozen=True)
class Part:
    """What was heard in one part. `kept` and `covered` are frames and the frames they are a share of."""

    threshold: float
    listened_s: float
    words: tuple[Heard, ...]
    dropped: tuple[Dropped, ...]
    again: int
    kept: tuple[int, int]
    covered: tuple[int, int]
    steps: tuple[str, ...] = ()

    @property
    def trust(self) -> float:
        """The expected number of right words."""
        return sum(word.probability for word in self.words)

    def dump(self) -> bytes:
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        record |= {
            "words": [astuple(word) for word in self.words],
            "dropped": [item.model_dump() for item in self.dropped],
        }
        return json.dumps(record).encode()

    @staticmethod
    def read(content: bytes) -> Part:
        kept = json.loads(content)
        kept |= {
            "words": tuple(Heard(*row) for row in kept["words"]),
            "dropped": tuple(Dropped(**item) for item in kept["dropped"]),
            "kept": tuple(kept["kept"]),
            "covered": tuple(kept["covered"]),
            "steps": tuple(kept["steps"]),
        }
        return Part(**kept)


class Hearer:
    """Hears one part after the other of a recording of `total` samples, whose probabilities of speech are `found`."""

    def __init__(
        self,
        decoder: Decoder,
        found: NDArray[np.uint8],
        total: int,
        spaced: bool,
        voiced: Voiced,
        handle: Handle,
    ) -> None:
        self._decoder, self._found, self._total = decoder, found, total
        self._spaced, self._voiced, self._handle = spaced, voiced, handle

    def hear(self, first: int, behind: int) -> Part:
        """The part from frame `first` to before frame `behind`, listened to once, or twice if too little was heard."""
        part = self._listen(first, behind, VAD["threshold"])
        if doubt := self._doubt(part):
            lower = self._listen(first, behind, activity.SENSITIVE)
            better = lower.trust > part.trust * _BETTER[0] + _BETTER[1]
            self._handle.say(
                f"{doubt} Listened again from a threshold of {activity.SENSITIVE}: {len(lower.words)} words instead of"
                f" {len(part.words)}; the {'second' if better else 'first'} is kept."
            )
            part = lower if better else part
        for item in part.dropped[:_SAID]:
            self._handle.say(f'Left out at {clock(item.start_s)}, "{_short(item.text)}": {REASONS[item.reason]}')
        if len(part.dropped) > _SAID:
            self._handle.say(f"{len(part.dropped) - _SAID} more passages of this part were left out")
        return part

    def _doubt(self, part: Part) -> str | None:
        """Why a part should be listened to with a lower threshold."""
        least = LEAST_S * RATE / activity.FRAME
        kept, wanted = part.kept
        if wanted - kept >= least and kept / wanted < KEPT_SHARE:
            return f"Only {kept / wanted:.0%} of what may be speech was listened to."
        covered, wanted = part.covered
        if wanted - covered >= least and covered / wanted < COVERED_SHARE:
            return f"Only {covered / wanted:.0%} of the speech has words."
        return None

    def _listen(self, first: int, behind: int, threshold: float) -> Part:
        found = self._found[first:behind]
        begun = first > 0 and bool(activity.voiced(self._found[:first], threshold)[-1])  # a cut may go through speech
        spans = activity.stretches(found, threshold, first, self._total, begun)
        windows = group(spans)

        def covered(window: Span, words: list[Heard]) -> float:
            begin, end = window.start // activity.FRAME, -(-window.end // activity.FRAME)
            under, spoken = activity.covered(self._found[begin:end], [window], _times(words), threshold, begin)
            return under / spoken if spoken else 1.0

        decoded = []
        for window, one in zip(windows, self._decoder.decode(windows, covered), strict=True):
            decoded.append(one)
            self._handle.report(window.end / RATE, self._total / RATE)
        decoded = self._without_loops(windows, decoded)
        sifted = sift(_passages(decoded), self._spaced, self._voiced)
        return Part(
            threshold=threshold,
            listened_s=round(sum(span.seconds for span in spans), 3),
            words=sifted.kept,
            dropped=sifted.dropped,
            again=sum(one.again for one in decoded),
            kept=activity.kept(found, spans, first),
            covered=activity.covered(found, spans, _times(sifted.kept), threshold, first),
        )

    def _without_loops(self, windows: Sequence[Span], decoded: list[Decoded]) -> list[Decoded]:
        """Windows that only together form a loop are decoded alone, with a penalty on repetition."""
        looping = [
            (item.start_s * RATE, item.end_s * RATE)
            for item in sift(_passages(decoded), self._spaced, self._voiced).dropped
            if item.reason == "loop"
        ]
        return [
            one
            if one.again or not any(start < window.end and window.start < end for start, end in looping)
            else self._decoder.again(window, one, ("loop",))
            for window, one in zip(windows, decoded, strict=True)
        ]


def merged(parts: Sequence[Part]) -> Part:
    """The whole recording: words and counts of all parts, and the lowest threshold that was needed."""
    whole = parts[0]
    for part in parts[1:]:
        whole = replace(
            whole,
            threshold=min(whole.threshold, part.threshold),
            listened_s=round(whole.listened_s + part.listened_s, 3),
            words=whole.words + part.words,
            dropped=whole.dropped + part.dropped,
            again=whole.again + part.again,
            kept=(whole.kept[0] + part.kept[0], whole.kept[1] + part.kept[1]),
            covered=(whole.covered[0] + part.covered[0], whole.covered[1] + part.covered[1]),
            steps=tuple(dict.fromkeys(whole.steps + part.steps)),
        )
    return whole


def share(count: tuple[int, int]) -> float:
    """As a share, rounded; 1 of nothing."""
    return round(count[0] / count[1], 4) if count[1] else 1.0


def _passages(decoded: Sequence[Decoded]) -> list[list[Heard]]:
    return [passage for one in decoded for passage in one.passages]


def _times(words: Sequence[Heard]) -> list[tuple[float, float]]:
    return [(word.start_s, word.end_s) for word in joined(words)]


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
