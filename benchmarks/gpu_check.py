"""What the store does with a GPU, checked and measured on a bare machine that has one.

    python benchmarks/gpu_check.py [MB]

- digests of tensors taken from the device equal those of the file that was written;
- what is kept on the device is handed over without a copy;
- what doesn't fit by its header is left in host memory before anything is allocated;
- running out of memory while loading leaves what is kept, and the file, as they were, and ends in host memory;
- how fast tensors come onto the device, against a bare copy from pinned memory.

torch (with NumPy, as it usually comes) and safetensors suffice. Digests are BLAKE2 here, so that nothing else has to be
installed; where blake3 and pydantic are, the whole store is gone through too. Without a GPU a pretended one, whose
memory is the host's, takes its place: that tests this script and the code it goes through, and its speeds are left
unmeasured. Ends with lines `<name> <measured> <aim> <verdict>`.
"""

import gc
import hashlib
import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from resources.device import Choice, Memory, Torch, choose, memory_of
from resources.store.loader import Safetensors
from resources.store.placement import HOST, Placed, Placement
from resources.store.tensor_files import DTYPES, TensorFile

failed = []


def row(name: str, measured: object, aim: object, ok: bool | None) -> None:
    if ok is False:
        failed.append(name)
    print(f"{name} {measured} {aim} {'unmeasured' if ok is None else 'ok' if ok else 'short'}", flush=True)


def digest(pieces: Iterable[bytes | memoryview]) -> str:
    found = hashlib.blake2b()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def odd_tensors(large: int) -> dict[str, torch.Tensor]:
    """Every dtype in shapes that end at odd addresses, empty and scalar ones, and one of `large` bytes."""
    tensors = {}
    for name in DTYPES:
        dtype = getattr(torch, name)
        size = torch.empty(0, dtype=dtype).element_size()
        raw = torch.randint(0, 2 if dtype == torch.bool else 256, (7 * 3 * size,), dtype=torch.uint8)
        tensors[name] = raw.view(dtype).reshape(7, 3)
        tensors[f"{name}.empty"] = torch.empty(0, 5, dtype=dtype)
        tensors[f"{name}.scalar"] = raw[:size].clone().view(dtype).reshape(())
    tensors["large"] = torch.randint(-(2**62), 2**62, (large // 8,)).view(torch.uint8)
    return tensors


def write(tensors: Mapping[str, torch.Tensor], path: Path) -> str:
    """Write a safetensors file as the store does; the digest of its bytes."""
    found = hashlib.blake2b()
    with path.open("wb") as file:
        for piece in TensorFile(tensors, "gpu_check"):
            found.update(piece)
            file.write(piece)
    return found.hexdigest()


def place(placement: Placement, name: str, path: Path, device: str) -> Placed:
    """As the store does it, which knows from the manifest how large the tensors are."""
    with path.open("rb") as file:
        nbytes = path.stat().st_size - 8 - int.from_bytes(file.read(8), "little")
    return placement.place(name, path, device, nbytes, lambda: None)


class Bench:
    """A device, real or pretended, with a loader and a memory that can be told to lie."""

    def __init__(self, choice: Choice) -> None:
        self.real = choice.name.startswith("cuda")
        self.device = choice.name if self.real else "cuda:0"
        self.loader: Safetensors = Safetensors() if self.real else Pretended()

    def memory(self, name: str) -> Memory:
        return memory_of(name if self.real else HOST)

    def holds(self, placed: Placed) -> bool:
        """Whether the tensors are said to be on the device, and are."""
        where = {str(tensor.device) for tensor in placed.tensors.values()}
        return placed.device == self.device and where == {self.device if self.real else HOST}

    def synchronize(self) -> None:
        if self.real:
            torch.cuda.synchronize(self.device)

    def allocated(self) -> int:
        return torch.cuda.memory_allocated(self.device) if self.real else 0


class Pretended(Safetensors):
    """A GPU whose tensors lie in host memory; `fails` so many loads run out of memory, half way."""

    fails = 0

    def read(self, path: Path, device: str) -> dict[str, Any]:
        return self._onto(device, super().read(path, HOST))

    def move(self, tensors: dict[str, Any], device: str) -> dict[str, Any]:
        return self._onto(device, super().move(tensors, HOST))

    def _onto(self, device: str, tensors: dict[str, Any]) -> dict[str, Any]:
        there = {name: tensor.clone() for name, tensor in tensors.items()} if device != HOST else tensors
        if device != HOST and self.fails:
            self.fails -= 1
            raise torch.OutOfMemoryError("pretended")
        return there


class Endless:
    """A memory that promises more than there is, so that the device itself has to say no."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def total(self) -> int:
        return 1 << 60

    def usable(self) -> int:
        return 1 << 60

    def release(self) -> None:
        self._memory.release()


def check_digests(bench: Bench, folder: Path, large: int) -> None:
    path = folder / "odd.safetensors"
    written = write(odd_tensors(large), path)
    placed = place(Placement(bench.loader, bench.memory), written, path, bench.device)
    found = digest(TensorFile(placed.tensors, "gpu_check"))
    row("digest_of_device_tensors_equal", int(found == written), 1, found == written)
    there = bench.holds(placed)
    row("all_on_the_device", int(there), 1, there)


def check_store(bench: Bench, folder: Path, large: int) -> None:
    """The same through the whole store: the manifest's digest against one taken from the device."""
    if any(importlib.util.find_spec(name) is None for name in ("blake3", "pydantic")):
        row("manifest_digest_of_device_tensors_equal", "-", 1, None)
        return
    from blake3 import blake3

    from resources.store.artifacts import Artifacts, Expected
    from resources.store.types import Tensors

    stored = Artifacts(folder / "store").store(Tensors(odd_tensors(large)), "a", None, "run", 0)
    placement = Placement(bench.loader, bench.memory)
    placement._chosen["auto"] = Choice(bench.device, "under test")
    value, _ = Artifacts(folder / "store", placement).load(stored.path, Expected("a", None, "run", None))
    found = blake3()
    for piece in TensorFile(value, "gpu_check"):  # type: ignore[arg-type]
        found.update(piece)
    same = found.hexdigest() == stored.manifest.files[0].digest
    row("manifest_digest_of_device_tensors_equal", int(same), 1, same)


def check_residency(bench: Bench, path: Path) -> None:
    placement = Placement(bench.loader, bench.memory)
    first = place(placement, "d", path, bench.device)
    bench.synchronize()
    before = bench.allocated()
    second = place(placement, "d", path, bench.device)
    same = all(second.tensors[name].data_ptr() == first.tensors[name].data_ptr() for name in first.tensors)
    grown = bench.allocated() - before
    row("residency_hit_same_memory", int(same), 1, same)
    row("residency_hit_bytes_moved", second.moved, 0, second.moved == 0)
    row("residency_hit_bytes_allocated", grown, 0, grown == 0 if bench.real else None)


def check_budget(bench: Bench, path: Path) -> None:
    placement = Placement(bench.loader, bench.memory, limit=path.stat().st_size // 2)
    before = bench.allocated()
    placed = place(placement, "d", path, bench.device)
    grown = bench.allocated() - before
    ok = placed.device == HOST and placed.warning is not None and grown == 0
    row("too_large_goes_to_host_memory", int(ok), 1, ok)


def check_out_of_memory(bench: Bench, path: Path, written: str, folder: Path) -> None:
    small = folder / "small.safetensors"
    kept_digest = write({"x": torch.arange(1000)}, small)
    placement = Placement(bench.loader, lambda name: Endless(bench.memory(name)))
    kept = place(placement, "small", small, bench.device)
    ballast = []
    if isinstance(bench.loader, Pretended):
        bench.loader.fails = 2
    else:
        nbytes = path.stat().st_size
        free = torch.cuda.mem_get_info(bench.device)[0]
        ballast.append(torch.empty(max(0, free - nbytes // 2), dtype=torch.uint8, device=bench.device))
    placed = place(placement, "d", path, bench.device)
    ended = placed.device == HOST and placed.warning is not None and "ran out of memory" in placed.warning
    row("out_of_memory_ends_in_host_memory", int(ended), 1, ended)
    intact = digest(TensorFile(placed.tensors, "x")) == written and digest([path.read_bytes()]) == written
    intact = intact and digest(TensorFile(kept.tensors, "x")) == kept_digest
    intact = intact and place(placement, "small", small, bench.device).how == "resident"
    row("out_of_memory_leaves_all_intact", int(intact), 1, intact)
    ballast.clear()
    bench.memory(bench.device).release()
    again = place(placement, "d", path, bench.device)
    row("fits_once_memory_is_free", int(bench.holds(again)), 1, bench.holds(again))


def measure(bench: Bench, path: Path, rounds: int = 5) -> None:
    """GB/s onto the device: from a cached file, from host tensors, and from pinned memory allocated once."""
    names = ("file", "host_tensors")
    if not bench.real:
        for name in names:
            row(f"host_to_device_{name}_vs_pinned", "-", "-", None)
        return
    nbytes = path.stat().st_size
    source = Safetensors().read(path, HOST)
    source = {name: tensor.clone() for name, tensor in source.items()}
    pinned = torch.empty(nbytes, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(nbytes, dtype=torch.uint8, device=bench.device)
    work = {
        "file": lambda: bench.loader.read(path, bench.device),
        "host_tensors": lambda: bench.loader.move(source, bench.device),
        "pinned": lambda: there.copy_(pinned, non_blocking=True),
    }
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, bring in work.items():
            gc.collect()
            bench.synchronize()
            start = time.perf_counter()
            held = bring()
            bench.synchronize()
            took = time.perf_counter() - start
            del held
            best[name] = min(best.get(name, took), took)
    for name in work:
        print(f"{name}: {nbytes / best[name] / 1e9:.2f} GB/s (best of {rounds})")
    for name in names:
        row(f"host_to_device_{name}_vs_pinned", f"{best['pinned'] / best[name]:.2f}", "-", None)


def main(megabytes: int) -> int:
    choice = choose("auto", Torch())
    bench = Bench(choice)
    print(f"torch {torch.__version__}, {choice.name}: {choice.reason}")
    if bench.real:
        print(f"{torch.cuda.get_device_name(bench.device)}, CUDA {torch.version.cuda}")
    else:
        print("no GPU: a pretended one is used, and speeds are not measured")
    folder = Path(tempfile.mkdtemp(prefix="gpu_check-"))
    try:
        path = folder / "bundle.safetensors"
        written = write(
            {f"t{n}": torch.randint(-(2**62), 2**62, (megabytes * 1_000_000 // 64,)) for n in range(8)}, path
        )
        # Over 2 GiB in one tensor, where there is room for it: offsets no longer fit 32 bits.
        large = (2 << 30) + 4096 if bench.real else 1 << 20
        check_digests(bench, folder, large)
        check_store(bench, folder, large)
        check_residency(bench, path)
        check_budget(bench, path)
        check_out_of_memory(bench, path, written, folder)
        measure(bench, path)
    finally:
        shutil.rmtree(folder)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024))
