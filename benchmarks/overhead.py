"""The platform against a plain script that takes the same steps by the same functions: seconds and peak memory.

    python benchmarks/overhead.py [--long]      # --long: three turns instead of one, and the base model as well

One recording of ten minutes, and ten of twenty seconds, all cut from the sample lecture. Both sides are whole
processes, with model and fonts already in the cache:

- plain: `overhead_plain.py`, one process for all files, without Dagster and without a store. What importing Dagster
  took it is taken off its seconds.
- notes: `scriptorium notes`, one process, one run per file, everything stored, checked and published.
- inbox: files dropped where a running daemon watches, one process per run; from the drop to the last PDF, less the time
  a file has to lie still.

Where the difference goes is read from the runs' own step times.
"""

import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AIM = 1.15
SETTLE_S = 1.0
BATCH = "8"


def cut(source: Path, target: Path, start_s: float, length_s: float) -> None:
    """Write `length_s` seconds of the source's sound from `start_s` on, over and over if it is shorter, as FLAC."""
    import av
    import numpy as np

    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(source)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    wanted = np.resize(np.roll(samples, -int(start_s * 16_000)), int(length_s * 16_000))
    with av.open(str(target), "w") as out:
        stream = out.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(wanted.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 16_000
        # FLAC frames have a fixed size: the resampler's buffer cuts the one long frame into such.
        fifo = av.AudioFifo()
        fifo.write(frame)
        while chunk := fifo.read(4096, partial=True):
            out.mux(stream.encode(chunk))
        out.mux(stream.encode(None))


@dataclass(frozen=True)
class Cost:
    """What a side took. nan where it can't be measured."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measured(command: list[str], env: dict[str, str]) -> tuple[Cost, str]:
    """What a process costs, from its start to its end, and what it prints."""
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {said}")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), said


def plain(model: Path, cache: Path, files: list[Path], work: Path) -> Cost:
    script = ROOT / "benchmarks" / "overhead_plain.py"
    command = [sys.executable, str(script), str(model), str(cache), str(work / "plain"), BATCH, *map(str, files)]
    cost, said = measured(command, os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"})
    import_s = float(said.split()[-1])
    return replace(cost, wall_s=cost.wall_s - import_s, cpu_s=cost.cpu_s - import_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def home_env(home: Path, cache: Path, model: Path) -> dict[str, str]:
    home.mkdir(parents=True)
    (home / "cache").symlink_to(cache)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SCRIPTORIUM_", "DAGSTER_"))}
    return env | {
        "SCRIPTORIUM_HOME": str(home), "SCRIPTORIUM_SPEECH_MODEL": str(model), "SCRIPTORIUM_SPEECH_BATCH_SIZE": BATCH,
        "SCRIPTORIUM_SETTLE_SECONDS": str(SETTLE_S), "SCRIPTORIUM_MIN_FREE_GB": "0", "SCRIPTORIUM_OFFLINE": "true",
    }  # fmt: skip


def notes(model: Path, cache: Path, files: list[Path], work: Path) -> Cost:
    env = home_env(work / "notes", cache, model)
    return measured([sys.executable, "-m", "dagster_project.cli", "notes", *map(str, files)], env)[0]


def inbox(model: Path, cache: Path, files: list[Path], work: Path) -> Cost:
    """From the drop to the last PDF. Only its wall time: the runs belong to processes this one can't wait for."""
    home = work / "inbox home"
    env = home_env(home, cache, model)
    cli = [sys.executable, "-m", "dagster_project.cli"]
    subprocess.run([*cli, "setup"], check=True, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    daemon = subprocess.Popen(
        ["env", "--default-signal=INT,TERM", *cli, "dev", "--port", str(free_port())],
        cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        time.sleep(20)  # it has loaded and its first ticks are over
        start = time.perf_counter()
        for file in files:
            shutil.copy(file, home / "inbox" / "recordings")
        while len(list(home.glob("library/recordings/*/notes.pdf"))) < len(files):
            if time.perf_counter() - start > 1800:
                raise TimeoutError("the inbox is not done after half an hour")
            time.sleep(0.2)
        wall = time.perf_counter() - start - SETTLE_S
        time.sleep(3)  # the last run writes its last event
    finally:
        daemon.send_signal(signal.SIGINT)
        daemon.wait(60)
    return Cost(wall, math.nan, math.nan)


def where_it_goes(home: Path) -> None:
    """Print the seconds of each step, summed over the runs of a home, and what of the runs is in no step."""
    import dagster as dg
    from dagster import DagsterEventType

    steps: dict[str, float] = {}
    runs = 0.0
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        for record in instance.get_run_records():
            runs += (record.end_time or 0) - (record.start_time or 0)
            started: dict[str, float] = {}
            for entry in instance.all_logs(
                record.dagster_run.run_id, of_type={DagsterEventType.STEP_START, DagsterEventType.STEP_SUCCESS}
            ):
                if entry.step_key and entry.dagster_event:
                    if entry.dagster_event.event_type == DagsterEventType.STEP_START:
                        started[entry.step_key] = entry.timestamp
                    else:
                        took = entry.timestamp - started[entry.step_key]
                        steps[entry.step_key] = steps.get(entry.step_key, 0.0) + took
    shown = ", ".join(f"{name} {took:.1f}" for name, took in sorted(steps.items(), key=lambda item: -item[1]))
    print(f"  steps (s): {shown}; between steps {runs - sum(steps.values()):.1f}", flush=True)


def report(name: str, ratio: float, aim: float | None) -> None:
    verdict = "unmeasured" if aim is None else "ok" if ratio <= aim else "short"
    print(f"{name} {ratio:.2f} {'-' if aim is None else aim} {verdict}", flush=True)


def model_folder(name: str, cache: Path) -> Path:
    from resources.speech.models import prepare_model

    return prepare_model(name, "cpu", cache, True, print)[1]


def main(turns: int, models: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        work, cache = Path(folder), Path(folder) / "cache"
        cache.mkdir()
        from resources.notes import fonts

        fonts.faces(cache)
        long = work / "ten minutes.flac"
        cut(ROOT / "samples" / "lecture.mp4", long, 0, 600)
        short = [work / f"twenty seconds {index}.flac" for index in range(10)]
        for index, file in enumerate(short):
            cut(ROOT / "samples" / "lecture.mp4", file, index * 12, 20)
        for name in models:
            model = model_folder(name, cache)
            figures: dict[str, list[Cost]] = {}
            for turn in range(turns):
                for what, files in (("long", [long]), ("short", short)):
                    place = work / f"{name}-{what}-{turn}"
                    place.mkdir()
                    for side in (plain, notes, inbox):
                        cost = side(model, cache, files, place)
                        figures.setdefault(f"{what} {side.__name__}", []).append(cost)
                        print(
                            f"{name} {what} {side.__name__}: {cost.wall_s:.1f} s wall, {cost.cpu_s:.1f} s CPU,"
                            f" peak {cost.peak_mb:.0f} MB",
                            flush=True,
                        )
                    where_it_goes(place / "notes")
            for what in ("long", "short"):
                for side, figure in (
                    ("notes", "wall_s"),
                    ("notes", "cpu_s"),
                    ("notes", "peak_mb"),
                    ("inbox", "wall_s"),
                ):
                    ratio = statistics.median(
                        getattr(ours, figure) / getattr(theirs, figure)
                        for ours, theirs in zip(figures[f"{what} {side}"], figures[f"{what} plain"], strict=True)
                    )
                    judged = (what, side) == ("long", "notes") and figure != "cpu_s"
                    report(f"overhead_{name}_{what}_{side}_{figure.split('_')[0]}", ratio, AIM if judged else None)


if __name__ == "__main__":
    several = "--long" in sys.argv[1:]
    main(3 if several else 1, ["base", "tiny.en"] if several else ["base"])
