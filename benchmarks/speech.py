"""Speech recognition: errors and speed against plain sequential faster-whisper, memory, kills, and invented words.

    python benchmarks/speech.py [--long] [--data FOLDER]... [--model tiny.en]

- Word errors: ours minus sequential, in points, on Debian's `pocketsphinx-testdata` if it is installed, and on each
  FOLDER of recordings with their texts (NAME*.mp3 and NAME.txt); the sample lecture where there is no FOLDER. Short
  recordings are judged one by one, long ones in pieces of twenty words. 95 % interval: paired bootstrap over those.
  English; the texts are compared by the rules of Whisper's authors, which come with transformers.
- Speed: sequential seconds / our seconds, both in the same run, on the longest recording, repeated to fill 11 minutes
  and, with --long, an hour.
- Memory: peak of a process that hears three hours / one that hears 30 minutes. Without --long only the first minute of
  every ten is spoken, which is quick.
- Kills, with --long: three hours with a minute of speech in every ten, the command killed three times at random.
- Silence, noise, a band: words heard.

Both sides are in `speech_side.py`.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "samples")]

import killing  # noqa: E402  # beside this file
import sounds  # noqa: E402  # in samples/
import speech_data  # noqa: E402

WORSE_POINTS = 0.3
FASTER = 1.5
MEMORY = 1.5
RESAMPLES = 10_000


@dataclass(frozen=True)
class Heard:
    """What one side heard in each file, in how many seconds, and the most memory it had."""

    texts: list[str]
    seconds: list[float]
    peak_mb: float


class Bench:
    def __init__(self, model: str, work: Path) -> None:
        from resources.speech.models import prepare_model

        self.model, self.work, self.cache = model, work, work / "cache"
        self.cache.mkdir()
        self.folder = prepare_model(model, "cpu", self.cache, True, lambda _: None)[1]

    def hear(self, side: str, *files: Path) -> Heard:
        out = self.work / "heard.json"
        script = str(ROOT / "benchmarks" / "speech_side.py")
        subprocess.run(
            [sys.executable, script, side, str(self.folder), str(self.cache), str(out), *map(str, files)],
            check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        return Heard(**json.loads(out.read_text()))

    def report(self, name: str, measured: float | None, aim: float | None, ok: bool = True) -> None:
        """One line of the table; not measured, or without an aim: unmeasured."""
        verdict = "unmeasured" if measured is None or aim is None else "ok" if ok else "short"
        shown = "-" if measured is None else f"{measured:.2f}"
        print(f"speech_{self.model}_{name} {shown} {'-' if aim is None else aim} {verdict}", flush=True)


def word_errors(bench: Bench, found: speech_data.Set) -> None:
    """Errors of both sides per clip, their difference in points, and how sure that is."""
    import numpy as np

    if importlib.util.find_spec("transformers") is None:
        print("word errors need transformers, install it with: make setup EXTRAS=offline,dev,train")
        bench.report(f"wer_{found.name}_points_worse", None, WORSE_POINTS)
        return
    files = [path for path, _ in found.clips]
    table = {}
    for side in ("ours", "sequential"):
        texts = bench.hear(side, *files).texts
        table[side] = [
            piece for (_, wanted), text in zip(found.clips, texts, strict=True) for piece in errors(wanted, text)
        ]
    words = np.array([words for words, _ in table["ours"]])
    ours, theirs = (np.array([wrong for _, wrong in table[side]]) for side in ("ours", "sequential"))
    drawn = np.random.default_rng(0).integers(0, len(words), (RESAMPLES, len(words)))
    differences = 100 * (ours - theirs)[drawn].sum(1) / words[drawn].sum(1)
    low, high = np.percentile(differences, [2.5, 97.5])
    worse = 100 * float((ours - theirs).sum() / words.sum())
    print(
        f"{found.name}: n = {len(words)} clips or pieces of {len(files)} recordings, {words.sum()} words; word error"
        f" rate {100 * ours.sum() / words.sum():.2f} % against {100 * theirs.sum() / words.sum():.2f} %;"
        f" difference {worse:+.2f} points, 95 % of resamples within {low:+.2f} to {high:+.2f}"
    )
    bench.report(f"wer_{found.name}_points_worse", worse, WORSE_POINTS, worse <= WORSE_POINTS)


def errors(wanted: str, heard: str) -> list[tuple[int, int]]:
    """Words and errors of each piece of the wanted text. A word too many belongs to the piece that it stands in."""
    import jiwer

    reference = comparable(wanted).split()
    pieces = [[0, 0] for _ in range(max(1, round(len(reference) / speech_data.PIECE_WORDS)))]

    def piece(index: int) -> list[int]:
        return pieces[min(index, len(reference) - 1) * len(pieces) // len(reference)]

    for index in range(len(reference)):
        piece(index)[0] += 1
    for part in jiwer.process_words(" ".join(reference), comparable(heard)).alignments[0]:
        if part.type == "insert":
            piece(part.ref_start_idx)[1] += part.hyp_end_idx - part.hyp_start_idx
        elif part.type != "equal":
            for index in range(part.ref_start_idx, part.ref_end_idx):
                piece(index)[1] += 1
    return [(words, wrong) for words, wrong in pieces]


def comparable(text: str) -> str:
    """As word errors of Whisper are counted, by its authors' own rules: `four` is `4`, and `mister` is `mr`."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return str(EnglishTextNormalizer({})(text))


def speed(bench: Bench, speech: Any, minutes: int) -> None:
    audio = speech_data.long_recording(bench.work / f"{minutes} minutes.flac", speech, minutes)
    (ours_s,) = bench.hear("ours", audio).seconds
    (theirs_s,) = bench.hear("sequential", audio).seconds
    print(f"{minutes} minutes: ours {ours_s:.1f} s, sequential {theirs_s:.1f} s")
    bench.report(f"speed_{minutes}min_vs_sequential", theirs_s / ours_s, FASTER, theirs_s / ours_s >= FASTER)
    audio.unlink()


def memory(bench: Bench, speech: Any, spoken_minutes: int) -> None:
    peaks = []
    for minutes in (30, 180):
        audio = speech_data.long_recording(bench.work / f"{minutes} m.flac", speech, minutes, spoken_minutes)
        heard = bench.hear("ours", audio)
        peaks.append(heard.peak_mb)
        print(
            f"{minutes} minutes, {spoken_minutes} of 10 spoken: {heard.seconds[0]:.1f} s, peak {heard.peak_mb:.0f} MB"
        )
        audio.unlink()
    bench.report("memory_3h_vs_30min", peaks[1] / peaks[0], MEMORY, peaks[1] / peaks[0] <= MEMORY)


def kills(bench: Bench, speech: Any) -> None:
    audio = speech_data.long_recording(bench.work / "three hours.flac", speech, 180, 1)
    undisturbed = bench.hear("ours", audio).texts[0]
    home = bench.work / "home"
    home.mkdir()
    (home / "cache").symlink_to(bench.cache)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SCRIPTORIUM_", "DAGSTER_"))
    }
    environment |= {
        "SCRIPTORIUM_HOME": str(home), "SCRIPTORIUM_SPEECH_MODEL": str(bench.folder), "SCRIPTORIUM_OFFLINE": "true",
    }  # fmt: skip
    windows = killing.Windows(home)
    command = [sys.executable, "-m", "dagster_project.cli", "notes", str(audio)]
    # A window of half an hour with three spoken minutes takes some ten seconds.
    killing.kill_and_finish(command, environment, windows, kills=3, seed=0, within_s=1200, spread_s=10)
    (made,) = home.glob("library/recordings/*/transcript.json")
    same = json.loads(made.read_text())["text"] == undisturbed
    print(f"killed three times: {len(windows.files)} results kept, twice: {windows.twice or 'none'}; same text: {same}")
    bench.report("killed_3h_windows_heard_twice", len(windows.twice), 0, not windows.twice and same)


def nobody(bench: Bench) -> None:
    import numpy as np

    made = {
        "silence": np.zeros(60 * speech_data.RATE),
        "white noise": sounds.white(60, rms=0.05),
        "pink noise": sounds.pink(60, rms=0.05),
        "a band": sounds.band(60),
    }
    files = [
        speech_data.write(bench.work / f"{name}.flac", iter([sounds.samples(sound)])) for name, sound in made.items()
    ]
    texts = {side: dict(zip(made, bench.hear(side, *files).texts, strict=True)) for side in ("ours", "sequential")}
    for side, heard in texts.items():
        print(f"nobody speaks, {side}: {heard}")
    words = sum(len(text.split()) for text in texts["ours"].values())
    bench.report("words_where_nobody_speaks", words, 0, words == 0)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--long", action="store_true")
    asked.add_argument("--data", type=Path, action="append", default=[])
    asked.add_argument("--model", default="tiny.en")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="speech-") as folder:
        bench = Bench(given.model, Path(folder))
        nobody(bench)
        read = speech_data.pocketsphinx()
        if read is None:
            print("pocketsphinx: not installed (apt-get install pocketsphinx-testdata)")
            bench.report("wer_pocketsphinx_points_worse", None, WORSE_POINTS)
        others = [speech_data.folder(path) for path in given.data] or [speech_data.lecture()]
        for found in [*([read] if read else []), *others]:
            word_errors(bench, found)
        speech = max((speech_data.sound(path) for found in others for path, _ in found.clips), key=len)
        for minutes in (11, 60) if given.long else (11,):
            speed(bench, speech, minutes)
        memory(bench, speech, 10 if given.long else 1)
        if given.long:
            kills(bench, speech)


if __name__ == "__main__":
    main()
