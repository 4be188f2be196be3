"""Batches: their keys and events, files taken in by name, and handed to who works on them."""

import json
import os
import shutil
from types import SimpleNamespace

import dagster as dg
import pytest
from blake3 import blake3

from resources.errors import BadInput, MissingOriginal
from resources.intake.batch_events import Batches, BatchFile, batch_key, batch_of
from resources.intake.batches import files_of, take_in
from resources.intake.files import Names

NAMES = Names(taken=frozenset({".csv", ".png"}), never=frozenset())
EACH = Batches("images", "image_batches", NAMES, "predict")
WHOLE = Batches("tables", None, NAMES, "dataset")


@pytest.fixture
def instance():
    with dg.DagsterInstance.local_temp() as local:
        yield local


@pytest.fixture
def context(instance):
    """What `files_of` needs of an asset's context."""
    return SimpleNamespace(instance=instance)


@pytest.fixture
def folder(tmp_path):
    """A folder with three files, one of another sort, one not finished."""
    made = tmp_path / "My Holiday"
    (made / "sub").mkdir(parents=True)
    for name in ["b.png", "sub/a.png", "notes.txt", "c.png.part"]:
        (made / name).write_text(name)
    return made


def start(instance, batches, taken):
    """What the caller does with what was taken."""
    if taken.event:
        instance.report_runless_asset_event(taken.event)
    run = dg.DagsterRun(batches.job, tags={"dagster/run_key": taken.run_key}, status=dg.DagsterRunStatus.STARTED)
    instance.run_storage.add_run(run)


def take(instance, batches, *paths):
    taken = take_in(instance, batches, paths)
    start(instance, batches, taken)
    return taken


def file(name, content):
    return BatchFile(None, name, len(content), 0, blake3(content.encode()).hexdigest())


def test_a_key_is_of_names_and_contents_in_any_order():
    files = [file("a.png", "1"), file("b.png", "2")]
    assert batch_key(files) == batch_key(files[::-1])
    assert batch_key(files) != batch_key([file("a.png", "2"), file("b.png", "1")])
    assert batch_key(files) != batch_key([file("a.png", "1"), file("c.png", "2")])
    assert batch_key(files).startswith("a~")
    assert len(batch_key(files)) == len("a~") + 16
    assert batch_key([file("Été 1/a.png", "1"), file("Été 1/b.png", "2")]).startswith("ete-1~")
    assert batch_key([file("one/a.png", "1"), file("two/b.png", "2")]).startswith("a~")


def test_a_folder_and_files_become_one_batch(instance, context, folder, tmp_path):
    single = tmp_path / "single.bin"  # named by hand: taken whatever it is called
    single.write_text("x")
    taken = take(instance, EACH, folder, single)
    assert taken.is_new
    assert taken.run_key == taken.key
    files = files_of(context, "images", taken.key)
    assert [found.name for found in files] == ["My Holiday/b.png", "My Holiday/sub/a.png", "single.bin"]
    assert [found.path for found in files] == [folder / "b.png", folder / "sub/a.png", single]
    assert files[0].digest == blake3(b"b.png").hexdigest()
    assert (files[0].size, files[0].mtime_ns) == (5, (folder / "b.png").stat().st_mtime_ns)


def test_the_event_says_what_a_person_wants_to_see(instance, tmp_path):
    for number in range(25):
        (tmp_path / f"{number:02}*.png").write_text("x")
    event = take_in(instance, EACH, sorted(tmp_path.glob("*.png"))).event
    said = {name: value.value for name, value in event.metadata.items()}
    assert (said["count"], said["bytes"]) == (25, 25)
    assert event.tags["dagster/data_version"] == said["digest"]
    assert said["names"].splitlines()[:2] == ["- 00\\*.png", "- 01\\*.png"]
    assert said["names"].splitlines()[20:] == ["- and 5 more"]
    assert '"00*.png" and 24 more' in event.description


def test_the_same_files_again_make_nothing_new(instance, folder):
    first = take(instance, EACH, folder)
    again = take_in(instance, EACH, [folder / ".", folder / "b.png"])
    assert (again.key, again.event, again.is_new) == (first.key, None, False)


def test_a_copy_is_the_same_batch_and_is_reported_only_if_the_first_is_gone(instance, context, folder, tmp_path):
    first = take(instance, EACH, folder)
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "My Holiday"
    shutil.copytree(folder, copy)
    assert take_in(instance, EACH, [copy]).event is None
    (folder / "b.png").write_text("other")
    taken = take(instance, EACH, copy)
    assert (taken.key, taken.is_new) == (first.key, False)
    assert [found.path for found in files_of(context, "images", taken.key)] == [copy / "b.png", copy / "sub/a.png"]


def test_files_of_one_name_from_two_folders_keep_apart(instance, tmp_path):
    for name in ["one/a.png", "two/a.png"]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    taken = take_in(instance, EACH, [tmp_path / "one/a.png", tmp_path / "two/a.png"])
    assert [row[0] for row in taken.event.metadata["files"].value] == ["one/a.png", "two/a.png"]


def test_a_batch_without_partition_is_of_contents_alone(instance, context, tmp_path):
    first, second = tmp_path / "b.csv", tmp_path / "a.csv"
    first.write_text("1")
    second.write_text("2")
    taken = take(instance, WHOLE, first, second)
    assert taken.key is None
    order = [found.digest for found in files_of(context, "tables", None)]
    first.rename(tmp_path / "z.csv")
    again = take(instance, WHOLE, second, tmp_path / "z.csv")
    assert (again.is_new, again.run_key) == (False, taken.run_key)
    assert again.event is not None, "it says where they lie now"
    assert [found.digest for found in files_of(context, "tables", None)] == order
    fewer = take(instance, WHOLE, second)
    assert fewer.is_new
    back = take(instance, WHOLE, second, tmp_path / "z.csv")
    assert back.is_new, "the dataset is of fewer files now"
    assert len({taken.run_key, fewer.run_key, back.run_key}) == 3


def test_keys_that_collide_are_told_apart_by_the_whole_digest(instance, folder):
    taken = take_in(instance, EACH, [folder])
    metadata = dict(taken.event.metadata)
    metadata["digest"] = dg.MetadataValue.text("0" * 64)
    instance.report_runless_asset_event(
        dg.AssetMaterialization("images", partition=taken.key, metadata=metadata)
    )  # other contents under this key
    assert take_in(instance, EACH, [folder]).key == f"{taken.key}{taken.event.metadata['digest'].value[16:24]}"


def test_files_that_are_gone_or_changed_are_named(instance, context, folder):
    taken = take(instance, EACH, folder)
    (folder / "b.png").unlink()
    (folder / "sub/a.png").write_text("other!!!!")
    with pytest.raises(MissingOriginal, match=r"2 of 2 files.*b\.png\" is gone.*a\.png\" has changed") as error:
        files_of(context, "images", taken.key)
    assert "Put them back" in error.value.remedy
    (folder / "b.png").write_text("b.png")
    whole, others = files_of(context, "images", taken.key, missing="leave")
    assert [found.name for found in whole] == ["My Holiday/b.png"], "touched, and the same bytes"
    assert [found.name for found in others] == ["My Holiday/sub/a.png"]


def test_an_edit_that_keeps_the_size_is_seen(instance, context, folder):
    taken = take(instance, EACH, folder)
    (folder / "b.png").write_text("B.PNG")
    with pytest.raises(MissingOriginal, match="1 of 2"):
        files_of(context, "images", taken.key)


def test_a_pipe_in_a_files_place_does_not_block(instance, context, folder):
    taken = take(instance, EACH, folder)
    (folder / "b.png").unlink()
    os.mkfifo(folder / "b.png")
    assert len(files_of(context, "images", taken.key, missing="leave")[1]) == 1


def test_at_most_five_of_many_are_named(instance, context, tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.png").write_text("x")
    taken = take(instance, EACH, *sorted(tmp_path.glob("*.png")))
    for path in tmp_path.glob("*.png"):
        path.unlink()
    with pytest.raises(MissingOriginal, match="and 3 more") as error:
        files_of(context, "images", taken.key)
    assert error.value.message.count("is gone") == 5


def test_nothing_taken_in_yet_says_what_to_do(context):
    with pytest.raises(MissingOriginal, match="No files were taken in for tables"):
        files_of(context, "tables", None)


def test_an_event_reported_by_hand_is_passed_over(instance, context, folder):
    taken = take(instance, EACH, folder)
    for metadata in [{}, {"files": dg.MetadataValue.json([1]), "folder": "", "digest": "", "run_key": ""}]:
        instance.report_runless_asset_event(dg.AssetMaterialization("images", partition=taken.key, metadata=metadata))
    assert len(files_of(context, "images", taken.key)) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone.png", "no file or folder"), ("empty", "right sort"), ("pipe.png", "no regular file"), ("many", "4 files")],
)
def test_what_cannot_be_taken_in_says_why(instance, tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "many").mkdir()
    for number in range(4):
        (tmp_path / "many" / f"{number}.png").write_text("x")
    few = Batches("images", "image_batches", NAMES, "predict", most=3)
    with pytest.raises(BadInput, match=message):
        take_in(instance, few, [tmp_path / name])


def test_a_folder_in_the_folder_can_be_left_out(instance, folder):
    taken = take_in(instance, EACH, [folder], exclude=[folder / "sub"])
    assert [row[0] for row in taken.event.metadata["files"].value] == ["My Holiday/b.png"]


def test_a_link_out_of_the_folder_is_no_part_of_it(instance, folder):
    (folder / "out.png").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match=r"outside the inbox"):
        take_in(instance, EACH, [folder])


def test_an_event_of_five_thousand_files_is_read_back_whole(instance):
    files = [file(f"folder/{number:05}.jpeg", str(number)) for number in range(5000)]
    rows = [[found.name, found.size, 1_700_000_000_123_456_789, found.digest] for found in files]
    metadata = {
        "files": dg.MetadataValue.json(rows), "folder": "/inbox", "digest": "d", "run_key": "k",
    }  # fmt: skip
    event = dg.AssetMaterialization("images", partition="k", metadata=metadata)
    assert len(json.dumps(rows)) < 700_000  # what a batch of `most` files adds to the event log, once per table
    instance.report_runless_asset_event(event)
    (record,) = instance.fetch_materializations(dg.AssetKey("images"), limit=1).records
    batch = batch_of(record.asset_materialization)
    assert [(found.name, found.digest) for found in batch.files] == [(found.name, found.digest) for found in files]
    assert batch.files[0].mtime_ns == 1_700_000_000_123_456_789
