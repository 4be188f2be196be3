"""Speech recognition: from a sound file to a transcript, by Whisper through faster-whisper.

Belongs here: the resource and the decoding loop.
Does not belong here: which model (`models.py`), where speech is (`windows.py`), sentences
(`cutting.py`), the model on its device (`recogniser.py`).

The batched pipeline of faster-whisper keeps to the first temperature and ignores its thresholds on compression,
probability and silence, so none is set here; each segment carries those figures for checks to look at.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Literal, Protocol

import dagster as dg
from pydantic import Field

from resources.background import Handle, in_background
from resources.errors import BadInput
from resources.speech.cutting import Heard, segments_of
from resources.speech.documents import Transcript
from resources.speech.models import ModelChoice, choose_model, prepare_model
from resources.speech.recogniser import (
    COMPUTE_TYPE,
    MissingDevice,
    Recogniser,
    device_errors,
    find_device,
    load_model,
    spread,
    vote_on_language,
)
from resources.speech.windows import RATE, VAD, WINDOW_S, Span, find_speech, group, samples_of, waveform

BEAM = 5
LANGUAGE_WINDOWS = 3
"""How many windows, spread over the recording, vote on its language. One at the start is often wrong or silent."""


class Partial(Protocol):
    """Keeps what is done so far for a retry; `resources.store.scratch.Scratch` is one."""

    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, content: bytes) -> None: ...


class Speech(dg.ConfigurableResource):
    """Hears what is said in a recording."""

    model: str = Field("auto", description="`auto`, a faster-whisper model name, or a folder with a CTranslate2 model.")
    device: Literal["auto", "cuda", "cpu"] = Field("auto", description="Where speech recognition runs.")
    language: str | None = Field(None, description="ISO 639-1 code; found by listening if empty.")
    batch_size: int = Field(8, ge=1, le=64, description="How many windows of speech are decoded at once.")
    threads: int = Field(0, ge=0, description="CPU threads; 0 means all cores.")
    cache: str = Field(description="Folder for joined models and for samples of the recording at work.")
    offline: bool = Field(False, description="Never ask a model hub.")

    def transcribe(self, audio: Path, log: Any, partial: Partial | None = None) -> Transcript:
        """What is said in `audio` (any sound file; 16 kHz mono is what the model hears).

        Batches that were decoded before are taken from `partial`, and new ones kept there. The same bytes on the same
        machine give the same transcript. Interrupting the main thread stops it. Raises BadInput (no speech, not
        decodable, wrong language), MissingModel, MissingDevice, DeviceFull, DiskFull.
        """
        return in_background(lambda handle: self._transcribe(audio, handle, partial), log, "transcript", "s")

    def choice(self) -> tuple[str, ModelChoice]:
        """The device and the model `transcribe` would use; downloads nothing. Raises MissingModel, MissingDevice."""
        device = find_device(self.device)
        return device, choose_model(self.model, device, self.offline)

    def _transcribe(self, audio: Path, handle: Handle, partial: Partial | None) -> Transcript:
        with samples_of(audio, Path(self.cache)) as samples:
            duration_s = round(len(samples) / RATE, 3)
            spans = find_speech(samples, handle.check)
            if not spans:
                raise BadInput("Nobody speaks in this recording.", _NO_SPEECH_REMEDY)
            recogniser = self._recogniser(handle)
            handle.check()
            windows = group(spans)
            language, probability = self._language(recogniser, samples, windows)
            handle.say(f"Language: {language} (probability {probability:.2f}); {len(windows)} windows of speech")
            heard: list[Heard] = []
            handle.report(0, duration_s)
            for reached_s, words in self._decode(recogniser, samples, windows, language, partial, handle):
                heard += words
                handle.report(reached_s, duration_s)
            handle.report(duration_s, duration_s)
        segments = segments_of(heard, duration_s, language)
        if not segments:
            raise BadInput("No words were recognised in this recording.", _NO_SPEECH_REMEDY)
        return Transcript(
            language=language,
            language_probability=round(probability, 4),
            duration_s=duration_s,
            speech_s=round(sum(span.seconds for span in spans), 3),
            segments=segments,
            model=recogniser.choice.name,
            model_source=recogniser.choice.source,
            device=recogniser.device,
            compute_type=COMPUTE_TYPE[recogniser.device],
            reason=recogniser.reason,
            settings=self._settings(),
        )

    def _recogniser(self, handle: Handle) -> Recogniser:
        """The loaded model, kept for the next recording of this process."""
        key = (self.model, self.device, self.threads, self.cache, self.offline)
        with _loading:
            if key not in _loaded:
                _loaded.clear()
                _loaded[key] = self._load(handle)
            return _loaded[key]

    def _load(self, handle: Handle) -> Recogniser:
        device = find_device(self.device)
        try:
            return self._load_on(device, "", handle)
        except MissingDevice as error:
            if self.device != "auto" or device == "cpu":
                raise
            handle.say(f"{error.message} Going on with the CPU.")
            return self._load_on("cpu", "; a CUDA device is there but can't be used", handle)

    def _load_on(self, device: str, remark: str, handle: Handle) -> Recogniser:
        choice, folder = prepare_model(self.model, device, Path(self.cache), self.offline, handle.say)
        model = load_model(folder, device, self.threads)
        handle.say(f"Speech model {choice.name} on {device} ({choice.reason}{remark})")
        return Recogniser(model, choice, device, f"{choice.reason}{remark}")

    def _language(self, recogniser: Recogniser, samples: Any, windows: Sequence[Span]) -> tuple[str, float]:
        model = recogniser.model
        if self.language is not None and self.language not in model.supported_languages:
            known = "only English" if not model.model.is_multilingual else ", ".join(sorted(model.supported_languages))
            raise BadInput(
                f"The speech model {recogniser.choice.name} does not know the language {self.language!r}.",
                f"Change SCRIPTORIUM_SPEECH_LANGUAGE or SCRIPTORIUM_SPEECH_MODEL; this model knows {known}.",
            )
        if self.language is not None:
            return self.language, 1.0
        if not model.model.is_multilingual:
            return "en", 1.0
        return vote_on_language(model, [waveform(samples, window) for window in spread(windows, LANGUAGE_WINDOWS)])

    def _decode(
        self,
        recogniser: Recogniser,
        samples: Any,
        windows: Sequence[Span],
        language: str,
        partial: Partial | None,
        handle: Handle,
    ) -> Iterator[tuple[float, list[Heard]]]:
        """Batch by batch: up to which second it got, and the words, in order."""
        told = [recogniser.choice.name, recogniser.choice.source, recogniser.device, language, self._settings()]
        identity = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        for first in range(0, len(windows), self.batch_size):
            handle.check()
            batch = windows[first : first + self.batch_size]
            name = f"{identity}-{first:06d}.json"
            kept = partial.get(name) if partial is not None else None
            if kept is not None:
                words = [Heard(*row) for row in json.loads(kept)]
            else:
                words = self._decode_batch(recogniser, samples, batch, language, handle)
                if partial is not None:
                    partial.put(name, json.dumps([astuple(word) for word in words]).encode())
            yield batch[-1].end / RATE, words

    def _decode_batch(
        self, recogniser: Recogniser, samples: Any, batch: Sequence[Span], language: str, handle: Handle
    ) -> list[Heard]:
        import numpy as np
        from faster_whisper import BatchedInferencePipeline

        # Each window gets a slot of its own, so that a segment's `seek` (in 10 ms) tells whose it is.
        slot = int(WINDOW_S) * RATE
        sound = np.zeros(len(batch) * slot, dtype=np.float32)
        for index, window in enumerate(batch):
            sound[index * slot : index * slot + window.end - window.start] = waveform(samples, window)
        pipeline = BatchedInferencePipeline(_Stoppable(recogniser.model, handle))
        with device_errors():
            segments, _ = pipeline.transcribe(
                sound,
                language=language,
                beam_size=BEAM,
                temperature=0.0,
                word_timestamps=True,
                batch_size=self.batch_size,
                clip_timestamps=[
                    {"start": index * WINDOW_S, "end": index * WINDOW_S + window.seconds}
                    for index, window in enumerate(batch)
                ],
            )
            return [word for segment in segments for word in _heard(segment, batch)]

    def _settings(self) -> dict[str, str | float | int | bool]:
        """What shapes the text, apart from the model and the device."""
        return {
            "language": self.language or "auto",
            "beam_size": BEAM,
            "batch_size": self.batch_size,
            "window_s": WINDOW_S,
            **{f"vad_{name}": value for name, value in VAD.items()},
        }


_NO_SPEECH_REMEDY = "Check that it plays and is loud enough; a recording without speech has no notes to make."

_loaded: dict[tuple[object, ...], Recogniser] = {}
_loading = threading.Lock()


class _Stoppable:
    """A model that asks between encoding and decoding whether to go on: half a batch to wait instead of a whole one."""

    def __init__(self, model: Any, handle: Handle) -> None:
        self._model, self._handle = model, handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, features: Any) -> Any:
        encoded = self._model.encode(features)
        self._handle.check()
        return encoded


def _heard(segment: Any, batch: Sequence[Span]) -> Iterator[Heard]:
    """The segment's words with times of the recording, within the window they were heard in."""
    index = int(segment.seek / 100 // WINDOW_S)
    start_s, end_s = batch[index].start / RATE, batch[index].end / RATE
    for word in segment.words or ():
        yield Heard(
            start_s=min(start_s + float(word.start) - index * WINDOW_S, end_s),
            end_s=min(start_s + float(word.end) - index * WINDOW_S, end_s),
            text=word.word,
            probability=float(word.probability),
            avg_logprob=float(segment.avg_logprob),
            no_speech_prob=float(segment.no_speech_prob),
            compression_ratio=float(segment.compression_ratio),
        )
