"""The Markdown file: its parts and their order, with text escaped."""

from dataclasses import replace
from datetime import UTC, datetime

from resources.commonmark import escape
from resources.notes.content import Chapter, Notes, Origin, Term, Timed
from resources.notes.markdown import markdown
from resources.notes.sections import Omission, Paragraph, Picture, Section, Word
from resources.notes.wording import wording


def said(text: str, start_s: float, speaker: str | None = None) -> Paragraph:
    return Paragraph(tuple(Word(start_s, start_s + 1, word, False) for word in text.split()), speaker)


SECTIONS = (
    Section(0.0, (Picture("slide-001.jpg", 0.0, 4, 3),), (said("One two.", 1), said("Three.", 9)), 0, 1),
    Section(3660.0, (), (said("# Four.", 3660),), 1, 0),
)
NOTES = Notes(
    origin=Origin("Title *1*", "a_b.mp4", "3f" * 32, datetime(2026, 5, 1, 8, 0, tzinfo=UTC), 3700.0),
    language="en",
    words=wording("en"),
    warnings=("Careful.",),
    bullets=(Timed(3, "A point."), Timed(3661, "Another.", supported=False)),
    terms=(Term("water", (3.0, 61.0)), Term("oak", (9.0,))),
    chapters=(Chapter(0.0, "", (), SECTIONS),),
    provenance=(("File", "a_b.mp4"), ("Warnings", "Careful.")),
)
UNSUPPORTED_NOTE = f"*{escape(NOTES.unsupported_note)}*"


def test_without_chapters_the_file_has_everything_in_order() -> None:
    assert markdown(NOTES) == "\n\n".join(
        [
            r"# Title \*1\*",
            r"a\_b.mp4 · 1 May 2026 · 1:01:40",
            "**Careful.**",
            "## Summary",
            "- **0:00:03** A point.\n- **1:01:01** Another.†",
            UNSUPPORTED_NOTE,
            "## Key terms",
            "water 0:00:03 0:01:01 · oak 0:00:09",
            "## Contents",
            "- **0:00:00** Slide 1. One two. Three.\n- **1:01:00** Part 1. \\# Four.",
            "## Slides and transcript",
            "![Slide 1 of 1](slide-001.jpg)",
            "*Slide 1 of 1* · **0:00:00**",
            "**0:00:01** One two.",
            "**0:00:09** Three.",
            "### Part 1",
            r"**1:01:00** \# Four.",
            "## About these notes",
            r"- **File:** a\_b.mp4" + "\n- **Warnings:** Careful.\n",
        ]
    )


def test_chapters_have_their_points_voices_and_what_was_left_out() -> None:
    first = Section(0.0, (), (said("One two.", 1, "Speaker *A*"), Omission(5.0, 9.0, 1, ("loop",)), said("Three.", 9)))
    chapters = (
        Chapter(0.0, "How it _begins_", (Timed(1, "One."), Timed(2, "Two.", supported=False)), (first,)),
        Chapter(60.0, "How it ends", (), (Section(60.0, (), (said("Four.", 60),)),)),
    )
    text = markdown(replace(NOTES, bullets=(), terms=(), warnings=(), chapters=chapters))
    assert text.split("\n\n")[2:-2] == [
        "## Summary",
        "The recording is too short for a summary.",
        UNSUPPORTED_NOTE,
        "## Contents",
        "- **0:00:00** How it \\_begins\\_\n- **0:01:00** How it ends",
        r"## **0:00:00** How it \_begins\_",
        "- **0:00:01** One.\n- **0:00:02** Two.†",
        r"**0:00:01** **Speaker \*A\*** One two.",
        r"**0:00:05** *\[0:00:05 to 0:00:09: left out, the words repeat themselves\]*",
        "**0:00:09** Three.",
        "## **0:01:00** How it ends",
        "**0:01:00** Four.",
    ]


def test_a_recording_without_words_has_its_statement_instead_of_a_summary() -> None:
    text = markdown(replace(NOTES, bullets=(), terms=(), chapters=(), statement="Nobody speaks."))
    assert "## Summary\n\nNobody speaks.\n\n## About" in text
