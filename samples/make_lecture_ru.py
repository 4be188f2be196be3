"""Make `lecture_ru.mp3`: about a minute of Russian speech, read from `lecture_ru.txt` by festival.

Run `python samples/make_lecture_ru.py [folder]`; it writes beside this file unless a folder is given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from speaking import RATE, festival, joined, paragraphs

HERE = Path(__file__).resolve().parent
TITLE = "Почему небо голубое"


def main(folder: Path) -> None:
    import av

    texts = paragraphs(HERE / "lecture_ru.txt")
    spoken = []
    for number, text in enumerate(texts, 1):
        print(f"speaking paragraph {number}/{len(texts)}")
        spoken.append(festival(text))
    samples, _ = joined(spoken, pause_s=0.6)

    target = folder / "lecture_ru.mp3"
    with av.open(str(target), "w", options={"fflags": "+bitexact", "id3v2_version": "4"}) as container:
        container.metadata.update({"title": TITLE, "language": "rus"})
        stream = container.add_stream(
            "libmp3lame", rate=RATE, layout="mono", options={"b": "48k", "flags": "+bitexact"}
        )
        for start in range(0, len(samples), RATE):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + RATE], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            for resampled in av.AudioResampler("s16p", "mono", RATE).resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    print(f"{target}: {len(samples) / RATE:.1f} s, {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
