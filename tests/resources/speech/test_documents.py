import pytest
from pydantic import ValidationError

from resources.speech.documents import Segment, Transcript, Word, word_separator
from resources.store.types import Document


def _transcript() -> Transcript:
    words = [
        Word(start_s=0.5, end_s=0.9, text="Доброе", probability=0.9),
        Word(start_s=1, end_s=1.4, text="утро.", probability=0.8),
    ]
    segment = Segment(
        start_s=0.5,
        end_s=1.4,
        text="Доброе утро.",
        words=words,
        avg_logprob=-0.2,
        no_speech_prob=0.0,
        compression_ratio=0.9,
    )
    return Transcript(
        language="ru",
        language_probability=0.98,
        duration_s=3.0,
        speech_s=1.2,
        segments=[segment, segment.model_copy(update={"text": "Начнём."})],
        model="base",
        model_source="embedded",
        device="cpu",
        compute_type="int8",
        reason="set by name",
        settings={"beam_size": 5, "vad_threshold": 0.5, "language": "auto", "flag": True},
    )


def test_a_transcript_survives_json_with_the_types_of_its_settings() -> None:
    made = _transcript()
    read = Transcript.model_validate_json(made.model_dump_json())
    assert read == made
    assert {name: type(value) for name, value in read.settings.items()} == {
        "beam_size": int,
        "vad_threshold": float,
        "language": str,
        "flag": bool,
    }
    assert (read.words, read.text) == (4, "Доброе утро. Начнём.")
    assert Document.registry["Transcript"] is Transcript


@pytest.mark.parametrize(
    "wrong",
    [{"text": ""}, {"start_s": -0.1}, {"colour": "A"}],
    ids=["empty text", "before the start", "unknown field"],
)
def test_a_segment_refuses_what_makes_no_sense(wrong: dict[str, object]) -> None:
    good = _transcript().segments[0].model_dump()
    with pytest.raises(ValidationError):
        Segment.model_validate({**good, **wrong})


def test_words_are_joined_as_their_language_writes_them() -> None:
    assert [word_separator(language) for language in ("ru", "en", "ja", "zh")] == [" ", " ", "", ""]
