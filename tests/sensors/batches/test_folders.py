"""A folder taken as a whole: a run whenever its contents are others, and only then."""

import os
from dataclasses import replace

import pytest

from resources.errors import MissingOriginal
from resources.intake.batches import files_of, take_in


def test_a_folder_is_one_batch_whatever_changes(folder):
    first = folder.write("a.csv", "1")
    folder.write("sub/b.csv", "2")
    folder.ticks()
    assert sorted(folder.names()) == ["a.csv", "sub/b.csv"]
    folder.write("c.csv", "3")
    folder.ticks()
    assert len(folder.names()) == 3
    folder.write("c.csv", "33")
    folder.ticks()
    first.unlink()
    folder.ticks()
    assert sorted(folder.names()) == ["c.csv", "sub/b.csv"]
    assert len(set(folder.run_keys)) == len(folder.run_keys) == 4
    assert not folder.keys()


def test_a_folder_that_becomes_what_it_was_is_run_again(folder):
    """Its newest dataset is of other contents; and Dagster starts no second run with the same key."""
    folder.write("a.csv", "1")
    folder.ticks()
    extra = folder.write("b.csv", "2")
    folder.ticks()
    extra.unlink()
    folder.tick(runs=False)
    folder.restart()
    folder.ticks()
    assert len(set(folder.run_keys)) == 3
    assert folder.names() == ["a.csv"]


def test_names_and_times_make_no_difference_to_a_folder(folder):
    folder.write("a.csv", "1")
    other = folder.write("b.csv", "2")
    folder.ticks()
    order = [file.digest for file in files_of(folder, "dropped", None)]
    (folder.inbox / "a.csv").rename(folder.inbox / "z.csv")
    os.utime(other, (1, 1))
    folder.ticks()
    folder.restart()
    folder.ticks()
    assert len(folder.run_keys) == 1
    assert len(folder.events) == 2
    assert sorted(folder.names()) == ["b.csv", "z.csv"]
    assert [file.digest for file in files_of(folder, "dropped", None)] == order


def test_an_emptied_folder_asks_for_nothing(folder):
    file = folder.write("a.csv", "1")
    folder.ticks()
    file.unlink()
    folder.ticks()
    assert len(folder.run_keys) == len(folder.events) == 1


def test_a_folder_is_left_alone_after_other_files_were_named(folder, clock):
    folder.limits = {"settle_seconds": 10.0}
    folder.restart()

    def settle():
        folder.tick()
        clock.time += 11
        folder.tick()
        return folder.tick().skip_message

    folder.write("a.csv", "1")
    settle()
    elsewhere = folder.home / "elsewhere.csv"
    elsewhere.write_text("9")
    taken = take_in(folder.instance, folder.batches, [elsewhere])
    folder.instance.report_runless_asset_event(taken.event)
    folder.start(taken.run_key, {})
    settle()
    assert len(folder.run_keys) == 1
    assert folder.names() == ["elsewhere.csv"]
    (folder.inbox / "a.csv").rename(folder.inbox / "b.csv")
    assert "waiting" not in settle(), "compared once"
    assert len(folder.run_keys) == 1, "only a name"
    folder.write("c.csv", "3")
    settle()
    assert sorted(folder.names()) == ["b.csv", "c.csv"]
    assert len(folder.run_keys) == 2


def test_a_run_that_was_never_made_is_made_though_other_files_were_named_since(folder):
    folder.write("a.csv", "1")
    folder.tick(runs=False)
    elsewhere = folder.home / "elsewhere.csv"
    elsewhere.write_text("9")
    taken = take_in(folder.instance, folder.batches, [elsewhere])
    folder.instance.report_runless_asset_event(taken.event)
    folder.start(taken.run_key, {})
    folder.ticks()
    assert len(folder.run_keys) == 1
    assert folder.names() == ["a.csv"], "the run reads the newest event"


def test_deleted_runs_of_a_folder_are_not_made_again(folder):
    folder.write("a.csv", "1")
    folder.ticks()
    assert folder.definitions.resolve_job_def("work").execute_in_process(instance=folder.instance).success
    for run in folder.instance.get_runs():
        folder.instance.run_storage.delete_run(run.run_id)
    folder.restart()
    folder.ticks()
    assert len(folder.run_keys) == 1


def test_a_folder_with_too_many_files_says_so(folder, place_of):
    folder = place_of(replace(folder.batches, most=2))
    for number in range(3):
        folder.write(f"{number}.csv", str(number))
    assert "more than one batch holds" in folder.tick().skip_message


def test_an_edit_between_event_and_run_is_seen_by_the_run_and_by_the_next_tick(folder):
    file = folder.write("a.csv", "1")
    folder.tick()
    file.write_text("22")
    with pytest.raises(MissingOriginal, match=r"a\.csv.* has changed"):
        files_of(folder, "dropped", None)
    folder.tick()
    assert folder.names() == ["a.csv"]
    assert len(folder.run_keys) == 2
