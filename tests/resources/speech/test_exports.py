import json

from resources.speech.documents import Segment, Transcript, Word
from resources.speech.exports import as_json, markdown, paragraphs, txt


def _segment(start_s: float, text: str, speaker: str | None = None) -> Segment:
    """A word each half second."""
    words = [
        Word(start_s=start_s + i / 2, end_s=start_s + i / 2 + 0.4, text=word, probability=0.5)
        for i, word in enumerate(text.split())
    ]
    return Segment(
        start_s=start_s,
        end_s=words[-1].end_s,
        text=text,
        words=words,
        avg_logprob=-0.2,
        no_speech_prob=0.0,
        compression_ratio=1.5,
        speaker=speaker,
    )


def _transcript(*segments: Segment, language: str = "en") -> Transcript:
    return Transcript(
        language=language,
        language_probability=0.98,
        duration_s=7200.0,
        segments=list(segments),
        model="tiny.en",
        model_source="package",
        device="cpu",
        compute_type="int8",
        reason="set by name",
        settings={},
    )


def test_paragraphs_part_where_somebody_pauses_or_somebody_else_speaks() -> None:
    said = _transcript(
        _segment(0, "It begins.", "A"),
        _segment(2.8, "It goes on.", "A"),
        _segment(6.3, "A new thought.", "A"),
        _segment(7.8, "Really?", "B"),
    )
    assert [[segment.text for segment in group] for group in paragraphs(said)] == [
        ["It begins.", "It goes on."],  # 1.9 s apart
        ["A new thought."],  # 2.1 s
        ["Really?"],
    ]
    assert txt(said) == "It begins. It goes on.\n\nA new thought.\n\nReally?\n"
    assert markdown(said).split("\n\n")[1:] == ["**0:00:06** *A* A new thought.", "**0:00:07** *B* Really?\n"]


def test_long_paragraphs_end_with_a_sentence_or_at_last_without_one() -> None:
    sentences = _transcript(*(_segment(i * 3.0, "It is water again.") for i in range(60)))
    lengths = [sum(len(segment.text) for segment in group) for group in paragraphs(sentences)]
    assert lengths[:2] == [504, 504]
    endless = _transcript(*(_segment(i * 3.0, "it is water again,") for i in range(200)))
    assert max(sum(len(segment.text) for segment in group) for group in paragraphs(endless)) == 1512


def test_nothing_stands_between_words_of_languages_written_so() -> None:
    said = _transcript(_segment(0, "今天天气很好。"), _segment(1, "我们出去。"), language="zh")
    assert txt(said) == "今天天气很好。我们出去。\n"
    assert json.loads(as_json(said))["text"] == "今天天气很好。我们出去。"


def test_markdown_shows_what_was_said_whatever_it_means_to_markdown() -> None:
    said = _transcript(_segment(3725, "1 * 2 <b> [x](y) `z`"))
    assert markdown(said) == "**1:02:05** 1 \\* 2 \\<b\\> \\[x\\]\\(y\\) \\`z\\`\n"


def test_json_has_whispers_names_and_a_version() -> None:
    said = _transcript(_segment(0, "Добрый день."), _segment(3, "Да.", speaker="A"))
    text = as_json(said)
    assert "Добрый" in text, "readable, not escaped"
    whole = json.loads(text)
    segments = whole.pop("segments")
    assert whole == {
        "version": 1,
        "language": "en",
        "language_probability": 0.98,
        "duration": 7200.0,
        "model": "tiny.en",
        "corrected": False,
        "text": "Добрый день. Да.",
    }
    assert segments[0] == {
        "id": 0,
        "start": 0,
        "end": 0.9,
        "text": "Добрый день.",
        "words": [
            {"start": 0, "end": 0.4, "word": "Добрый", "probability": 0.5},
            {"start": 0.5, "end": 0.9, "word": "день.", "probability": 0.5},
        ],
    }
    assert segments[1]["speaker"] == "A"
