"""A span of speech decoded once more, alone and slowly, because its first decoding can't be trusted.

Belongs here: faster-whisper's sequential path with its thresholds and rising temperatures, for at most 30 s.
Does not belong here: which spans (`hearing.py`) and which result is better (`gate.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resources.background import Handle
from resources.speech.cutting import Heard
from resources.speech.gate import COMPRESSION, LOGPROB, NO_SPEECH
from resources.speech.ladder import Ladder
from resources.speech.recogniser import Recogniser, stoppable
from resources.speech.windows import RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BEAM = 5

TEMPERATURES: tuple[tuple[float, ...], ...] = ((0.0,), (0.2, 0.4, 0.6, 0.8, 1.0))
"""Two tries: the best path alone, with times, often mends what a batch could not; then Whisper's own temperatures."""

REPETITION_PENALTY = 1.2
"""For loops; the value of faster-whisper's own example. Higher ones change ordinary words."""

SILENCE_S = 2.0
"""Improbable words amid silences longer than this are skipped (faster-whisper's hallucination_silence_threshold)."""

_SEED = 1


class Redecoder:
    """Decodes spans of one recording again. The same span gives the same words, whatever was decoded before it."""

    def __init__(self, ladder: Ladder, language: str, handle: Handle) -> None:
        self._ladder, self._language, self._handle = ladder, language, handle

    def decode(
        self, sound: NDArray[np.float32], start_s: float, temperatures: tuple[float, ...], looping: bool
    ) -> list[list[Heard]]:
        """The segments heard in `sound` (16 kHz, at most 30 s), which begins at `start_s` of the recording."""
        import ctranslate2

        if max(temperatures) > 0:
            # CTranslate2 seeds a thread's random numbers when it first draws one, and never again.
            ctranslate2.set_random_seed(_SEED)
            self._ladder.reload()

        def work(recogniser: Recogniser, _: int) -> list[list[Heard]]:
            segments, _info = stoppable(recogniser.model, self._handle).transcribe(
                sound,
                language=self._language,
                beam_size=BEAM,
                temperature=list(temperatures),
                compression_ratio_threshold=COMPRESSION,
                log_prob_threshold=LOGPROB,
                no_speech_threshold=NO_SPEECH,
                condition_on_previous_text=False,
                repetition_penalty=REPETITION_PENALTY if looping else 1.0,
                word_timestamps=True,
                hallucination_silence_threshold=SILENCE_S,
            )
            end_s = start_s + len(sound) / RATE
            return [heard for segment in segments if (heard := words_of(segment, start_s, end_s))]

        return self._ladder.run(work)


def words_of(segment: Any, shift_s: float, end_s: float) -> list[Heard]:
    """The words of a segment of faster-whisper's, their times moved by `shift_s` and none after `end_s`."""
    return [
        Heard(
            start_s=min(float(word.start) + shift_s, end_s),
            end_s=min(float(word.end) + shift_s, end_s),
            text=word.word,
            probability=float(word.probability),
            avg_logprob=float(segment.avg_logprob),
            no_speech_prob=float(segment.no_speech_prob),
            compression_ratio=float(segment.compression_ratio),
        )
        for word in segment.words or ()
    ]
