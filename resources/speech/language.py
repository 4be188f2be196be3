"""Which language is spoken: set, known from the model, or voted on by windows of speech.

Belongs here: the vote and who takes part in it. Does not belong here: which language a folder stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from resources.errors import BadInput
from resources.speech.windows import RATE, WINDOW_S, Samples, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

VOTERS = 3
"""How many windows, spread over the recording, vote. One at the start is often wrong or silent; more cost time."""

_REMEDY = {
    "folder": "Move the recording to a folder of another name",
    "set": "Change SCRIPTORIUM_SPEECH_LANGUAGE, or the language in the run's config,",
}


def check_known(model: Any, name: str, language: str, source: str) -> None:
    """Raise BadInput if a Whisper model does not know `language`, which came from `source` (`set` or `folder`)."""
    if language not in model.supported_languages:
        known = "only English" if not model.model.is_multilingual else ", ".join(sorted(model.supported_languages))
        raise BadInput(
            f"The speech model {name} does not know the language {language!r}.",
            f"{_REMEDY.get(source, _REMEDY['set'])} or SCRIPTORIUM_SPEECH_MODEL; this model knows {known}.",
        )


def voters(windows: Sequence[Span], stretches: Sequence[Span], total: int) -> list[Span]:
    """Which windows vote: of those with speech the fullest of each third of the recording's speech.

    A short recording has fewer windows than voters; then stretches of speech vote. Without speech, the sound does, at
    three places of the recording of `total` samples.
    """
    if not stretches:
        size = int(WINDOW_S) * RATE
        return spread([Span(start, min(start + size, total)) for start in range(0, total, size)], VOTERS)
    candidates = windows if len(windows) >= VOTERS else stretches
    if len(candidates) <= VOTERS:
        return list(candidates)
    borders = [round(part * len(candidates) / VOTERS) for part in range(VOTERS + 1)]
    return [
        max(candidates[first:behind], key=lambda span: span.end - span.start) for first, behind in pairwise(borders)
    ]


def listen(model: Any, samples: Samples, windows: Sequence[Span]) -> tuple[str, float]:
    """The language with the highest mean probability over `windows` (each at most 30 s), and that mean."""
    sounds = [samples.read(window) for window in windows]
    return vote(model, sounds, [len(sound) / RATE for sound in sounds])


def vote(model: Any, sounds: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> tuple[str, float]:
    """The language with the highest mean probability, each sound (16 kHz, at most 30 s) with its weight."""
    import numpy as np
    from faster_whisper.audio import pad_or_trim

    features = np.stack([pad_or_trim(model.feature_extractor(sound)[..., :-1]) for sound in sounds])
    totals: dict[str, float] = {}
    for votes, weight in zip(model.model.detect_language(model.encode(features)), weights, strict=True):
        for token, probability in votes:
            language = token[2:-2]  # "<|ru|>"
            totals[language] = totals.get(language, 0.0) + probability * weight
    best = max(totals, key=lambda language: totals[language])
    return best, min(totals[best] / sum(weights), 1.0)


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spread: the middles of `count` equal parts."""
    if len(items) <= count:
        return list(items)
    return [items[int((part + 0.5) * len(items) / count)] for part in range(count)]
