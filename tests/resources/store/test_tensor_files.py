"""What tensors look like as a file: the same for safetensors' own reader, exact on the way back, or refused."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
library = pytest.importorskip("safetensors.torch")

from resources.errors import BadInput, UnsupportedValue  # noqa: E402
from resources.store.artifacts import Artifacts, Expected  # noqa: E402
from resources.store.loader import Safetensors  # noqa: E402
from resources.store.tensor_files import DTYPES, TensorFile, read_pt, value_bytes  # noqa: E402
from resources.store.types import Checkpoint, Document, Tensors  # noqa: E402

pytestmark = pytest.mark.train


class StoredCard(Document):
    architecture: str
    threshold: float


def written(tensors: dict[str, Any], path: Path) -> Path:
    path.write_bytes(b"".join(TensorFile(tensors, "a")))
    return path


def bits(tensor: Any) -> bytes:
    """The values as bytes: a NaN equals itself, and -0.0 is not 0.0."""
    plain = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())
    return bytes(plain.reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""


def same(found: Any, meant: Any) -> bool:
    return found.dtype == meant.dtype and found.shape == meant.shape and bits(found) == bits(meant.contiguous())


def random_of(dtype: Any, *shape: int) -> Any:
    """Every bit pattern, NaNs too; a bool is 0 or 1."""
    count = torch.Size(shape).numel() * torch.empty(0, dtype=dtype).element_size()
    raw = torch.randint(0, 2 if dtype == torch.bool else 256, (count,), dtype=torch.uint8)
    return raw.view(dtype).reshape(shape)


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_comes_back_to_the_bit_also_through_the_library(name: str, tmp_path: Path) -> None:
    dtype = getattr(torch, name)
    tensors = {"some": random_of(dtype, 3, 5), "none": random_of(dtype, 0, 4), "scalar": random_of(dtype)}
    path = written(tensors, tmp_path / "t")
    for found in (Safetensors().read(path, "cpu"), library.load_file(path)):
        assert all(same(found[key], tensors[key]) for key in tensors)
    stored = TensorFile(tensors, "a")
    assert stored.nbytes == sum(value_bytes(e.dtype, e.shape) for e in stored.entries)
    assert stored.nbytes == sum(t.nbytes for t in tensors.values())
    library.save_file(tensors, tmp_path / "theirs")
    found = Safetensors().read(tmp_path / "theirs", "cpu")
    assert all(same(found[key], tensors[key]) for key in tensors)


def test_dtypes_of_all_sizes_in_one_file_are_aligned(tmp_path: Path) -> None:
    tensors = {name: random_of(getattr(torch, name), 3) for name in DTYPES} | {"ü✓ name\n": torch.ones(1)}
    found = Safetensors().read(written(tensors, tmp_path / "t"), "cpu")
    assert all(same(found[name], tensors[name]) for name in tensors)
    assert all(tensor.data_ptr() % tensor.element_size() == 0 for tensor in found.values())


def test_no_tensors_at_all(tmp_path: Path) -> None:
    path = written({}, tmp_path / "t")
    assert Safetensors().read(path, "cpu") == {}
    assert library.load_file(path) == {}


def test_equal_tensors_give_equal_bytes_in_whatever_order_they_come() -> None:
    a, b = torch.ones(3), torch.zeros(2, dtype=torch.int16)
    assert b"".join(TensorFile({"a": a, "b": b}, "x")) == b"".join(TensorFile({"b": b.clone(), "a": a.clone()}, "x"))


BASE = torch.arange(24, dtype=torch.float32)


@pytest.mark.parametrize(
    "tensor",
    [
        BASE[3:9],
        BASE.reshape(4, 6).t(),
        BASE[::2],
        BASE.reshape(2, 3, 2, 2).to(memory_format=torch.channels_last),
        torch.ones(1).expand(5),
        torch.tensor([1 + 2j], dtype=torch.complex64).conj(),
        torch.tensor([1 + 2j], dtype=torch.complex64).conj().imag,
        torch.nn.Parameter(torch.ones(2)),
        BASE.clone().requires_grad_(),
    ],
    ids=["view", "transposed", "strided", "channels last", "expanded", "conjugate", "negated", "parameter", "gradient"],
)
def test_values_of_any_view_come_back(tensor: Any, tmp_path: Path) -> None:
    meant = torch.clone(tensor.detach().resolve_conj().resolve_neg()).contiguous()
    assert same(Safetensors().read(written({"x": tensor}, tmp_path / "t"), "cpu")["x"], meant)


def test_parts_of_one_tensor_that_do_not_overlap_are_fine(tmp_path: Path) -> None:
    whole = torch.arange(10)
    found = Safetensors().read(written({"train": whole[:7], "test": whole[7:]}, tmp_path / "t"), "cpu")
    assert torch.equal(found["train"], whole[:7])
    assert torch.equal(found["test"], whole[7:])


def test_a_tensor_under_two_names_is_stored_once_and_is_one_again(tmp_path: Path) -> None:
    weight = torch.ones(100)
    path = written({"head": weight, "embedding": weight, "view": weight.view(100)}, tmp_path / "t")
    square = torch.arange(4).reshape(2, 2)
    with pytest.raises(UnsupportedValue, match="share a part"):
        TensorFile({"x": square, "y": square.t()}, "a")  # one memory, but not one tensor
    assert 400 < path.stat().st_size < 700
    found = Safetensors().read(path, "cpu")
    found["embedding"][0] = 7
    assert found["head"][0] == found["view"][0] == 7
    moved = Safetensors().move(found, "cpu")
    assert moved["head"] is moved["embedding"]


def test_a_tensor_and_its_conjugate_are_two(tmp_path: Path) -> None:
    z = torch.tensor([1 + 2j, 3 - 1j])
    meant = {"a": z, "b": z.conj(), "c": z.imag, "d": z.conj().imag}
    for pair in (("a", "b"), ("c", "d")):
        found = Safetensors().read(written({name: meant[name] for name in pair}, tmp_path / "t"), "cpu")
        for name in pair:
            assert found[name].tolist() == meant[name].tolist()


def test_columns_of_one_table_do_not_overlap(tmp_path: Path) -> None:
    table = torch.arange(40).reshape(10, 4)
    given = {"features": table[:, :3], "label": table[:, 3], "odd": torch.arange(9)[1::2], "even": torch.arange(9)[::2]}
    found = Safetensors().read(written(given, tmp_path / "t"), "cpu")
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_a_tensor_larger_than_a_piece(tmp_path: Path) -> None:
    large = torch.arange(9_000_001)  # 72 MB; a piece has 64 MiB
    path = written({"x": large}, tmp_path / "t")
    assert torch.equal(library.load_file(path)["x"], large)


def test_a_header_that_no_reader_takes_is_refused() -> None:
    one = torch.zeros(0)
    names = {f"{number:06}{'x' * 994}": one for number in range(100_000)}
    with pytest.raises(UnsupportedValue, match="100000 tensors"):
        next(iter(TensorFile(names, "a")))


def test_whether_tensors_are_tied_is_part_of_the_content() -> None:
    one = torch.ones(4)
    tied, apart = TensorFile({"a": one, "b": one}, "x"), TensorFile({"a": one, "b": one.clone()}, "x")
    assert b"".join(tied) != b"".join(apart)


WHOLE = torch.arange(10)


def freed() -> Any:
    tensor = torch.ones(3)
    tensor.untyped_storage().resize_(0)
    return tensor


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"a": WHOLE[:6], "b": WHOLE[5:]}, r'"a" and "b", which share a part'),
        ({"a": WHOLE, "b": WHOLE.view(torch.float64)}, "share a part"),
        ({"a": WHOLE, "b": WHOLE.view(2, 5)}, "share a part"),
        ({"a": WHOLE, "mid": WHOLE[2:3], "z": WHOLE[8:]}, "share a part"),
        ({"x": [1, 2]}, r'"x", which is a list and no tensor'),
        ({"x": 3}, "torch.as_tensor"),
        ({"x": torch.ones(2).to_sparse()}, "layout"),
        ({"x": torch.ones(2, device="meta")}, "meta device"),
        ({"x": torch.ones(2, dtype=torch.complex128)}, "complex128"),
        ({"x": torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)}, "qint8"),
        ({"x": torch.nn.Buffer(torch.ones(2)).as_subclass(type("Mine", (torch.Tensor,), {}))}, "a Mine"),
        ({"x": torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])}, "can't be stored"),
        ({"x": torch._efficientzerotensor((2,))}, "can't be stored"),
        ({"x": freed()}, "no memory of its own"),
        ({3: torch.ones(1)}, "under the name 3"),
        ({"__metadata__": torch.ones(1)}, "__metadata__"),
        ({"\ud800": torch.ones(1)}, "UTF-8"),
    ],
)
def test_what_would_not_come_back_is_refused_by_name(tensors: dict[Any, Any], says: str) -> None:
    with pytest.raises(UnsupportedValue, match=says) as refused:
        TensorFile(Tensors(tensors), 'asset "made"')
    assert refused.value.message.startswith('asset "made" returned')
    assert refused.value.remedy


def test_through_the_store_with_the_manifest_saying_what_is_there(artifacts: Artifacts) -> None:
    stored = artifacts.store(Tensors({"b": torch.zeros(2, 0), "a": random_of(torch.bfloat16, 2, 3)}), "a", "k", "r", 0)
    assert [(t.file, t.name, t.dtype, t.shape) for t in stored.manifest.tensors or []] == [
        ("tensors.safetensors", "b", "F32", [2, 0]),
        ("tensors.safetensors", "a", "BF16", [2, 3]),
    ]
    assert artifacts.manifest(stored.path) == stored.manifest


def test_a_checkpoint_comes_back_whole(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    weight = torch.randn(3, 3)
    given = Checkpoint(
        {"layer.weight": weight, "tied": weight},
        StoredCard(architecture="tiny", threshold=0.25),
        {"tokenizer.json": tmp_path / "tokenizer.json", "merges.txt": b"a b"},
    )
    stored = artifacts.store(given, "c", None, "r", 0)
    artifacts.placement.evict()
    found, _ = Artifacts(artifacts.root).load(stored.path, Expected("c", None, "r", None))
    assert isinstance(found, Checkpoint)
    assert found.card == given.card
    assert isinstance(found.card, StoredCard)
    assert found.weights["tied"] is found.weights["layer.weight"]
    assert same(found.weights["tied"], weight)
    assert {name: found.files.path(name).read_bytes() for name in found.files} == {
        "tokenizer.json": b"{}",
        "merges.txt": b"a b",
    }


def test_a_checkpoint_with_files_or_a_card_that_can_not_be(artifacts: Artifacts) -> None:
    card = StoredCard(architecture="tiny", threshold=1)
    with pytest.raises(ValueError, match=r"card\.json"):
        Checkpoint({}, card, {"card.json": b""})
    with pytest.raises(UnsupportedValue, match="card is a dict"):
        artifacts.store(Checkpoint({}, {"a": 1}), "c", None, "r", 0)  # type: ignore[arg-type]


def test_a_foreign_pt_becomes_tensors(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save({"epoch": 3, "state_dict": model.state_dict(), "deep": {"er": {"w": torch.ones(1)}}}, tmp_path / "m.pt")
    found = read_pt(tmp_path / "m.pt", under="state_dict")
    assert {name: bits(t) for name, t in found.items()} == {name: bits(t) for name, t in model.state_dict().items()}
    assert list(read_pt(tmp_path / "m.pt", under="deep")) == ["er.w"]
    with pytest.raises(BadInput, match=r'epoch is a int.*under="state_dict"'):
        read_pt(tmp_path / "m.pt")
    with pytest.raises(BadInput, match=r"nothing under 'ema'\. It holds: epoch, state_dict, deep"):
        read_pt(tmp_path / "m.pt", under="ema")


@pytest.mark.parametrize(
    "content",
    [{"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1)}, {1: torch.ones(1), "1": torch.zeros(1)}, torch.ones(2)],
    ids=["dotted", "number", "bare"],
)
def test_no_tensor_of_a_foreign_pt_is_lost_to_a_name(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(BadInput, match=r"two tensors that would be named|one tensor without a name"):
        read_pt(tmp_path / "m.pt")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/scriptorium-was-here"),))


def test_a_foreign_pt_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = Path("/tmp/scriptorium-was-here")
    torch.save({"w": torch.ones(1), "x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(BadInput, match="can't be read as tensors alone"):
        read_pt(tmp_path / "evil.pt")
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 torn"])
def test_a_foreign_pt_that_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(BadInput, match="can't be read"):
        read_pt(tmp_path / "x.pt")
    with pytest.raises(BadInput, match="not there"):
        read_pt(tmp_path / "y.pt")
