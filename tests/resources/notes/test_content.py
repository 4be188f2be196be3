"""What the notes hold, where the input is odd."""

from datetime import UTC, datetime
from typing import Any

import pytest

from resources.notes.content import Notes, Origin, compose
from resources.speech.documents import Segment, Transcript
from resources.summary.documents import KeyTerm, Summary


def composed(title: str = "A talk", name: str = "talk.mp3", times_s: list[float] | None = None, **about: Any) -> Notes:
    segment = Segment(
        start_s=0, end_s=9, text="A word or two.", words=[], avg_logprob=-0.1, no_speech_prob=0, compression_ratio=1
    )
    transcript = Transcript(
        language="en",
        language_probability=1,
        duration_s=9,
        segments=[segment],
        model="m",
        model_source="s",
        device="cpu",
        compute_type="int8",
        reason="r",
        settings={},
    )
    terms = [KeyTerm(term="word", times_s=times_s or [1.0])]
    summary = Summary(language="en", bullets=[], key_terms=terms, method="extractive", reason="r")
    origin = Origin(title, name, "0123456789abcdef" * 4, datetime(2026, 1, 1, tzinfo=UTC), 9, **about)
    return compose(origin, transcript, summary, [], {})


@pytest.mark.parametrize(
    ("title", "name", "shown"),
    [
        ("A talk", "talk.mp3", "A talk"),
        ("\u200b\u2060", "talk.mp3", "talk.mp3"),
        ("\u200b", "\u200b\u00ad", "0123456789abcdef"),
    ],
    ids=["a title", "an invisible title", "an invisible name"],
)
def test_notes_have_a_title_that_can_be_seen(title: str, name: str, shown: str) -> None:
    assert composed(title, name).origin.title == shown


def test_a_term_said_twice_in_a_second_shows_the_second_once() -> None:
    assert composed(times_s=[20.1, 20.9, 31.0, 40.5, 50.5]).terms[0].times_s == (20.1, 31.0, 40.5)


@pytest.mark.parametrize(("by_file", "label"), [(False, "Recorded"), (True, "File dated")], ids=["itself", "its file"])
def test_a_files_date_is_not_called_the_recordings(by_file: bool, label: str) -> None:
    rows = dict(composed(dated_by_file=by_file).provenance)
    assert rows[label] == "1 January 2026, 00:00 UTC"
    assert {"Recorded", "File dated"} & set(rows) == {label}
