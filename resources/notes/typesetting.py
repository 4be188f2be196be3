"""The Dagster resource that turns the content of notes into a PDF and a Markdown file.

Belongs here: the steps from content to finished files, and their settings. Does not belong here: how each step is done
(`fonts.py`, `fallback.py`, `glyphs.py`, `content.py`, `rows.py`, `body.py`, `pages.py`, `pdf.py`, `pdf_reading.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from resources.notes.content import Notes, Origin
from resources.notes.sections import Picture
from resources.progress import Progress
from resources.speech.documents import Transcript
from resources.summary.documents import Summary


@dataclass(frozen=True)
class Typeset:
    """Finished notes, and what the checks need: the notes as printed, and where their text column and body lie."""

    pdf: bytes
    markdown: str
    word: bytes
    pages: int
    glyphs_replaced: int
    printed: Notes
    column: tuple[float, float, float, float]
    body: tuple[int, float]

    def missing_words(self) -> list[str]:
        """Titles, points and paragraphs of the transcript that the PDF's text layer does not hold whole and in order.

        Raises UnreadablePdf.
        """
        from resources.notes.pdf_reading import column_text, missing_texts

        printed = self.printed
        wanted: list[str] = []
        for chapter in printed.chapters:
            wanted += [chapter.title, *(point.text for point in chapter.points)]
            wanted += [block.text(printed.spacing) for section in chapter.sections for block in section.paragraphs]
        # The same words may stand in the summary and the contents, so only what follows them is searched.
        pages = column_text(self.pdf, self.column, self.body)
        return missing_texts(pages, wanted, ignore=(printed.uncertain_note, printed.unsupported_note))

    def missing_summary(self) -> list[str]:
        """What of title, bullets and key terms the PDF's text layer lacks, or the statement that stands for them.

        Raises UnreadablePdf.
        """
        from resources.notes.pdf_reading import column_text, missing_texts

        printed = self.printed
        wanted = [printed.origin.title, printed.words.summary, *(bullet.text for bullet in printed.bullets)]
        wanted += [printed.statement, *(term.text for term in printed.terms)]
        return missing_texts(column_text(self.pdf, self.column), wanted, ignore=(printed.unsupported_note,))

    def first_page(self) -> bytes:
        """A PNG of the first page, small enough to be stored with an event."""
        from resources.notes.pdf_reading import first_page

        return first_page(self.pdf)


class Typesetter(dg.ConfigurableResource):
    """Sets notes in Noto Serif and Noto Sans. The same content gives the same bytes."""

    page_format: Literal["A4", "Letter"] = Field("A4", description="Page size of the notes.")
    cache: str = Field(description="Folder in which the faces are kept once they are cut from the font packages.")

    def typeset(
        self,
        origin: Origin,
        transcript: Transcript,
        summary: Summary,
        slides: Sequence[Picture],
        pictures: Mapping[str, Path | bytes],
        log: Any,
    ) -> Typeset:
        """The notes on one recording. `pictures` holds each slide's JPEG by name; `log` gets the progress.

        Raises MissingExtra if the font packages are not installed.
        """
        from resources.notes import fallback, fonts
        from resources.notes.content import compose
        from resources.notes.docx import docx
        from resources.notes.glyphs import Glyphs
        from resources.notes.markdown import markdown
        from resources.notes.pdf import draw

        faces = fonts.faces(Path(self.cache))
        own = fonts.coverage(faces)
        # Every text the notes can hold; so nothing is asked of other fonts if their own have it all.
        signs = "".join((origin.title, origin.name, transcript.model_dump_json(), summary.model_dump_json()))
        others = fallback.fallbacks(Path(self.cache), fallback.lacking(signs, own))
        notes = compose(origin, transcript, summary, slides, _versions() | fallback.versions(others.values()))
        word = docx(notes, pictures, self.page_format)  # Word has fonts of its own: nothing is replaced
        glyphs = Glyphs(own.union(*(face.has for face in others.values())))
        printed = notes.mapped(glyphs.clean)
        replaced = glyphs.replaced
        notes, printed = (text.with_missing_glyphs(replaced, glyphs.stand_in) for text in (notes, printed))
        progress: list[Progress] = []

        def on_page(done: int, total: int) -> None:
            if not progress:
                progress.append(Progress(log, "typesetting", total, "pages"))
            progress[0].update(done)

        drawn = draw(printed, pictures, faces, self.page_format, on_page, others)
        return Typeset(
            pdf=drawn.content,
            markdown=markdown(notes),
            word=word,
            pages=drawn.pages,
            glyphs_replaced=replaced,
            printed=printed,
            column=drawn.column,
            body=drawn.body,
        )


def _versions() -> dict[str, str]:
    """The software that shapes the bytes of the notes, by name."""
    from importlib.metadata import version

    from resources.notes import fonts

    return {"fpdf2": version("fpdf2"), "fonttools": version("fonttools"), **fonts.versions()}
