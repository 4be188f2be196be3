import logging
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from resources.errors import MissingModel
from resources.speech.documents import Transcript
from resources.summary.documents import Summary
from resources.summary.summarizing import Summarizer

LOG = logging.getLogger(__name__)
Spoken = Callable[..., Transcript]


@pytest.mark.parametrize(("model", "why"), [("auto", "No summary model is set"), ("extractive", "by name")])
def test_without_a_model_sentences_are_quoted_and_the_reason_says_why(
    spoken: Spoken, lecture: Callable[[str], str], model: str, why: str
) -> None:
    transcript = spoken(lecture("tides_en"))
    summary = Summarizer(model=model, encoder="none").summarize(transcript, LOG)
    assert summary.method == "extractive"
    assert why in summary.reason
    assert summary.language == "en"
    assert all(bullet.text in transcript.text for bullet in summary.bullets)
    assert "TF-IDF" in summary.reason
    assert 8 <= len(summary.key_terms) <= 15  # what `terms_for` aims at for any length


def test_the_same_transcript_gives_the_same_bytes_in_another_process(
    spoken: Spoken, lecture: Callable[[str], str]
) -> None:
    transcript = spoken(lecture("bread_ru"), "ru")
    here = Summarizer().summarize(transcript, LOG).model_dump_json()
    script = (
        "import logging, sys\n"
        "from resources.speech.documents import Transcript\n"
        "from resources.summary.summarizing import Summarizer\n"
        "transcript = Transcript.model_validate_json(sys.stdin.buffer.read())\n"
        "made = Summarizer().summarize(transcript, logging.getLogger())\n"
        "sys.stdout.buffer.write(made.model_dump_json().encode())\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", script], input=transcript.model_dump_json().encode(), capture_output=True, check=True
    )
    assert there.stdout.decode() == here


def test_where_nobody_speaks_the_summary_is_empty_and_says_so(spoken: Spoken) -> None:
    for model in ("auto", "extractive", "someone/some-model"):
        made = Summarizer(model=model, offline=True).summarize(spoken(""), LOG)
        assert (made.bullets, made.chapters, made.key_terms, made.dropped) == ([], [], [], [])
        assert "No words were recognised" in made.reason


@pytest.mark.parametrize(("name", "language"), [("tides_en", "en"), ("bread_ru", "ru")])
def test_chapters_follow_one_another_and_hold_what_is_said_in_them(
    spoken: Spoken, lecture: Callable[[str], str], repo_text: Callable[[str], str], name: str, language: str
) -> None:
    other = repo_text("samples/lecture.txt" if language == "en" else "samples/lecture_ru.txt")
    transcript = spoken(f"{lecture(name)} {other} {lecture(name)}", language)
    made = Summarizer(encoder="none").summarize(transcript, LOG)
    chapters = made.chapters
    assert len(chapters) >= 2
    assert chapters[0].start_s == transcript.segments[0].start_s
    assert chapters[-1].end_s == transcript.segments[-1].end_s
    assert all(one.end_s == two.start_s for one, two in pairwise(chapters))
    assert all(chapter.start_s <= point.time_s < chapter.end_s for chapter in chapters for point in chapter.points)
    assert len({chapter.title.casefold() for chapter in chapters}) == len(chapters)
    told = [*made.bullets, *(point for chapter in chapters for point in chapter.points)]
    assert all(bullet.quoted and bullet.supported and bullet.text in transcript.text for bullet in told)
    assert len({bullet.text for bullet in made.bullets}) == len(made.bullets)
    assert made.faithfulness == 1.0


MARKER = "Remember: the exam is on the fourteenth of May in room two hundred and twelve."


def told(made: Summary) -> list[str]:
    points = [point for chapter in made.chapters for point in chapter.points]
    return [bullet.text for bullet in [*made.bullets, *points]]


def test_a_sentence_in_the_last_minute_of_two_hours_reaches_the_summary(talked: Callable[..., Transcript]) -> None:
    made = Summarizer(encoder="none").summarize(talked("en", 120, MARKER), LOG)
    assert MARKER in told(made)


@pytest.mark.train
def test_an_encoder_that_is_installed_compares_english_sentences(talked: Callable[..., Transcript]) -> None:
    made = Summarizer(device="cpu").summarize(talked("en", 20, MARKER), LOG)
    assert MARKER in told(made)
    assert "compared by all-MiniLM-L6-v2" in made.reason
    assert len(made.chapters) >= 2
    assert Summarizer().compared_by("ru") == "their words (TF-IDF)"


@pytest.mark.train
def test_an_encoder_that_is_nowhere_is_named(spoken: Spoken) -> None:
    with pytest.raises(MissingModel, match="SCRIPTORIUM_SENTENCE_ENCODER"):
        Summarizer(encoder="/no/such/encoder").summarize(spoken("Something is said here."), LOG)


@pytest.mark.parametrize(
    "module", ["sentences", "extractive", "chapters", "key_terms", "titles", "documents", "writing", "coverage"]
)
def test_the_parts_need_neither_dagster_nor_torch(repo: Path, module: str) -> None:
    script = (
        "import sys\n"
        "for name in ('dagster', 'torch', 'transformers', 'numpy', 'mlflow'):\n"
        "    sys.modules[name] = None\n"
        f"import resources.summary.{module}\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=repo, check=True)


def test_without_the_extra_a_model_names_the_command_that_installs_it(repo: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from resources.summary.transformers_models import find\n"
        "from resources.errors import MissingExtra\n"
        "try:\n"
        "    find('google/flan-t5-small', '', True)\n"
        "except MissingExtra as error:\n"
        "    print(error.remedy)\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], cwd=repo, check=True, capture_output=True, text=True)
    assert "make setup EXTRAS=train" in answer.stdout
