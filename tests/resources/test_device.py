"""Which device is chosen, and how much memory it has."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resources import device
from resources.device import (
    GIB,
    Choice,
    CTranslate2,
    HostMemory,
    MissingDevice,
    Torch,
    choose,
    headroom,
    memory_of,
    ran_out,
)


class Machine:
    def __init__(self, *cuda_free: int, mps: bool = False) -> None:
        self._free, self._mps = list(cuda_free), mps

    def cuda_free(self) -> list[int]:
        return self._free

    def has_mps(self) -> bool:
        return self._mps


@pytest.mark.parametrize(
    ("wanted", "machine", "name"),
    [
        ("auto", Machine(), "cpu"),
        ("auto", Machine(mps=True), "mps"),
        ("auto", Machine(5), "cuda:0"),
        ("auto", Machine(5, 9, 7, mps=True), "cuda:1"),
        ("cuda", Machine(5, 9), "cuda:1"),
        ("cuda:0", Machine(5, 9), "cuda:0"),
        ("mps", Machine(5, mps=True), "mps"),
        ("cpu", Machine(5, mps=True), "cpu"),
        ("auto", Machine(0), "cuda:0"),  # CTranslate2 doesn't know how much is free
    ],
)
def test_what_is_chosen(wanted: str, machine: Machine, name: str) -> None:
    choice = choose(wanted, machine)
    assert choice.name == name
    assert choice.reason


@pytest.mark.parametrize(
    ("wanted", "machine", "says"),
    [
        ("cuda", Machine(), "there is none"),
        ("cuda", Machine(mps=True), "there is none"),
        ("cuda:2", Machine(5, 9), "there are 2 CUDA devices"),
        ("mps", Machine(5), "mps was asked for"),
        ("tpu", Machine(5), "'tpu' is no device"),
        ("cuda:x", Machine(5), "is no device"),
        ("cuda:-1", Machine(5), "is no device"),
        ("mps:1", Machine(mps=True), "is no device"),
    ],
)
def test_a_device_asked_for_by_name_is_never_replaced(wanted: str, machine: Machine, says: str) -> None:
    with pytest.raises(MissingDevice, match=says) as missing:
        choose(wanted, machine, "SCRIPTORIUM_X")
    assert "SCRIPTORIUM_X" in missing.value.remedy


def ray(mode: int, gpus: list[str]) -> Any:
    """What is asked of Ray, answering as Ray 2.58.0 did in a driver, a task and an actor."""
    context = SimpleNamespace(worker=SimpleNamespace(mode=mode), get_accelerator_ids=lambda: {"GPU": gpus, "TPU": []})
    return SimpleNamespace(is_initialized=lambda: True, WORKER_MODE=1, get_runtime_context=lambda: context)


@pytest.mark.parametrize(
    ("mode", "gpus", "name"), [(1, [], "cpu"), (1, ["0"], "cuda:0"), (0, [], "cuda:0")], ids=["none", "one", "driver"]
)
def test_a_scheduler_that_granted_no_gpu_is_obeyed(
    mode: int, gpus: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", ray(mode, gpus))
    assert choose("auto", Machine(5)).name == name
    if name == "cpu":
        assert "Ray granted this task no GPU" in choose("auto", Machine(5)).reason
        with pytest.raises(MissingDevice, match="Ray granted this task no GPU"):
            choose("cuda", Machine(5))


def test_hidden_devices_are_not_seen(repo: Path) -> None:
    """As Slurm, Kubernetes and Docker hide them. On a machine without a GPU this only shows that it doesn't break."""
    code = "from resources.device import *; print(Torch().cuda_free(), CTranslate2().cuda_free())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repo,
        env={"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[] []"


def test_without_torch_there_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert choose("auto", Torch()) == Choice("cpu", "no GPU is there, or none was granted")


def test_ctranslate2_has_no_mps() -> None:
    assert not CTranslate2().has_mps()


def test_headroom_is_a_share_and_never_less_than_a_gib() -> None:
    assert headroom(4 * GIB) == GIB
    assert headroom(100 * GIB) == 8 * GIB


@pytest.mark.train
def test_cuda_memory_is_what_the_driver_and_the_allocator_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    asked = []

    def answer(value: Any) -> Any:
        return lambda name: asked.append(name) or value

    monkeypatch.setattr(torch.cuda, "mem_get_info", answer((10 * GIB, 80 * GIB)))
    monkeypatch.setattr(torch.cuda, "memory_reserved", answer(30 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_allocated", answer(25 * GIB))
    assert memory_of("cuda:1").usable() == 10 * GIB + 5 * GIB - int(80 * GIB * 0.08)
    assert set(asked) == {"cuda:1"}


@pytest.mark.train
def test_host_memory_leaves_headroom() -> None:
    import psutil

    usable = memory_of("cpu").usable()
    assert isinstance(memory_of("cpu"), HostMemory)
    assert usable < psutil.virtual_memory().available
    memory_of("cpu").release()


def test_host_memory_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert -headroom(total) < memory_of("cpu").usable() < total


@pytest.mark.train
def test_out_of_memory_is_told_by_type_and_code() -> None:
    import torch

    pinned = torch.AcceleratorError("CUDA error: out of memory")
    assert not ran_out(pinned, "cuda:0")  # any CUDA error has this type
    pinned.error_code = 2  # what torch sets for cudaErrorMemoryAllocation
    assert ran_out(pinned, "cuda:0")
    assert ran_out(torch.OutOfMemoryError(), "cuda:0")
    assert not ran_out(RuntimeError("CUDA out of memory"), "cuda:0")
    assert not ran_out(OSError(), "mps")
    assert ran_out(RuntimeError("MPS backend out of memory"), "mps")


def test_the_limit_of_a_container_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("2000\n")
    (tmp_path / "memory.current").write_text("1500\n")
    assert device._container(tmp_path) == (500, 2000)
    (tmp_path / "memory.max").write_text("max\n")
    assert device._container(tmp_path) == ()
    assert device._container(tmp_path / "none") == ()
    monkeypatch.setattr(device, "_machine", lambda: (9 * GIB, 10 * GIB))
    monkeypatch.setattr(device, "_container", lambda: (3 * GIB, 4 * GIB))
    assert HostMemory().total() == 4 * GIB
    assert HostMemory().usable() == 2 * GIB


@pytest.mark.gpu
def test_a_real_device_has_memory_and_runs_out_of_it() -> None:
    import torch

    choice = choose("auto", Torch())
    assert choice.name.startswith("cuda:")
    memory = memory_of(choice.name)
    before = memory.usable()
    held = torch.empty(GIB, dtype=torch.uint8, device=choice.name)
    assert before - memory.usable() >= GIB
    del held
    memory.release()
    assert abs(memory.usable() - before) < 64 << 20
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(1 << 50, dtype=torch.uint8, device=choice.name)
