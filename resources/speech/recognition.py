"""Speech recognition: from a sound file to a transcript, by Whisper through faster-whisper.

Belongs here: the resource, and the way through a recording. Does not belong here: which model (`models.py`), where
speech is (`activity.py`), words (`hearing.py`, `decoding.py`), sentences (`cutting.py`), the model on its device
(`recogniser.py`, `ladder.py`).
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from resources.background import Handle, in_background
from resources.speech import activity, language
from resources.speech.cutting import segments_of
from resources.speech.decoding import Decoder
from resources.speech.documents import Quality, Transcript, word_separator
from resources.speech.hearing import Hearer, Part, merged, share
from resources.speech.ladder import Ladder
from resources.speech.models import ModelChoice, choose_model, prepare_model
from resources.speech.recogniser import COMPUTE_TYPE, MissingDevice, Recogniser, find_device, load_model
from resources.speech.redecode import BEAM
from resources.speech.speakers import check_installed, label
from resources.speech.windows import RATE, VAD, WINDOW_S, Samples, group, samples_of
from resources.store.partial import Partial
from resources.timecode import clock

_FORM = 1
"""Changes with what is kept for a retry, or how words come about: older records are then not found."""


class Speech(dg.ConfigurableResource):
    """Hears what is said in a recording."""

    model: str = Field("auto", description="`auto`, a faster-whisper model name, or a folder with a CTranslate2 model.")
    device: Literal["auto", "cuda", "cpu"] = Field("auto", description="Where speech recognition runs.")
    language: str | None = Field(None, description="ISO 639-1 code; found by listening if empty.")
    batch_size: int = Field(
        0, ge=0, le=64, description="How many windows of speech are decoded at once; 0 means 16 on CUDA, 8 on a CPU."
    )
    window_min: float = Field(
        30.0, gt=0, description="Longer recordings are cut at silence into windows of so many minutes; each is kept."
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0 means all cores.")
    speakers: bool = Field(False, description="Tell speakers apart, as A, B, …; needs the extra `diarize`.")
    speakers_device: str = Field("auto", description="Where voices are compared: auto, cpu, cuda or cuda:0.")
    cache: str = Field(description="Folder for joined models and for samples of the recording at work.")
    offline: bool = Field(False, description="Never ask a model hub.")

    def transcribe(
        self,
        audio: Path,
        log: Any,
        partial: Partial | None = None,
        *,
        language: str | None = None,
        language_source: str = "set",
    ) -> Transcript:
        """What is said in `audio` (any sound file; 16 kHz mono is what the model hears); no segments if nobody speaks.

        `language` (ISO 639-1) overrides the resource's own, `language_source` says where it comes from: `set` or
        `folder`. What was decoded before is taken from `partial`, and the rest kept there. The same bytes on the same
        machine give the same transcript. Interrupting the main thread stops it. Raises BadInput (not decodable, wrong
        language), MissingModel, MissingExtra, MissingDevice, DeviceFull, DiskFull.
        """
        kept = _Memory() if partial is None else partial
        pinned = (language, language_source) if language else (self.language, "set")
        return in_background(lambda handle: self._transcribe(audio, handle, kept, *pinned), log, "transcript", "s")

    def choice(self) -> tuple[str, ModelChoice]:
        """The device and the model `transcribe` would use; downloads nothing. Raises MissingModel, MissingDevice."""
        device = find_device(self.device)
        return device, choose_model(self.model, device, self.offline)

    def _transcribe(self, audio: Path, handle: Handle, partial: Partial, pinned: str | None, source: str) -> Transcript:
        if self.speakers:
            check_installed()
        with samples_of(audio, Path(self.cache), handle.check) as samples:
            duration_s = round(len(samples) / RATE, 3)
            ladder = Ladder(
                lambda device, compute_type, anew: self._recogniser(handle, device, compute_type, anew),
                find_device(self.device),
                self.batch_size,
                self.device != "auto",
                handle.say,
            )
            name, origin = ladder.recogniser().choice.name, ladder.recogniser().choice.source
            if pinned is not None:
                language.check_known(ladder.recogniser().model, name, pinned, source)
            handle.check()
            found = self._speech(samples, partial, handle)
            parts = activity.parts(found, self.window_min * 60)
            spoken, probability, source = self._language(ladder, samples, found, parts, pinned, source)
            handle.say(f"Language: {spoken} ({source}, probability {probability:.2f})")
            identity = self._identity(name, origin, spoken)
            spaced = bool(word_separator(spoken))
            voiced = activity.heard_speech(found)
            decoder = Decoder(ladder, samples, spoken, spaced, voiced, partial, identity, handle)
            hearer = Hearer(decoder, found, len(samples), spaced, voiced, handle)
            handle.report(0, duration_s)
            whole = merged(_each(hearer, parts, ladder, partial, identity, handle))
            handle.report(duration_s, duration_s)
            recogniser = ladder.recogniser()
        made = Transcript(
            language=spoken,
            language_probability=round(probability, 4),
            language_source=source,
            duration_s=duration_s,
            speech_s=whole.listened_s,
            segments=segments_of(whole.words, duration_s, spoken),
            model=recogniser.choice.name,
            model_source=recogniser.choice.source,
            device=recogniser.device,
            compute_type=recogniser.compute_type,
            reason=recogniser.reason,
            settings=self._settings(pinned),
            quality=Quality(
                vad_threshold=whole.threshold,
                kept_share=share(whole.kept),
                covered_share=share(whole.covered),
                decoded_again=whole.again,
                dropped=whole.dropped,
                device_steps=whole.steps,
            ),
        )
        return label(made, audio, self.speakers_device, handle) if self.speakers else made

    def _recogniser(self, handle: Handle, device: str, compute_type: str, anew: bool) -> Recogniser:
        """The loaded model, kept for the next recording of this process."""
        key = (self.model, self.device, self.threads, self.cache, self.offline, device, compute_type)
        with _loading:
            if anew or key not in _loaded:
                _loaded.clear()  # first: there may be no room for two
                _loaded[key] = self._load(handle, device, compute_type, quiet=anew)
            return _loaded[key]

    def _load(self, handle: Handle, device: str, compute_type: str, quiet: bool) -> Recogniser:
        try:
            return self._load_on(device, compute_type, "", handle, quiet)
        except MissingDevice as error:
            if self.device != "auto" or device == "cpu":
                raise
            handle.say(f"{error.message} Going on with the CPU.")
            remark = "; a CUDA device is there but can't be used"
            return self._load_on("cpu", COMPUTE_TYPE["cpu"], remark, handle, quiet)

    def _load_on(self, device: str, compute_type: str, remark: str, handle: Handle, quiet: bool) -> Recogniser:
        choice, folder = prepare_model(self.model, device, Path(self.cache), self.offline, handle.say)
        model = load_model(folder, device, self.threads, compute_type)
        if not quiet:
            handle.say(f"Speech model {choice.name} on {device} ({choice.reason}{remark})")
        return Recogniser(model, choice, device, compute_type, f"{choice.reason}{remark}")

    def _speech(self, samples: Samples, partial: Partial, handle: Handle) -> Any:
        """The probabilities of speech, kept for a retry, so that it cuts where this run does."""
        import numpy as np

        name = f"speech-{_FORM}.bin"
        kept = partial.get(name)
        if kept is not None:
            return np.frombuffer(kept, dtype=np.uint8)
        found = activity.probabilities(samples, handle.check)
        partial.put(name, found.tobytes())
        return found

    def _language(
        self,
        ladder: Ladder,
        samples: Samples,
        found: Any,
        parts: Sequence[tuple[int, int]],
        pinned: str | None,
        source: str,
    ) -> tuple[str, float, str]:
        """The language, its probability and where it comes from."""
        if pinned is not None:
            return pinned, 1.0, source
        if not ladder.recogniser().model.model.is_multilingual:
            return "en", 1.0, "model"
        stretches = [
            activity.stretches(found[first:behind], VAD["threshold"], first, len(samples)) for first, behind in parts
        ]
        windows = [window for part in stretches for window in group(part)]
        chosen = language.voters(windows, [span for part in stretches for span in part], len(samples))
        return *ladder.run(lambda recogniser, _: language.listen(recogniser.model, samples, chosen)), "heard"

    def _identity(self, model: str, origin: str, spoken: str) -> str:
        """Names what is kept for a retry: all that shapes the words but the device, the batch size and the sound."""
        told = [_FORM, model, origin, spoken, self._settings(None)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def _settings(self, pinned: str | None) -> dict[str, str | float | int | bool]:
        """What shapes the text, apart from the model and the device."""
        return {
            "language": pinned or "auto",
            "beam_size": BEAM,
            "window_s": WINDOW_S,
            "window_min": self.window_min,
            **{f"vad_{name}": value for name, value in VAD.items()},
        }


class _Memory(dict[str, bytes]):
    """Keeps what is done while a recording is heard: a second listening has windows in common with the first."""

    def put(self, name: str, content: bytes) -> None:
        self[name] = content


_loaded: dict[tuple[object, ...], Recogniser] = {}
_loading = threading.Lock()


def _each(
    hearer: Hearer,
    parts: Sequence[tuple[int, int]],
    ladder: Ladder,
    partial: Partial,
    identity: str,
    handle: Handle,
) -> list[Part]:
    """What was heard in each part, those that an earlier run finished taken from `partial`."""
    heard = []
    for number, (first, behind) in enumerate(parts, 1):
        start_s, end_s = first * activity.FRAME / RATE, behind * activity.FRAME / RATE
        label = f"Window {number} of {len(parts)} ({clock(start_s)} to {clock(end_s)})"
        name = f"{identity}-part-{number:04d}.json"
        kept = partial.get(name)
        if kept is not None:
            part = Part.read(kept)
            handle.say(f"{label} was heard before: {len(part.words)} words")
        else:
            part = replace(hearer.hear(first, behind), steps=tuple(ladder.steps))
            partial.put(name, part.dump())
            handle.say(f"{label}: {part.listened_s:.0f} s of speech, {len(part.words)} words")
        heard.append(part)
    return heard
