"""What the recordings' inbox takes, when, and how often."""


def test_an_empty_inbox_says_so(place):
    data = place.tick()
    assert not data.run_requests
    assert data.skip_message == "0 files known."


def test_a_new_file_becomes_one_event_one_partition_one_run(place, wav):
    file = wav(place.inbox / "Лекция 1.wav")
    place.ticks(3)
    (key,) = place.keys()
    assert key.startswith("lektsiia-1~")
    assert place.run_keys == [key]
    (event,) = place.events
    said = {name: value.value for name, value in event.metadata.items()}
    assert said["path"] == str(file)
    assert said["name"] == "Лекция 1.wav"
    assert said["size"] == file.stat().st_size
    assert said["mtime_ns"] == str(file.stat().st_mtime_ns)
