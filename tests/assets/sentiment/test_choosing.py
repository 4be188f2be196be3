"""Which checkpoint a name means, where partitions are files."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from assets.sentiment import choosing
from resources.errors import BadInput

ONE, TWO = "one~0123456789abcdef", "two~fedcba9876543210"
Made = Callable[..., str]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("sentiment_files", [ONE, TWO])
        yield instance


@pytest.fixture
def made(instance: dg.DagsterInstance) -> Made:
    """Reports that an asset was stored; its digest is made of the asset, its partition and how often that was."""
    times: dict[Any, int] = {}

    def report(asset: dg.AssetKey, partition: str | None) -> str:
        times[asset, partition] = times.get((asset, partition), 0) + 1
        kind = {"checkpoint": "c", "baseline": "b", "champion": "a"}[asset.to_user_string().rpartition("_")[2]]
        which = {ONE: "1", TWO: "2", None: "0"}[partition]
        digest = f"{kind}{which}{times[asset, partition]}".ljust(64, "f")
        event = dg.AssetMaterialization(asset, partition=partition, metadata={"digest": digest, "manifest": "m"})
        instance.report_runless_asset_event(event)
        return digest

    return report


def test_champion_is_the_newest_file_s_until_there_is_a_pooled_one(instance: dg.DagsterInstance, made: Made) -> None:
    with pytest.raises(BadInput, match="scriptorium train sentiment"):
        choosing.find(instance, "champion")
    made(choosing.OF_FILE, ONE)
    newest = made(choosing.OF_FILE, TWO)
    record, said = choosing.find(instance, "champion")
    assert (record.digest, said) == (newest, f"the champion of {TWO}, the newest")
    again = made(choosing.OF_FILE, ONE)
    assert choosing.find(instance, "champion")[0].digest == again
    with pytest.raises(BadInput, match="SCRIPTORIUM_SENTIMENT_VALIDATION"):
        choosing.find(instance, "pooled")
    pooled = made(choosing.OF_ALL, None)
    assert [choosing.find(instance, name)[0].digest for name in ("champion", "pooled")] == [pooled, pooled]
    assert choosing.find(instance, "champion")[1] == "the pooled champion"


def test_a_file_s_name_means_its_champion(instance: dg.DagsterInstance, made: Made) -> None:
    made(choosing.CHECKPOINT, ONE)
    first, second = made(choosing.OF_FILE, ONE), made(choosing.OF_FILE, TWO)
    for name in (ONE, "one", "One.csv", "one~0123"):
        assert choosing.find(instance, name)[0].digest == first
    assert choosing.find(instance, "two")[0].digest == second
    with pytest.raises(BadInput, match=r"no checkpoint 'three'") as caught:
        choosing.find(instance, "three")
    assert ONE in caught.value.remedy


def test_a_digest_means_that_very_checkpoint_or_baseline(instance: dg.DagsterInstance, made: Made) -> None:
    old, _ = made(choosing.CHECKPOINT, ONE), made(choosing.CHECKPOINT, ONE)
    baseline, champion, pooled = made(choosing.BASELINE, TWO), made(choosing.OF_FILE, TWO), made(choosing.OF_ALL, None)
    for digest in (old, baseline, champion, pooled):
        record, said = choosing.find(instance, digest[:8])
        assert record.digest == digest
        assert said == f"the checkpoint {digest} of {record.partition or 'all files'}"
    assert choosing.by_data_version(instance, "123456") is None
    with pytest.raises(BadInput, match="no checkpoint"):
        choosing.find(instance, "c11")  # too short to be meant as a digest


def test_a_beginning_that_several_have_is_refused(instance: dg.DagsterInstance) -> None:
    for digest in ("abcdef1", "abcdef2"):
        event = dg.AssetMaterialization(choosing.CHECKPOINT, partition=ONE, metadata={"digest": digest.ljust(64, "0")})
        instance.report_runless_asset_event(event)
    with pytest.raises(BadInput, match="2 checkpoints of sentiment begin with 'abcdef'"):
        choosing.find(instance, "abcdef")
    assert str(choosing.find(instance, "abcdef2")[0].digest).startswith("abcdef2")
