"""A transcript in three formats: where paragraphs part, what is escaped, and the names in the JSON."""

import json
from collections.abc import Callable

from resources.speech.documents import Transcript
from resources.speech.exports import as_json, markdown, paragraphs, txt

Said = Callable[..., Transcript]


def test_paragraphs_part_where_somebody_pauses_or_somebody_else_speaks(said: Said) -> None:
    heard = said((0, "It begins."), (2.8, "It goes on."), (6.3, "A new thought."), (7.8, "Really?"), speakers="AAAB")
    assert [[segment.text for segment in group] for group in paragraphs(heard)] == [
        ["It begins.", "It goes on."],  # 1.9 s apart
        ["A new thought."],  # 2.1 s
        ["Really?"],
    ]
    assert txt(heard) == "It begins. It goes on.\n\nA new thought.\n\nReally?\n"
    assert markdown(heard).split("\n\n")[1:] == ["**0:00:06** *A* A new thought.", "**0:00:07** *B* Really?\n"]


def test_long_paragraphs_end_with_a_sentence_or_at_last_without_one(said: Said) -> None:
    sentences = said(*((i * 3.0, "It is water again.") for i in range(60)))
    lengths = [sum(len(segment.text) for segment in group) for group in paragraphs(sentences)]
    assert lengths[:2] == [504, 504]
    endless = said(*((i * 3.0, "it is water again,") for i in range(200)))
    assert max(sum(len(segment.text) for segment in group) for group in paragraphs(endless)) == 1512


def test_nothing_stands_between_words_of_languages_written_so(said: Said) -> None:
    heard = said((0, "今天天气很好。"), (1, "我们出去。"), language="zh")
    assert txt(heard) == "今天天气很好。我们出去。\n"
    assert json.loads(as_json(heard))["text"] == "今天天气很好。我们出去。"


def test_markdown_shows_what_was_said_whatever_it_means_to_markdown(said: Said) -> None:
    heard = said((3725, "1 * 2 <b> [x](y) `z`"))
    assert markdown(heard) == "**1:02:05** 1 \\* 2 \\<b\\> \\[x\\]\\(y\\) \\`z\\`\n"


def test_json_has_whispers_names_and_a_version(said: Said) -> None:
    heard = said((0, "Добрый день."), (3, "Да."), speakers=[None, "A"], duration_s=7200.0)
    text = as_json(heard)
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
            {"start": 0, "end": 0.4, "word": "Добрый", "probability": 0.9},
            {"start": 0.5, "end": 0.9, "word": "день.", "probability": 0.9},
        ],
    }
    assert segments[1]["speaker"] == "A"
