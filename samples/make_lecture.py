"""Make `lecture.mp4` and `lecture.json`: a lecture of about two minutes with seven slides.

Each paragraph of `lecture.txt` is one slide, read aloud by flite's voice `slt`. `lecture.json` says when each slide
begins. Run `python samples/make_lecture.py [folder]`; it writes beside this file unless a folder is given.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from lecture_slides import HEIGHT, SLIDES, WIDTH, draw
from speaking import RATE, flite, joined, paragraphs

HERE = Path(__file__).resolve().parent
FPS = 10
TITLE = "How a Suspension Bridge Carries Its Load"
CREATED = "2026-03-02T09:00:00.000000Z"


def main(folder: Path) -> None:
    texts = paragraphs(HERE / "lecture.txt")
    if len(texts) != len(SLIDES):
        raise SystemExit(f"lecture.txt has {len(texts)} paragraphs, but there are {len(SLIDES)} slides")
    spoken = []
    for number, text in enumerate(texts, 1):
        print(f"speaking paragraph {number}/{len(texts)}")
        spoken.append(flite(text))
    samples, starts = joined(spoken, pause_s=0.8)
    starts = [round(start * FPS) / FPS for start in starts]

    target = folder / "lecture.mp4"
    write(target, samples, starts)
    index = {
        "title": TITLE,
        "created": CREATED,
        "duration_s": round(len(samples) / RATE, 1),
        "slides": [{"start_s": start, "title": slide.title} for start, slide in zip(starts, SLIDES, strict=True)],
    }
    (folder / "lecture.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    print(f"{target}: {len(samples) / RATE:.1f} s, {target.stat().st_size / 1e6:.2f} MB")


def write(target: Path, samples: Any, starts: list[float]) -> None:
    """H.264 and AAC in one MP4, header first, the same bytes each time."""
    import av

    seconds = len(samples) // RATE + 1
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(target), "w", options=options) as container:
        container.metadata.update({"title": TITLE, "creation_time": CREATED})
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"preset": "slow", "crf": "21", "tune": "stillimage", "threads": "1", "flags": "+bitexact"}
        video.gop_size = FPS * 10
        audio = container.add_stream("aac", rate=RATE, layout="mono", options={"b": "64k", "flags": "+bitexact"})

        shown, picture = 0, None
        for second in range(seconds):
            for tick in range(second * FPS, min((second + 1) * FPS, len(samples) * FPS // RATE)):
                slide = sum(start <= tick / FPS for start in starts)
                if slide != shown:
                    print(f"drawing slide {slide}/{len(starts)} at {tick / FPS:.1f} s")
                    shown, picture = slide, av.VideoFrame.from_image(draw(slide)).reformat(format="yuv420p")
                assert picture is not None
                picture.pts, picture.time_base = tick, Fraction(1, FPS)
                container.mux(video.encode(picture))
            spoken = samples[None, second * RATE : (second + 1) * RATE]
            if spoken.size:
                frame = av.AudioFrame.from_ndarray(spoken, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, second * RATE, Fraction(1, RATE)
                container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
