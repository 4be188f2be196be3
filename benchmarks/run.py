"""Run the benchmarks and end with one table: name, measured, aim, verdict.

    python benchmarks/run.py [--long]

Each benchmark is a script beside this one that ends with lines `<name> <measured> <aim> <ok|short|unmeasured>`.
"""

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

# Script, its arguments in `make bench`, its arguments in `make bench-long`.
BENCHMARKS = [
    ("load.py", ["7"], ["15"]),
    ("sensor.py", [], ["--long"]),
    ("overhead.py", [], ["--long"]),
    ("speech.py", [], ["--long"]),
    ("drops.py", ["20"], ["40"]),
    ("store.py", ["256", "5"], ["2000", "3"]),
    ("gpu_check.py", ["256"], ["2000"]),
    ("train_input.py", ["5120", "3"], ["10240", "7"]),
    ("lightning_overhead.py", ["3"], ["7"]),
    ("predict.py", ["2"], ["5"]),
    ("cifar10_gpu.py", [], []),
    ("lstm_input.py", ["3"], ["7"]),
]
NEED_TORCH = (
    "store.py",
    "gpu_check.py",
    "train_input.py",
    "lightning_overhead.py",
    "predict.py",
    "cifar10_gpu.py",
    "lstm_input.py",
)
LINE = re.compile(r"(\S+) (\S+) (\S+) (ok|short|unmeasured)$")


def main(long: bool) -> int:
    rows: list[tuple[str, str, str, str]] = []
    failed = []
    for script, short_args, long_args in BENCHMARKS:
        if script in NEED_TORCH and importlib.util.find_spec("torch") is None:
            print(f"== {script}: needs torch, install it with: make setup EXTRAS=offline,dev,train")
            rows.append((script.removesuffix(".py"), "-", "-", "unmeasured"))
            continue
        start = time.monotonic()
        print(f"== {script}", flush=True)
        command = [sys.executable, "-u", str(Path(__file__).parent / script), *(long_args if long else short_args)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                if match := LINE.match(line.strip()):
                    rows.append(match.groups())  # type: ignore[arg-type]
        if process.returncode:
            failed.append(script)
        print(f"== {script}: {time.monotonic() - start:.0f} s", flush=True)
    print(f"\n{'name':<40} {'measured':>10} {'aim':>8}  verdict")
    for name, measured, aim, verdict in rows:
        print(f"{name:<40} {measured:>10} {aim:>8}  {verdict}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main("--long" in sys.argv[1:]))
