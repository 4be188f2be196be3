"""What the event log knows of manifests, and which of them must stay."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from resources.store.records import Record
from resources.store.types import Text
from resources.store.upkeep.collecting import Known, collect
from resources.store.upkeep.known import EventLog

parts = dg.StaticPartitionsDefinition(["one", "two"])


@dg.asset(partitions_def=parts)
def words(context: dg.AssetExecutionContext) -> Text:
    return Text(f"{context.partition_key} {context.run_id}")


@dg.asset
def title(context: dg.AssetExecutionContext) -> Text:
    return Text(context.run_id)


def test_the_event_log_knows_every_version_of_every_partition(
    instance: dg.DagsterInstance, materialize: Callable[..., Any], latest: Callable[..., Record], monkeypatch: Any
) -> None:
    monkeypatch.setattr("resources.store.upkeep.known._PAGE", 2)  # several pages
    instance.report_runless_asset_event(dg.AssetMaterialization("words", partition="one"))  # by hand: stores nothing
    log, paths = EventLog(instance), []
    assert log() == Known({}, frozenset(), frozenset())
    for key in ("one", "two", "one", "one"):
        assert materialize([words], partition_key=key).success
        paths.append(latest("words", key).manifest)
    assert materialize([title]).success  # an asset that the first call did not know
    paths.append(latest("title").manifest)
    seen = log()
    assert seen == EventLog(instance)()
    assert seen.keep.keys() == set(paths)
    assert seen.keep[paths[1]].partition == "two"
    assert seen.newest == {paths[3], paths[1], paths[4]}
    assert seen.named == set(paths)


def test_only_the_newest_versions_are_kept_if_so_asked(
    instance: dg.DagsterInstance, materialize: Callable[..., Any], latest: Callable[..., Record]
) -> None:
    paths: list[Any] = []
    for _ in range(3):
        assert materialize([title]).success
        paths.append(latest("title"))
    first, second, third = (record.manifest for record in paths)
    log = EventLog(instance, keep_versions=2)
    assert (log().keep.keys(), log().named) == ({third, second}, {first, second, third})
    # One that was among them until a moment ago may still be read by a run.
    assert EventLog(instance, keep_versions=1, grace_days=1)().keep.keys() == {third, second, first}
    # Made the latest again, by an event that names the same manifest.
    instance.report_runless_asset_event(dg.AssetMaterialization("title", metadata={"manifest": str(first)}))
    assert log().keep.keys() == {first, third}
    assert log().newest == {first}


def test_a_refused_version_does_not_push_out_a_good_one(
    instance: dg.DagsterInstance, materialize: Callable[..., Any], latest: Callable[..., Record]
) -> None:
    good = [True]

    @dg.asset(dagster_type=Text, check_specs=[dg.AssetCheckSpec("sound", asset="checked", blocking=True)])
    def checked() -> dg.MaterializeResult:
        result = dg.AssetCheckResult(passed=good[0], check_name="sound")
        return dg.MaterializeResult(value=Text(f"{len(paths)}"), check_results=[result])

    paths: list[Any] = []
    for passed in (True, True, False):
        good[0] = passed
        materialize([checked])
        paths.append(latest("checked").manifest)
    assert EventLog(instance, keep_versions=1)().keep.keys() == {paths[2], paths[1]}


def test_what_was_wiped_is_not_known(
    instance: dg.DagsterInstance, materialize: Callable[..., Any], latest: Callable[..., Record], root: Path,
    age: Callable[..., None],
) -> None:  # fmt: skip
    assert materialize([title]).success
    for key in ("one", "two"):
        assert materialize([words], partition_key=key).success
    wiped = latest("title").manifest
    instance.wipe_assets([dg.AssetKey("title")])
    age()
    done = collect(root, EventLog(instance), dry_run=False)
    assert done.manifests.names == (wiped,)
    assert done.objects.count == 1
    instance.delete_run(latest("words", "one").run)
    assert collect(root, EventLog(instance), dry_run=False).manifests.count == 1
