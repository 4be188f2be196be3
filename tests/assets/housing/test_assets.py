"""The product as Dagster runs it: from dropped files, or the built-in table, to a champion and to prices."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from assets.housing import predicting
from assets.housing.champion import housing_champion
from assets.housing.checkpoint import housing_checkpoint
from assets.housing.dataset import columns_of, housing_dataset, housing_files, housing_questions
from assets.housing.evaluation import housing_evaluation
from assets.housing.predictions import housing_predictions
from assets.housing.recipe import HousingRecipe
from resources.intake.batches import Batches, take_in
from resources.intake.files import Names
from resources.store import records
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Checkpoint, Document, Tensors
from resources.tracking import Tracking
from resources.training.documents import Evaluation
from resources.training.trainer import Trainer

pytestmark = pytest.mark.train

ASSETS = [
    housing_files,
    housing_questions,
    housing_dataset,
    housing_checkpoint,
    housing_evaluation,
    housing_champion,
    housing_predictions,
]
CSV = Names(taken=frozenset({".csv"}), never=frozenset())


class House:
    """The assets over a real instance, store and library in a temporary folder."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.library, self.instance = folder / "library", instance
        self.store = ArtifactStore(root=str(folder / "store"), library=str(self.library))
        self.resources = {
            "store": self.store,
            "io_manager": ArtifactIOManager(store=self.store),
            "trainer": Trainer(store=self.store, device_setting="cpu", cache=str(folder / "cache")),
            "tracking": Tracking(uri=f"sqlite:///{folder}/mlflow.db", artifacts=str(folder / "mlflow"), enabled=False),
        }

    def make(self, asset: str, partition: str | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            ASSETS,
            instance=self.instance,
            resources=self.resources,
            selection=[asset],
            partition_key=partition,
            run_config={"ops": {asset: {"config": config}}} if config else None,
            raise_on_error=False,
        )

    def made(self, asset: str, partition: str | None = None, **config: Any) -> dict[str, Any]:
        """The metadata of what was made; the run must succeed."""
        result = self.make(asset, partition, **config)
        assert result.success, [event.step_failure_data for event in result.all_events if event.is_step_failure]
        (materialization,) = result.asset_materializations_for_node(asset)
        return {name: value.value for name, value in materialization.metadata.items()}

    def value(self, asset: str, partition: str | None = None) -> Any:
        record = records.latest(self.instance, dg.AssetKey(asset), partition)
        assert record is not None
        return self.store.load(record)

    def drop(self, *paths: Path) -> None:
        """Take priced files in, as the inbox does."""
        taken = take_in(self.instance, Batches("housing_files", None, CSV, "housing_dataset"), paths)
        assert taken.event is not None
        self.instance.report_runless_asset_event(taken.event)

    def ask(self, *paths: Path) -> str:
        """Take files to be priced in; their partition."""
        batches = Batches("housing_questions", "housing_batches", CSV, "housing_predict")
        taken = take_in(self.instance, batches, paths)
        assert taken.key is not None
        assert taken.event is not None
        self.instance.add_dynamic_partitions("housing_batches", [taken.key])
        self.instance.report_runless_asset_event(taken.event)
        return taken.key


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), {"telemetry": {"enabled": False}}) as instance:
        yield House(tmp_path, instance)


@pytest.fixture
def failure() -> Callable[[dg.ExecuteInProcessResult], str]:
    def read(result: dg.ExecuteInProcessResult) -> str:
        (event,) = [event for event in result.all_events if event.is_step_failure]
        data = event.step_failure_data.user_failure_data
        assert data is not None, event.step_failure_data.error
        return str(data.description)

    return read


def test_without_files_the_built_in_table_is_taken(house: House) -> None:
    pytest.importorskip("mlxtend")
    metadata = house.made("housing_dataset")
    assert (metadata["rows"], metadata["duplicates"], metadata["rows_at_highest_price"]) == (506, 0, 16)
    assert metadata["dropped_columns"] == "B"
    assert metadata["rows_of_a_split"] == "404 / 51 / 51"
    assert "| LSTAT | % |" in metadata["description"]
    assert metadata["prices"].startswith("![")
    dataset = house.value("housing_dataset")
    assert isinstance(dataset, Tensors)
    assert (dataset["features"].shape, dataset["splits"].shape) == ((506, 12), (20, 506))
    assert "B" not in columns_of(dataset)
    assert house.made("housing_dataset", drop_b=False)["dropped_columns"] == "none"


def test_dropped_files_become_the_dataset_whatever_they_are_called(house: House, dropped: list[Path]) -> None:
    house.drop(*dropped[:3])
    metadata = house.made("housing_dataset", splits=2)
    assert (metadata["rows"], metadata["duplicates"]) == (150, 2)
    assert "| south.csv | 52 |" in metadata["rows_per_file"]
    by_name = house.made("housing_dataset", splits=2, paths=[str(dropped[2]), str(dropped[0]), str(dropped[1])])
    by_folder = house.made("housing_dataset", splits=2, paths=[str(dropped[0].parent)])
    assert metadata["digest"] == by_name["digest"] == by_folder["digest"]
    assert house.made("housing_dataset", splits=2, seed=1)["digest"] != metadata["digest"]


def test_bad_files_stop_the_dataset_and_are_all_named(
    house: House, tmp_path: Path, failure: Callable[[dg.ExecuteInProcessResult], str]
) -> None:
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("CRIM,shoe\n1,2\n")
    told = failure(house.make("housing_dataset", paths=[str(tmp_path / "one.csv"), str(tmp_path / "two.csv")]))
    assert "one.csv" in told
    assert "two.csv" in told
    assert "There is no CSV file" in failure(house.make("housing_dataset", paths=[str(tmp_path / "none.csv")]))


def test_too_few_rows_are_refused(
    house: House, dropped: list[Path], failure: Callable[[dg.ExecuteInProcessResult], str]
) -> None:
    lines = dropped[0].read_text().splitlines()
    dropped[0].write_text("\n".join(lines[:50]))
    assert "49 different rows; a model needs 50" in failure(house.make("housing_dataset", paths=[str(dropped[0])]))


def test_from_dropped_files_to_prices(house: House, dropped: list[Path]) -> None:
    house.drop(*dropped[:3])
    house.made("housing_dataset", splits=3)
    evaluations = {}
    for preset in ("mean", "least_squares", "tiny"):
        made = house.made("housing_checkpoint", preset)
        assert made["parameters"] > 0
        evaluations[preset] = house.made("housing_evaluation", preset)

    # One line an epoch, in the shape the issue gives.
    lines = (house.library / "housing/training_log.txt").read_text().splitlines()
    shape = re.compile(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - Epoch (\d+)/30 - loss: \d+\.\d{4} - mae: \d+\.\d{4}"
        r" - val_loss: \d+\.\d{4} - val_mae: \d+\.\d{4}"
    )
    epochs = [int(found[1]) for line in lines if (found := shape.fullmatch(line))]
    assert epochs == list(range(1, 31))
    assert len(lines) == 30

    # Made-up prices follow the columns: a model that learns is far from the mean.
    assert evaluations["least_squares"]["val_rmse"] < 0.6 * evaluations["mean"]["val_rmse"]
    assert "| mean | -" in evaluations["tiny"]["against_baselines"]
    assert "| **mean ± sd** |" in evaluations["tiny"]["per_split"]
    assert evaluations["tiny"]["predicted_against_true"].startswith("![")
    assert sum(len(str(value)) for value in evaluations["tiny"].values()) < 150_000, "what each event stores"

    champion = house.made("housing_champion")
    best = min(evaluations, key=lambda name: float(evaluations[name]["val_rmse"]))
    assert champion["champion"] == best

    partition = house.ask(dropped[3])
    metadata = house.made("housing_predictions", partition)
    assert (metadata["rows"], metadata["skipped"], metadata["model"]) == (25, 0, best)
    assert metadata["checkpoint"] == champion["checkpoint"] != champion["digest"]
    path = house.library / "housing/predictions" / partition / "predictions.csv"
    rows = list(csv.DictReader(path.open()))
    assert [row["address"] for row in rows] == [f"{number} Maple Street" for number in range(1, 26)]
    assert [int(row["line"]) for row in rows] == list(range(2, 27))
    for row in rows:
        assert 0 < float(row["low"]) < float(row["price"]) < float(row["high"])
    assert {row["RM"] for row in rows} == {row["RM"] for row in csv.DictReader(dropped[3].open())}


def test_an_evaluation_is_replayed_from_the_stored_checkpoint(house: House, dropped: list[Path]) -> None:
    house.made("housing_dataset", splits=2, paths=[str(dropped[0].parent)])
    house.made("housing_checkpoint", "tiny")
    house.made("housing_evaluation", "tiny")
    dataset, checkpoint = house.value("housing_dataset"), house.value("housing_checkpoint", "tiny")
    evaluation = house.value("housing_evaluation", "tiny")
    assert isinstance(checkpoint, Checkpoint)
    assert isinstance(evaluation, Evaluation)
    recipe = HousingRecipe(**checkpoint.card.recipe)  # type: ignore[attr-defined]
    logs, _ = predicting.of_splits(recipe, checkpoint.weights, dataset["features"])
    errors = np.exp(logs.numpy()) - dataset["target"].numpy()
    assert np.array_equal(errors[dataset["splits"].numpy() == 1], np.array(evaluation.scores))
    first = house.made("housing_checkpoint", "tiny")["digest"]
    assert house.made("housing_checkpoint", "tiny")["digest"] == first, "the same training gives the same bytes"
    assert house.made("housing_checkpoint", "tiny", epochs=3)["digest"] != first


def test_evaluations_of_older_code_are_left_out_of_the_comparison(house: House, dropped: list[Path]) -> None:
    house.made("housing_dataset", splits=2, paths=[str(path) for path in dropped[:3]])
    for preset in ("mean", "least_squares"):
        house.made("housing_checkpoint", preset)
    house.made("housing_evaluation", "mean")

    class OlderEvaluation(Document):
        product: str

    @dg.asset(name="housing_evaluation", partitions_def=housing_evaluation.partitions_def, dagster_type=OlderEvaluation)  # type: ignore[call-overload]  # dagster_type takes a class, too
    def older() -> dg.MaterializeResult:
        return dg.MaterializeResult(value=OlderEvaluation(product="housing"))

    made = dg.materialize([older], instance=house.instance, resources=house.resources, partition_key="mean")
    assert made.success
    del Document.registry["OlderEvaluation"]
    against = house.made("housing_evaluation", "least_squares")["against_baselines"]
    assert against == "No baseline has been evaluated on these data yet."


def test_rows_that_can_not_be_priced_are_listed(
    house: House, dropped: list[Path], failure: Callable[[dg.ExecuteInProcessResult], str]
) -> None:
    house.made("housing_dataset", splits=2, paths=[str(path) for path in dropped[:3]])
    house.made("housing_checkpoint", "least_squares")
    lines = dropped[3].read_text().splitlines()
    header, first, second = lines[0], lines[1], lines[2]
    odd = dropped[0].parent / "odd.csv"
    far = second.split(",")
    far[header.split(",").index("TAX")] = "9000"
    priced = [f"{first},20,kept,too", f"{','.join(far)},30,a,b"]
    odd.write_text("\n".join([f"{header},price,low,low", *priced, "what,is,this"]))
    other = dropped[0].parent / "other.csv"
    other.write_text("shoe\n3\n")
    gone = dropped[0].parent / "gone.csv"
    gone.write_text(f"{header}\n{first}\n")
    partition = house.ask(odd, other, gone)
    gone.unlink()

    told = failure(house.make("housing_predictions", partition))
    assert "no champion yet" in told
    metadata = house.made("housing_predictions", partition, checkpoint="least_squares")
    assert (metadata["rows"], metadata["skipped"], metadata["outside_what_was_learned"]) == (2, 3, 1)
    assert metadata["rows_with_price"] == 2
    folder = Path(metadata["folder"])
    named = f"{partition}~least_squares-{metadata['checkpoint'][:8]}"
    assert folder == house.library.absolute() / "housing/predictions" / named, "the champion's place is left alone"
    assert not (folder.parent / partition).exists()
    skipped = (folder / "skipped.txt").read_text().splitlines()
    assert skipped[0].startswith("gone.csv: is gone")
    assert "odd.csv, line 4: has 3 cells" in "\n".join(skipped)
    assert "other.csv: CRIM, ZN, INDUS" in "\n".join(skipped)
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    assert [row["outside"] for row in rows] == ["", "TAX"]
    assert [row["MEDV"] for row in rows] == ["20", "30"]
    assert [row["low (input)"] + row["low (input) (2)"] for row in rows] == ["kepttoo", "ab"]

    only_bad = house.ask(other)
    told = failure(house.make("housing_predictions", only_bad, checkpoint="least_squares"))
    assert "No row of these files can be priced" in told
    assert told.count("INDUS") == 1
