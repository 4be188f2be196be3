"""Real weights (`tiny.en`) on windows that the detector of speech would not have let through, or not like this."""

import logging

import numpy as np

from resources.background import Handle, in_background
from resources.speech.cutting import Heard
from resources.speech.decoding import Decoded
from resources.speech.gate import sift
from resources.speech.ladder import Ladder
from resources.speech.redecode import TEMPERATURES, Redecoder
from resources.speech.windows import RATE, Span


def _everywhere(start_s: float, end_s: float) -> float:
    return 1.0


def test_noise_and_music_end_in_no_words_even_past_the_detector(samples, decoder, music) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 6 * RATE)
    sound = samples(np.concatenate([noise, music(6), np.zeros(6 * RATE)]))
    windows = [Span(start * RATE, (start + 6) * RATE) for start in (0, 6, 12)]

    def work(handle: Handle) -> list[Decoded]:
        return list(decoder(sound, handle).decode(windows, lambda window, words: 1.0))

    decoded = in_background(work, logging.getLogger(__name__), "decoding", "s")
    invented = [word.text for one in decoded for passage in one.passages for word in passage]
    assert invented, "Whisper invents something here, or this test shows nothing"
    sifted = sift([passage for one in decoded for passage in one.passages], True, _everywhere)
    assert sifted.kept == ()
    assert sifted.dropped
    assert all(one.again for one in decoded), "and each was given a second chance"


def test_a_looping_window_is_mended_by_decoding_it_again(samples, decoder, spoken_sound: np.ndarray) -> None:
    looping = [Heard(i * 0.4, i * 0.4 + 0.3, f" {word}", 0.95, -0.1, 0.0, 12.0) for i, word in enumerate(["so"] * 40)]
    said: list[str] = []

    class Log:
        def info(self, message: str) -> None:
            said.append(message)

    window = Span(0, len(spoken_sound))
    sound = samples(spoken_sound)
    mended = in_background(
        lambda handle: decoder(sound, handle).again(window, Decoded([looping]), ("loop",)), Log(), "decoding", "s"
    )
    text = "".join(word.text for passage in mended.passages for word in passage)
    assert text.startswith(" Good morning. Today we look at a question")
    assert mended.again
    assert "0:00:00 to 0:00:20 decoded again (loop): better" in said
    starts = [word.start_s for passage in mended.passages for word in passage]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < starts[-1] <= 20


def test_a_good_decoding_is_not_given_up_for_a_worse_one(samples, decoder, music) -> None:
    window = Span(0, 6 * RATE)
    good = [
        Heard(i * 0.4, i * 0.4 + 0.3, f" {word}", 0.6, -1.1, 0.1, 1.2) for i, word in enumerate(["a", "b", "c", "d"])
    ]
    sound = samples(music(6))
    kept = in_background(
        lambda handle: decoder(sound, handle).again(window, Decoded([good]), ("improbable",)),
        logging.getLogger(__name__),
        "decoding",
        "s",
    )
    assert kept.passages == [good]


def test_drawing_words_at_random_gives_the_same_words_each_time(ladder: Ladder, spoken_sound: np.ndarray) -> None:
    redecoder = Redecoder(ladder, "en", Handle())
    sound = spoken_sound[: 5 * RATE]
    first = redecoder.decode(sound, 0, (1.0,), False)
    redecoder.decode(sound[RATE:], 0, TEMPERATURES[1], False)
    assert redecoder.decode(sound, 0, (1.0,), False) == first
    assert first, "something was drawn"
    assert redecoder.decode(sound, 0, (0.0,), False) != first, "and it is not what is most probable"
