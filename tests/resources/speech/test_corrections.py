"""Edited transcripts put in the place of those that were heard: what stays, what gets which times."""

import json
import random
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from resources.errors import BadInput
from resources.speech.corrections import correct
from resources.speech.documents import Segment, Transcript, Word, word_separator
from resources.speech.edited import read_edited
from resources.speech.exports import as_json, txt
from resources.speech.subtitles import cues_of, srt, vtt

Correct = Callable[..., Transcript]


def _transcript(*sentences: str, language: str = "en", speakers: str = "", gap_s: float = 0.5) -> Transcript:
    """Each word takes 0.4 s and follows the one before it after 0.1 s, each sentence after `gap_s`."""
    segments, now = [], 0.0
    for number, sentence in enumerate(sentences):
        words = []
        for text in sentence.split():
            words.append(Word(start_s=round(now, 3), end_s=round(now + 0.4, 3), text=text, probability=0.6))
            now += 0.5
        now += gap_s - 0.1
        segments.append(
            Segment(
                start_s=words[0].start_s,
                end_s=words[-1].end_s,
                text=word_separator(language).join(word.text for word in words),
                words=words,
                avg_logprob=-0.1 * (number + 1),
                no_speech_prob=0.01,
                compression_ratio=1.5,
                speaker=speakers[number] if speakers else None,
            )
        )
    return Transcript(
        language=language,
        language_probability=0.98,
        duration_s=round(now + 1, 3),
        segments=segments,
        model="tiny.en",
        model_source="package",
        device="cpu",
        compute_type="int8",
        reason="set by name",
        settings={},
    )


BASE = _transcript(
    "Good morning to all of you.", "We look at wader under the eyes.", "It is four degrees warm at the bottom."
)


@pytest.fixture
def corrected(tmp_path: Path) -> Correct:
    def made(base: Transcript, text: str, name: str = "edited.txt", force: bool = False) -> Transcript:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        found = correct(base, read_edited(path, base.duration_s), corrects="v1", force=force)
        words = [word for segment in found.segments for word in segment.words]
        assert all(0 <= word.start_s <= word.end_s <= base.duration_s for word in words)
        assert all(earlier.end_s <= later.start_s for earlier, later in pairwise(words))
        return found

    return made


def _words(found: Transcript) -> list[Word]:
    return [word for segment in found.segments for word in segment.words]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("suffix", ["json", "srt", "vtt", "txt"])
def test_what_we_export_comes_back_unchanged(corrected: Correct, suffix: str, language: str) -> None:
    base = BASE
    if language == "zh":
        base = _transcript("今天 天气 很 好。", "我们 用 Python 3 写 程序， 好 吗？", language="zh")
    exported = {"json": as_json, "txt": txt, "srt": lambda t: srt(cues_of(t)), "vtt": lambda t: vtt(cues_of(t))}
    found = corrected(base, exported[suffix](base), f"transcript.{suffix}")
    assert found.segments == base.segments
    assert found.correction is not None
    assert (found.correction.changed_words, found.correction.name) == (0, f"transcript.{suffix}")


def test_changed_words_get_the_times_of_those_they_replace_and_are_sure(corrected: Correct) -> None:
    found = corrected(BASE, txt(BASE).replace("wader under the eyes", "water under the ice"))
    assert found.correction is not None
    assert (found.correction.changed_words, found.correction.corrects) == (2, "v1")
    changed = {word.text: word for word in _words(found) if word.probability == 1}
    before = {word.text: word for word in _words(BASE)}
    assert changed.keys() == {"water", "ice."}
    assert (changed["water"].start_s, changed["water"].end_s) == (before["wader"].start_s, before["wader"].end_s)
    assert [word for word in _words(found) if word.probability < 1] == [
        word for word in _words(BASE) if word.text not in ("wader", "eyes.")
    ]
    assert [segment.text for segment in found.segments][1] == "We look at water under the ice."
    assert found.segments[1].avg_logprob == BASE.segments[1].avg_logprob
    assert found.model_copy(update={"segments": [], "correction": None}) == BASE.model_copy(update={"segments": []})


def test_case_and_punctuation_are_changed_and_what_was_heard_stays(corrected: Correct) -> None:
    found = corrected(BASE, txt(BASE).replace("Good morning to", "Good Morning, to"))
    assert found.correction is not None
    assert found.correction.changed_words == 1
    assert _words(found)[1] == _words(BASE)[1].model_copy(update={"text": "Morning,"})


def test_words_left_out_and_put_in(corrected: Correct) -> None:
    found = corrected(
        BASE, txt(BASE).replace("to all of you", "to all of you here tonight").replace(" at the bottom", "")
    )
    assert found.correction is not None
    assert found.text.endswith("all of you here tonight. We look at wader under the eyes. It is four degrees warm.")
    # "you." became "you", "tonight." is where "you." was; here and the three at the end
    assert found.correction.changed_words == 7
    put_in = [word for word in _words(found) if word.text in ("here", "tonight.")]
    assert BASE.segments[0].words[-2].end_s <= put_in[0].start_s
    assert put_in[1].end_s <= BASE.segments[1].start_s


def test_a_missing_sentence_lies_where_its_cue_says(corrected: Correct) -> None:
    base = _transcript("One two three four.", "Five six seven eight.", gap_s=60)
    cues = srt(cues_of(base)).replace("2\n", "3\n", 1)
    text = cues.replace("\n\n3\n", "\n\n2\n00:00:30,000 --> 00:00:33,000\nNobody heard this.\n\n3\n")
    found = corrected(base, text, "edited.srt")
    (first, put_in, last) = found.segments
    assert (put_in.text, put_in.start_s, put_in.end_s) == ("Nobody heard this.", 30.0, 33.0)
    assert (first, last) == tuple(base.segments)


def test_without_times_a_sentence_put_in_follows_what_was_said_before(corrected: Correct) -> None:
    base = _transcript("One two three four.", "Five six seven eight.", gap_s=60)
    found = corrected(base, "One two three four. Nobody heard this. Five six seven eight.")
    put_in = found.segments[1]
    assert put_in.text == "Nobody heard this."
    assert put_in.start_s == base.segments[0].end_s
    assert 0.5 < put_in.end_s - put_in.start_s < 3, "as fast as people speak, not spread over the minute"
    late = base.model_copy(update={"segments": base.segments[1:]})
    first = corrected(late, "Nobody heard this. Five six seven eight.").segments[0]
    assert first.end_s == late.segments[0].start_s, "and what comes first, right before what is said next"
    assert 0.5 < first.end_s - first.start_s < 3  # three words, as above


def test_json_keeps_its_segments_and_names_of_speakers(corrected: Correct) -> None:
    base = _transcript("Who is there?", "It is me again.", speakers="AB")
    whole = json.loads(as_json(base))
    whole["segments"][0]["speaker"] = "Ada"
    whole["segments"][1]["text"] = "It is I again."
    found = corrected(base, json.dumps(whole), "edited.json")
    assert [(segment.speaker, segment.text) for segment in found.segments] == [
        ("Ada", "Who is there?"),
        ("B", "It is I again."),
    ]
    assert found.correction is not None
    assert found.correction.changed_words == 1
    named = corrected(base, as_json(base).replace('"A"', '"Ada"'), "names.json")
    assert [segment.speaker for segment in named.segments] == ["Ada", "B"]
    plain = corrected(base, "Who is there? It is I again.")
    assert [segment.speaker for segment in plain.segments] == ["A", "B"], "text names nobody, and nobody is lost"


def test_json_in_which_only_words_were_edited_is_not_taken_for_unchanged(corrected: Correct) -> None:
    text = as_json(BASE).replace('"word": "wader"', '"word": "water"')
    with pytest.raises(BadInput, match='Edit the "text"'):
        corrected(BASE, text, "edited.json")


def test_json_as_whisper_writes_it(corrected: Correct) -> None:
    segments = [
        {"id": 0, "seek": 0, "start": 0.0, "end": 3.0, "text": " Good morning to all of you."},
        {"start": 3.2, "end": 7.0, "text": " We look at water under the ice.", "words": [{"word": " We"}]},
        {"start": 7.0, "end": 11.0, "text": " It is four degrees warm at the bottom.", "words": []},
    ]
    found = corrected(BASE, json.dumps({"segments": segments, "language": "en"}), "whisper.json")
    assert [segment.text for segment in found.segments] == [str(segment["text"]).strip() for segment in segments]
    assert found.segments[2] == BASE.segments[2]


def test_the_same_file_again_changes_nothing_and_another_corrects_the_correction(corrected: Correct) -> None:
    once = corrected(BASE, txt(BASE).replace("wader", "water"))
    assert corrected(once, txt(BASE).replace("wader", "water")) is once
    twice = corrected(once, txt(once).replace("eyes", "ice"), "second.txt")
    assert twice.correction is not None
    assert (twice.correction.changed_words, twice.correction.name) == (1, "second.txt")
    assert "water under the ice" in twice.text


def test_chinese_is_compared_sign_by_sign(corrected: Correct) -> None:
    base = _transcript("今天 天气 很 好。", "我们 出去 吧。", language="zh")
    found = corrected(base, "今天天汽很好。\n我们出去吧。")
    assert found.correction is not None
    assert found.correction.changed_words == 1
    assert [segment.text for segment in found.segments] == ["今天天汽很好。", "我们出去吧。"]
    assert [word.text for word in found.segments[0].words] == ["今天", "天", "汽", "很", "好。"]
    assert found.segments[1] == base.segments[1]


OTHER = (
    "The old harbour has been closed since the spring, because the ships of today are too large for the locks. A museum"
    " wants the warehouse, and the council is going to decide in the autumn what is to become of it."
)


@pytest.mark.parametrize("text", [OTHER, "Good morning"], ids=["another", "a part"])
def test_what_hardly_resembles_the_transcript_needs_force(corrected: Correct, text: str) -> None:
    base = BASE.model_copy(update={"duration_s": 60.0})
    with pytest.raises(BadInput, match="another recording") as refused:
        corrected(base, text)
    assert "--force" in refused.value.remedy
    assert corrected(base, text, force=True).text == text


def test_words_where_none_were_heard_need_force_and_get_the_times_there_are(corrected: Correct) -> None:
    silent = BASE.model_copy(update={"segments": [], "duration_s": 20.0})
    with pytest.raises(BadInput, match="the transcript 0"):
        corrected(silent, "Hello there. Who speaks?")
    found = corrected(silent, "Hello there. Who speaks?", force=True)
    assert [segment.text for segment in found.segments] == ["Hello there.", "Who speaks?"]
    assert found.segments[-1].end_s == 20.0


def test_more_than_anybody_can_say_is_refused_even_with_force(corrected: Correct) -> None:
    with pytest.raises(BadInput, match="more than anybody says"):
        corrected(BASE, txt(BASE) * 20, force=True)


def test_a_large_file_of_something_else_is_refused_before_it_is_cut_up(corrected: Correct) -> None:
    begun = time.process_time()
    with pytest.raises(BadInput, match="4,000,000 letters"):
        corrected(BASE, "a b " * 2_000_000)
    assert time.process_time() - begun < 2.5  # measured 0.6 s; cut up first, several times that, and 1 GB


def test_a_file_without_words_is_no_correction_of_silence(corrected: Correct) -> None:
    silent = BASE.model_copy(update={"segments": [], "duration_s": 20.0})
    with pytest.raises(BadInput, match="another recording"):
        corrected(silent, '[{"text": "", "words": [{"word": "a", "start": 0, "end": 1}]}]', "a.json")


def test_three_hours_take_seconds(corrected: Correct) -> None:
    chance = random.Random(7)
    known = [f"w{chance.randrange(int(10 ** (1 + 3 * chance.random())))}" for _ in range(27_000)]
    base = _transcript(*(" ".join(known[start : start + 15]) + "." for start in range(0, len(known), 15)))
    edited = [f"x{i}" if chance.random() < 0.05 else word for i, word in enumerate(base.text.split())]
    begun = time.process_time()
    found = corrected(base, " ".join(edited))
    assert time.process_time() - begun < 10  # measured 1.4 s; quadratic work would take minutes
    assert found.correction is not None
    assert found.correction.changed_words == sum(word.startswith("x") for word in edited)
