"""One side of `speech.py`, in a process of its own: what is heard in files, how long it took, and the memory it took.

    python benchmarks/speech_side.py ours|sequential MODEL_FOLDER CACHE OUT.json FILE...

- ours: the platform's speech recognition, without Dagster's runs and without the store.
- sequential: faster-whisper's own `WhisperModel.transcribe` with the defaults of that library: beam 5, one window after
  the other, each told the text before it, temperature fallback and thresholds on, no voice activity detection.

Both have the same weights, int8 and all cores. The clock begins before the model is loaded.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path


def peak_mb() -> float:
    """The most memory this process has had, in MB. `VmHWM`, since ru_maxrss may be that of the process before exec."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def ours(model: str, cache: str, files: list[str]) -> list[tuple[str, float]]:
    from resources.speech.recognition import Speech

    speech = Speech(model=model, cache=cache, offline=True, device="cpu")
    log = logging.getLogger("ours")
    heard = []
    for file in files:
        start = time.perf_counter()
        text = speech.transcribe(Path(file), log).text
        heard.append((text, time.perf_counter() - start))
    return heard


def sequential(model: str, cache: str, files: list[str]) -> list[tuple[str, float]]:
    from faster_whisper import WhisperModel

    loaded = None
    heard = []
    for file in files:
        start = time.perf_counter()
        if loaded is None:
            loaded = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=len(os.sched_getaffinity(0)))
        segments, _ = loaded.transcribe(file)
        text = " ".join(segment.text.strip() for segment in segments)
        heard.append((text, time.perf_counter() - start))
    return heard


if __name__ == "__main__":
    side, model, cache, out, *files = sys.argv[1:]
    heard = {"ours": ours, "sequential": sequential}[side](model, cache, files)
    texts, seconds = zip(*heard, strict=True)
    Path(out).write_text(json.dumps({"texts": texts, "seconds": seconds, "peak_mb": peak_mb()}))
