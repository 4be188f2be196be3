"""Values in a notebook: what `docs/notebook.md` shows is what happens, and errors are one line."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_project import notebook
from dagster_project.instance import opened
from dagster_project.notebook import keys, load
from dagster_project.settings import Settings
from resources.errors import BadInput, CorruptArtifact, MissingArtifact
from resources.store import records
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Checkpoint, Document, Files, Tensors, Text

KEYS = dg.StaticPartitionsDefinition(["a", "b"])


class NotebookCard(Document):
    """A card of a checkpoint."""

    classes: list[str]


class Shelf:
    """A home whose definitions are a few small assets."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.store = ArtifactStore(root=str(self.settings.homes.store), library=str(self.settings.homes.library))
        made = iter(range(9))

        @dg.asset(partitions_def=KEYS)
        def text(context: dg.AssetExecutionContext) -> Text:
            return Text(f"{context.partition_key}{next(made)}")

        @dg.asset
        def files() -> Files:
            return Files({"x.txt": b"x"})

        @dg.asset
        def weights() -> Checkpoint:
            import torch

            return Checkpoint({"w": torch.arange(3, dtype=torch.bfloat16)}, NotebookCard(classes=["yes", "no"]))

        resources = {"store": self.store, "io_manager": ArtifactIOManager(store=self.store)}
        self.defs = dg.Definitions([text, files, weights, dg.AssetSpec("outside")], resources=resources)

    def make(self, asset: str, key: str | None = None) -> str:
        """A run of one asset; its id."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        with opened(self.settings) as instance:
            result = job.execute_in_process(instance=instance, partition_key=key, asset_selection=[dg.AssetKey(asset)])
        return result.run_id


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    shelf = Shelf(tmp_path / "home")
    monkeypatch.setattr(notebook, "build_defs", lambda settings: shelf.defs)
    return shelf


def test_values_are_loaded_by_partition_and_by_run(shelf: Shelf) -> None:
    runs = [shelf.make("text", "a"), shelf.make("text", "b"), shelf.make("text", "a")]
    shelf.make("files")
    assert load("text", "a") == "a2"
    assert load("text", "b") == "b1"
    assert load("text", "a", run=runs[0]) == load("text", "a", run=runs[0][:8]) == "a0"
    assert load("text", "a", device="cpu") == load("text", "a", run=runs[2], device="cpu") == "a2"
    loaded = load("files")
    assert isinstance(loaded, Files)
    assert loaded.path("x.txt").read_bytes() == b"x"
    with pytest.raises(BadInput, match=f"Runs that did, newest first: {runs[2][:8]}, {runs[0][:8]}"):
        load("text", "a", run=runs[1])


@pytest.mark.train
def test_tensors_come_on_the_device_that_is_asked_for(shelf: Shelf) -> None:
    import torch

    from resources.device import MissingDevice

    run = shelf.make("weights")
    for options in ({}, {"device": "cpu"}, {"device": "cpu", "run": run}):
        loaded = load("weights", **options)
        assert isinstance(loaded, Checkpoint)
        assert isinstance(loaded.weights, Tensors)
        assert loaded.card == NotebookCard(classes=["yes", "no"])
        if options:
            assert torch.equal(loaded.weights["w"], torch.arange(3, dtype=torch.bfloat16))
            assert loaded.weights["w"].device.type == "cpu"
    for options in ({"device": "cuda:99"}, {"device": "cuda:99", "run": run}):
        with pytest.raises(MissingDevice):
            load("weights", **options)


def test_an_error_is_of_its_own_kind_and_a_line(shelf: Shelf) -> None:
    shelf.make("text", "a")
    with pytest.raises(MissingArtifact) as never:
        load("text", "b")
    assert str(never.value) == 'asset "text", partition "b" was never materialized. ' + (
        'Materialize "text" for this partition first.'
    )
    with opened(shelf.settings) as instance:
        record = records.latest(instance, dg.AssetKey("text"), "a")
    assert record is not None
    assert record.manifest is not None
    (shelf.store.artifacts.root / record.manifest).write_text("{}")
    with pytest.raises(CorruptArtifact) as damaged:
        load("text", "a")
    for caught in (never, damaged):
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__  # so neither is what Dagster said shown
        assert len(caught.traceback) <= 4  # this test, and what lies in the notebook module


@pytest.mark.parametrize(
    ("asset", "key", "said"),
    [
        ("text", None, "text has partitions, and none was named. There are: a, b."),
        ("text", "aa", "text has no partition 'aa'. There are: a"),
        ("files", "a", "files has no partitions. Leave out the key."),
        ("tekst", "a", "There is no asset 'tekst'. There are: text."),
        ("outside", None, "was never materialized"),
    ],
)
def test_what_is_not_there_is_answered_in_words(shelf: Shelf, asset: str, key: str | None, said: str) -> None:
    with pytest.raises((BadInput, MissingArtifact)) as caught:
        load(asset, key)
    assert said in str(caught.value)


def test_the_kernel_is_left_as_it_was(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shelf.make("files")
    monkeypatch.delenv("DAGSTER_HOME")
    before = dict(os.environ)
    capfd.readouterr()
    load("files")
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


def test_another_home_may_be_looked_at_next(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.make("text", "a")
    monkeypatch.delenv("DAGSTER_HOME")
    assert load("text", "a") == "a0"
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "another"))
    with pytest.raises(MissingArtifact):
        load("text", "a")


def test_an_unknown_product_is_answered_with_those_there_are() -> None:
    with pytest.raises(BadInput, match=r"Choose one of: .*recordings"):
        keys("cakes")
    assert keys() == []


def test_the_page_shows_what_happens(house, repo: Path) -> None:
    """Its blocks are run one after the other in one fresh interpreter; printed numbers may differ a little."""
    page = (repo / "docs" / "notebook.md").read_text()
    parts = re.findall(r"^```python\n(.*?)^```\n+```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(parts) == page.count("```python") == page.count("```text") >= 5
    command = re.search(r"^```sh\nscriptorium (.*)\n```", page, re.MULTILINE)
    assert command is not None
    made = house.scriptorium(*command[1].split())
    assert made.returncode == 0, made.stderr
    program = "".join(f"{code}\nprint('-----')\n" for code, _ in parts)
    environment = {name: value for name, value in house.environment.items() if name != "DAGSTER_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=house.home, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    printed = done.stdout.split("-----\n")
    for (code, shown), out in zip(parts, printed, strict=False):
        found = [float(word) if _number(word) else word for word in out.split()]
        assert found == [_near(word) for word in shown.split()], code


def _near(word: str) -> object:
    """A number is met by one close to it: speech is recognised a little differently on another processor."""
    return pytest.approx(float(word), rel=0.02, abs=0.5) if _number(word) else word


def _number(word: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", word) is not None
