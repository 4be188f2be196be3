"""Notes compared with stored ones: where every line, box and slide stands, and how the pages look from afar.

`golden/<case>.json` holds the lines, `golden/<case>.png` the pages, 40 pixels wide. After a change of the look that is
wanted, look at the pages, then write both anew with

    GOLDEN=write python -m pytest tests/resources/notes/test_golden.py
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from PIL import Image

from resources.notes.typesetting import Typeset
from resources.progress import Step, listening

GOLDEN = Path(__file__).parent / "golden"
CASES = [
    *("english", "russian", "mixed", "three_hours", "no_speech"),
    *("one_chapter", "long_word", "long_title", "forty_chapters", "no_chapters"),
]
THUMBNAIL = 40  # pixels across a page: a line of text is half a pixel high, so its sharpness does not matter
SHOWN = 6  # pages in a picture; a long document repeats itself
WHOLE = 4  # pages at the beginning and at the end whose every line is compared; of the others the first and the last
NEAR = 1.0  # points; rounding may go either way
# Grey levels of 255. The same pages drawn by another program, Poppler, differ by 0.9 in the mean, by 12 at most; with
# one word left out by 43 at most, with all a line lower by 1.0 in the mean and 54, with no grey words by 17.
MEAN, MOST = 0.95, 14.0


@dataclass(frozen=True)
class Made:
    """Finished notes, the progress that was reported, and the seconds of CPU it took, with the drawing of slides."""

    done: Typeset
    steps: list[Step]
    cpu_s: float


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, typeset: Callable[..., Typeset], cases: dict[str, Any]) -> Made:
    steps: list[Step] = []
    start = time.process_time()
    with listening(steps.append):
        done = typeset(cases[request.param])
    return Made(done, steps, time.process_time() - start)


@pytest.fixture
def done(made: Made) -> Typeset:
    return made.done


def lines_of(page: pypdfium2.PdfPage) -> list[tuple[int, int, str]]:
    """Left, lower side and text of each line, in points from the upper left corner; then boxes, rules and slides with
    width and height for a text.
    """
    text, height = page.get_textpage(), page.get_height()
    found = []
    for number in range(text.count_rects()):
        left, bottom, right, top = text.get_rect(number)
        words = text.get_text_bounded(left, bottom, right, top).strip()
        # Versions of fonts and libraries are no matter of layout.
        words = re.sub(r"(?<= )\d+\.[\d.]+\d", "0", words) if "fpdf2" in words or "fontpkg" in words else words
        found.append((round(left), round(height - bottom), words))
    for thing in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = thing.get_bounds()
        kind = "slide" if thing.type == pdfium.FPDF_PAGEOBJ_IMAGE else "shape"
        found.append((round(left), round(height - bottom), f"({kind} {right - left:.0f} x {top - bottom:.0f})"))
    return found


def layout_of(done: Typeset) -> list[list[tuple[int, int, str]]]:
    with pypdfium2.PdfDocument(done.pdf) as document:
        pages = [lines_of(page) for page in document]
    return [page if at < WHOLE or at >= len(pages) - WHOLE else [page[0], page[-1]] for at, page in enumerate(pages)]


def picture_of(done: Typeset) -> Image.Image:
    """The first pages side by side, in grey."""
    with pypdfium2.PdfDocument(done.pdf) as document:
        pages = [
            document[number].render(scale=1.0).to_pil().convert("L") for number in range(min(SHOWN, len(document)))
        ]
    height = round(THUMBNAIL * pages[0].height / pages[0].width)
    sheet = Image.new("L", (THUMBNAIL * len(pages), height))
    for number, page in enumerate(pages):
        sheet.paste(page.resize((THUMBNAIL, height), Image.Resampling.BOX), (number * THUMBNAIL, 0))
    return sheet


@pytest.mark.parametrize("made", CASES, indirect=True)
def test_every_line_stands_where_it_stood_and_pages_look_as_they_looked(
    done: Typeset, request: pytest.FixtureRequest
) -> None:
    case = request.node.callspec.params["made"]
    layout, picture = layout_of(done), picture_of(done)
    if os.environ.get("GOLDEN") == "write":
        rows = [",\n".join(json.dumps(line, ensure_ascii=False) for line in page) for page in layout]
        (GOLDEN / f"{case}.json").write_text("[[\n" + "\n],[\n".join(rows) + "\n]]\n", encoding="utf-8")
        picture.save(GOLDEN / f"{case}.png", optimize=True)
    stored = json.loads((GOLDEN / f"{case}.json").read_text(encoding="utf-8"))
    assert [[line[2] for line in page] for page in layout] == [[line[2] for line in page] for page in stored]
    for number, (page, before) in enumerate(zip(layout, stored, strict=True), start=1):
        for (x, y, text), (old_x, old_y, _) in zip(page, before, strict=True):
            assert abs(x - old_x) <= NEAR, (number, text)
            assert abs(y - old_y) <= NEAR, (number, text)
    with Image.open(GOLDEN / f"{case}.png") as image:
        apart = np.abs(np.asarray(image, float) - np.asarray(picture, float))
    assert apart.mean() < MEAN
    assert apart.max() < MOST


@pytest.mark.parametrize("made", CASES, indirect=True)
def test_nothing_is_lost(done: Typeset) -> None:
    assert done.missing_words() == []
    assert done.missing_summary() == []


@pytest.mark.qpdf
@pytest.mark.parametrize("made", CASES, indirect=True)
def test_the_file_is_sound(done: Typeset, tmp_path: Path) -> None:
    path = tmp_path / "notes.pdf"
    path.write_bytes(done.pdf)
    checked = subprocess.run(["qpdf", "--check", str(path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr  # 2 for errors, 3 for warnings


@pytest.mark.parametrize("made", ["three_hours"], indirect=True)
def test_three_hours_are_quick_and_small_and_report_their_progress(made: Made) -> None:
    assert made.cpu_s < 30  # 2 to 5 s where it was written; a whole lecture's notes should not be waited for
    assert made.done.printed.speech_total == 27_000
    assert len(made.done.printed.chapters) == 25
    assert made.done.printed.slide_total == 60
    assert len(made.done.pdf) < 5_000_000
    assert [step.done for step in made.steps] == list(range(1, made.done.pages + 1))
