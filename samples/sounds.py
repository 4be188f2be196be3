"""Sounds in which nobody speaks, made of numbers: a small band, and noise. For samples, tests and benchmarks.

Belongs here: sounds without words. Does not belong here: speech (`speaking.py`), singing (`make_song.py`).
All are float64 between -1 and 1, mono, at `RATE` samples a second, and the same arguments give the same samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

RATE = 16_000
BEAT_S = 0.5
BEATS = 4
"""In a bar. A chord lasts two bars."""

CHORDS = ((57, 61, 64), (52, 56, 59), (54, 57, 61), (50, 54, 57))
"""A, E, F sharp minor, D, as MIDI note numbers: one after another, then from the beginning."""


def hertz(note: float) -> float:
    """The frequency of a MIDI note number (A4 = 69 = 440 Hz)."""
    return float(440.0 * 2 ** ((note - 69) / 12))


def band(seconds: float, seed: int = 0) -> Any:
    """Plucked chords, a bass, kick, snare and hi-hat, loud and dense enough to be taken for a song."""
    import numpy as np

    random = np.random.default_rng(seed)
    total = round(seconds * RATE)
    sound = np.zeros(total + 2 * RATE)  # the last notes fade behind the end, which is cut off
    for at_s, part in _score(seconds, random):
        start = round(at_s * RATE)
        sound[start : start + len(part)] += part[: len(sound) - start]
    return normalised(sound[:total], peak=0.6)


def white(seconds: float, rms: float, seed: int = 0) -> Any:
    """White noise, like a bad line."""
    import numpy as np

    return np.clip(np.random.default_rng(seed).normal(0.0, rms, round(seconds * RATE)), -1, 1)


def pink(seconds: float, rms: float, seed: int = 0) -> Any:
    """Noise with as much power in every octave, like rain or a fan: white noise whose spectrum falls with 1/sqrt(f)."""
    import numpy as np

    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0.0, 1.0, round(seconds * RATE)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0  # no constant part
    sound = np.fft.irfft(spectrum, round(seconds * RATE))
    return np.clip(sound * (rms / sound.std()), -1, 1)


def normalised(sound: Any, peak: float) -> Any:
    """The same sound with its loudest sample at `peak`."""
    import numpy as np

    return sound * (peak / np.abs(sound).max())


def samples(sound: Any) -> Any:
    """As int16."""
    import numpy as np

    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def _score(seconds: float, random: Any) -> Iterator[tuple[float, Any]]:
    """What is played when: a second for each beat, its sound."""
    for beat in range(int(seconds / BEAT_S)):
        at_s = beat * BEAT_S
        chord = CHORDS[beat // (2 * BEATS) % len(CHORDS)]
        for string, note in enumerate((*chord, chord[0] + 12)):
            yield at_s + string * BEAT_S / 16, 0.22 * _pluck(hertz(note), 1.2)  # strummed
        if beat % 2 == 0:
            yield at_s, 0.6 * _pluck(hertz(chord[0] - 12), 0.9)
            yield at_s, 0.9 * _kick()
        else:
            yield at_s, 0.35 * _burst(0.18, 25.0, random)
        for half in (0.0, BEAT_S / 2):
            yield at_s + half, 0.10 * _burst(0.05, 90.0, random)


def _pluck(frequency: float, length_s: float) -> Any:
    """A string: harmonics, the higher the weaker and the sooner gone."""
    import numpy as np

    t = np.arange(round(length_s * RATE)) / RATE
    parts = [np.sin(2 * np.pi * n * frequency * t) * np.exp(-(2 + n) * t) / n for n in range(1, 7)]
    return sum(parts) * np.minimum(1, t / 0.005)


def _kick() -> Any:
    import numpy as np

    t = np.arange(round(0.25 * RATE)) / RATE
    return np.sin(2 * np.pi * (50 * t + 3.0 * (1 - np.exp(-30 * t)))) * np.exp(-14 * t)


def _burst(length_s: float, decay: float, random: Any) -> Any:
    import numpy as np

    t = np.arange(round(length_s * RATE)) / RATE
    return np.diff(random.normal(0.0, 1.0, len(t) + 1)) * np.exp(-decay * t)
