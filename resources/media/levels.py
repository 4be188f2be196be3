"""How loud a sound is, measured as it streams by.

Belongs here: integrated loudness, peak, and the outline a waveform is drawn from. Does not belong here: drawing.
"""

from __future__ import annotations

import math
from array import array
from contextlib import suppress
from fractions import Fraction
from typing import Any

SILENCE_DBFS = -96.3
"""Where 16 bits end: the peak of digital silence is given as this."""
SILENCE_LUFS = -70.0
"""The absolute gate of EBU R 128: nothing below it counts as sound."""
OUTLINE_S = 0.1


class Levels:
    """Measures int16 mono samples of one rate. `low` and `high` are the extremes of each tenth of a second."""

    def __init__(self, rate: int) -> None:
        self._rate, self._pushed, self._pulled, self._peak = rate, 0, 0, 0
        self._loudness = SILENCE_LUFS
        self._source: Any = None
        self._sink: Any = None
        self._graph: Any = None
        self.low, self.high = array("h"), array("h")

    def add(self, samples: Any) -> None:
        """Measure one block: a row of int16, a whole number of tenths of a second except at the end."""
        step = round(self._rate * OUTLINE_S)
        for start in range(0, len(samples), step):
            part = samples[start : start + step]
            self.low.append(int(part.min()))
            self.high.append(int(part.max()))
            self._peak = max(self._peak, -self.low[-1], self.high[-1])
        self._measure(samples)

    @property
    def peak_dbfs(self) -> float:
        """The largest sample against full scale, in dB; `SILENCE_DBFS` for silence."""
        return max(SILENCE_DBFS, 20 * math.log10(self._peak / 32768)) if self._peak else SILENCE_DBFS

    @property
    def loudness_lufs(self) -> float:
        """Integrated loudness by EBU R 128 (ITU-R BS.1770, FFmpeg's `ebur128`); at least `SILENCE_LUFS`."""
        return self._loudness

    def _measure(self, samples: Any) -> None:
        import av

        if self._graph is None:
            self._graph = av.filter.Graph()
            time_base = Fraction(1, self._rate)
            self._source = self._graph.add_abuffer(
                sample_rate=self._rate, format="s16", layout="mono", time_base=time_base
            )
            meter = self._graph.add("ebur128", "metadata=1")
            self._sink = self._graph.add("abuffersink")
            self._source.link_to(meter)
            meter.link_to(self._sink)
            self._graph.configure()
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._pushed, Fraction(1, self._rate)
        self._pushed += len(samples)
        self._source.push(frame)
        # The meter gives a frame for each tenth of a second; asking for more raises, which `sound.py` avoids.
        with suppress(av.error.BlockingIOError):
            while self._pulled < self._pushed * 10 // self._rate:
                measured = self._sink.pull().metadata.get("lavfi.r128.I")
                self._pulled += 1
                if measured is not None and math.isfinite(float(measured)):
                    self._loudness = max(SILENCE_LUFS, float(measured))
