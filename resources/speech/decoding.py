"""Windows of speech to words: many at once, and those that look bad once more, alone.

Belongs here: faster-whisper's batched pipeline, what is kept of it for a retry, and the choice between two decodings.
Does not belong here: which windows (`hearing.py`), the signs (`gate.py`), the slow decoding itself (`redecode.py`).

The batched pipeline keeps to the first temperature and ignores its thresholds on compression, probability and silence:
it is two to three times faster, and it needs the gate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial as bound

from resources.background import Handle
from resources.speech.cutting import Heard
from resources.speech.gate import Voiced, sift, suspicious
from resources.speech.ladder import Ladder
from resources.speech.recogniser import Recogniser, stoppable
from resources.speech.redecode import BEAM, TEMPERATURES, Redecoder, words_of
from resources.speech.windows import RATE, WINDOW_S, Samples, Span
from resources.store.partial import Partial
from resources.timecode import clock

SKIPPED = 0.5
"""A window of which the words cover less of the speech than this may have been left early, which batches do."""

_SLOT_S = 2 * WINDOW_S
"""The distance of windows in a batch. With 30 s of silence before each, its times don't depend on its neighbours."""

_HOPELESS = frozenset({"not_speech", "no_words", "stock_phrase"})
"""Signs that rising temperatures don't help against: there is nothing to hear. Each try costs as much as a window."""


@dataclass(frozen=True)
class Decoded:
    """A window's decoded segments, each a list of words, and whether they had to be decoded again."""

    passages: list[list[Heard]]
    again: bool = False

    def dump(self) -> bytes:
        rows = [[astuple(word) for word in passage] for passage in self.passages]
        return json.dumps({"again": self.again, "passages": rows}).encode()

    @staticmethod
    def read(content: bytes) -> Decoded:
        kept = json.loads(content)
        return Decoded([[Heard(*row) for row in passage] for passage in kept["passages"]], kept["again"])


class Decoder:
    """Decodes windows of one recording in one language.

    `voiced` tells where a sensitive detector hears speech, `covered(window, words)` which share of its speech lies
    under words.
    """

    def __init__(
        self,
        ladder: Ladder,
        samples: Samples,
        language: str,
        spaced: bool,
        voiced: Voiced,
        partial: Partial,
        identity: str,
        handle: Handle,
    ) -> None:
        self._ladder, self._samples, self._language, self._spaced = ladder, samples, language, spaced
        self._voiced, self._partial, self._identity, self._handle = voiced, partial, identity, handle
        self._redecoder = Redecoder(ladder, language, handle)

    def decode(self, windows: Sequence[Span], covered: Callable[[Span, list[Heard]], float]) -> Iterator[Decoded]:
        """What is heard in each window, in order, each as soon as it is known; what was kept is not decoded again."""
        known = {window: Decoded.read(kept) for window in windows if (kept := self._partial.get(self._name(window)))}
        for place, window in enumerate(windows):
            if window not in known:
                missing = [later for later in windows[place:] if later not in known]
                batch, found = self._ladder.run(bound(self._batch, missing))
                for heard, passages in zip(batch, found, strict=True):
                    known[heard] = self._mended(heard, Decoded(passages), covered)
                    self._partial.put(self._name(heard), known[heard].dump())
            yield known.pop(window)

    def again(self, window: Span, first: Decoded, signs: Sequence[str]) -> Decoded:
        """The window decoded alone, until it looks healthy or nothing is left to try; the best of all is returned."""
        sound = self._samples.read(window)
        best, trust = first.passages, self._trust(first.passages)
        before = trust
        for temperatures in TEMPERATURES:
            self._handle.check()
            found = self._redecoder.decode(sound, window.start / RATE, temperatures, looping="loop" in signs)
            if self._trust(found) > trust:
                best, trust = found, self._trust(found)
            left = suspicious(found, self._spaced, self._voiced)
            if not left or not found or _HOPELESS.intersection(left):
                break
        outcome = "better" if trust > before else "no better"
        self._handle.say(
            f"{clock(window.start / RATE)} to {clock(window.end / RATE)} decoded again ({', '.join(signs)}): {outcome}"
        )
        return Decoded(best, again=True)

    def _mended(self, window: Span, decoded: Decoded, covered: Callable[[Span, list[Heard]], float]) -> Decoded:
        words = [word for passage in decoded.passages for word in passage]
        signs = list(suspicious(decoded.passages, self._spaced, self._voiced))
        if covered(window, words) < SKIPPED:
            signs.append("skipped")
        return self.again(window, decoded, signs) if signs else decoded

    def _trust(self, passages: Sequence[Sequence[Heard]]) -> float:
        return sift(passages, self._spaced, self._voiced).trust

    def _name(self, window: Span) -> str:
        return f"{self._identity}-{window.start:012d}-{window.end:012d}.json"

    def _batch(
        self, missing: Sequence[Span], recogniser: Recogniser, size: int
    ) -> tuple[Sequence[Span], list[list[list[Heard]]]]:
        """The first `size` of the missing windows, and what is heard in each."""
        import numpy as np
        from faster_whisper import BatchedInferencePipeline

        self._handle.check()
        batch = missing[:size]
        slot = int(_SLOT_S) * RATE
        sound = np.zeros((len(batch) + 1) * slot, dtype=np.float32)  # pages nobody writes to take no memory
        clips = []
        for index, window in enumerate(batch, 1):
            sound[index * slot : index * slot + window.end - window.start] = self._samples.read(window)
            clips.append({"start": index * _SLOT_S, "end": index * _SLOT_S + window.seconds})
        segments, _info = BatchedInferencePipeline(stoppable(recogniser.model, self._handle)).transcribe(
            sound,
            language=self._language,
            beam_size=BEAM,
            temperature=0.0,
            word_timestamps=True,
            batch_size=len(batch),
            clip_timestamps=clips,
        )
        found: list[list[list[Heard]]] = [[] for _ in batch]
        for segment in segments:
            index = int(segment.seek / 100 // _SLOT_S)
            window = batch[index - 1]
            if words := words_of(segment, window.start / RATE - index * _SLOT_S, window.end / RATE):
                found[index - 1].append(words)
        return batch, found
