import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.errors import BadInput
from resources.speech.documents import Transcript
from resources.summary.summarizing import Summarizer

LOG = logging.getLogger(__name__)
Spoken = Callable[..., Transcript]


@pytest.mark.parametrize(("model", "why"), [("auto", "No summary model is set"), ("extractive", "by name")])
def test_without_a_model_sentences_are_quoted_and_the_reason_says_why(
    spoken: Spoken, lecture: Callable[[str], str], model: str, why: str
) -> None:
    transcript = spoken(lecture("tides_en"))
    summary = Summarizer(model=model).summarize(transcript, LOG)
    assert summary.method == "extractive"
    assert why in summary.reason
    assert summary.language == "en"
    assert all(bullet.text in transcript.text for bullet in summary.bullets)
    assert 8 <= len(summary.key_terms) <= 15


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


def test_a_transcript_without_words_is_bad_input(spoken: Spoken) -> None:
    with pytest.raises(BadInput, match="no words"):
        Summarizer().summarize(spoken(""), LOG)


@pytest.mark.parametrize(
    "module", ["sentences", "vocabulary", "extractive", "key_terms", "documents", "transformers_summary"]
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
