"""Every materialization stays loadable by its run, and an earlier one can be made the latest again."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from resources.store import records
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Text

Materialize = Callable[..., dg.ExecuteInProcessResult]
Latest = Callable[..., Record]
FailureOf = Callable[[dg.ExecuteInProcessResult], tuple[str, str]]
SOURCE = dg.AssetKey("source")


@pytest.fixture
def two() -> dg.PartitionsDefinition:
    return dg.StaticPartitionsDefinition(["k", "other"])


class House:
    """Two assets, of which the second follows the first, and what the first one returns by partition."""

    def __init__(self, partitions: dg.PartitionsDefinition, materialize: Materialize, instance: dg.DagsterInstance):
        content = self.content = {"k": "one", "other": "-"}
        self.received: list[str] = []

        @dg.asset(partitions_def=partitions, code_version="1")
        def source(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Text]:
            text = content[context.partition_key]
            return dg.MaterializeResult(value=Text(text), metadata={"letters": len(text)})

        @dg.asset(partitions_def=partitions, code_version="1")
        def follower(source: Text) -> Text:
            self.received.append(source)
            return Text(f"after {source}")

        self.assets = [source, follower]
        self._materialize, self._instance = materialize, instance

    def make(self, text: str | None = None, only: str | None = None, partition: str = "k") -> str:
        """A run of both assets or one of them; its id."""
        if text is not None:
            self.content[partition] = text
        chosen = None if only is None else [dg.AssetKey(only)]
        result = self._materialize(self.assets, partition_key=partition, selection=chosen)
        assert result.success
        return result.run_id

    def status(self, asset: str, partition: str = "k") -> StaleStatus:
        graph = dg.Definitions(assets=self.assets).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self._instance, graph, LoadingContextForTest(self._instance))
        return resolver.get_status(dg.AssetKey(asset), partition)

    def restore(self, run_id: str, asset: str = "source") -> None:
        record = records.of_run(self._instance, dg.AssetKey(asset), "k", run_id)
        assert record is not None
        self._instance.report_runless_asset_event(records.restoring(record))


@pytest.fixture
def house(two: dg.PartitionsDefinition, materialize: Materialize, instance: dg.DagsterInstance) -> House:
    return House(two, materialize, instance)


def test_every_version_stays_loadable(house: House, instance: dg.DagsterInstance, store: ArtifactStore) -> None:
    runs = [house.make(text) for text in ("one", "two", "two", "three")]
    house.make(partition="other")
    found = records.versions(instance, SOURCE, "k")
    assert [record.run for record in found] == runs[::-1]
    assert [store.load(record) for record in found] == ["three", "two", "two", "one"]
    assert [record.bytes for record in found] == [5, 3, 3, 3]
    assert [record.timestamp for record in found] == sorted((record.timestamp for record in found), reverse=True)
    assert found[1].data_version == found[2].data_version != found[3].data_version
    assert not any(record.restored for record in found)
    for run, text in zip(runs, ("one", "two", "two", "three"), strict=True):
        record = records.of_run(instance, SOURCE, "k", run)
        assert record is not None
        assert store.load(record) == text


def test_there_may_be_more_versions_than_one_page(
    materialize: Materialize, instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    for number in range(2 * records._PAGE + 1):
        instance.report_runless_asset_event(dg.AssetMaterialization("source", metadata={"number": number}))
    found = records.versions(instance, SOURCE, None)
    assert [record.event.metadata["number"].value for record in found if record.event] == [
        *range(2 * records._PAGE, -1, -1)
    ]
    assert found[0].bytes is None


def test_a_restored_version_is_the_latest(
    house: House, instance: dg.DagsterInstance, store: ArtifactStore, latest: Latest
) -> None:
    first, second = house.make("one"), house.make("three")
    before = latest("source", "k")
    house.restore(first)
    found = latest("source", "k")
    assert (found.run, found.restored, found.bytes) == (first, True, 3)
    assert found.manifest == f"assets/source/k/{first}-0.json"
    assert found.data_version == found.digest != before.data_version
    assert store.load(found) == "one"
    assert found.event is not None
    assert found.event.metadata["letters"].value == 3
    assert records.STORE_IO not in found.event.metadata  # what another run moved
    assert [record.run for record in records.versions(instance, SOURCE, "k")] == [first, second, first]
    house.make(only="follower")
    assert house.received == ["one", "three", "one"]


def test_restoring_again_and_restoring_what_was_restored(house: House, store: ArtifactStore, latest: Latest) -> None:
    first, second = house.make("one"), house.make("two")
    for run, text in ((first, "one"), (second, "two"), (first, "one"), (first, "one")):
        house.restore(run)
        assert latest("source", "k").run == run
        assert store.load(latest("source", "k")) == text
    again = records.restoring(latest("source", "k"))  # of an event that is itself of no run
    assert again.metadata[records.RESTORED_RUN].value == first


def test_what_follows_is_out_of_date_exactly_when_the_content_differs(house: House) -> None:
    first = house.make("one")
    same = house.make("one")
    house.make("two")
    assert house.status("follower") == StaleStatus.FRESH
    house.restore(first)
    assert house.status("follower") == StaleStatus.STALE
    house.make(only="follower")
    assert house.status("follower") == StaleStatus.FRESH
    house.restore(same)  # another run, equal content
    assert house.status("follower") == StaleStatus.FRESH
    assert house.status("source") == StaleStatus.FRESH


def test_what_was_made_of_other_inputs_is_out_of_date_when_restored(house: House) -> None:
    first, _ = house.make("one"), house.make("two")
    house.restore(first, "follower")
    assert house.status("follower") == StaleStatus.STALE
    house.restore(first, "source")
    assert house.status("follower") == StaleStatus.FRESH


def test_a_run_still_finds_its_own_after_another_was_restored(
    house: House, instance: dg.DagsterInstance, store: ArtifactStore
) -> None:
    first, second = house.make("one"), house.make("two")
    house.restore(first)
    for run, text in ((first, "one"), (second, "two")):
        record = records.of_run(instance, SOURCE, "k", run)
        assert record is not None
        assert not record.restored
        assert store.load(record) == text


def test_what_stores_nothing_can_not_be_restored(instance: dg.DagsterInstance, latest: Latest) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("source"))
    with pytest.raises(ValueError, match="nothing is stored"):
        records.restoring(latest("source"))


def test_a_run_s_own_partition_and_the_latest_of_the_others_make_one_dict(
    materialize: Materialize, two: dg.PartitionsDefinition
) -> None:
    """While a run goes on, another one makes its partition and a further one anew."""
    received, made = [], iter(range(9))

    @dg.asset(partitions_def=two)
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(f"{context.partition_key}{next(made)}")

    @dg.asset(deps=[source])
    def meanwhile() -> None:
        for key in ("k", "other"):
            assert materialize([source], partition_key=key).success

    @dg.asset(deps=[meanwhile])
    def reader(source: dict[str, Text]) -> None:
        received.append(source)

    assert materialize([source], partition_key="other").success
    assert materialize([source, meanwhile, reader], partition_key="k").success
    assert received == [{"k": "k1", "other": "other3"}]


def test_what_a_run_made_and_lost_is_not_replaced_by_another_run_s(
    materialize: Materialize, instance: dg.DagsterInstance, two: dg.PartitionsDefinition, failure_of: FailureOf
) -> None:
    """The asset's history is wiped and begun anew by another run, while the run that made it goes on."""
    received: list[Any] = []

    @dg.asset(partitions_def=two)
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(context.partition_key)

    @dg.asset(deps=[source])
    def meanwhile() -> None:
        instance.wipe_assets([SOURCE])
        for key in ("k", "other"):
            assert materialize([source], partition_key=key).success

    @dg.asset(deps=[meanwhile])
    def reader(source: dict[str, Text]) -> None:
        received.append(source)

    assert materialize([source], partition_key="other").success
    error, message = failure_of(materialize([source, meanwhile, reader], partition_key="k"))
    assert error == "MissingArtifact"
    assert '"k"' in message
    assert '"other"' not in message
    assert received == []


def test_the_checks_that_refused_something_are_named(materialize: Materialize, instance: dg.DagsterInstance) -> None:
    wrong = [True, False, True]

    @dg.asset(
        dagster_type=Text,
        check_specs=[
            dg.AssetCheckSpec("sound", asset="checked", blocking=True),
            dg.AssetCheckSpec("fine", asset="checked", blocking=True),
            dg.AssetCheckSpec("nice", asset="checked"),
        ],
    )
    def checked() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            value=Text("x"),
            check_results=[
                dg.AssetCheckResult(check_name="sound", passed=not wrong.pop(0)),
                dg.AssetCheckResult(check_name="fine", passed=True),
                dg.AssetCheckResult(check_name="nice", passed=False),
            ],
        )

    results = [materialize([checked]) for _ in range(3)]
    assert [result.success for result in results] == [False, True, False]
    found = [records.refused(instance, result.run_id) for result in results]
    assert found == [{checked.key: ["sound"]}, {}, {checked.key: ["sound"]}]


def test_a_check_counts_as_it_did_in_the_last_attempt(materialize: Materialize, instance: dg.DagsterInstance) -> None:
    attempts = [False, True]

    @dg.asset(dagster_type=Text, check_specs=[dg.AssetCheckSpec("sound", asset="checked", blocking=True)])
    def checked() -> Iterator[dg.AssetCheckResult | dg.Output[Text]]:
        passed = attempts.pop(0)
        yield dg.AssetCheckResult(passed=passed)
        if attempts:
            raise dg.RetryRequested(max_retries=1)
        yield dg.Output(Text("x"))

    result = materialize([checked])
    assert result.success
    evaluated = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert len(evaluated) == 2
    assert records.refused(instance, result.run_id) == {}
