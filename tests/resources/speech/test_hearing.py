"""A part of a recording, on real weights (`tiny.en`) and with figures of a detector that are made here."""

from dataclasses import replace

import numpy as np
import pytest

from resources.background import Handle, in_background
from resources.speech.activity import FRAME
from resources.speech.cutting import Heard
from resources.speech.documents import Dropped
from resources.speech.hearing import Hearer, Part, merged, share
from resources.speech.windows import RATE, Samples


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, message: str) -> None:
        self.said.append(message)


def _hear(decoder, sound: Samples, found: np.ndarray, log: Log) -> Part:
    def work(handle: Handle) -> Part:
        hearer = Hearer(decoder(sound, handle), found, len(sound), True, lambda start, end: 1.0, handle)
        return hearer.hear(0, len(found))

    return in_background(work, log, "hearing", "s")


def _found(length: int, *levels: float) -> np.ndarray:
    """Equal stretches of these probabilities over `length` samples."""
    parts = np.array_split(np.zeros(-(-length // FRAME)), len(levels))
    return np.concatenate([part + level * 255 for part, level in zip(parts, levels, strict=True)]).astype(np.uint8)


def test_quiet_speech_is_listened_for_again(samples, decoder, spoken_sound: np.ndarray) -> None:
    sound, log = samples(spoken_sound), Log()
    part = _hear(decoder, sound, _found(len(sound), 0.9, 0.0, 0.33), log)
    assert part.threshold == 0.3
    assert max(word.end_s for word in part.words) > 15
    assert share(part.kept) == 1.0
    assert any("Only 50% of what may be speech" in line and "the second is kept" in line for line in log.said)


def test_a_lower_threshold_that_finds_no_words_is_not_kept(samples, decoder, music, spoken_sound: np.ndarray) -> None:
    sound, log = samples(np.concatenate([spoken_sound[: 10 * RATE], music(10)])), Log()
    found = _found(len(sound), 0.9, 0.33)
    found[10 * RATE // FRAME : 11 * RATE // FRAME] = 0
    part = _hear(decoder, sound, found, log)
    assert part.threshold == 0.5
    assert "".join(word.text for word in part.words).startswith(" Good morning.")
    assert share(part.kept) == pytest.approx(0.5, abs=0.06)
    assert any("the first is kept" in line for line in log.said)


def test_speech_that_a_cut_goes_through_is_listened_to_on_both_sides(samples, decoder, spoken_sound) -> None:
    sound = samples(spoken_sound)
    found = _found(len(sound), 0.9, 0.43, 0.43, 0.9)  # 0.43 goes on with speech, and begins none
    cut = len(found) // 2

    def work(handle: Handle) -> list[Part]:
        hearer = Hearer(decoder(sound, handle), found, len(sound), True, lambda start, end: 1.0, handle)
        return [hearer.hear(0, cut), hearer.hear(cut, len(found))]

    heard = in_background(work, Log(), "hearing", "s")
    assert [part.threshold for part in heard] == [0.5, 0.5], "nothing was missed at first"
    assert sum(part.listened_s for part in heard) == pytest.approx(20.0)


def _part(start_s: float, **changes: object) -> Part:
    word = Heard(start_s, start_s + 1, " word", 0.9, -0.2, 0.0, 1.1)
    dropped = Dropped(start_s=start_s + 2, end_s=start_s + 3, text="Thank you.", reason="stock_phrase")
    known = Part(0.5, 10.0, (word,), (dropped,), 1, (90, 100), (50, 60), ("batch of 16 to 8",))
    return replace(known, **changes)


def test_parts_add_up_to_the_recording() -> None:
    whole = merged([_part(0), _part(60, threshold=0.3, kept=(0, 0), steps=("batch of 16 to 8", "cuda to cpu"))])
    assert (whole.threshold, whole.listened_s, whole.again) == (0.3, 20, 2)
    assert [word.start_s for word in whole.words] == [0, 60]
    assert [item.start_s for item in whole.dropped] == [2, 62]
    assert (share(whole.kept), share(whole.covered), share((0, 0))) == (0.9, 0.8333, 1)
    assert whole.steps == ("batch of 16 to 8", "cuda to cpu")


def test_what_is_kept_of_a_part_reads_back() -> None:
    assert Part.read(_part(3.25).dump()) == _part(3.25)
