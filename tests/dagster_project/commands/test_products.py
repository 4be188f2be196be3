"""What of a partition has to be made again, and in which parts."""

from pathlib import Path

import dagster as dg
import pytest

from dagster_project.commands import products
from dagster_project.commands.products import Product
from dagster_project.definitions import defs
from resources.errors import BadInput
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Text

_CHAIN = {
    "audio": (),
    "slides": (),
    "transcript": ("audio",),
    "subtitles": ("transcript",),
    "summary": ("transcript",),
    "notes": ("transcript", "summary", "slides"),
    "published": ("notes", "subtitles"),
}


@pytest.fixture
def chain() -> Product:
    parents = {dg.AssetKey(name): frozenset(map(dg.AssetKey, above)) for name, above in _CHAIN.items()}
    return Product("recordings", tuple(parents), dg.DynamicPartitionsDefinition(name="recordings"), parents)


@pytest.mark.parametrize(
    ("assets", "parts"),
    [
        ("audio slides transcript subtitles summary notes published", None),
        ("published", None),
        ("audio slides", None),
        ("transcript notes", None),
        ("summary published", ["summary", "published"]),
        ("audio published", ["audio", "published"]),
        ("audio summary published", ["audio", "summary", "published"]),
        ("transcript published", ["transcript", "published"]),
        ("transcript subtitles published", None),
        # notes need the summary, which Dagster would never come to: so they wait for it
        ("audio slides summary notes", ["audio slides", "summary notes"]),
    ],
)
def test_parts_are_such_that_dagster_leaves_nothing_out(chain: Product, assets: str, parts: list[str] | None) -> None:
    found = products.layers(chain, map(dg.AssetKey, assets.split()))
    assert [" ".join(asset.to_user_string() for asset in part) for part in found] == (parts or [assets])


def test_the_product_is_read_from_the_definitions(furnished) -> None:
    product = furnished.product
    assert {asset.to_user_string() for asset in product.assets} == set(_CHAIN)
    assert {name: {p.to_user_string() for p in product.parents[dg.AssetKey(name)]} for name in _CHAIN} == {
        name: set(above) for name, above in _CHAIN.items()
    }


@pytest.mark.parametrize(
    ("name", "assets", "partitions"),
    [
        # The group `sentiment` has assets of several partitions: what is backfilled is the job of that name.
        ("sentiment", {"dataset", "baseline", "checkpoint", "evaluation", "champion"}, "sentiment_files"),
        ("sentiment_predict", {"predictions"}, "sentiment_batches"),
        ("tweets_train_lstm", {"lstm_checkpoint"}, "tiny"),
        ("tweets_train_transformer", {"transformer_checkpoint"}, "zero_shot"),
    ],
)
def test_the_jobs_of_the_tweet_products_can_be_backfilled(name: str, assets: set[str], partitions: str) -> None:
    product = products.find(defs, name)
    assert {asset.to_user_string().removeprefix("sentiment_") for asset in product.assets} == assets
    if isinstance(product.partitions, dg.DynamicPartitionsDefinition):
        assert product.partitions.name == partitions
    else:
        assert partitions in product.partitions.get_partition_keys()


def test_nothing_is_missing_of_what_is_whole(furnished) -> None:
    with furnished.instance() as instance:
        assert not products.missing(furnished.product, instance, furnished.store, furnished.keys())
        assert not products.failed(furnished.product, instance, furnished.store, furnished.keys())


def test_a_file_a_person_has_changed_is_not_missing(furnished) -> None:
    key = furnished.keys()[0]
    notes = furnished.pdf(key).with_name("notes.md")
    kept = notes.read_bytes()
    notes.write_text("my own words")
    try:
        with furnished.instance() as instance:
            assert not products.missing(furnished.product, instance, furnished.store, [key])
    finally:
        notes.write_bytes(kept)


def test_a_key_that_was_never_made_misses_everything(furnished) -> None:
    with furnished.instance() as instance:
        [(assets, keys)] = products.missing(furnished.product, instance, furnished.store, ["new~0"]).items()
    assert (assets, list(keys)) == (furnished.product.assets, ["new~0"])


def test_unknown_keys_are_answered_with_those_that_are_near(furnished) -> None:
    with furnished.instance() as instance, pytest.raises(BadInput, match=r"bridge~") as caught:
        products.chosen(furnished.product, instance, ["bridge"])
    assert "no partition 'bridge'" in str(caught.value)


def test_what_a_blocking_check_refused_is_made_again(tmp_path: Path) -> None:
    """Dagster keeps the materialization of an asset whose check stopped the run."""
    keys, good = dg.StaticPartitionsDefinition(["k"]), [False]

    @dg.asset(
        group_name="p",
        partitions_def=keys,
        dagster_type=Text,
        check_specs=[dg.AssetCheckSpec("sound", asset="first", blocking=True)],
    )
    def first() -> dg.MaterializeResult:
        return dg.MaterializeResult(value=Text("x"), check_results=[dg.AssetCheckResult(passed=good[0])])

    @dg.asset(group_name="p", partitions_def=keys)
    def second(first: Text) -> Text:
        return first

    store = ArtifactStore(root=str(tmp_path / "store"), library=str(tmp_path / "library"))
    resources = {"io_manager": ArtifactIOManager(store=store)}
    product = products.find(dg.Definitions([first, second], resources=resources), "p")
    both = {(first.key, second.key): ["k"]}
    with dg.DagsterInstance.ephemeral() as instance:

        def make() -> bool:
            return dg.materialize(
                [first, second], resources=resources, instance=instance, partition_key="k", raise_on_error=False
            ).success

        assert not make()
        assert instance.get_latest_materialization_event(first.key) is not None
        assert products.missing(product, instance, store, ["k"]) == both
        assert products.failed(product, instance, store, ["k"]) == both
        good[0] = True
        assert make()
        assert not products.missing(product, instance, store, ["k"])
        assert not products.failed(product, instance, store, ["k"])
