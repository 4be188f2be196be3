"""How long after a dropped file has settled its run starts its first asset, with a real daemon: n drops, one by one.

    python benchmarks/drops.py [n]

A file has settled when it has not changed for SCRIPTORIUM_SETTLE_SECONDS (here the default, 10 s). Drops come 15 to 20
seconds apart, at no fixed phase of the sensor's 5-second tick, so that no run waits for another.
"""

import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTLE_S = 10.0
AIM_S = 10.0


def first_assets(home: Path) -> dict[str, float]:
    """Time of the first step of each recording's run, by the stem its partition key starts with."""
    import dagster as dg

    found = {}
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        for run in instance.get_runs():
            starts = [
                entry.timestamp for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)
            ]
            if starts:
                found[run.tags["dagster/partition"].split("~")[0]] = min(starts)
    return found


def main(n: int) -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from overhead import cut, free_port

    with tempfile.TemporaryDirectory(prefix="drops-") as folder:
        home, clips = Path(folder) / "home", Path(folder)
        for index in range(n):
            cut(ROOT / "samples" / "lecture.mp4", clips / f"drop{index:02}.flac", index * 5, 4)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("SCRIPTORIUM_", "DAGSTER_"))}
        env |= {
            "SCRIPTORIUM_HOME": str(home), "SCRIPTORIUM_SPEECH_MODEL": "tiny.en",
            "SCRIPTORIUM_SETTLE_SECONDS": str(SETTLE_S), "SCRIPTORIUM_MIN_FREE_GB": "0",
        }  # fmt: skip
        cli = [sys.executable, "-m", "dagster_project.cli"]
        subprocess.run([*cli, "setup"], check=True, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        daemon = subprocess.Popen(
            ["env", "--default-signal=INT,TERM", *cli, "dev", "--port", str(free_port())],
            cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            time.sleep(20)
            settled: dict[str, float] = {}
            chance = random.Random(0)
            for index in range(n):
                clip = clips / f"drop{index:02}.flac"
                (home / "inbox" / "recordings" / clip.name).write_bytes(clip.read_bytes())
                settled[clip.stem] = time.time() + SETTLE_S
                print(f"drops {index + 1}/{n}", flush=True)
                time.sleep(chance.uniform(15, 20))
            end = time.monotonic() + 120
            while len(started := first_assets(home)) < n and time.monotonic() < end:
                time.sleep(2)
        finally:
            daemon.send_signal(signal.SIGINT)
            daemon.wait(60)
    waits = sorted(started.get(stem, float("inf")) - at for stem, at in settled.items())
    print("seconds from settled to first asset:", " ".join(f"{wait:.1f}" for wait in waits))
    within = sum(wait <= AIM_S for wait in waits) / n
    print(f"drop_to_first_asset_median_s {statistics.median(waits):.1f} - unmeasured")
    print(f"drops_within_10_s {within:.2f} 0.95 {'ok' if within >= 0.95 else 'short'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
