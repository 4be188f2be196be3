"""Equal content has an equal data version, and Dagster's staleness follows it."""

from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from resources.store.manifests import data_version
from resources.store.records import Record
from resources.store.types import Files, Text

Materialize = Callable[..., dg.ExecuteInProcessResult]
PARTITIONS = dg.StaticPartitionsDefinition(["k", "other"])


def test_staleness_follows_the_content(
    materialize: Materialize, instance: dg.DagsterInstance, latest: Callable[..., Record]
) -> None:
    content = {"k": "same"}

    @dg.asset(partitions_def=PARTITIONS, code_version="1")
    def source(context: dg.AssetExecutionContext) -> Text:
        return Text(content.get(context.partition_key, "-"))

    @dg.asset(partitions_def=PARTITIONS, code_version="1")
    def follower(source: Text) -> Text:
        return Text(f"after {source}")

    defs = dg.Definitions(assets=[source, follower])

    def status(partition: str = "k") -> StaleStatus:
        graph = defs.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        return resolver.get_status(dg.AssetKey("follower"), partition)

    for key in ("k", "other"):
        assert materialize([source, follower], partition_key=key).success
    assert status() == StaleStatus.FRESH
    before = latest("source", "k")
    assert materialize([source], partition_key="k").success
    assert latest("source", "k").run != before.run
    assert latest("source", "k").data_version == before.data_version == before.digest
    assert status() == StaleStatus.FRESH
    content["k"] = "changed"
    assert materialize([source], partition_key="k").success
    assert latest("source", "k").data_version != before.data_version
    assert status() == StaleStatus.STALE
    assert status("other") == StaleStatus.FRESH
    assert materialize([source, follower], selection=[follower], partition_key="k").success
    assert status() == StaleStatus.FRESH


def test_names_and_contents_make_the_version_and_their_order_does_not(
    materialize: Materialize, latest: Callable[..., Record]
) -> None:
    def version(files: dict[str, Any]) -> str | None:
        @dg.asset
        def made() -> Files:
            return Files(files)

        assert materialize([made]).success
        return latest("made").data_version

    first = version({"a": b"1", "b": b"2"})
    assert first == version({"b": b"2", "a": b"1"})
    assert first != version({"a": b"2", "b": b"1"})
    assert first != version({"a": b"1", "c": b"2"})
    assert first != version({"a": b"1"})


def test_the_version_is_what_it_always_was() -> None:
    """BLAKE3 of the JSON `[["a","11…"],["b","22…"]]`; a change would make everything ever stored stale."""
    assert data_version({}) == "d53d18c23212ea7b6300594bb89bce60218f6eff2b9d628b8cc42d3e79bbd5ab"
    assert (
        data_version({"b": "2" * 64, "a": "1" * 64})
        == "5dabfb038afe97b5797c955df277abe2c3de5e95778b674d074357178da19c60"
    )
