"""What a reader is warned of, and how the notes say that they came about."""

from dataclasses import fields
from string import Formatter
from typing import Any

import pytest

from resources.notes import trust
from resources.notes.wording import Wording, wording
from resources.speech.documents import Correction, Dropped, Quality, Segment, Transcript
from resources.speech.gate import REASONS
from resources.summary.documents import Bullet, Summary

WORDS = wording("en")
GOOD = Quality(vad_threshold=0.5, kept_share=0.96, covered_share=0.85)


def heard(**changes: Any) -> Transcript:
    said = Segment(
        start_s=0, end_s=9, text="Water rises.", words=[], avg_logprob=-0.1, no_speech_prob=0, compression_ratio=1.2
    )
    values: dict[str, Any] = {
        "language": "en",
        "language_probability": 0.99,
        "duration_s": 120.0,
        "speech_s": 100.0,
        "segments": [said],
        "model": "base",
        "model_source": "the cache",
        "device": "cpu",
        "compute_type": "int8",
        "reason": "asked for",
        "settings": {},
        "quality": GOOD,
    }
    return Transcript(**(values | changes))


def summed(**changes: Any) -> Summary:
    values: dict[str, Any] = {
        "language": "en",
        "bullets": [Bullet(time_s=0, text="Water rises.")],
        "key_terms": [],
        "method": "extractive",
        "reason": "Built in.",
    }
    return Summary(**(values | changes))


def gap(start_s: float, end_s: float) -> Dropped:
    return Dropped(start_s=start_s, end_s=end_s, text="la la", reason="loop")


def warned(transcript: Transcript, summary: Summary | None = None, share: float = 0.0) -> list[str]:
    return list(trust.warnings(transcript, summary or summed(), share, WORDS))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"language_probability": 0.69}, "recognised as English with a probability of only 0.69"),
        ({"quality": GOOD.model_copy(update={"kept_share": 0.84})}, "About 16 % of the speech may have been taken"),
        (
            {"quality": GOOD.model_copy(update={"covered_share": 0.5})},
            "For about 50 % of the speech there are no",
        ),
        ({"quality": GOOD.model_copy(update={"dropped": (gap(5, 6), gap(9, 13))})}, "trusted: 2 (5 % of the speech)"),
        ({"quality": GOOD.model_copy(update={"dropped": (gap(5, 5.04),)})}, "trusted: 1 (0.1 % of the speech)"),
    ],
)
def test_what_is_doubtful_is_said_on_page_one(changes: dict[str, Any], said: str) -> None:
    [warning] = warned(heard(**changes))
    assert said in warning


def test_doubtful_words_and_points_are_said_on_page_one() -> None:
    assert warned(heard(), share=0.151) == [
        "15 % of the words were recognised with low certainty; notes.pdf has them in grey."
    ]
    [warning] = warned(heard(), summed(faithfulness=0.79))
    assert warning.startswith("21 % of the points that the model wrote are not supported by the transcript.")


def test_good_notes_warn_of_nothing() -> None:
    just = Quality(vad_threshold=0.3, kept_share=0.85, covered_share=0.6, decoded_again=9, device_steps=("batch 4",))
    transcript = heard(language_probability=0.7, quality=just)
    assert warned(transcript, summed(faithfulness=0.8), share=0.15) == []
    assert warned(heard(quality=None)) == []


def test_where_nobody_speaks_only_the_statement_counts() -> None:
    silent = heard(segments=[], speech_s=0.0, language_probability=0.1)
    assert warned(silent) == []
    assert trust.statement(312.0, silent, WORDS).endswith("no words were recognised in 0:05:12 of sound.")
    noise = heard(segments=[], speech_s=0.0, quality=GOOD.model_copy(update={"kept_share": 0.0}))
    assert warned(noise) == []
    dropped = heard(segments=[], speech_s=0.0, quality=GOOD.model_copy(update={"dropped": (gap(5, 6),)}))
    assert warned(dropped) == []
    assert "no speech was found that can be trusted" in trust.statement(312.0, dropped, WORDS)


def test_provenance_tells_how_the_words_came_about() -> None:
    quality = Quality(
        vad_threshold=0.35,
        kept_share=0.996,
        covered_share=0.85,
        decoded_again=3,
        dropped=(gap(5, 8),),
        device_steps=("batch 8 instead of 16", "int8"),
    )
    made = Correction(name="talk.srt", digest="9c" * 32, changed_words=12, corrects="ab")
    rows = dict(trust.provenance(heard(quality=quality, correction=made, language_source="folder"), summed(), WORDS))
    assert rows == {
        "Language": "English, probability 0.99; set by the inbox folder",
        "Speech recognition": "base, from the cache; cpu, int8",
        "Why this model": "asked for",
        "Speech heard": "99.6 % of the speech was listened to (voice threshold 0.35), 85 % of it has words",
        "Decoded a second time": "3",
        "Left out": "1 (3 % of the speech)",
        "Saving memory": "batch 8 instead of 16; int8",
        "Correction": f"corrected by a person: talk.srt, words changed: 12 ({'9c' * 32})",
        "Summary": "extractive. Built in.",
        "Points supported": "100 % by the transcript near their time; left out because they were not: none",
    }


def test_every_sign_of_untrustworthy_words_has_a_name_in_every_language() -> None:
    for language in ("en", "ru"):
        assert set(wording(language).reasons) == set(REASONS)


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("field", [field.name for field in fields(Wording)])
def test_russian_says_all_that_english_says(field: str) -> None:
    english, russian = getattr(wording("en"), field), getattr(wording("ru"), field)
    assert russian
    if isinstance(english, str):
        assert _places(english) == _places(russian)
    else:
        assert len(english) == len(russian)
    assert wording("fi") is wording("en")


def test_a_speaker_without_a_name_gets_a_word_before_the_letter() -> None:
    assert [WORDS.named(label) for label in ("A", "12", "Anna")] == ["Speaker A", "Speaker 12", "Anna"]
