"""Notes as a Word file: the same order and the same times as the PDF, in styles that a reader can change.

Belongs here: which part of the notes becomes which paragraph. Does not belong here: what they say (`content.py`),
WordprocessingML (`word_file.py`). Pure. The same notes and slides give the same bytes.

Contents are a list of links and no table-of-contents field: a field is empty until the reader's program fills it.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.notes import word_file
from resources.notes.content import UNSUPPORTED, Notes, Timed, contents, omission_text, section_label
from resources.notes.sections import Omission, Paragraph, Picture, Section
from resources.notes.word_file import Bookmarks, field, link, plain
from resources.timecode import clock

if TYPE_CHECKING:
    from docx.text.paragraph import Paragraph as WordParagraph

_PAGE_MM, _MARGIN_MM = {"A4": (210, 297), "Letter": (216, 279)}, 25
_SLIDE_SHARE, _HIGHEST_MM = 2 / 3, 120  # of the text's width; half of the text's height
_GREY, _ACCENT = "595959", "1F5A8C"  # 7:1 and 6.9:1 on white
_TIME, _UNCERTAIN = "Time", "Uncertain"


def docx(notes: Notes, pictures: Mapping[str, Path | bytes], page_format: str = "A4") -> bytes:
    """`notes.docx`, with `pictures` (the slides) by file name. KeyError if one of them is missing."""
    writer = _Writer(notes, pictures, _PAGE_MM[page_format])
    writer.head()
    writer.summary()
    writer.contents()
    writer.body()
    writer.about()
    return writer.saved()


class _Writer:
    def __init__(self, notes: Notes, pictures: Mapping[str, Path | bytes], page_mm: tuple[int, int]) -> None:
        from docx import Document

        self._notes, self._pictures, self._page_mm = notes, pictures, page_mm
        self._document = Document()
        self._bookmarks = Bookmarks()
        blocks = [block.start_s for section in notes.sections for block in section.blocks]
        self._moments = sorted(set(blocks))
        self._named: set[str] = set()
        self._sections = {id(section): number for number, section in enumerate(notes.sections)}
        self._set_up()

    def head(self) -> None:
        self._paragraph("Title", self._notes.origin.title)
        self._paragraph("Subtitle", self._notes.quiet_line)
        for warning in self._notes.warnings:
            self._paragraph("Intense Quote", warning)

    def summary(self) -> None:
        notes, words = self._notes, self._notes.words
        self._paragraph("Heading 1", words.summary)
        self._points(notes.bullets)
        if not notes.bullets:
            self._paragraph("Normal", notes.statement or words.no_summary)
        if notes.has_unsupported:
            self._paragraph("Caption", notes.unsupported_note)
        if notes.terms:
            self._paragraph("Heading 1", words.key_terms)
            line = self._paragraph("Normal")
            for number, term in enumerate(notes.terms):
                line.add_run((" · " if number else "") + plain(term.text))
                for time_s in term.times_s:
                    line.add_run(" ")
                    self._time(line, time_s)

    def contents(self) -> None:
        listed = contents(self._notes)
        if listed:
            self._paragraph("Heading 1", self._notes.words.contents)
        for entry in listed:
            line = self._paragraph("List")
            place = entry.key.replace(":", "_")
            link(line, clock(entry.start_s), place, _TIME)
            line.add_run("  ")
            link(line, plain(". ".join(part for part in (entry.label, entry.text) if part)), place, "Hyperlink")

    def body(self) -> None:
        notes = self._notes
        if notes.sections and not notes.has_chapters:
            self._paragraph("Heading 1", notes.body_heading)
        if notes.has_uncertain:
            self._paragraph("Caption", notes.uncertain_note)
        for number, chapter in enumerate(notes.chapters):
            if chapter.title:
                heading = self._paragraph("Heading 1")
                self._bookmarks.set(heading, f"chapter_{number}")
                heading.add_run(f"{clock(chapter.start_s)}  {plain(chapter.title)}")
            self._points(chapter.points)
            for section in chapter.sections:
                self._section(section)

    def about(self) -> None:
        self._paragraph("Heading 1", self._notes.words.about)
        table = self._document.add_table(0, 2, style="Table Grid")
        for label, value in self._notes.provenance:
            cells = table.add_row().cells
            for cell, text, style in zip(cells, (label, value), ("Strong", None), strict=True):
                cell.paragraphs[0].add_run(plain(text), style=style)
                self._direct(cell.paragraphs[0])
        for row in table.rows:
            for cell, share in zip(row.cells, (0.3, 0.7), strict=True):
                cell.width = round(self._width * share)

    def saved(self) -> bytes:
        for paragraph in self._document.paragraphs:
            self._direct(paragraph)
        return word_file.saved(self._document)

    def _section(self, section: Section) -> None:
        notes, number = self._notes, self._sections[id(section)]
        label = section_label(notes, section) if section.part and len(notes.sections) > 1 else ""
        place = f"section_{number}"
        if label:
            heading = self._paragraph("Heading 2")
            self._bookmarks.set(heading, place)
            heading.add_run(plain(label))
        for slide, picture in enumerate(section.pictures, start=section.first_slide):
            self._slide(picture, slide, "" if label else place)
            label = label or place
        for block in section.blocks:
            line = self._paragraph("Normal")
            if not label:
                self._bookmarks.set(line, place)
                label = place
            self._block(line, block)

    def _slide(self, picture: Picture, number: int, place: str) -> None:
        name = plain(self._notes.words.slide_of.format(number=number, total=self._notes.slide_total))
        shown = self._paragraph("Normal")
        shown.paragraph_format.keep_with_next = True
        if place:
            self._bookmarks.set(shown, place)
        content = self._pictures[picture.name]
        from docx.shared import Mm

        width = min(self._width * _SLIDE_SHARE, Mm(_HIGHEST_MM) * picture.width / max(picture.height, 1))
        # Bytes, not a path: python-docx names the part after the file's suffix, files of the store have none, and Word
        # takes a part named `image1.` for damage. Of bytes it looks for itself what they are.
        source = io.BytesIO(content if isinstance(content, bytes) else content.read_bytes())
        inline = shown.add_run().add_picture(source, width=round(width))._inline
        inline.docPr.set("name", picture.name)
        inline.docPr.set("descr", name)
        caption = self._paragraph("Caption", f"{name} · ")
        self._time(caption, picture.time_s)

    def _block(self, line: WordParagraph, block: Paragraph | Omission) -> None:
        place = _moment(block.start_s)
        if place not in self._named:
            self._named.add(place)
            self._bookmarks.set(line, place)
        line.add_run(clock(block.start_s), style=_TIME)
        line.add_run("  ")
        if isinstance(block, Omission):
            line.add_run(plain(omission_text(self._notes, block)), style="Emphasis")
            return
        if block.speaker:
            line.add_run(f"{plain(block.speaker)}  ", style="Strong")
        for text, uncertain in _runs(block, self._notes.spacing):
            line.add_run(text, style=_UNCERTAIN if uncertain else None)

    def _points(self, points: Sequence[Timed]) -> None:
        for point in points:
            line = self._paragraph("List Bullet")
            self._time(line, point.time_s)
            line.add_run(f"  {plain(point.text)}{'' if point.supported else UNSUPPORTED}")

    def _time(self, line: WordParagraph, time_s: float) -> None:
        """A time that leads to what was said then: the last paragraph that has begun."""
        if not self._moments:
            line.add_run(clock(time_s), style=_TIME)
            return
        said = self._moments[max(0, bisect_right(self._moments, time_s) - 1)]
        link(line, clock(time_s), _moment(said), _TIME)

    def _paragraph(self, style: str, text: str = "") -> WordParagraph:
        return self._document.add_paragraph(plain(text) + (" " if text.endswith(" ") else ""), self._styles[style])

    def _direct(self, paragraph: WordParagraph) -> None:
        if self._notes.language in word_file.RIGHT_TO_LEFT:
            word_file.right_to_left(paragraph)

    def _set_up(self) -> None:
        from docx.enum.style import WD_STYLE_TYPE
        from docx.shared import Mm, Pt, RGBColor

        notes, document = self._notes, self._document
        self._styles: dict[str, Any] = {style.name: style for style in document.styles}
        for name, colour in ((_TIME, _ACCENT), (_UNCERTAIN, _GREY), ("Hyperlink", _ACCENT)):
            made = document.styles.add_style(name, WD_STYLE_TYPE.CHARACTER)
            made.font.color.rgb = RGBColor.from_string(colour)
            self._styles[name] = made
        self._styles[_TIME].font.size = Pt(8.5)
        self._styles["Normal"].font.size = Pt(10.5)
        self._styles["List"].paragraph_format.space_after = Pt(2)
        word_file.set_language(document, notes.language)
        page = document.sections[0]
        page.page_width, page.page_height = (Mm(side) for side in self._page_mm)
        page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = Mm(_MARGIN_MM)
        self._width = Mm(self._page_mm[0] - 2 * _MARGIN_MM)
        foot = page.footer.paragraphs[0]
        foot.alignment = 1
        before, between, after = _around(notes.words.page)
        foot.add_run(before)
        field(foot, "PAGE")
        foot.add_run(between)
        field(foot, "NUMPAGES")
        foot.add_run(after)
        origin, core = notes.origin, document.core_properties
        core.title, core.language = plain(origin.title)[:255], notes.language
        core.subject = plain(notes.words.subject.format(name=origin.name, duration=clock(origin.duration_s)))[:255]
        core.keywords = plain(", ".join(term.text for term in notes.terms))[:255]
        core.author = core.last_modified_by = "Scriptorium"
        core.comments, core.revision = "", 1
        core.created = core.modified = origin.created.replace(microsecond=0)


def _moment(time_s: float) -> str:
    return f"t{round(time_s * 1000)}"


def _around(page: str) -> tuple[str, str, str]:
    """`Page {number} of {total}` cut at its two numbers."""
    before, rest = page.split("{number}", 1)
    between, after = rest.split("{total}", 1)
    return before, between, after


def _runs(block: Paragraph, spacing: str) -> Iterator[tuple[str, bool]]:
    """Its text in as few pieces as its grey words allow."""
    text, grey = "", False
    for number, word in enumerate(block.words):
        piece = (spacing if number else "") + plain(word.text)
        if text and word.uncertain != grey:
            yield text, grey
            text = ""
        text, grey = text + piece, word.uncertain
    yield text, grey
