"""Files dropped together: which become one batch, and when."""

import os
from dataclasses import replace

from resources.intake.batches import files_of


def test_what_lies_together_is_one_batch_one_event_one_partition_one_run(place):
    place.write("holiday/b.png", "2")
    place.write("holiday/sub/a.png", "1")
    before = [(path, path.stat()) for path in place.inbox.rglob("*.png")]
    assert place.ticks(4).skip_message == "2 files known."
    (key,) = place.keys()
    assert place.run_keys == [key]
    assert key.startswith("holiday~")
    assert len(place.events) == 1
    assert place.names(key) == ["holiday/b.png", "holiday/sub/a.png"]
    (run,) = place.instance.get_runs()
    assert run.tags["scriptorium/file"] == "holiday/b.png and 1 more"
    for path, stat in before:
        assert path.stat().st_mtime_ns == stat.st_mtime_ns
        assert path.stat().st_ctime_ns == stat.st_ctime_ns


def test_later_files_are_a_batch_of_their_own(place):
    place.write("a.png", "1")
    place.ticks()
    place.write("b.png", "2")
    place.ticks()
    assert [key.partition("~")[0] for key in place.run_keys] == ["a", "b"]
    assert place.names(place.keys()[1]) == ["b.png"]


def test_nothing_is_taken_while_anything_changes(place, clock):
    place.limits = {"settle_seconds": 10.0}
    place.restart()
    place.write("a.png", "1")
    for _ in range(4):
        place.tick()
        clock.time += 4
        place.write("b.png", str(clock.time))
    assert not place.run_keys
    place.tick()
    clock.time += 9
    assert "waiting" in place.tick().skip_message
    clock.time += 1.5
    place.tick()
    (key,) = place.run_keys
    assert place.names(key) == ["a.png", "b.png"]


def test_a_constant_drip_does_not_starve_what_has_settled(place, clock):
    place.limits = {"settle_seconds": 10.0}
    place.restart()
    for number in range(20):  # 80 s, a new file every 4 s
        place.write(f"{number:02}.png", str(number))
        place.tick()
        clock.time += 4
    assert len(place.run_keys) == 1
    names = place.names(place.run_keys[0])
    assert names == [f"{number:02}.png" for number in range(13)]  # first seen at 0 ... 48 s, taken at 60 s


def test_copied_renamed_and_touched_files_make_no_work_and_are_found_again(place):
    first, second = place.write("a.png", "1"), place.write("b.png", "2")
    place.ticks()
    (key,) = place.keys()
    first.rename(place.inbox / "z.png")
    os.utime(second, (1, 1))
    place.write("copy.png", "2")
    place.ticks()
    assert len(place.run_keys) == 1
    assert len(place.events) == 2, "told once where they lie now"
    assert [file.path.name for file in files_of(place, "dropped", key)] == ["z.png", "b.png"]
    assert place.names(key) == ["a.png", "b.png"], "the batch is the one it was"
    place.restart()
    place.ticks()
    assert (len(place.run_keys), len(place.events)) == (1, 2)


def test_a_folder_with_something_new_in_it_is_taken_whole(place):
    place.write("a.png", "1")
    place.ticks()
    place.write("more/a.png", "1")
    place.write("more/b.png", "2")
    place.ticks()
    assert place.names(place.run_keys[1]) == ["more/a.png", "more/b.png"]


def test_an_edited_file_is_a_new_batch(place):
    place.write("a.png", "1")
    place.ticks()
    place.write("a.png", "22")
    place.ticks()
    assert len(set(place.run_keys)) == 2


def test_more_than_a_batch_holds_becomes_several_each_file_once(place, place_of):
    place = place_of(replace(place.batches, most=4))
    for number in range(10):
        place.write(f"{number}.png", str(number))
    place.ticks(5)
    assert [len(place.names(key)) for key in place.run_keys] == [4, 4, 2]
    assert sorted(name for key in place.run_keys for name in place.names(key)) == [f"{n}.png" for n in range(10)]
