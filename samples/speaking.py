"""Reading a text aloud with a free synthesizer, for the scripts beside this file.

Belongs here: calling flite or festival and reading what they wrote. Does not belong here: pictures and containers.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RATE = 16_000


def paragraphs(path: Path) -> list[str]:
    """The blocks of a text file that blank lines divide, each as one line."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    return [" ".join(block.split()) for block in blocks if block.strip()]


def flite(text: str) -> Any:
    """English speech by the voice `slt`: int16 samples, mono, 16 kHz."""
    return _speak("flite", "apt-get install flite", ["flite", "-voice", "slt", "-f", "{text}", "-o", "{wav}"], text)


def flite_phones(text: str) -> tuple[Any, list[tuple[str, float, float]]]:
    """As `flite`, with the sounds it is made of: name, first and last second."""
    samples = flite(text)
    listed = subprocess.run(
        ["flite", "-voice", "slt", "-psdur", "-t", text, "none"], capture_output=True, text=True, check=True
    ).stdout
    ends = [part.rsplit(":", 1) for part in listed.split()]
    starts = [0.0, *(float(end) for _, end in ends)]
    return samples, [(name, start, float(end)) for (name, end), start in zip(ends, starts, strict=False)]


def festival(text: str) -> Any:
    """Russian speech by festival's voice `msu_ru_nsh_clunits`: int16 samples, mono, 16 kHz."""
    command = ["text2wave", "-eval", "(voice_msu_ru_nsh_clunits)", "-o", "{wav}", "{text}"]
    return _speak("text2wave", "apt-get install festival festvox-ru", command, text)


def _speak(program: str, install: str, command: Sequence[str], text: str) -> Any:
    import numpy as np

    if shutil.which(program) is None:
        raise SystemExit(f"{program} is not installed; on Debian or Ubuntu: {install}")
    with tempfile.TemporaryDirectory() as folder:
        words, wav = Path(folder, "text.txt"), Path(folder, "speech.wav")
        words.write_text(text + "\n", encoding="utf-8")
        places = {"{text}": str(words), "{wav}": str(wav)}
        result = subprocess.run([places.get(part, part) for part in command], capture_output=True, text=True)
        if result.returncode != 0 or not wav.exists():
            raise SystemExit(f"{program} could not read the text aloud ({install}): {result.stderr.strip()}")
        with wave.open(str(wav)) as reader:
            if (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) != (RATE, 1, 2):
                raise SystemExit(f"{program} wrote {reader.getparams()}, expected 16-bit mono at {RATE} Hz")
            return np.frombuffer(reader.readframes(reader.getnframes()), dtype=np.int16)


def joined(spoken: Sequence[Any], pause_s: float) -> tuple[Any, list[float]]:
    """All paragraphs with a pause after each, and the time in seconds at which each begins."""
    import numpy as np

    pause = np.zeros(round(pause_s * RATE), dtype=np.int16)
    starts, at = [], 0
    for speech in spoken:
        starts.append(round(at / RATE, 3))
        at += len(speech) + len(pause)
    return np.concatenate([part for speech in spoken for part in (speech, pause)]), starts
