"""The yardstick of `overhead.py`: recording to notes in one plain script, without Dagster's runs and without a store.

The same steps by the same functions with the same settings: sound to FLAC, speech recognition with its gate, subtitles
and the other text files, summary, notes. No frames (the recordings are sound only), no checks, no metadata, nothing
hashed or kept for a retry. The models are loaded once for all files.

    python benchmarks/overhead_plain.py MODEL_FOLDER CACHE OUT BATCH_SIZE FILE...

The functions lie in Dagster resources, so Dagster is imported all the same; a script without it would not pay for that,
and the last line says how long it took.
"""

import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

_started = time.perf_counter()
import dagster  # noqa: E402, F401  # timed alone

IMPORT_S = time.perf_counter() - _started

from resources.media import sound  # noqa: E402
from resources.notes.content import Origin  # noqa: E402
from resources.notes.typesetting import Typesetter  # noqa: E402
from resources.speech import exports, subtitles  # noqa: E402
from resources.speech.recognition import Speech  # noqa: E402
from resources.summary.summarizing import Summarizer  # noqa: E402


def main(model: str, cache: str, out: Path, batch_size: int, files: list[Path]) -> None:
    log = logging.getLogger("plain")
    speech = Speech(model=model, device="cpu", batch_size=batch_size, cache=cache, offline=True)
    summarizer = Summarizer(cache=cache, offline=True)
    typesetter = Typesetter(cache=cache)
    for file in files:
        folder = out / file.stem
        folder.mkdir(parents=True)
        heard = sound.extract(file, folder / "audio.flac", log)
        transcript = speech.transcribe(folder / "audio.flac", log)
        summary = summarizer.summarize(transcript, log)
        origin = Origin(file.stem, file.name, "", datetime.now(UTC), heard.duration_s)
        notes = typesetter.typeset(origin, transcript, summary, [], {}, log)
        cues = subtitles.cues_of(transcript)
        texts = {
            "notes.md": notes.markdown,
            "transcript.srt": subtitles.srt(cues),
            "transcript.vtt": subtitles.vtt(cues),
            "transcript.txt": exports.txt(transcript),
            "transcript.md": exports.markdown(transcript),
            "transcript.json": exports.as_json(transcript),
        }
        (folder / "notes.pdf").write_bytes(notes.pdf)
        for name, text in texts.items():
            (folder / name).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), [Path(name) for name in sys.argv[5:]])
    print(f"import_dagster_s {IMPORT_S:.3f}")
