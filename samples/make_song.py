"""Make `song.ogg`: the words of `song.txt` sung over a small band, about 45 seconds.

Each line is spoken by flite's voice `slt`; the WORLD vocoder (the package pyworld) then gives every syllable the pitch
and the length of its note, and the band of `sounds.py` plays under it. Run `python samples/make_song.py [folder]`
where `pip install pyworld` was run; it writes beside this file unless a folder is given.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sounds import BEAT_S, RATE, band, hertz, normalised, samples
from speaking import flite_phones

HERE = Path(__file__).resolve().parent
TITLE = "Morning on the River"
INTRO_BEATS, LINE_BEATS, BREAK_BEATS = 4, 8, 8
"""The band alone, a line of song, the band between the verses."""

MUSIC = 0.2
"""Loudness (RMS) of the band against that of the voice: 14 dB below it. The band is clearly heard, every word can be
made out, and voice activity detection at its usual threshold takes a quarter of the singing for music."""

# MIDI notes, one for a syllable. A line of seven holds its last for two beats.
TUNE = (
    (61, 61, 64, 64, 62, 61, 59, 57),
    (59, 59, 61, 62, 61, 59, 56),
    (57, 57, 61, 64, 62, 61, 62, 61),
    (62, 61, 59, 57, 59, 59, 57),
)
VOWELS = ("aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw")
_FRAME_S = 0.005
"""WORLD's own step."""


def main(folder: Path) -> None:
    verses = (HERE / "song.txt").read_text(encoding="utf-8").strip().split("\n\n")
    lines = [verse.splitlines() for verse in verses]
    beats = INTRO_BEATS + sum(len(verse) * LINE_BEATS for verse in lines) + len(lines) * BREAK_BEATS
    music = band(beats * BEAT_S)
    voice = music * 0
    at_beat = INTRO_BEATS
    for verse in lines:
        for line, notes in zip(verse, TUNE, strict=True):
            print(f"singing: {line}")
            sung, lead_s = sing(line, notes)
            start = round((at_beat * BEAT_S - lead_s) * RATE)
            voice[start : start + len(sung)] += sung
            at_beat += LINE_BEATS
        at_beat += BREAK_BEATS
    voice = normalised(voice, peak=0.7)
    heard = voice[abs(voice) > 0.01]
    music *= MUSIC * heard.std() / music.std()
    target = folder / "song.ogg"
    write(target, samples(normalised(voice + music, peak=0.95)))
    print(f"{target}: {len(voice) / RATE:.1f} s, {target.stat().st_size / 1e6:.2f} MB")


def sing(line: str, notes: tuple[int, ...]) -> tuple[Any, float]:
    """The line sung, a note a beat, and how many seconds before the first beat it begins (its first consonants)."""
    import numpy as np

    spoken, phones = flite_phones(line)
    try:
        import pyworld
    except ImportError:
        raise SystemExit("the vocoder is not installed: pip install pyworld") from None
    x = spoken.astype(np.float64) / 32768
    pitch, times = pyworld.harvest(x, RATE, frame_period=_FRAME_S * 1000)
    envelope = pyworld.cheaptrick(x, pitch, times, RATE)
    breath = pyworld.d4c(x, pitch, times, RATE)

    vowels = [(start, end) for name, start, end in phones if name in VOWELS]
    if len(vowels) != len(notes):
        raise SystemExit(f"{line!r} has {len(vowels)} syllables, its tune {len(notes)} notes")
    begin = next(start for name, start, _ in phones if name != "pau")
    finish = next(end for name, _, end in reversed(phones) if name != "pau")
    # Vowels begin on the beat and are held; consonants keep the time they take in speech.
    lead = vowels[0][0] - begin
    spoken_at, sung_at = [begin, vowels[0][0]], [0.0, lead]
    for number, (_, end) in enumerate(vowels):
        last = number == len(vowels) - 1
        following = finish if last else vowels[number + 1][0]
        # A bar has a breath at its end, and a long last note fills what is left.
        next_beat = lead + (LINE_BEATS - 0.6 if last else number + 1) * BEAT_S
        spoken_at += [end, following]
        sung_at += [next_beat - min(following - end, 0.6 * BEAT_S), next_beat]
    out = np.arange(0, sung_at[-1], _FRAME_S)
    frames = np.interp(out, sung_at, spoken_at) / _FRAME_S
    nearest = np.clip(np.round(frames).astype(int), 0, len(pitch) - 1)

    note = np.array([hertz(n) for n in notes])[np.clip(((out - lead) / BEAT_S + 0.1).astype(int), 0, len(notes) - 1)]
    glide = np.convolve(np.pad(np.log(note), 8, mode="edge"), np.ones(17) / 17, mode="valid")  # over 85 ms
    vibrato = 0.012 * np.sin(2 * np.pi * 5.5 * out)  # a fifth of a semitone each way
    sung_pitch = np.where(pitch[nearest] > 0, np.exp(glide + vibrato), 0.0)
    sung = pyworld.synthesize(
        sung_pitch, envelope[nearest].copy(), breath[nearest].copy(), RATE, frame_period=_FRAME_S * 1000
    )
    fade = np.minimum(1, np.minimum(np.arange(len(sung)), np.arange(len(sung))[::-1]) / (0.02 * RATE))
    return sung * fade, lead


def write(target: Path, sound: Any) -> None:
    """Opus in Ogg, mono, the same bytes each time."""
    import av

    with av.open(str(target), "w", options={"fflags": "+bitexact"}) as container:
        container.metadata.update({"title": TITLE, "language": "eng"})
        stream = container.add_stream("libopus", rate=RATE, layout="mono", options={"b": "28k", "flags": "+bitexact"})
        for start in range(0, len(sound), RATE):
            frame = av.AudioFrame.from_ndarray(sound[None, start : start + RATE], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
