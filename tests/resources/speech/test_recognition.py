"""Real weights on the real samples. `tiny.en` where any model will do, `base` where the language matters."""

import json
import logging
import os
import re
import subprocess
import sys
import wave
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
from faster_whisper import WhisperModel

from resources.errors import BadInput, MissingModel
from resources.progress import Step, listening
from resources.speech import recognition
from resources.speech.documents import Quality, Transcript
from resources.speech.embedded import embedded_files
from resources.speech.recogniser import DeviceFull, load_model
from resources.speech.recognition import Speech
from resources.speech.windows import RATE

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


def _check_alike(one: Transcript, other: Transcript) -> None:
    """The same words; the size of a batch moves a time by a rounding now and then."""
    assert [segment.text for segment in one.segments] == [segment.text for segment in other.segments]
    starts, expected = ([segment.start_s for segment in heard.segments] for heard in (one, other))
    assert starts == pytest.approx(expected, abs=0.1)


class Killed(BaseException):
    """The process ends here."""


class Kept(dict[str, bytes]):
    """What a retry finds again; dies once it holds `lives` records."""

    lives = 10**6

    def put(self, name: str, content: bytes) -> None:
        assert name not in self, "decoded twice"
        self[name] = content
        if len(self) == self.lives:
            raise Killed


def _wav(path: Path, sound: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def test_the_english_sample_is_heard_twice_alike(repo: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    recognition._loaded.clear()  # another test of this process may have loaded it, and then nothing is said of it
    speech = Speech(model="tiny.en", cache=str(cache), offline=True)
    steps: list[Step] = []
    with listening(steps.append), caplog.at_level(logging.INFO):
        first = speech.transcribe(repo / "samples" / "lecture.mp4", log)
    assert _error_rate(repo, "lecture.mp4", first) <= 0.06
    _check_times(first)
    assert (first.language, first.language_probability, first.language_source) == ("en", 1.0, "model")
    assert first.quality == Quality(vad_threshold=0.5, kept_share=1.0, covered_share=1.0)
    assert (first.model, first.device, first.compute_type, first.reason) == ("tiny.en", "cpu", "int8", "set by name")
    assert first.duration_s == pytest.approx(114.4, abs=0.2)
    assert 0.9 < first.speech_s / first.duration_s <= 1  # a lecture read without long pauses
    assert 20 <= len(first.segments) <= 32  # the text has 32 sentences, of which some are heard as one
    assert all(segment.text[-1] in ".?!" for segment in first.segments)
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, first.duration_s, first.duration_s)
    assert any("tiny.en on cpu" in record.message for record in caplog.records)
    assert speech.transcribe(repo / "samples" / "lecture.mp4", log) == first


def test_the_russian_sample_is_heard_in_russian(repo: Path, cache: Path) -> None:
    heard = Speech(model="auto", cache=str(cache), offline=True, device="cpu").transcribe(
        repo / "samples" / "lecture_ru.mp3", log
    )
    assert (heard.language, heard.language_source, heard.model) == ("ru", "heard", "base")
    assert heard.language_probability > 0.9
    assert _error_rate(repo, "lecture_ru.mp3", heard) <= 0.08
    assert re.fullmatch(r"[А-Яа-яЁё\s.,!?:;«»–-]+", heard.text)
    assert heard.reason.endswith("base comes with the install")
    _check_times(heard)


def test_a_killed_run_goes_on_where_it_was_whatever_the_batch(repo: Path, cache: Path) -> None:
    audio = repo / "samples" / "lecture.mp4"
    speech = {"model": "tiny.en", "cache": str(cache), "offline": True, "window_min": 1.2}
    whole = Speech(**speech).transcribe(audio, log)
    assert _error_rate(repo, "lecture.mp4", whole) <= 0.06, "the cut at a silence costs no word"
    kept = Kept()
    for lives, batch_size in ((1, 2), (3, 2), (5, 4)):  # while cutting, within the first part, after it
        kept.lives = lives
        with pytest.raises(Killed):
            Speech(**speech, batch_size=batch_size).transcribe(audio, log, kept)
    kept.lives = 10**6
    _check_alike(Speech(**speech, batch_size=1).transcribe(audio, log, kept), whole)
    parts = [name for name in kept if "part" in name]
    assert len(parts) == 2
    del kept[parts[1]]
    _check_alike(Speech(**speech).transcribe(audio, log, kept), whole)  # made of the windows that are kept
    others = Kept(kept)
    Speech(**speech | {"window_min": 30.0}).transcribe(audio, log, others)
    assert len(others) > len(kept), "other settings take up nothing but what says the same"


def test_a_recording_without_speech_has_an_empty_transcript(cache: Path, tmp_path: Path, music) -> None:
    speech = Speech(model="tiny.en", cache=str(cache), offline=True)
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * RATE)
    for sound in (np.zeros(RATE // 5), noise, music(40)):
        heard = speech.transcribe(_wav(tmp_path / "nobody.wav", sound), log)
        assert (heard.segments, heard.speech_s, heard.language) == ([], 0, "en")
        assert heard.duration_s == len(sound) / RATE
        assert heard.quality == Quality(vad_threshold=0.5, kept_share=1, covered_share=1)


def test_what_is_said_before_and_after_a_long_silence_is_all_there_is(
    cache: Path, tmp_path: Path, spoken_sound: np.ndarray
) -> None:
    quiet = np.random.default_rng(0).normal(0, 0.001, 300 * RATE)
    sound = np.concatenate([spoken_sound[: 10 * RATE], quiet, spoken_sound[10 * RATE :]])
    speech = Speech(model="tiny.en", cache=str(cache), offline=True)
    heard = speech.transcribe(_wav(tmp_path / "pause.wav", sound), log)
    assert heard.text.startswith("Good morning. Today we look at a question")
    assert "bridge" in heard.text
    assert [segment for segment in heard.segments if segment.end_s > 11 and segment.start_s < 309] == []
    _check_times(heard)


def test_words_over_music_stay(cache: Path, tmp_path: Path, music, spoken_sound: np.ndarray) -> None:
    speech = Speech(model="tiny.en", cache=str(cache), offline=True)
    alone = speech.transcribe(_wav(tmp_path / "alone.wav", spoken_sound), log)
    over = speech.transcribe(_wav(tmp_path / "over.wav", spoken_sound + music(20)), log)
    assert jiwer.wer(_words(alone.text), _words(over.text)) <= 0.1, "tiny.en mishears some of them"
    assert over.quality is not None
    assert over.quality.dropped == ()


def test_memory_that_runs_out_costs_time_and_no_words(
    cache: Path, tmp_path: Path, spoken_sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = _wav(tmp_path / "twice.wav", np.concatenate([spoken_sound, np.zeros(6 * RATE), spoken_sound]))
    speech = Speech(model="tiny.en", cache=str(cache), offline=True, batch_size=4)
    whole = speech.transcribe(audio, log)
    encode = WhisperModel.encode

    def full(model: WhisperModel, features: np.ndarray) -> object:
        if features.ndim == 3 and len(features) > 1:
            raise RuntimeError("CUDA failed with error out of memory")
        return encode(model, features)

    monkeypatch.setattr(WhisperModel, "encode", full)
    heard = speech.transcribe(audio, log)
    _check_alike(heard, whole)
    assert heard.quality is not None
    assert heard.quality.device_steps == ("batch of 4 to 2", "batch of 2 to 1")
    monkeypatch.setattr(WhisperModel, "encode", _always_full)
    with pytest.raises(DeviceFull, match="SCRIPTORIUM_SPEECH_BATCH_SIZE"):
        speech.transcribe(audio, log)


def _always_full(*_: object) -> object:
    raise RuntimeError("CUDA failed with error out of memory")


def test_a_pinned_language_says_where_it_comes_from(cache: Path, tmp_path: Path) -> None:
    speech = Speech(model="base", cache=str(cache), offline=True, device="cpu", language="de")
    audio = _wav(tmp_path / "nobody.wav", np.zeros(RATE))
    found = [speech.transcribe(audio, log), speech.transcribe(audio, log, language="ru", language_source="folder")]
    assert [(one.language, one.language_source, one.language_probability) for one in found] == [
        ("de", "set", 1),
        ("ru", "folder", 1),
    ]
    heard = Speech(model="base", cache=str(cache), offline=True, device="cpu").transcribe(audio, log)
    assert heard.language_source == "heard"
    assert heard.language_probability < 0.7, "silence is no language"


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


def test_the_choice_can_be_asked_for_without_loading_anything(cache: Path) -> None:
    device, choice = Speech(device="cpu", cache=str(cache), offline=True).choice()
    assert (device, choice.name) == ("cpu", "base")
