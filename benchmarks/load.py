"""How long the definitions take to load, against `import dagster` alone: whole processes, in turn, median of n.

python benchmarks/load.py [n]
"""

import statistics
import subprocess
import sys
import time

AIM = 1.5


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(n: int) -> None:
    alone, ours = [], []
    seconds("import dagster_project.definitions")  # writes the .pyc files
    for turn in range(n):
        alone.append(seconds("import dagster"))
        ours.append(seconds("import dagster_project.definitions"))
        print(f"load {turn + 1}/{n}: import dagster {alone[-1]:.2f} s, definitions {ours[-1]:.2f} s", flush=True)
    ratio = statistics.median(b / a for a, b in zip(alone, ours, strict=True))
    print(f"load_ratio {ratio:.2f} {AIM} {'ok' if ratio <= AIM else 'short'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
