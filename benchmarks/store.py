"""The store against bare safetensors and torch.save: one bundle of tensors, written durably, read cold and warm.

    python benchmarks/store.py [MB] [n]

Every round makes new content, and each side writes and reads it once, in changing order; the median of the rounds'
ratios is compared with the aim. What the sides do:

- store: ours hashes while it writes, syncs file and folder, writes a manifest; theirs writes and syncs file and folder.
- load: ours reads the manifest, verifies (cold: every byte is hashed; warm: it was, before) and maps the file; theirs
  maps it (safetensors) or reads it (torch.load). A load is over when every tensor has been summed.
- warm: the quickest of three loads in a round, since the machine's noise is larger than what is compared.
- cold: the file's pages are dropped from the cache first, and that they are gone is checked.
- hand-over: the load that follows a store in the same process.
"""

import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from resources.store.artifacts import Artifacts, Expected
from resources.store.placement import Placement
from resources.store.types import Tensors

WARM = 3
READ_AIM = 65_536  # bytes: the manifest and what the system reads besides, and nothing of the value
AIMS = {"store": 1.3, "load_cold": 1.3, "load_warm": 1.05}
EXPECTED = Expected("dataset", None, "run", None)


def bundle(megabytes: int, seed: int) -> dict[str, torch.Tensor]:
    """Half images (uint8), half weights (float32 and bfloat16) of the sizes a small transformer has."""
    generator = torch.Generator().manual_seed(seed)

    def made(nbytes: int) -> torch.Tensor:
        words = torch.randint(-(2**62), 2**62, (nbytes // 8,), generator=generator)
        return words.view(torch.uint8)

    half = megabytes * 500_000 // 3072 * 3072
    tensors = {"images": made(half).reshape(-1, 32, 32, 3)}
    block = half // 48 // 64 * 64
    for layer in range(24):
        tensors[f"layer.{layer}.weight"] = (made(block).view(torch.int32) % 1000).float().reshape(-1, 16)
        tensors[f"layer.{layer}.half"] = (made(block).view(torch.int16) % 100).to(torch.bfloat16)
    return tensors


def summed(tensors: Any) -> float:
    return sum(float(tensor.sum()) for tensor in tensors.values())


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    gc.collect()
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def dropped_from_cache(path: Path) -> bool:
    """Make the next read of `path` come from the disk; False if its pages stay in memory, as on a tmpfs."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found = subprocess.run(
        ["fincore", "--bytes", "--noheadings", "--output", "RES", path], capture_output=True, text=True, check=True
    )
    return int(found.stdout) <= path.stat().st_size // 100


def synced(save: Callable[[Path], None], path: Path) -> None:
    save(path)
    for where in (path, path.parent):
        descriptor = os.open(where, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


class Sides:
    """The three ways of storing and loading, in one folder."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.root = root
        self.paths = {"safetensors": folder / "bare.safetensors", "torch": folder / "bare.pt"}
        self.manifest, self.run = "", folder.name

    def store(self, side: str, tensors: dict[str, torch.Tensor]) -> None:
        if side == "ours":
            stored = Artifacts(self.root, Placement()).store(Tensors(tensors), "dataset", None, self.run, 0)
            self.manifest = stored.path
            (file,) = stored.manifest.files
            self.paths["ours"] = self.root / "objects" / file.digest[:2] / file.digest
        elif side == "safetensors":
            synced(lambda path: save_file(tensors, path), self.paths[side])
        else:
            synced(lambda path: torch.save(tensors, path), self.paths[side])

    def load(self, side: str) -> float:
        if side == "ours":
            expected = Expected("dataset", None, self.run, None)
            value, _ = Artifacts(self.root, Placement(), "cpu").load(self.manifest, expected)
            return summed(value)
        if side == "safetensors":
            return summed(load_file(self.paths[side]))
        return summed(torch.load(self.paths[side], weights_only=True))

    def forget_verified(self) -> None:
        (self.root / "verified.sqlite").unlink(missing_ok=True)


def main(megabytes: int, rounds: int) -> None:
    seconds: dict[tuple[str, str], list[float]] = {}
    names = ["ours", "safetensors", "torch"]
    cold = shutil.which("fincore") is not None
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as name:
        for turn in range(rounds + 1):  # the first one warms up and does not count
            folder = Path(name) / str(turn)
            folder.mkdir()
            sides = Sides(folder, Path(name) / "store")  # one store for all rounds, as it is in use
            tensors = bundle(megabytes, turn)
            expected = summed(tensors)
            order = names[turn % 3 :] + names[: turn % 3]
            # Warm before cold: then every side's pages are those that its own writing left in the cache.
            for what in ("store", "load_warm", "load_cold"):
                for side in order:
                    if what == "store":
                        os.sync()
                        took, _ = timed(sides.store, side, tensors)
                    else:
                        if what == "load_cold":
                            if side == "ours":
                                sides.forget_verified()
                            cold = cold and dropped_from_cache(sides.paths[side])
                        took, total = timed(sides.load, side)
                        assert total == expected, (side, what)
                        if what == "load_warm":  # the first one verified ours; of the next the quickest counts
                            took = min(timed(sides.load, side)[0] for _ in range(WARM))
                    if turn:
                        seconds.setdefault((what, side), []).append(took)
            hand_over(folder, tensors, turn == rounds)
            shutil.rmtree(folder)
            sides.paths["ours"].unlink()
            del tensors
            print(f"store {turn}/{rounds}", flush=True)
    for what, aim in AIMS.items():
        ours = seconds[what, "ours"]
        rate = ", ".join(
            f"{side} {statistics.median(seconds[what, side]):.3f} s"
            f" ({megabytes / 1000 / statistics.median(seconds[what, side]):.2f} GB/s)"
            for side in names
        )
        print(f"{what}: {rate}")
        for side, limit in (("safetensors", aim), ("torch", None)):
            ratio = statistics.median(a / b for a, b in zip(ours, seconds[what, side], strict=True))
            verdict = "unmeasured" if limit is None else "ok" if ratio <= limit else "short"
            if what == "load_cold" and not cold:
                print(f"{what}_{megabytes}MB_vs_{side} - {limit or '-'} unmeasured")
                continue
            print(f"{what}_{megabytes}MB_vs_{side} {ratio:.2f} {limit or '-'} {verdict}")


def hand_over(folder: Path, tensors: dict[str, torch.Tensor], show: bool) -> None:
    """Store and load in one process: the same memory, and no byte of the value read."""
    artifacts = Artifacts(folder / "hand over", Placement(), "cpu")
    stored = artifacts.store(Tensors(tensors), "dataset", None, "run", 0)

    def bytes_read() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("rchar")))

    before = bytes_read()
    took, (value, _) = timed(artifacts.load, stored.path, EXPECTED)
    read = bytes_read() - before
    same = all(value[name].data_ptr() == tensor.data_ptr() for name, tensor in tensors.items())
    if show:
        print(f"hand-over: {took * 1000:.1f} ms, {read} bytes read, all in all (the manifest and its like)")
        print(f"hand_over_same_memory {int(same)} 1 {'ok' if same else 'short'}")
        print(f"hand_over_bytes_read {read} {READ_AIM} {'ok' if read <= READ_AIM else 'short'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
