"""Tensors on their device: kept, copied, read, or left in host memory. A device of any size stands behind the CPU."""

import gc
import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from resources.device import Choice  # noqa: E402
from resources.store.artifacts import Artifacts, Expected  # noqa: E402
from resources.store.loader import Safetensors  # noqa: E402
from resources.store.placement import Placed, Placement  # noqa: E402
from resources.store.tensor_files import TensorFile  # noqa: E402
from resources.store.types import Tensors  # noqa: E402

pytestmark = pytest.mark.train
GPU = "cuda:0"


class Gpu(Safetensors):
    """Stands for a GPU of `total` bytes: its tensors lie in host memory, and are counted while they live.

    What it is asked to load is done by the real loader; `fails` so many loads run out of memory half way.
    """

    def __init__(self, total: int = 10_000) -> None:
        self.total, self.fails = total, 0
        self.log: list[str] = []
        self.released = 0
        self.tensors: list[weakref.ref[Any]] = []

    def memory(self, name: str) -> "Gpu | Host":
        return self if name == GPU else Host()

    def usable(self) -> int:
        return self.total - sum(tensor.nbytes for ref in self.tensors if (tensor := ref()) is not None)

    def release(self) -> None:
        gc.collect()
        self.released += 1

    def read(self, path: Path, device: str) -> dict[str, Any]:
        self.log.append(f"read {device}")
        return self._onto(device, super().read(path, "cpu"))

    def move(self, tensors: dict[str, Any], device: str) -> dict[str, Any]:
        self.log.append(f"move {device}")
        return self._onto(device, super().move(tensors, "cpu"))

    def _onto(self, device: str, tensors: dict[str, Any]) -> dict[str, Any]:
        if device != GPU:
            return tensors
        there = {}
        for name, tensor in tensors.items():
            there[name] = tensor.clone()
            self.tensors.append(weakref.ref(there[name]))
            if self.fails:
                self.fails -= 1
                raise torch.OutOfMemoryError("made up")
        assert self.usable() >= 0, "more was put on the device than it holds"
        return there


class Host:
    def usable(self) -> int:
        return 10**9

    def release(self) -> None:
        pass


@pytest.fixture
def gpu() -> Gpu:
    return Gpu()


@pytest.fixture
def placement(gpu: Gpu) -> Placement:
    return Placement(gpu, gpu.memory)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., tuple[str, Path]]:
    """A file of one tensor of so many bytes, and its name as its digest."""

    def make(name: str, nbytes: int = 4000) -> tuple[str, Path]:
        path = tmp_path / name
        path.write_bytes(b"".join(TensorFile({"x": torch.full((nbytes,), ord(name[0]), dtype=torch.uint8)}, "t")))
        return name, path

    return make


File = Callable[..., tuple[str, Path]]


def test_the_first_reads_the_next_gets_the_same_memory(placement: Placement, gpu: Gpu, file: File) -> None:
    first, second = placement.place(*file("a"), GPU), placement.place(*file("a"), GPU)
    assert (first.how, first.moved, first.device) == ("read", 4000, GPU)
    assert (second.how, second.moved, second.device) == ("resident", 0, GPU)
    assert first.tensors["x"].data_ptr() == second.tensors["x"].data_ptr()
    assert gpu.log == ["read cuda:0"]


def test_what_is_kept_in_host_memory_is_copied_up_once_and_not_read(placement: Placement, gpu: Gpu, file: File) -> None:
    digest, path = file("a")
    made = TensorFile({"x": torch.full((4000,), ord("a"), dtype=torch.uint8)}, "t")
    assert placement.keep(digest, made) == "cpu"
    how = [placement.place(digest, path, GPU, lambda: pytest.fail("read")).how for _ in range(3)]
    assert how == ["uploaded", "resident", "resident"]
    assert gpu.log == ["move cuda:0"]
    on_host = placement.place(digest, path, "cpu")
    assert on_host.how == "resident"
    assert on_host.tensors["x"].data_ptr() == made.tensors["x"].data_ptr()


def test_what_is_no_longer_used_makes_room(placement: Placement, gpu: Gpu, file: File) -> None:
    for name in "abc":
        placed = placement.place(*file(name), GPU)
        assert placed.device == GPU
        assert placed.tensors["x"][0] == ord(name)
        del placed
    assert placement.kept(GPU) == 8000
    assert placement.place(*file("a"), GPU).how == "read"  # it was lent longest ago


def test_what_is_in_use_is_not_evicted_and_the_rest_goes_to_host_memory(
    placement: Placement, gpu: Gpu, file: File
) -> None:
    held = [placement.place(*file(name), GPU) for name in "ab"]
    third = placement.place(*file("c"), GPU)
    assert (third.device, third.how) == ("cpu", "read")
    assert third.warning is not None
    assert "cuda:0 has left" in third.warning
    assert "host memory" in third.warning
    assert third.tensors["x"][0] == ord("c")
    assert gpu.log == ["read cuda:0", "read cuda:0", "read cpu"]
    del held
    gc.collect()
    assert placement.place(*file("c"), GPU).device == GPU


def test_bytes_are_counted_from_the_header_to_the_byte(gpu: Gpu, placement: Placement, file: File) -> None:
    gpu.total = 4000
    assert placement.place(*file("a", 4000), GPU).device == GPU
    assert placement.place(*file("b", 4001), GPU).device == "cpu"


def test_out_of_memory_evicts_and_tries_once_more(placement: Placement, gpu: Gpu, file: File) -> None:
    placement.place(*file("a"), GPU)
    gpu.fails = 1
    placed = placement.place(*file("b"), GPU)
    assert (placed.device, placed.warning) == (GPU, None)
    assert placed.tensors["x"][0] == ord("b")
    assert gpu.log == ["read cuda:0"] * 3
    assert gpu.released == 1
    assert placement.kept(GPU) == 4000  # of `a` nothing is left


def test_out_of_memory_twice_ends_in_host_memory_with_all_else_intact(
    placement: Placement, gpu: Gpu, file: File
) -> None:
    held = placement.place(*file("a"), GPU)
    gpu.fails = 2
    placed = placement.place(*file("b"), GPU)
    assert placed.device == "cpu"
    assert placed.warning is not None
    assert "ran out of memory" in placed.warning
    assert placed.tensors["x"][0] == ord("b")
    assert held.tensors["x"][0] == ord("a")
    assert placement.place(*file("a"), GPU).how == "resident"
    assert placement.place(*file("b"), GPU).device == GPU


def test_nothing_of_a_failed_load_stays_on_the_device(placement: Placement, gpu: Gpu, file: File) -> None:
    """The traceback of an exception holds the frames, and so the tensors, of the load that failed."""
    free = []

    class Watching(Gpu):
        def release(self) -> None:
            free.append(self.usable())

    watching = Watching()
    watching.fails = 2
    Placement(watching, watching.memory).place(*file("a"), GPU)
    assert free == [10_000, 10_000]


def test_another_error_is_passed_on(placement: Placement, gpu: Gpu, file: File) -> None:
    digest, path = file("a")

    def damaged() -> None:
        raise RuntimeError("CUDA out of memory, says somebody else")  # told by its type, not its words

    with pytest.raises(RuntimeError, match="says somebody else"):
        placement.place(digest, path, GPU, damaged)
    assert gpu.log == []
    assert placement.kept(GPU) == 0


def test_no_entry_outlives_its_file(placement: Placement, file: File) -> None:
    digest, path = file("a")
    placement.place(digest, path, GPU)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        placement.place(digest, path, GPU)


@pytest.mark.parametrize("checking", [False, True])
def test_what_somebody_wrote_into_is_not_lent_again(
    checking: bool, gpu: Gpu, file: File, caplog: pytest.LogCaptureFixture
) -> None:
    placement = Placement(gpu, gpu.memory, checking=checking)
    careless = placement.place(*file("a"), GPU)
    assert placement.changed(careless.tensors) == []
    careless.tensors["x"][:10].zero_()  # a view of it
    if checking:
        assert placement.changed(careless.tensors) == ["x"]
    with caplog.at_level(logging.WARNING):
        again = placement.place(*file("a"), GPU)
    assert ("written to" in caplog.text) == (not checking)
    assert again.how == "read"
    assert again.tensors["x"][0] == ord("a")
    assert placement.changed(again.tensors) == []


def test_checking_sees_what_torch_does_not_count(gpu: Gpu, file: File) -> None:
    seen = {}
    for checking in (False, True):
        placement = Placement(gpu, gpu.memory, checking=checking)
        placed = placement.place(*file("a"), GPU)
        placed.tensors["x"].numpy()[0] = 0
        seen[checking] = placement.changed(placed.tensors)
    assert seen == {False: [], True: ["x"]}


def test_tensors_made_in_inference_mode_have_no_counter_and_are_kept(placement: Placement, file: File) -> None:
    with torch.inference_mode():
        made = TensorFile({"x": torch.full((4000,), ord("a"), dtype=torch.uint8)}, "t")
    digest, path = file("a")
    assert placement.keep(digest, made) == "cpu"
    assert placement.place(digest, path, "cpu").how == "resident"


def test_tensors_on_several_devices_are_kept_on_none(placement: Placement) -> None:
    class Elsewhere:
        def __init__(self) -> None:
            self.device = torch.device("cuda:1")

    mixed = TensorFile({"x": torch.ones(1)}, "t")
    mixed.tensors["y"] = Elsewhere()
    assert placement.keep("d", mixed) is None


def test_host_memory_that_is_full_is_no_obstacle(gpu: Gpu, file: File) -> None:
    class Full(Host):
        def usable(self) -> int:
            return -1

    placement = Placement(gpu, lambda name: Full())
    placed: list[Placed] = [placement.place(*file("a"), "cpu") for _ in range(2)]
    assert [one.how for one in placed] == ["read", "read"]
    assert [one.warning for one in placed] == [None, None]
    assert placement.kept("cpu") == 0


def test_a_device_is_chosen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from resources.store import placement as module

    answers = [Choice("cuda:1", "most free"), Choice("cuda:0", "most free now")]
    monkeypatch.setattr(module, "choose", lambda wanted, backend: answers.pop(0))
    placement = Placement()
    assert [placement.device("auto").name for _ in range(2)] == ["cuda:1", "cuda:1"]


def test_a_damaged_file_is_not_read_onto_the_device(gpu: Gpu, tmp_path: Path) -> None:
    from resources.errors import CorruptArtifact

    placement = Placement(gpu, gpu.memory)
    placement._chosen[GPU] = Choice(GPU, "in this test")
    artifacts = Artifacts(tmp_path / "store", placement, GPU)
    stored = artifacts.store(Tensors({"x": torch.zeros(5000, dtype=torch.uint8)}), "a", None, "r", 0)
    placement.evict()
    (blob,) = stored.manifest.files
    path = tmp_path / "store/objects" / blob.digest[:2] / blob.digest
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"tensors\.safetensors is not what was stored"):
        artifacts.load(stored.path, Expected("a", None, "r", None))
    assert gpu.log == []
