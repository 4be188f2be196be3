"""Real weights on the real samples. `tiny.en` where any model will do, `base` where the language matters."""

import json
import logging
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest

from resources.errors import BadInput, MissingModel
from resources.progress import Step, listening
from resources.speech.documents import Transcript
from resources.speech.embedded import embedded_files
from resources.speech.recogniser import load_model, spread
from resources.speech.recognition import Speech

log = logging.getLogger(__name__)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _error_rate(repo: Path, name: str, transcript: Transcript) -> float:
    spoken = (repo / "samples" / name).with_suffix(".txt").read_text(encoding="utf-8")
    return float(jiwer.wer(_words(spoken), _words(transcript.text)))


def _check_times(transcript: Transcript) -> None:
    said = [word for segment in transcript.segments for word in segment.words]
    assert said
    assert all(0 <= word.start_s <= word.end_s <= transcript.duration_s for word in said)
    assert all(earlier.end_s <= later.start_s for earlier, later in pairwise(said))
    assert all(segment.text == " ".join(word.text for word in segment.words) for segment in transcript.segments)


class Kept(dict[str, bytes]):
    """What a retry finds again."""

    def put(self, name: str, content: bytes) -> None:
        assert name not in self, "decoded twice"
        self[name] = content


def test_the_english_sample_is_heard_twice_alike(repo: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    speech = Speech(model="tiny.en", cache=str(cache), offline=True)
    steps: list[Step] = []
    with listening(steps.append), caplog.at_level(logging.INFO):
        first = speech.transcribe(repo / "samples" / "lecture.mp4", log)
    assert _error_rate(repo, "lecture.mp4", first) <= 0.06
    _check_times(first)
    assert (first.language, first.language_probability) == ("en", 1.0)
    assert (first.model, first.device, first.compute_type, first.reason) == ("tiny.en", "cpu", "int8", "set by name")
    assert first.duration_s == pytest.approx(114.4, abs=0.2)
    assert 0.9 < first.speech_s / first.duration_s <= 1
    assert 20 <= len(first.segments) <= 32
    assert all(segment.text[-1] in ".?!" for segment in first.segments)
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, first.duration_s, first.duration_s)
    assert any("tiny.en on cpu" in record.message for record in caplog.records)
    assert speech.transcribe(repo / "samples" / "lecture.mp4", log) == first


def test_the_russian_sample_is_heard_in_russian(repo: Path, cache: Path) -> None:
    heard = Speech(model="auto", cache=str(cache), offline=True, device="cpu").transcribe(
        repo / "samples" / "lecture_ru.mp3", log
    )
    assert (heard.language, heard.model) == ("ru", "base")
    assert heard.language_probability > 0.9
    assert _error_rate(repo, "lecture_ru.mp3", heard) <= 0.08
    assert re.fullmatch(r"[А-Яа-яЁё\s.,!?:;«»–-]+", heard.text)
    assert heard.reason.endswith("base comes with the install")
    _check_times(heard)


def test_a_retry_takes_up_what_was_decoded(repo: Path, cache: Path) -> None:
    speech = Speech(model="tiny.en", cache=str(cache), offline=True, batch_size=2)
    audio = repo / "samples" / "lecture.mp4"
    kept = Kept()
    whole = speech.transcribe(audio, log, kept)
    assert len(kept) == 3, "five windows in batches of two"
    lost = sorted(kept)[1]
    del kept[lost]
    assert speech.transcribe(audio, log, kept) == whole
    assert lost in kept
    for name in kept:
        dict.__setitem__(kept, name, b"[]")
    with pytest.raises(BadInput, match="No words"):
        speech.transcribe(audio, log, kept)
    others = Kept(kept)
    Speech(model="tiny.en", cache=str(cache), offline=True, batch_size=4).transcribe(audio, log, others)
    assert len(others) == 5, "other settings find nothing to take up"


@pytest.mark.parametrize("seconds", [0.2, 5])
def test_a_recording_without_speech_is_refused(cache: Path, tmp_path: Path, seconds: float) -> None:
    import wave

    silent = tmp_path / "silent.wav"
    with wave.open(str(silent), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.zeros(int(16000 * seconds), np.int16).tobytes())
    with pytest.raises(BadInput, match=r"Nobody speaks.*loud enough"):
        Speech(model="tiny.en", cache=str(cache), offline=True).transcribe(silent, log)


@pytest.mark.parametrize(("language", "known"), [("ru", "only English"), ("xx", "only English")])
def test_a_language_the_model_does_not_know_is_refused(repo: Path, cache: Path, language: str, known: str) -> None:
    speech = Speech(model="tiny.en", language=language, cache=str(cache), offline=True)
    with pytest.raises(BadInput, match=f"does not know the language '{language}'.*{known}"):
        speech.transcribe(repo / "samples" / "lecture_ru.mp3", log)


def test_a_model_that_is_damaged_is_named(repo: Path, cache: Path, tmp_path: Path) -> None:
    files = embedded_files("tiny.en")
    assert files is not None
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).symlink_to(files[name])
    (tmp_path / "model.bin").write_bytes(files["model.bin"].read_bytes()[:5000])
    with pytest.raises(MissingModel, match=r"can't be loaded.*SCRIPTORIUM_SPEECH_MODEL=auto"):
        load_model(tmp_path, "cpu", 0)


WITHOUT_CUDA = """
import json, logging, sys
from pathlib import Path
import ctranslate2
from resources.speech.recognition import Speech
from resources.speech.recogniser import MissingDevice

sample, cache = map(Path, sys.argv[1:])
said = []
class Log(logging.Logger):
    def info(self, message): said.append(message)
result = {}
try:
    Speech(model="tiny.en", device="cuda", cache=str(cache), offline=True).transcribe(sample, Log("x"))
except MissingDevice as error:
    result["pinned"] = str(error)
ctranslate2.get_cuda_device_count = lambda: 1  # a device is listed, but its driver does not answer
heard = Speech(model="tiny.en", cache=str(cache), offline=True).transcribe(sample, Log("x"))
result |= {"device": heard.device, "reason": heard.reason, "said": said}
print(json.dumps(result))
"""


def test_cuda_that_is_not_there_is_an_error_if_pinned_and_a_reason_if_not(repo: Path, cache: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CUDA, str(repo / "samples" / "lecture.mp4"), str(cache)],
        cwd=repo,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert "The device cuda was asked for, but there is none" in result["pinned"]
    assert "SCRIPTORIUM_SPEECH_DEVICE=auto" in result["pinned"]
    assert (result["device"], result["reason"]) == ("cpu", "set by name; a CUDA device is there but can't be used")
    assert any("Going on with the CPU" in message for message in result["said"])


@pytest.mark.gpu
def test_cuda_hears_what_the_cpu_hears(repo: Path, cache: Path) -> None:
    heard = Speech(model="tiny.en", device="cuda", cache=str(cache), offline=True).transcribe(
        repo / "samples" / "lecture.mp4", log
    )
    assert (heard.device, heard.compute_type) == ("cuda", "float16")
    assert _error_rate(repo, "lecture.mp4", heard) <= 0.06


def test_the_windows_that_vote_are_spread_over_the_recording() -> None:
    assert spread(range(10), 3) == [1, 5, 8]
    assert spread(range(2), 3) == [0, 1]


def test_the_choice_can_be_asked_for_without_loading_anything(cache: Path) -> None:
    device, choice = Speech(device="cpu", cache=str(cache), offline=True).choice()
    assert (device, choice.name) == ("cpu", "base")
