"""The trainer in a real run: state in the store, lines in the logs, and errors that say what to do."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

pytestmark = pytest.mark.train

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - Epoch (\d+)/(\d+) - loss: \d+\.\d{4} - val_loss: \d+\.\d{4}\Z"
)


def _materialize(
    problem: Any,
    root: Path,
    instance: dg.DagsterInstance,
    *,
    die_after: int = 0,
    inputs: str = "a",
    epochs: int = 5,
    head: Sequence[str] = (),
) -> Any:
    """A run of an asset that trains; `die_after` kills it in that epoch. Returns (result, Training or None)."""
    from resources.store.io_manager import ArtifactIOManager, ArtifactStore
    from resources.store.types import Text
    from resources.training.keeper import Training
    from resources.training.recipe import Recipe
    from resources.training.trainer import Trainer

    store = ArtifactStore(root=str(root / "store"), library=str(root / "library"))
    trained: list[Training] = []

    @dg.asset(dagster_type=Text)  # type: ignore[call-overload]
    def model(context: dg.AssetExecutionContext, trainer: Trainer) -> Text:
        module, train, validation = problem()
        step = module.training_step

        def dying(batch: Any, batch_idx: int) -> Any:
            if die_after and module.current_epoch == die_after:
                raise RuntimeError("killed")
            return step(batch, batch_idx)

        module.training_step = dying
        recipe = Recipe(description="test", epochs=epochs)
        log: dict[str, Any] = {"text_log": "p/log.txt", "text_log_head": head}
        trained.append(trainer.fit(context, module, train, validation, recipe, inputs=inputs, **log))
        return Text("done")

    resources = {
        "trainer": Trainer(store=store, cache=str(root / "cache"), device_setting="cpu"),
        "io_manager": ArtifactIOManager(store=store),
    }
    done = dg.materialize([model], resources=resources, instance=instance, raise_on_error=False)
    return done, (trained[0] if trained else None)


@pytest.fixture(autouse=True)
def _state_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.training.keeper._STATE_SHARE", 0)  # these epochs are shorter than a save


def test_every_epoch_is_a_line_of_the_text_log(problem: Any, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done, _ = _materialize(problem, tmp_path, instance)
    assert done.success
    lines = (tmp_path / "library" / "p" / "log.txt").read_text().splitlines()
    found = [LINE.match(line) for line in lines]
    assert [(match[1], match[2]) for match in found if match] == [(str(n), "5") for n in range(1, 6)]
    assert len(lines) == 5


def test_another_run_goes_on_where_the_first_died_and_cleans_up(problem: Any, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        died, _ = _materialize(problem, tmp_path, instance, die_after=3)
        assert not died.success
        assert list((tmp_path / "store" / "scratch").rglob("training_state.pt"))
        done, training = _materialize(problem, tmp_path, instance)
        assert done.success
    assert training.resumed_from == 3
    assert not list((tmp_path / "store" / "scratch").rglob("training_state.pt"))
    lines = (tmp_path / "library" / "p" / "log.txt").read_text().splitlines()
    assert [line.partition("Epoch ")[2][:3] for line in lines] == ["1/5", "2/5", "3/5", "4/5", "5/5"]


def test_a_log_with_a_head_tells_the_whole_training(problem: Any, tmp_path: Path) -> None:
    head = ["data 0123", "12 tweets"]
    with dg.DagsterInstance.ephemeral() as instance:
        _materialize(problem, tmp_path, instance, die_after=3, head=head)
        written = (tmp_path / "library" / "p" / "log.txt").read_text()
        _materialize(problem, tmp_path, instance, head=head)
    lines = (tmp_path / "library" / "p" / "log.txt").read_text().splitlines()
    assert written.splitlines() == lines[:6]  # appended, never written anew
    said = [re.sub(r"\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - ", "", line) for line in lines]
    epoch = r"Epoch {}/5 - loss: \d+\.\d{{4}} - val_loss: \d+\.\d{{4}} - samples/s: \d+\.\d"
    wanted = ["data 0123", "12 tweets", *(epoch.format(n) for n in (1, 2, 3))]
    wanted += ["Not finished: killed"]
    wanted += ["Goes on after epoch 3/5, where an earlier run ended", *(epoch.format(n) for n in (4, 5))]
    wanted += ["Done: the weights of epoch 5 are kept"]
    assert len(said) == len(wanted)
    for line, pattern in zip(said, wanted, strict=True):
        assert re.fullmatch(pattern, line)


def test_other_inputs_begin_anew(problem: Any, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        _materialize(problem, tmp_path, instance, die_after=3)
        _, training = _materialize(problem, tmp_path, instance, inputs="b")
    assert training.resumed_from == 0


def test_a_device_that_is_not_there_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    from resources.device import MissingDevice
    from resources.store.io_manager import ArtifactStore
    from resources.training.trainer import Trainer

    store = ArtifactStore(root=str(tmp_path / "store"), library=str(tmp_path / "library"))
    assert Trainer(store=store, cache="c", device_setting="cpu").device() == "cpu"
    with pytest.raises(MissingDevice, match="SCRIPTORIUM_DEVICE"):
        Trainer(store=store, cache="c", device_setting="cuda:99").device()
