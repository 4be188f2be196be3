"""Presets are read as they stand, and whatever is wrong in one is named with its file and line."""

import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from pydantic import BaseModel, ConfigDict, Field

from resources.errors import ScriptoriumError
from resources.training.presets import BadPreset, keys, overridden, read
from resources.training.recipe import Recipe

GOOD = """\
# the small one
tiny: &tiny
  description: for the tests   # a comment
  default_on: [cpu]
  epochs: 2
  optimizer:
    learning_rate: 1e-2        # text in YAML 1.1, a number for pydantic

big:
  <<: *tiny
  description: for a GPU
  epochs: 30
"""


class Optimizer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    learning_rate: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)


class Net(Recipe):
    optimizer: Optimizer = Optimizer()
    milestones: tuple[int, ...] = ()


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str | bytes) -> Path:
        path = tmp_path / "presets.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


def test_reads_names_in_order_and_fields_with_merges(write) -> None:
    path = write(GOOD)
    presets = read(path, Net)
    assert keys(path) == list(presets) == ["tiny", "big"]
    assert presets["tiny"].optimizer.learning_rate == presets["big"].optimizer.learning_rate == 0.01
    assert (presets["big"].epochs, presets["big"].default_on) == (30, ("cpu",))
    assert dg.StaticPartitionsDefinition(keys(path)).get_partition_keys() == ["tiny", "big"]


ENTRY = "a:\n  description: x\n"
WRONG = {
    "a field that does not exist": (ENTRY + "  epoch: 3\n", 3, "did you mean epochs"),
    "a value out of bounds": (ENTRY + "  epochs: 0\n", 3, "greater than or equal to 1"),
    "a value of another type": (ENTRY + "  batch_size: many\n", 3, "integer"),
    "a value not among the choices": (ENTRY + "\n\n  precision: 16\n", 5, "bf16-mixed"),
    "a nested value": (ENTRY + "  optimizer:\n    momentum: 0.5\n    learning_rate: 0\n", 5, "optimizer.learning_rate"),
    "a nested field that does not exist": (ENTRY + "  optimizer:\n    lr: 0.5\n", 4, "no such field"),
    "an item of a list": (ENTRY + "  milestones:\n    - 1\n    - two\n", 5, "milestones.1"),
    "a missing field": ("b:\n  epochs: 1\n", 1, "b.description: is missing"),
    "a merged field": (ENTRY + "  epochs: 0\nb:\n  <<: {epochs: 1, seed: -1}\n  description: x\n", 5, "seed"),
    "a field set over a merged one": (ENTRY + "b:\n  <<: {epochs: 1}\n  description: x\n  epochs: 0\n", 6, "b.epochs"),
    "an entry without fields": (ENTRY + "b:\n", 3, "no list of fields"),
    "a repeated field": (ENTRY + "  seed: 1\n  epochs: 1\n  seed: 2\n", 5, "line 3"),
    "a repeated field further in": (ENTRY + "  optimizer: {momentum: 0.1,\n    momentum: 0.2}\n", 4, "momentum"),
    "an unknown tag": (ENTRY + "  seed: !!python/object/apply:os.getpid []\n", 3, "constructor"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_named_with_file_and_line(write, case: str) -> None:
    text, line, said = WRONG[case]
    path = write(text)
    keys(path)  # fields are none of its business
    with pytest.raises(BadPreset) as caught:
        read(path, Net)
    assert f"{path}, line {line}: " in caught.value.message
    assert said in caught.value.message
    assert isinstance(caught.value, ScriptoriumError)


UNREADABLE = {
    "a tab": ("a:\n\tepochs: 1\n", 2, "no YAML"),
    "an open bracket": ("a:\n  milestones: [1\nb: 2\n", 3, "no YAML"),
    "two documents": (ENTRY + "---\nb: 1\n", 3, "no YAML"),
    "an alias of nothing": ("a:\n  epochs: *other\n", 2, "undefined alias"),
    "a list of presets": ("# presets\n- tiny\n", 2, "its name and a colon"),
    "nothing": ("# to come\n", 1, "no preset"),
    "a repeated preset": (ENTRY + ENTRY, 3, "line 1"),
    "two names one folder may not tell apart": (ENTRY + "A:\n  description: x\n", 3, "one file name"),
    "a name that is a number": (ENTRY + "1.10:\n  description: x\n", 3, "'1.10' is read as no text"),
    "a name that is true": ("on:\n  description: x\n", 1, "'on' is read as no text"),
    "a name that is a path": (ENTRY + "../b:\n  description: x\n", 3, "no safe file name"),
    "a name with a space": ("my net:\n  description: x\n", 1, "no safe file name"),
    "a name that is a range": ("a...b:\n  description: x\n", 1, "a...b"),
    "a name with another meaning": (ENTRY + "champion:\n  description: x\n", 3, "champion"),
    "a name that is a list": ("? [a, b]\n: description\n", 1, "read as no text"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_gives_no_names_is_named_with_file_and_line(write, case: str) -> None:
    text, line, said = UNREADABLE[case]
    path = write(text)
    for reading in (keys, lambda where: read(where, Net)):
        with pytest.raises(BadPreset) as caught:
            reading(path)
        assert f"{path}, line {line}: " in caught.value.message
        assert said in caught.value.message


def test_other_bytes_and_a_missing_file_are_named(write, tmp_path: Path) -> None:
    with pytest.raises(BadPreset, match=re.escape(str(tmp_path / "presets.yaml"))):
        keys(write(b"a: \xff\xfe\n"))
    with pytest.raises(BadPreset, match=r"nowhere\.yaml can't be read: No such file"):
        keys(tmp_path / "nowhere.yaml")


def test_everything_wrong_is_told_at_once(write) -> None:
    with pytest.raises(BadPreset) as caught:
        read(write(ENTRY + "  epochs: 0\n  sead: 1\nb:\n  seed: -1\n"), Net)
    lines = [int(line) for line in re.findall(r"line (\d+): ", caught.value.message)]
    assert sorted(lines) == [3, 4, 5, 6]


def test_overrides_are_validated_again(write) -> None:
    tiny = read(write(GOOD), Net)["tiny"]
    changed = overridden(tiny, {"epochs": 5, "optimizer": {"momentum": 0.5}})
    assert changed.epochs == 5
    assert changed.optimizer == Optimizer(learning_rate=0.01, momentum=0.5)
    assert (tiny.epochs, overridden(tiny, {})) == (2, tiny)
    with pytest.raises(BadPreset, match=r"epochs: .*greater than or equal to 1.*got 0"):
        overridden(tiny, {"epochs": 0})
    with pytest.raises(BadPreset, match="epoch: there is no such field; did you mean epochs"):
        overridden(tiny, {"epoch": 5})


def test_names_need_neither_dagster_nor_torch(write) -> None:
    path = write(GOOD)
    code = (
        "import sys; from pathlib import Path; from resources.training.presets import keys; "
        "print(keys(Path(sys.argv[1])), [m for m in ('dagster', 'torch', 'numpy', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tiny', 'big'] []"
