"""Which materialization an input is read from: of this run, of its parents, or the latest."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob

from resources.store import records
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import File, Text

Materialize = Callable[..., dg.ExecuteInProcessResult]
FailureOf = Callable[[dg.ExecuteInProcessResult], tuple[str, str]]


class Chain:
    """Runs the job of `chain_job.py`, again and again."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self._folder, self.instance = folder, instance
        job_file = shutil.copy(Path(__file__).with_name("chain_job.py"), folder)
        self._job = ReconstructableJob.for_file(str(job_file), "chain")

    def run(self, fail: str = "", a: str | None = None, **options: Any) -> tuple[str, bool]:
        """One run in which `fail` fails; its id, and whether it succeeded."""
        for name in "abc":
            (self._folder / f"fail-{name}").unlink(missing_ok=True)
        if fail:
            (self._folder / f"fail-{fail}").touch()
        if a is not None:
            (self._folder / "a.txt").write_text(a)
        with dg.execute_job(self._job, self.instance, **options) as result:
            return result.run_id, result.success

    def again(self, run_id: str, fail: str = "", a: str | None = None) -> tuple[str, bool]:
        """Re-execute a failed run from where it failed."""
        return self.run(fail, a, reexecution_options=dg.ReexecutionOptions.from_failure(run_id, self.instance))

    def only(self, run_id: str, step: str) -> tuple[str, bool]:
        """Re-execute one step of a run."""
        options = dg.ReexecutionOptions(parent_run_id=run_id, step_selection=[step])
        return self.run(reexecution_options=options)

    def value(self, asset: str, run_id: str) -> object:
        record = records.of_run(self.instance, dg.AssetKey(asset), None, run_id)
        assert record is not None
        return ArtifactStore(root=str(self._folder / "store"), library="").load(record)


@pytest.fixture
def chain(home: Path, instance: dg.DagsterInstance) -> Chain:
    folder = home / "chain"
    folder.mkdir()
    return Chain(folder, instance)


def test_a_re_execution_reads_what_its_parents_made(chain: Chain) -> None:
    first, success = chain.run(fail="c", a="old")
    assert not success
    assert chain.run(a="new")[1]  # another run makes everything anew meanwhile
    second, success = chain.again(first, fail="c")
    assert not success
    third, success = chain.again(second)  # its upstream was made by the grandparent
    assert success
    assert chain.value("c", third) == "old b c"
    assert records.of_run(chain.instance, dg.AssetKey("b"), None, third) is None


def test_a_re_execution_reads_what_the_re_execution_before_it_made(chain: Chain) -> None:
    first, _ = chain.run(fail="b", a="old")
    second, _ = chain.again(first, fail="c")
    assert chain.run(a="new")[1]
    third, success = chain.again(second)
    assert success
    assert chain.value("c", third) == "old b c"


def test_a_step_run_by_hand_reads_the_latest_if_no_parent_made_its_input(chain: Chain) -> None:
    failed, _ = chain.run(fail="a", a="x")
    assert not chain.only(failed, "c")[1]  # nothing was ever made
    assert chain.run(a="y")[1]
    run_id, success = chain.only(failed, "c")
    assert success
    assert chain.value("c", run_id) == "y b c"


def test_an_input_of_this_run_is_read_even_if_another_run_made_a_newer_one(materialize: Materialize) -> None:
    made, received = ["first", "second"], []

    @dg.asset
    def a() -> Text:
        return Text(made.pop(0))

    @dg.asset(deps=[a])
    def meanwhile() -> None:
        assert materialize([a]).success

    @dg.asset(deps=[meanwhile])
    def reader(a: Text) -> None:
        received.append(a)

    assert materialize([a, meanwhile, reader]).success
    assert received == ["first"]
    assert materialize([a, meanwhile, reader], selection=[reader]).success
    assert received == ["first", "second"]


def test_a_retried_step_leaves_a_manifest_of_its_own(
    materialize: Materialize, latest: Callable[..., Record], root: Path
) -> None:
    calls, received = [], []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def shaky() -> Text:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("once")
        return Text(f"call {len(calls)}")

    @dg.asset
    def reader(shaky: Text) -> None:
        received.append(shaky)

    result = materialize([shaky, reader])
    assert result.success
    assert received == ["call 2"]
    assert latest("shaky").manifest == f"assets/shaky/@all/{result.run_id}-1.json"


def test_what_no_retry_can_mend_is_not_retried(materialize: Materialize, failure_of: FailureOf) -> None:
    calls = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=3))
    def wrong() -> dg.MaterializeResult:
        calls.append(1)
        return dg.MaterializeResult(value={"not": "storable"})

    assert failure_of(materialize([wrong]))[0] == "UnsupportedValue"
    assert len(calls) == 1


def test_an_input_never_made_is_named(materialize: Materialize, failure_of: FailureOf) -> None:
    partitions = dg.StaticPartitionsDefinition(["k1", "k2"])

    @dg.asset(partitions_def=partitions)
    def source() -> Text:
        return Text("x")

    @dg.asset(partitions_def=partitions)
    def reader(source: Text) -> None:
        pass

    assert materialize([source], partition_key="k1").success
    error, message = failure_of(materialize([source, reader], selection=[reader], partition_key="k2"))
    assert error == "MissingArtifact"
    assert '"source"' in message
    assert '"k2"' in message
    assert materialize([source, reader], selection=[reader], partition_key="k1").success


def test_partitions_have_values_of_their_own(materialize: Materialize) -> None:
    keys = ["b/../c", "..", "é ü", "x" * 250]
    partitions, received = dg.StaticPartitionsDefinition(keys), {}

    @dg.asset(partitions_def=partitions)
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(f"<{context.partition_key}>")

    @dg.asset(partitions_def=partitions)
    def reader(context: dg.AssetExecutionContext, source: Text) -> None:
        received[context.partition_key] = source

    for key in keys:
        assert materialize([source], partition_key=key).success
    for key in keys:
        assert materialize([source, reader], selection=[reader], partition_key=key).success
    assert received == {key: f"<{key}>" for key in keys}


@pytest.mark.parametrize("annotation", [dict[str, File], Mapping[str, File], Any])
def test_an_input_of_several_partitions_is_always_a_dict(
    annotation: Any, materialize: Materialize, instance: dg.DagsterInstance, failure_of: FailureOf
) -> None:
    partitions, received = dg.DynamicPartitionsDefinition(name="keys"), []

    @dg.asset(partitions_def=partitions)
    def source(context: dg.AssetExecutionContext) -> File:
        return File("key.txt", context.partition_key.encode())

    @dg.asset
    def all_of_them(source: annotation) -> None:
        received.append({key: file.only.read_bytes() for key, file in source.items()})

    def gather() -> dg.ExecuteInProcessResult:
        return materialize([source, all_of_them], selection=[all_of_them])

    assert gather().success
    assert received.pop() == {}
    instance.add_dynamic_partitions("keys", ["one"])
    assert materialize([source], partition_key="one").success
    assert gather().success
    assert received.pop() == {"one": b"one"}
    instance.add_dynamic_partitions("keys", ["gap", "two"])
    assert materialize([source], partition_key="two").success
    error, message = failure_of(gather())
    assert error == "MissingArtifact"
    assert '"gap"' in message
    assert '"two"' not in message
    assert materialize([source], partition_key="gap").success
    assert gather().success
    assert received.pop() == {"one": b"one", "gap": b"gap", "two": b"two"}


def test_missing_partitions_may_be_allowed(materialize: Materialize, instance: dg.DagsterInstance) -> None:
    partitions, received = dg.DynamicPartitionsDefinition(name="keys"), []
    instance.add_dynamic_partitions("keys", ["here", "gap"])

    @dg.asset(partitions_def=partitions)
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(context.partition_key)

    @dg.asset(ins={"source": dg.AssetIn(metadata={"allow_missing_partitions": True})})
    def all_of_them(source: dict[str, Text]) -> None:
        received.append(source)

    assert materialize([source], partition_key="here").success
    assert materialize([source, all_of_them], selection=[all_of_them]).success
    assert received == [{"here": "here"}]


def test_several_partitions_need_a_dict_annotation(materialize: Materialize, failure_of: FailureOf) -> None:
    partitions = dg.StaticPartitionsDefinition(["a", "b"])

    @dg.asset(partitions_def=partitions)
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(context.partition_key)

    @dg.asset
    def all_of_them(source: Text) -> None:
        pass

    error, message = failure_of(materialize([source, all_of_them], selection=[all_of_them]))
    assert error == "UnsupportedValue"
    assert "dict" in message


def test_a_partition_made_in_this_run_and_the_others_make_one_dict(materialize: Materialize) -> None:
    partitions, received, made = dg.StaticPartitionsDefinition(["a", "b"]), [], iter(range(9))

    @dg.asset(partitions_def=partitions)
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(f"{context.partition_key}{next(made)}")

    @dg.asset
    def all_of_them(source: dict[str, Text]) -> None:
        received.append(source)

    assert materialize([source], partition_key="b").success
    assert materialize([source, all_of_them], partition_key="a").success
    assert received == [{"a": "a1", "b": "b0"}]


def test_one_run_makes_one_partition(
    instance: dg.DagsterInstance, resources: dict[str, Any], failure_of: FailureOf
) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), backfill_policy=dg.BackfillPolicy.single_run())
    def source() -> Text:
        return Text("both?")

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    result = dg.materialize([source], instance=instance, resources=resources, tags=tags, raise_on_error=False)
    error, message = failure_of(result)
    assert error == "UnsupportedValue"
    assert "2 partitions" in message


def test_an_external_asset_has_no_value(
    materialize: Materialize, instance: dg.DagsterInstance, failure_of: FailureOf
) -> None:
    outside = dg.AssetSpec("outside")

    @dg.asset
    def reader(outside: Text) -> None:
        pass

    instance.report_runless_asset_event(dg.AssetMaterialization("outside"))
    error, message = failure_of(materialize([reader, outside], selection=[reader]))
    assert error == "MissingArtifact"
    assert "outside" in message


def test_the_latest_record_names_its_manifest(
    materialize: Materialize, instance: dg.DagsterInstance, root: Path
) -> None:
    partitions = dg.StaticPartitionsDefinition(["a", "b"])

    @dg.asset(partitions_def=partitions)
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(context.partition_key)

    key = dg.AssetKey("source")
    assert records.latest(instance, key, "a") is None
    runs = [materialize([source], partition_key="a").run_id for _ in range(2)]
    assert materialize([source], partition_key="b").success
    record = records.latest(instance, key, "a")
    assert record is not None
    assert record.manifest == f"assets/source/a/{runs[1]}-0.json"
