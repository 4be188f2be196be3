"""Every kind of value goes through a real run and comes back as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from pydantic import BaseModel

from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Document, File, Files, Table, Text

Materialize = Callable[..., dg.ExecuteInProcessResult]
FailureOf = Callable[[dg.ExecuteInProcessResult], tuple[str, str]]


class Chapter(BaseModel):
    title: str
    start_s: float


class Outline(Document):
    chapters: list[Chapter]
    language: str | None = None


VALUES = {
    "document": Outline(chapters=[Chapter(title="Привет, “world”\n", start_s=0.1)], language="ru"),
    "empty_document": Outline(chapters=[]),
    "text": Text("naïve – и так далее\r\nlast line"),
    "markdown": Text("# Title\n", suffix=".md"),
    "empty_text": Text(""),
    "file": File("a.bin", bytes(range(256))),
    "files": Files({"b.txt": b"b", "a.txt": b"", "c-1~2.jpg": b"\xff\xd8"}),
    "no_files": Files({}),
    "table": Table(
        pd.DataFrame({"n": [1, 2], "x": [0.5, float("nan")], "s": ["ä", None], "t": pd.to_datetime(["2026-01-01"] * 2)})
    ),
}


def content(value: Any) -> Any:
    """Something that can be compared, of either an asset's value or what came back."""
    if isinstance(value, Files):
        return type(value), {n: c if isinstance(c, bytes) else c.read_bytes() for n, c in value.items()}
    if isinstance(value, Table):
        return Table, value.frame.to_json(), list(value.frame.dtypes)
    if isinstance(value, Text):
        return Text, str(value), value.suffix
    return type(value), value


@pytest.mark.parametrize("kind", VALUES)
def test_comes_back_as_it_was(kind: str, materialize: Materialize, latest: Callable[..., Record], root: Path) -> None:
    value, received = VALUES[kind], []

    @dg.asset
    def made() -> dg.MaterializeResult:
        return dg.MaterializeResult(value=value)

    @dg.asset(ins={"made": dg.AssetIn(dagster_type=type(value))})
    def taken(made) -> None:  # type: ignore[no-untyped-def]
        received.append(made)

    assert materialize([made, taken]).success
    (back,) = received
    assert content(back) == content(value)
    if isinstance(value, Files):
        assert all(back.path(name).is_relative_to(root) for name in back)
        assert all(back.path(name).stat().st_mode & 0o222 == 0 for name in back)
    assert latest("made").manifest is not None


def test_a_file_given_by_path_is_copied_and_stays(materialize: Materialize, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"x" * 3_000_000)

    @dg.asset
    def made() -> File:
        return File("big.bin", source)

    result = materialize([made])
    assert result.success
    assert source.read_bytes() == b"x" * 3_000_000
    assert source.stat().st_mode & 0o200


def test_output_metadata(materialize: Materialize, root: Path) -> None:
    @dg.asset
    def made() -> dg.MaterializeResult:
        return dg.MaterializeResult(value=Files({"a.txt": b"abc", "b.txt": b"de"}), metadata={"words": 2})

    @dg.asset
    def taken(made: Files) -> Text:
        return Text("".join(made))

    result = materialize([made, taken])
    metadata = result.asset_materializations_for_node("made")[0].metadata
    assert metadata["words"].value == 2
    assert metadata["bytes"].value == 5
    assert (root / metadata["manifest"].value).is_file()
    assert len(metadata["digest"].value) == 64
    assert [record.data["name"] for record in metadata["files"].records] == ["a.txt", "b.txt"]
    moved = [record.data for record in result.asset_materializations_for_node("taken")[0].metadata["store_io"].records]
    assert [(row["name"], row["what"], row["bytes"]) for row in moved] == [("made", "read", 5), ("taken", "stored", 10)]
    assert all(row["seconds"] > 0 for row in moved)
    assert not [event for event in result.all_events if event.event_type_value == "ASSET_OBSERVATION"]


def test_the_second_load_reads_nothing(materialize: Materialize) -> None:
    @dg.asset
    def made() -> File:
        return File("a.bin", b"a" * 1000)

    @dg.asset
    def first(made: File) -> Text:
        return Text(str(made.only))

    @dg.asset
    def second(made: File, first: Text) -> Text:
        return Text(f"{made.only}!")

    result = materialize([made, first, second])
    table = result.asset_materializations_for_node("second")[0].metadata["store_io"]
    rows = {record.data["name"]: record.data for record in table.records}
    assert rows["made"]["what"] == "resident"
    assert rows["made"]["GB/s"] is None


class Plain(BaseModel):
    x: int = 1


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"a": 1}, "dict"),
        ([1], "list"),
        ("text", "str"),
        (b"bytes", "bytes"),
        (3, "int"),
        (Plain(), "Plain"),
        (pd.DataFrame({"a": [1]}), "DataFrame"),
        (Table([1]), "list"),
        (Table(pd.DataFrame({"a": [1, "x"]})), "Parquet"),
        (Outline(chapters=[Chapter(title="t", start_s=float("nan"))]), "NaN"),
        (Text("\ud800"), "UTF-8"),
        (File("gone.bin", Path("/nowhere/gone.bin")), "/nowhere/gone.bin"),
        (File("odd.bin", "a str"), "str"),  # type: ignore[arg-type]
    ],
)
def test_anything_else_is_refused_by_type_and_name(
    value: Any, name: str, materialize: Materialize, failure_of: FailureOf, root: Path
) -> None:
    @dg.asset
    def odd_one() -> dg.MaterializeResult:
        return dg.MaterializeResult(value=value)

    error, message = failure_of(materialize([odd_one]))
    assert error == "UnsupportedValue"
    assert name in message
    assert "odd_one" in message
    assert not list((root / "assets").rglob("*.json"))


def test_a_document_that_would_change_on_the_way_is_refused(materialize: Materialize, failure_of: FailureOf) -> None:
    @dg.asset
    def built() -> dg.MaterializeResult:
        return dg.MaterializeResult(value=Outline.model_construct(chapters=[("not", "a chapter")]))

    error, message = failure_of(materialize([built]))
    assert error == "UnsupportedValue"
    assert "Outline" in message


def test_assets_that_return_nothing_store_nothing(materialize: Materialize, root: Path) -> None:
    @dg.asset
    def untyped():  # type: ignore[no-untyped-def]
        pass

    @dg.asset
    def nothing() -> None:
        pass

    @dg.asset
    def result_only() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"seen": True})

    @dg.asset(deps=[untyped, nothing, result_only])
    def after() -> Text:
        return Text("after")

    assert materialize([untyped, nothing, result_only, after]).success
    assert [path.parent.parent.name for path in (root / "assets").rglob("*.json")] == ["after"]


def test_reading_an_asset_without_a_value_says_so(materialize: Materialize, failure_of: FailureOf) -> None:
    @dg.asset
    def empty():  # type: ignore[no-untyped-def]
        pass

    @dg.asset
    def reader(empty: Text) -> None:
        pass

    error, message = failure_of(materialize([empty, reader]))
    assert error == "MissingArtifact"
    assert "empty" in message
    assert "deps=" in message


def test_a_result_that_should_have_a_value_must_have_one(materialize: Materialize, failure_of: FailureOf) -> None:
    @dg.asset
    def forgot() -> dg.MaterializeResult[Text]:
        return dg.MaterializeResult(metadata={"seen": True})

    result = materialize([forgot])
    assert not result.success


def test_load_asset_value(instance: dg.DagsterInstance, resources: dict[str, Any], materialize: Materialize) -> None:
    partitions = dg.StaticPartitionsDefinition(["a", "b"])

    @dg.asset(partitions_def=partitions)
    def made(context: dg.AssetExecutionContext) -> Text:
        return Text(context.partition_key)

    for key in ("a", "b"):
        assert materialize([made], partition_key=key).success
    defs = dg.Definitions(assets=[made], resources=resources)
    assert defs.load_asset_value("made", python_type=Text, partition_key="b", instance=instance) == "b"


def test_a_stored_value_is_found_without_a_run(
    materialize: Materialize, latest: Callable[..., Record], store: ArtifactStore
) -> None:
    @dg.asset
    def made() -> Text:
        return Text("hello")

    materialize([made])
    assert store.load(latest("made")) == "hello"


def test_an_object_handed_on_is_not_written_again(materialize: Materialize, blobs: Callable[[], list[Path]]) -> None:
    @dg.asset
    def made() -> File:
        return File("a.bin", b"a" * 100_000)

    @dg.asset
    def passed(made: File) -> Files:
        return Files({"renamed.bin": made.only})

    result = materialize([made, passed])
    rows = [record.data for record in result.asset_materializations_for_node("passed")[0].metadata["store_io"].records]
    assert rows[-1]["what"] == "kept"
    assert len(blobs()) == 1
