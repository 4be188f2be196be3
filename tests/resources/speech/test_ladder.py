"""Memory that runs out, told by the error CTranslate2 raises; the models are real where words are compared."""

import pytest

from resources.speech.ladder import Ladder
from resources.speech.models import ModelChoice
from resources.speech.recogniser import DeviceFull, Recogniser

CHOICE = ModelChoice("tiny.en", "embedded", "a package", "set by name")
FULL = "CUDA failed with error out of memory"


class Device:
    """Which compute types fit (`room`), how many windows at once (`batch`), and what was loaded."""

    def __init__(self, batch: int, room: tuple[str, ...] = ("float16", "int8_float16", "int8")) -> None:
        self.batch, self.room = batch, room
        self.loaded: list[str] = []
        self.said: list[str] = []

    def load(self, device: str, compute_type: str, anew: bool) -> Recogniser:
        self.loaded.append(compute_type)
        if compute_type not in self.room:
            raise DeviceFull(FULL, "")
        return Recogniser(object(), CHOICE, device, compute_type, "")

    def work(self, recogniser: Recogniser, size: int) -> str:
        if recogniser.device == "cuda" and size > self.batch:
            raise RuntimeError(FULL)
        return f"{size} on {recogniser.device}, {recogniser.compute_type}"

    def ladder(self, device: str, batch_size: int = 0, pinned: bool = False) -> Ladder:
        return Ladder(self.load, device, batch_size, pinned, self.said.append)


def test_each_step_is_taken_in_order_and_recorded() -> None:
    device = Device(batch=0)
    ladder = device.ladder("cuda")
    assert ladder.run(device.work) == "8 on cpu, int8"
    assert ladder.steps == [
        "batch of 16 to 8",
        "batch of 8 to 4",
        "batch of 4 to 2",
        "batch of 2 to 1",
        "float16 to int8_float16",
        "cuda to cpu",
    ]
    assert device.loaded == ["float16", "int8_float16", "int8"]
    assert [said for said in device.said if step_is_named(said, ladder.steps)] == device.said
    assert ladder.run(device.work) == "8 on cpu, int8", "it stays down for the rest of the recording"
    assert len(ladder.steps) == 6


def step_is_named(said: str, steps: list[str]) -> bool:
    return "out of memory" in said and any(step in said for step in steps)


@pytest.mark.parametrize(("batch", "size"), [(16, 16), (15, 8), (3, 2)])
def test_it_stops_as_soon_as_there_is_room(batch: int, size: int) -> None:
    device = Device(batch)
    assert device.ladder("cuda").run(device.work) == f"{size} on cuda, float16"
    assert Device(batch).ladder("cuda", 1).run(device.work) == "1 on cuda, float16"


def test_a_pinned_device_is_never_left() -> None:
    device = Device(batch=0)
    ladder = device.ladder("cuda", pinned=True)
    with pytest.raises(DeviceFull, match="out of memory"):
        ladder.run(device.work)
    assert ladder.steps[-1] == "float16 to int8_float16"
    with pytest.raises(DeviceFull):
        Device(16, room=()).ladder("cuda", pinned=True).recogniser()


@pytest.mark.parametrize(("room", "found"), [(("int8_float16",), "cuda"), (("int8",), "cpu")])
def test_a_model_that_does_not_fit_takes_the_same_way(room: tuple[str, ...], found: str) -> None:
    ladder = Device(16, room).ladder("cuda")
    assert ladder.recogniser().device == found
    assert ladder.recogniser().compute_type == room[0]


def test_a_full_cpu_is_an_error_in_the_end() -> None:
    device = Device(batch=16)

    def full(recogniser: Recogniser, size: int) -> str:
        raise RuntimeError("mkl_malloc: failed to allocate memory")

    ladder = device.ladder("cpu")
    with pytest.raises(DeviceFull, match="failed to allocate"):
        ladder.run(full)
    assert ladder.steps == ["batch of 8 to 4", "batch of 4 to 2", "batch of 2 to 1"]


def test_other_errors_pass() -> None:
    def broken(recogniser: Recogniser, size: int) -> str:
        raise ZeroDivisionError

    ladder = Device(16).ladder("cuda")
    with pytest.raises(ZeroDivisionError):
        ladder.run(broken)
    assert ladder.steps == []


def test_reloading_loads_the_same_once_more() -> None:
    device = Device(16)
    ladder = device.ladder("cpu")
    first = ladder.recogniser()
    ladder.reload()
    assert ladder.recogniser() is not first
    assert ladder.recogniser() is ladder.recogniser()
    assert device.loaded == ["int8", "int8"]
