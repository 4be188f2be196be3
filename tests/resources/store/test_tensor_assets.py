"""Tensors and checkpoints between assets: handed over in one run, exact in the next, and who writes into them."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from resources.device import Choice, memory_of  # noqa: E402
from resources.store import placement as placement_module  # noqa: E402
from resources.store.io_manager import ArtifactIOManager, ArtifactStore  # noqa: E402
from resources.store.loader import Safetensors  # noqa: E402
from resources.store.placement import Placement  # noqa: E402
from resources.store.types import Checkpoint, Document, Tensors, Text  # noqa: E402

pytestmark = pytest.mark.train
Run = Callable[..., dg.ExecuteInProcessResult]


class Weights(Document):
    rows: int


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process's memory: nothing kept of other tests."""
    monkeypatch.setattr(placement_module, "_placements", {})


def table(result: dg.ExecuteInProcessResult, asset: str) -> list[tuple[str, str, str]]:
    """Name, what and device of each row of an asset's metadata table, loads by name."""
    (made,) = result.asset_materializations_for_node(asset)
    rows = [record.data for record in made.metadata["store_io"].value.records]  # type: ignore[union-attr]
    *loads, store = [(row["name"], row["what"], row["device"]) for row in rows]
    return [*sorted(loads), store]


def chain(seen: list[Any]) -> list[dg.AssetsDefinition]:
    @dg.asset
    def dataset() -> Tensors:
        made = torch.arange(12, dtype=torch.int16).reshape(4, 3)
        seen.append(made.data_ptr())
        return Tensors({"x": made, "y": torch.tensor([1, 0, 1, 0], dtype=torch.uint8)})

    @dg.asset
    def checkpoint(dataset: Tensors) -> Checkpoint:
        seen.append(dataset["x"].data_ptr())
        return Checkpoint({"w": dataset["x"].float().mean(0)}, Weights(rows=len(dataset["x"])))

    @dg.asset
    def evaluation(dataset: Tensors, checkpoint: Checkpoint) -> Text:
        seen.append(dataset["x"].data_ptr())
        return Text(f"{checkpoint.weights['w'].tolist()} of {checkpoint.card.model_dump()}")

    return [dataset, checkpoint, evaluation]


def test_within_a_run_the_next_asset_gets_the_same_memory(materialize: Run) -> None:
    seen: list[int] = []
    result = materialize(chain(seen))
    assert result.success
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert table(result, "evaluation") == [
        ("checkpoint", "resident", "cpu"),
        ("dataset", "resident", "cpu"),
        ("evaluation", "stored", ""),
    ]
    assert result.output_for_node("evaluation") == "[4.5, 5.5, 6.5] of {'rows': 4}"


def test_nothing_is_read_for_a_hand_over(materialize: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Safetensors, "read", lambda *_: pytest.fail("read from the disk"))
    monkeypatch.setattr("resources.store.blobs.Blobs.verify", lambda *_: pytest.fail("hashed again"))
    monkeypatch.setattr("resources.store.blobs.Blobs._is_good", lambda *_: False)
    dataset, *_ = chain([])

    @dg.asset
    def again(dataset: Tensors) -> Text:
        return Text(str(dataset["x"].sum().item()))

    assert materialize([dataset, again]).output_for_node("again") == "66"


def test_a_chain_on_a_gpu_uploads_the_dataset_once(materialize: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU is host memory under another name: what counts is how often something is brought to it."""
    uploads = []

    class Gpu(Safetensors):
        def read(self, path: Any, device: str) -> dict[str, Any]:
            uploads.append(("read", device))
            return super().read(path, "cpu")

        def move(self, tensors: dict[str, Any], device: str) -> dict[str, Any]:
            uploads.append(("move", device))
            return {name: tensor.clone() for name, tensor in tensors.items()}

    placement = Placement(Gpu(), memory=lambda name: memory_of("cpu"))
    placement._chosen["auto"] = Choice("cuda:0", "in this test")
    monkeypatch.setattr(placement_module, "_placements", {(None, False): placement})
    result = materialize(chain([]))
    assert result.success
    assert uploads == [("move", "cuda:0"), ("move", "cuda:0")]
    assert table(result, "checkpoint")[0] == ("dataset", "uploaded", "cuda:0")
    assert table(result, "evaluation")[:2] == [
        ("checkpoint", "uploaded", "cuda:0"),
        ("dataset", "resident", "cuda:0"),
    ]


def test_a_later_process_reads_the_same_values(materialize: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, checkpoint, evaluation = chain([])
    assert materialize([dataset, checkpoint]).success
    monkeypatch.setattr(placement_module, "_placements", {})
    result = materialize([dataset, checkpoint, evaluation], selection=["evaluation"])
    assert table(result, "evaluation")[:2] == [("checkpoint", "read", "cpu"), ("dataset", "read", "cpu")]
    assert result.output_for_node("evaluation") == "[4.5, 5.5, 6.5] of {'rows': 4}"


def test_an_input_may_ask_for_another_device(materialize: Run, failure_of: Callable[..., tuple[str, str]]) -> None:
    dataset, _, _ = chain([])

    @dg.asset(ins={"dataset": dg.AssetIn(metadata={"device": "cuda:7"})})
    def far(dataset: Tensors) -> Text:
        return Text("never")

    error, message = failure_of(materialize([dataset, far]))
    assert error == "MissingDevice"
    assert "cuda:7" in message


def writing() -> list[dg.AssetsDefinition]:
    dataset, _, _ = chain([])

    @dg.asset
    def careless(dataset: Tensors) -> Text:
        dataset["x"][0].zero_()
        return Text("done")

    @dg.asset(deps=[careless])
    def reader(dataset: Tensors) -> Text:
        return Text(str(dataset["x"].sum().item()))

    return [dataset, careless, reader]


def test_what_an_asset_writes_into_its_input_reaches_nobody_else(materialize: Run) -> None:
    result = materialize(writing())
    assert result.success
    assert result.output_for_node("reader") == "66"
    assert table(result, "reader")[0] == ("dataset", "read", "cpu")


def test_the_debug_mode_fails_the_asset_that_writes(
    instance: dg.DagsterInstance, store: ArtifactStore, failure_of: Callable[..., tuple[str, str]]
) -> None:
    checked = ArtifactStore(root=store.root, library=store.library, check_residents=True)
    resources = {"io_manager": ArtifactIOManager(store=checked)}
    result = dg.materialize(writing(), instance=instance, resources=resources, raise_on_error=False)
    error, message = failure_of(result)
    assert error == "ChangedInPlace"
    assert 'Step "careless" wrote into tensors of dataset that it was lent: "x". Clone a tensor' in message
    assert not result.asset_materializations_for_node("careless")


def test_the_debug_mode_also_finds_who_returns_nothing(
    instance: dg.DagsterInstance, store: ArtifactStore, failure_of: Callable[..., tuple[str, str]]
) -> None:
    dataset, *_ = chain([])

    @dg.asset
    def silent(dataset: Tensors) -> None:
        dataset["x"].numpy()[0] = 7  # which torch does not count

    @dg.asset(deps=[silent])
    def reader(dataset: Tensors) -> Text:
        return Text("never")

    checked = ArtifactStore(root=store.root, library=store.library, check_residents=True)
    resources = {"io_manager": ArtifactIOManager(store=checked)}
    result = dg.materialize([dataset, silent, reader], instance=instance, resources=resources, raise_on_error=False)
    error, message = failure_of(result)
    assert error == "ChangedInPlace"
    assert 'Step "silent" wrote into tensors of dataset' in message


WRITES: dict[str, Callable[[Any], object]] = {
    "numpy": lambda x: x.numpy().fill(0),
    "data": lambda x: x.data.zero_(),
    "storage": lambda x: x.untyped_storage().copy_(torch.zeros(x.nbytes, dtype=torch.uint8).untyped_storage()),
    "dlpack": lambda x: torch.from_dlpack(x).zero_(),
    "view": lambda x: x[1:].view(-1).zero_(),
}


@pytest.mark.parametrize("how", WRITES)
def test_no_way_of_writing_reaches_another_asset(how: str, materialize: Run) -> None:
    dataset, *_ = chain([])

    @dg.asset
    def careless(dataset: Tensors) -> None:
        WRITES[how](dataset["x"])

    @dg.asset(deps=[careless])
    def reader(dataset: Tensors) -> Text:
        return Text(str(dataset["x"].sum().item()))

    assert materialize([dataset, careless, reader]).output_for_node("reader") == "66"


def test_gradients_and_replaced_data_are_the_borrowers_own(materialize: Run) -> None:
    @dg.asset
    def weights() -> Tensors:
        return Tensors({"w": torch.ones(3)})

    @dg.asset
    def learner(weights: Tensors) -> None:
        weights["w"].requires_grad_()
        (weights["w"] * 2).sum().backward()
        weights["w"].data = torch.zeros(3)

    @dg.asset(deps=[learner])
    def reader(weights: Tensors) -> Text:
        return Text(f"{weights['w'].tolist()} {weights['w'].requires_grad} {weights['w'].grad}")

    assert materialize([weights, learner, reader]).output_for_node("reader") == "[1.0, 1.0, 1.0] False None"


def test_a_maker_that_uses_its_buffer_again(materialize: Run) -> None:
    import numpy as np

    @dg.multi_asset(outs={"one": dg.AssetOut(dagster_type=Tensors), "two": dg.AssetOut(dagster_type=Tensors)})
    def maker() -> Any:
        buffer = np.zeros(4)
        for name, number in (("one", 1.0), ("two", 2.0)):
            buffer.fill(number)
            yield dg.Output(Tensors({"x": torch.from_numpy(buffer)}), name)

    @dg.asset
    def reader(one: Tensors, two: Tensors) -> Text:
        return Text(f"{one['x'].tolist()} {two['x'].tolist()}")

    assert materialize([maker, reader]).output_for_node("reader") == "[1.0, 1.0, 1.0, 1.0] [2.0, 2.0, 2.0, 2.0]"


def test_what_an_earlier_step_was_lent_takes_no_room(materialize: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that step returned nothing, or failed and was tried again."""

    class Small:
        def total(self) -> int:
            return 1 << 40

        def usable(self) -> int:
            return 1 << 40

        def release(self) -> None:
            pass

    class Gpu(Safetensors):
        def read(self, path: Any, device: str) -> dict[str, Any]:
            return super().read(path, "cpu")

        def move(self, tensors: dict[str, Any], device: str) -> dict[str, Any]:
            return {name: tensor.clone() for name, tensor in tensors.items()}

    placement = Placement(Gpu(), lambda name: Small(), limit=100)
    placement._chosen["auto"] = Choice("cuda:0", "in this test")
    monkeypatch.setattr(placement_module, "_placements", {(None, False): placement})

    @dg.asset
    def first() -> Tensors:
        return Tensors({"x": torch.ones(20)})

    @dg.asset
    def second() -> Tensors:
        return Tensors({"x": torch.zeros(20)})

    tries = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def shaky(first: Tensors) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")

    @dg.asset(deps=[shaky])
    def last(second: Tensors) -> Text:
        return Text("done")

    result = materialize([first, second, shaky, last])
    assert result.success
    assert table(result, "last")[0] == ("second", "uploaded", "cuda:0")
    assert placement.kept("cuda:0") == 80


def test_tensors_that_do_not_fit_are_in_host_memory_and_the_metadata_says_so(
    materialize: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tiny:
        def total(self) -> int:
            return 40

        def usable(self) -> int:
            return 10

        def release(self) -> None:
            pass

    placement = Placement(memory=lambda name: Tiny())
    placement._chosen["auto"] = Choice("cuda:0", "in this test")
    monkeypatch.setattr(placement_module, "_placements", {(None, False): placement})
    result = materialize(chain([]))
    assert result.success
    (made,) = result.asset_materializations_for_node("checkpoint")
    assert table(result, "checkpoint")[0][2] == "cpu"
    assert "in host memory" in str(made.metadata["store_warnings"].value)
    assert result.output_for_node("evaluation").startswith("[4.5, 5.5, 6.5]")


def test_the_data_version_follows_the_content(materialize: Run, latest: Callable[..., Any]) -> None:
    value = [1.0]

    @dg.asset
    def weights() -> Tensors:
        return Tensors({"w": torch.tensor(value)})

    versions = []
    for one in (1.0, 1.0, 2.0):
        value[0] = one
        assert materialize([weights]).success
        versions.append(latest("weights").data_version)
    assert versions[0] == versions[1] != versions[2]
