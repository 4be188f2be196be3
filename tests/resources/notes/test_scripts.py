"""Scripts beyond Latin, Greek and Cyrillic: an installed font package is used, right-to-left text reads right to left.

The tests use the package `fontpkg-noto-sans-arabic`. No package for Hebrew or Chinese is among what tests install.
"""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdf
import pytest

from resources.notes import fallback, fonts
from resources.notes.lines import Measure, Style, Token
from resources.notes.scripts import Scripts
from resources.notes.typesetting import Typeset

ARABIC = (
    "صباح الخير، وأهلا بكم في محاضرة اليوم عن المد والجزر. يسحب القمر مياه البحر نحوه، فيرتفع مستوى الماء مرتين كل "
    "يوم تقريبا. أوّل من شرح ذلك هو نيوتن (Isaac Newton) في عام 1687، وكتابه مشهور جدا. "
)
SERIF = Style("serif", 10)


@pytest.fixture(scope="module")
def own(cache: Path) -> frozenset[int]:
    return fonts.coverage(fonts.faces(cache))


@pytest.fixture(scope="module")
def scripts(cache: Path, own: frozenset[int]) -> Scripts:
    return Scripts(fallback.fallbacks(cache, fallback.lacking(ARABIC, own)), own)


@pytest.fixture(scope="module")
def measure(cache: Path, scripts: Scripts) -> Measure:
    return Measure({name: face.advances for name, face in fonts.faces(cache).items()}, scripts)


def shown(measure: Measure, text: str, width: float = 400) -> list[list[str]]:
    """Lines from top to bottom, each as the pieces from left to right."""
    lines = measure.break_lines([Token(word, SERIF) for word in text.split()], width)
    return [[run.text for run in line.runs] for line in lines]


def test_only_packages_that_have_what_is_missing_are_used(cache: Path, own: frozenset[int]) -> None:
    assert fallback.fallbacks(cache, fallback.lacking("Water, вода, νερό", own)) == {}
    assert fallback.fallbacks(cache, fallback.lacking("水 🌊", own)) == {}
    assert list(fallback.fallbacks(cache, fallback.lacking("ماء 水", own))) == ["fallback-noto-sans-arabic"]


def test_recordings_in_one_script_share_a_face(cache: Path, own: frozenset[int]) -> None:
    [first] = fallback.fallbacks(cache, fallback.lacking("ماء", own)).values()
    [second] = fallback.fallbacks(cache, fallback.lacking("بحر", own)).values()
    assert first.path == second.path
    assert fallback.versions([first]).keys() == {"fontpkg-noto-sans-arabic"}


def test_letters_that_join_are_measured_joined(scripts: Scripts) -> None:
    [face] = scripts.faces.values()
    assert face.width("بحر") < sum(face.width(letter) for letter in "بحر") * 0.95


def test_an_arabic_line_ends_at_the_right_and_runs_to_the_left(measure: Measure) -> None:
    [line] = measure.break_lines([Token(word, SERIF) for word in ["في", "عام", "1687", "هنا"]], 300, x=50)
    assert [run.text for run in line.runs] == ["هنا", " ", "1687", " ", "عام", " ", "في"]
    assert line.runs[-1].x + line.runs[-1].width == pytest.approx(350)
    assert [run.rtl for run in line.runs if run.face] == [True, True, True]


def test_arabic_words_in_an_english_line_keep_their_own_order(measure: Measure) -> None:
    assert shown(measure, "Tides (المد والجزر) rise.") == [["Tides (", "والجزر", " ", "المد", ") rise."]]


def test_brackets_and_latin_words_in_an_arabic_line(measure: Measure) -> None:
    assert shown(measure, "هو (Isaac Newton) هنا الآن") == [["الآن", " ", "هنا", " (", "Isaac Newton", ") ", "هو"]]


def test_lines_in_our_own_scripts_are_what_they_are_without_any_fallback(cache: Path, measure: Measure) -> None:
    plain = Measure({name: face.advances for name, face in fonts.faces(cache).items()})
    tokens = [Token(word, SERIF) for word in ["Water", "rises;", "вода", "поднимается;", "νερό."] * 9]
    assert measure.break_lines(tokens, 200) == plain.break_lines(tokens, 200)


def test_arabic_notes_hold_every_word_and_name_the_font(typeset: Callable[..., Typeset], cases: dict[str, Any]) -> None:
    case = replace(cases["one_chapter"], text=ARABIC * 3, title="المد والجزر", language="ar", slides=1)
    done = typeset(case)
    assert done.glyphs_replaced == 0
    assert done.missing_words() == []
    assert done.missing_summary() == []
    assert "fontpkg-noto-sans-arabic 2" in dict(done.printed.provenance)["Set with"]
    pdf = pypdf.PdfReader(io.BytesIO(done.pdf))
    assert pdf.metadata is not None
    assert pdf.metadata.title == "المد والجزر"
    assert pdf.trailer["/Root"]["/Lang"] == "ar"
    assert done.pdf == typeset(case).pdf
    other = typeset(replace(case, text=ARABIC * 3 + "قناديل."))
    assert replace(done, printed=other.printed).missing_words() != []
