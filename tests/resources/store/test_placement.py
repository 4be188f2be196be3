"""Tensors on their device: kept, copied, read, or left in host memory. A device of any size stands behind the CPU."""

import gc
import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

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
    """Stands for a GPU of `size` bytes: its tensors lie in host memory, and are counted while they live.

    What it is asked to load is done by the real loader; `fails` so many loads run out of memory half way.
    """

    def __init__(self, size: int = 10_000) -> None:
        self.size, self.fails = size, 0
        self.log: list[str] = []
        self.released = 0
        self.tensors: list[weakref.ref[Any]] = []

    def memory(self, name: str) -> "Gpu | Host":
        return self if name == GPU else Host()

    def total(self) -> int:
        return self.size

    def usable(self) -> int:
        return self.size - sum(tensor.nbytes for ref in self.tensors if (tensor := ref()) is not None)

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
    def total(self) -> int:
        return 10**10

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
    """A file of one tensor of so many bytes, all of them the letter that it is named by; its digest and path."""

    def make(name: str, nbytes: int = 4000) -> tuple[str, Path]:
        path = tmp_path / name
        content = b"".join(TensorFile({"x": torch.full((nbytes,), ord(name[0]), dtype=torch.uint8)}, "t"))
        path.write_bytes(content)
        return blake3(content).hexdigest(), path

    return make


File = Callable[..., tuple[str, Path]]


def place(
    placement: Placement, digest: str, path: Path, device: str, verify: Callable[[], object] = lambda: None
) -> Placed:
    """As the store does it; how large the tensors are it knows from the manifest."""
    with path.open("rb") as file:
        nbytes = path.stat().st_size - 8 - int.from_bytes(file.read(8), "little")
    return placement.place(digest, path, device, nbytes, verify)


def test_the_first_reads_the_next_gets_the_same_memory(placement: Placement, gpu: Gpu, file: File) -> None:
    first, second = place(placement, *file("a"), GPU), place(placement, *file("a"), GPU)
    assert (first.how, first.moved, first.device) == ("read", 4000, GPU)
    assert (second.how, second.moved, second.device) == ("resident", 0, GPU)
    assert first.tensors["x"].data_ptr() == second.tensors["x"].data_ptr()
    assert gpu.log == ["read cuda:0"]


def test_what_is_kept_in_host_memory_is_copied_up_once_and_not_read(placement: Placement, gpu: Gpu, file: File) -> None:
    digest, path = file("a")
    made = TensorFile({"x": torch.full((4000,), ord("a"), dtype=torch.uint8)}, "t")
    assert placement.keep(digest, made) == "cpu"
    how = [place(placement, digest, path, GPU, lambda: pytest.fail("read")).how for _ in range(3)]
    assert how == ["uploaded", "resident", "resident"]
    assert gpu.log == ["move cuda:0"]
    assert placement.kept("cpu") == 0  # it is on the device now, and in the file


def test_what_was_just_made_is_handed_over_in_host_memory(placement: Placement, gpu: Gpu, file: File) -> None:
    made = TensorFile({"x": torch.full((4000,), ord("a"), dtype=torch.uint8)}, "t")
    digest, path = file("a")
    assert placement.keep(digest, made) == "cpu"
    placed = [place(placement, digest, path, "cpu", lambda: pytest.fail("read")) for _ in range(2)]
    assert [one.how for one in placed] == ["resident", "resident"]
    assert {one.tensors["x"].data_ptr() for one in placed} == {made.tensors["x"].data_ptr()}


def test_a_file_is_mapped_anew_for_each_reader_in_host_memory(placement: Placement, file: File) -> None:
    first, second = place(placement, *file("a"), "cpu"), place(placement, *file("a"), "cpu")
    first.tensors["x"].zero_()
    assert [first.how, second.how] == ["read", "read"]
    assert second.tensors["x"][0] == ord("a")
    assert placement.kept("cpu") == 0


def test_what_is_no_longer_used_makes_room(placement: Placement, gpu: Gpu, file: File) -> None:
    for name in "abc":
        placed = place(placement, *file(name), GPU)
        assert placed.device == GPU
        assert placed.tensors["x"][0] == ord(name)
        del placed
    assert placement.kept(GPU) == 8000
    assert place(placement, *file("a"), GPU).how == "read"  # it was lent longest ago


def test_what_is_in_use_is_not_evicted_and_the_rest_goes_to_host_memory(
    placement: Placement, gpu: Gpu, file: File
) -> None:
    held = [place(placement, *file(name), GPU) for name in "ab"]
    third = place(placement, *file("c"), GPU)
    assert (third.device, third.how) == ("cpu", "read")
    assert third.warning is not None
    assert "cuda:0 has left" in third.warning
    assert "host memory" in third.warning
    assert third.tensors["x"][0] == ord("c")
    assert gpu.log == ["read cuda:0", "read cuda:0", "read cpu"]
    del held
    gc.collect()
    assert place(placement, *file("c"), GPU).device == GPU


def test_bytes_are_counted_from_the_header_to_the_byte(gpu: Gpu, placement: Placement, file: File) -> None:
    gpu.size = 4000
    assert place(placement, *file("a", 4000), GPU).device == GPU
    assert place(placement, *file("b", 4001), GPU).device == "cpu"


def test_out_of_memory_evicts_and_tries_once_more(placement: Placement, gpu: Gpu, file: File) -> None:
    place(placement, *file("a"), GPU)
    gpu.fails = 1
    placed = place(placement, *file("b"), GPU)
    assert (placed.device, placed.warning) == (GPU, None)
    assert placed.tensors["x"][0] == ord("b")
    assert gpu.log == ["read cuda:0", "read cuda:0", "read cpu", "move cuda:0"]
    assert gpu.released == 1
    assert placement.kept(GPU) == 4000  # of `a` nothing is left


def test_out_of_memory_twice_ends_in_host_memory_with_all_else_intact(
    placement: Placement, gpu: Gpu, file: File
) -> None:
    held = place(placement, *file("a"), GPU)
    gpu.fails = 2
    placed = place(placement, *file("b"), GPU)
    assert placed.device == "cpu"
    assert placed.warning is not None
    assert "ran out of memory" in placed.warning
    assert placed.tensors["x"][0] == ord("b")
    assert held.tensors["x"][0] == ord("a")
    assert place(placement, *file("a"), GPU).how == "resident"
    assert place(placement, *file("b"), GPU).device == GPU


def test_nothing_of_a_failed_load_stays_on_the_device(placement: Placement, gpu: Gpu, file: File) -> None:
    """The traceback of an exception holds the frames, and so the tensors, of the load that failed."""
    free = []

    class Watching(Gpu):
        def release(self) -> None:
            free.append(self.usable())

    watching = Watching()
    watching.fails = 2
    place(Placement(watching, watching.memory), *file("a"), GPU)
    assert free == [10_000, 10_000]


def test_another_error_is_passed_on(placement: Placement, gpu: Gpu, file: File) -> None:
    digest, path = file("a")

    def damaged() -> None:
        raise RuntimeError("CUDA out of memory, says somebody else")  # told by its type, not its words

    with pytest.raises(RuntimeError, match="says somebody else"):
        place(placement, digest, path, GPU, damaged)
    assert gpu.log == []
    assert placement.kept(GPU) == 0


@pytest.mark.parametrize("checking", [False, True])
def test_what_somebody_wrote_into_is_not_lent_again(
    checking: bool, gpu: Gpu, file: File, caplog: pytest.LogCaptureFixture
) -> None:
    placement = Placement(gpu, gpu.memory, checking=checking)
    careless = place(placement, *file("a"), GPU)
    assert placement.changed(careless.tensors) == []
    careless.tensors["x"][:10].zero_()  # a view of it
    if checking:
        assert placement.changed(careless.tensors) == ["x"]
    with caplog.at_level(logging.WARNING):
        again = place(placement, *file("a"), GPU)
    assert ("written to" in caplog.text) == (not checking)
    assert again.how == "read"
    assert again.tensors["x"][0] == ord("a")
    assert placement.changed(again.tensors) == []


def test_checking_sees_what_torch_does_not_count(gpu: Gpu, file: File) -> None:
    seen = {}
    for checking in (False, True):
        placement = Placement(gpu, gpu.memory, checking=checking)
        placed = place(placement, *file("a"), GPU)
        placed.tensors["x"].numpy()[0] = 0
        seen[checking] = placement.changed(placed.tensors)
    assert seen == {False: [], True: ["x"]}


def test_tensors_made_in_inference_mode_have_no_counter_and_are_kept(placement: Placement, file: File) -> None:
    with torch.inference_mode():
        made = TensorFile({"x": torch.full((4000,), ord("a"), dtype=torch.uint8)}, "t")
    digest, path = file("a")
    assert placement.keep(digest, made) == "cpu"
    assert place(placement, digest, path, "cpu").how == "resident"


def test_tensors_on_several_devices_are_kept_on_none(placement: Placement) -> None:
    class Elsewhere:
        def __init__(self) -> None:
            self.device = torch.device("cuda:1")

    mixed = TensorFile({"x": torch.ones(1)}, "t")
    mixed.tensors["y"] = Elsewhere()
    assert placement.keep("d", mixed) is None


def test_a_view_of_something_much_larger_is_not_kept(placement: Placement) -> None:
    large = torch.zeros(10_000)
    assert placement.keep("d", TensorFile({"x": large[:10]}, "t")) is None
    assert placement.keep("d", TensorFile({"x": large[:10].clone()}, "t")) == "cpu"


def test_a_file_of_tensors_that_is_gone_or_a_folder(placement: Placement, tmp_path: Path) -> None:
    from resources.errors import CorruptArtifact, MissingArtifact

    artifacts = Artifacts(tmp_path / "store", placement, "cpu")
    stored = artifacts.store(Tensors({"x": torch.zeros(5)}), "a", None, "r", 0)
    (blob,) = stored.manifest.files
    path = tmp_path / "store/objects" / blob.digest[:2] / blob.digest
    artifacts.load(stored.path, Expected("a", None, "r", None))
    path.unlink()
    with pytest.raises(MissingArtifact):  # though it is still kept in memory
        artifacts.load(stored.path, Expected("a", None, "r", None))
    path.mkdir()
    with pytest.raises(CorruptArtifact, match=r"a folder|can be read"):
        artifacts.load(stored.path, Expected("a", None, "r", None))


def test_a_host_copy_that_was_written_into_is_not_copied_to_the_device(placement: Placement, file: File) -> None:
    made = torch.full((4000,), ord("a"), dtype=torch.uint8)
    digest, path = file("a")
    placement.keep(digest, TensorFile({"x": made}, "t"))
    made.numpy()[:] = 0
    placed = place(placement, digest, path, GPU)
    assert (placed.how, placed.tensors["x"][0]) == ("read", ord("a"))


def test_loans_are_given_back(placement: Placement, gpu: Gpu, file: File) -> None:
    """Everything can be evicted once nobody has it: no hidden loan is left on the device or in host memory."""
    digest, path = file("a")
    placement.keep(digest, TensorFile({"x": torch.full((4000,), ord("a"), dtype=torch.uint8)}, "t"))
    for _ in range(3):
        place(placement, digest, path, "cpu")
    assert placement.evict() == 4000
    for _ in range(3):
        place(placement, digest, path, GPU)
    assert placement.evict() == 4000
    assert gpu.usable() == gpu.size


def test_who_wrote_is_found_though_it_was_read_again_meanwhile(placement: Placement, file: File) -> None:
    first = place(placement, *file("a"), GPU)
    placement._residents(GPU).drop(file("a")[0])
    place(placement, *file("a"), GPU)
    first.tensors["x"].zero_()
    assert placement.changed(first.tensors) == ["x"]


def test_an_apple_gpu_is_named_without_a_number() -> None:
    from resources.store.placement import _name

    assert [_name(torch.device(name)) for name in ("mps:0", "cuda:1", "cpu")] == ["mps", "cuda:1", "cpu"]


def test_host_memory_that_is_full_is_no_obstacle(gpu: Gpu, file: File) -> None:
    class Full(Host):
        def usable(self) -> int:
            return -1

    placement = Placement(gpu, lambda name: Full())
    placed: list[Placed] = [place(placement, *file("a"), "cpu") for _ in range(2)]
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
