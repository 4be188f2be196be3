"""Loudness and peak against known signals, and the picture of a waveform."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from resources.media.levels import SILENCE_DBFS, SILENCE_LUFS, Levels
from resources.media.waveform import picture

RATE = 16_000


def measured(samples: np.ndarray) -> Levels:
    levels = Levels(RATE)
    for start in range(0, len(samples), RATE):
        levels.add(samples[start : start + RATE])
    return levels


def sine(hertz: float, dbfs: float, seconds: float) -> np.ndarray:
    ticks = np.arange(round(seconds * RATE))
    return (32767 * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * ticks / RATE)).astype(np.int16)


@pytest.mark.parametrize("dbfs", [-6, -20, -40])
def test_loudness_of_a_tone(dbfs: float) -> None:
    """ITU-R BS.1770-5: a 997 Hz sine of 0 dBFS in one channel reads -3.01 LKFS."""
    levels = measured(sine(997, dbfs, 5))
    assert levels.loudness_lufs == pytest.approx(dbfs - 3.01, abs=0.1)
    assert levels.peak_dbfs == pytest.approx(dbfs, abs=0.05)


def test_pauses_do_not_count() -> None:
    """EBU R 128: the gates leave out what is silent, so half a recording of pauses is as loud as the speech in it."""
    speech = sine(997, -20, 10)
    levels = measured(np.concatenate([speech, np.zeros_like(speech)]))
    assert levels.loudness_lufs == pytest.approx(-23, abs=0.2)


def test_silence() -> None:
    levels = measured(np.zeros(3 * RATE, dtype=np.int16))
    assert (levels.peak_dbfs, levels.loudness_lufs) == (SILENCE_DBFS, SILENCE_LUFS)


def test_outline_holds_the_extremes() -> None:
    samples = np.zeros(RATE + 900, dtype=np.int16)
    samples[1700], samples[RATE + 10] = 12_000, -32_768
    levels = measured(samples)
    assert len(levels.low) == len(levels.high) == 11
    assert levels.high[1] == 12_000
    assert levels.low[10] == -32_768
    assert levels.peak_dbfs == 0


@pytest.mark.parametrize("seconds", [0.05, 1, 59, 600, 30_000])
def test_picture(seconds: float) -> None:
    levels = Levels(RATE)
    rng = np.random.default_rng(1)
    count = max(1, math.ceil(seconds * 10))
    levels.high.extend(rng.integers(0, 32_000, count).tolist())
    levels.low.extend(rng.integers(-32_000, 0, count).tolist())
    png = picture(levels, seconds)
    assert len(png) < 60_000
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (1000, 200)
        colours = image.convert("RGB").getcolors(100_000)
        assert colours is not None
        assert len(colours) > 5
    assert picture(levels, seconds) == png


def test_loud_is_taller_than_quiet_within_one_picture() -> None:
    levels = measured(np.concatenate([sine(400, -3, 5), sine(400, -20, 5)]))
    with Image.open(io.BytesIO(picture(levels, 10))) as image:
        dark = np.asarray(image.convert("L")) < 160
    left, right = dark[:170, 100:400].mean(), dark[:170, 600:900].mean()
    assert left > 3 * right > 0
