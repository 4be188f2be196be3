"""The notes on a recording: a PDF and the same in Markdown.

Belongs here: from what notes are made, what is recorded of them, when they are good. Does not belong here: how they
look and how they are set (`resources/notes/typesetting.py` and below).
"""

import base64

import dagster as dg

from assets.recordings.source import described
from dagster_project.partitions import recordings_partitions
from resources.checks import partition_check
from resources.errors import failures
from resources.media.slide_index import read_slides
from resources.notes.content import Origin
from resources.notes.sections import Picture
from resources.notes.typesetting import Typeset, Typesetter
from resources.speech.documents import Transcript
from resources.store.types import Files
from resources.summary.documents import Summary

_SHOWN = 5  # missing passages named in a check's metadata
_PREVIEW_CHARS = 2000


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    group_name="recordings",
    partitions_def=recordings_partitions,
    description="The notes: `notes.pdf` with title, summary, key terms and contents, then chapter by chapter the key "
    "points, slides and transcript, every part with its time in the recording, and a last page that says how they came "
    "about; `notes.md` with the same in Markdown, and the slides it shows, `slide-*.jpg`; `notes.docx` with the same "
    "for Word. What can't be trusted stands on page one. Only the PDF replaces signs that no installed font has.",
    kinds={"python", "pdf", "markdown"},
    owners=["team:scriptorium"],
    code_version="3",
    # With check specs Dagster takes no type from a MaterializeResult's annotation, and would expect no value.
    dagster_type=Files,
    check_specs=[
        partition_check(
            "pdf_opens_and_holds_summary",
            asset="notes",
            partitions_def=recordings_partitions,
            blocking=True,
            description="The PDF opens, and its text layer holds the title, the bullets and the key terms, or "
            "the statement that nobody speaks.",
        ),
        partition_check(
            "all_transcript_words_in_pdf",
            asset="notes",
            partitions_def=recordings_partitions,
            description="All titles, points and paragraphs are in the PDF's text layer, whole and in order.",
        ),
        partition_check(
            "all_glyphs_available",
            asset="notes",
            partitions_def=recordings_partitions,
            description="The installed fonts have every sign of the text; warns if some had to be replaced.",
        ),
    ],
)
def notes(
    context: dg.AssetExecutionContext, transcript: Transcript, summary: Summary, slides: Files, typesetter: Typesetter
) -> dg.MaterializeResult:
    """Set the notes and read them back."""
    with failures():
        source = described(context)
        origin = Origin(
            source.title, source.name, source.digest, source.created, source.duration_s, source.dated_by_file
        )
        shown = [Picture(slide.name, slide.time_s, slide.width, slide.height) for slide in read_slides(slides)]
        pictures = {picture.name: slides[picture.name] for picture in shown}
        done = typesetter.typeset(origin, transcript, summary, shown, pictures, context.log)
        context.log.info(f"{source.name}: {done.pages} pages, {len(done.pdf) / 1e6:.2f} MB")
        made = {"notes.pdf": done.pdf, "notes.md": done.markdown.encode(), "notes.docx": done.word}
        files = Files({**made, **pictures})
        return dg.MaterializeResult(value=files, metadata=_metadata(done, len(shown)), check_results=_checks(done))


def _metadata(done: Typeset, slides: int) -> dict[str, dg.MetadataValue]:
    picture = base64.b64encode(done.first_page()).decode()
    told = (done.printed.statement, *done.printed.warnings)
    return {
        "first_page": dg.MetadataValue.md(f"![first page of the notes](data:image/png;base64,{picture})"),
        "pages": dg.MetadataValue.int(done.pages),
        "words": dg.MetadataValue.int(done.printed.speech_total),
        "slides": dg.MetadataValue.int(slides),
        "chapters": dg.MetadataValue.int(sum(bool(chapter.title) for chapter in done.printed.chapters)),
        "glyphs_replaced": dg.MetadataValue.int(done.glyphs_replaced),
        "pdf_bytes": dg.MetadataValue.int(len(done.pdf)),
        "warnings": dg.MetadataValue.md("\n".join(f"- {text}" for text in told if text) or "none"),
        "preview": dg.MetadataValue.md(_preview(done.markdown)),
    }


def _preview(text: str) -> str:
    """The beginning of the Markdown up to the first slide, which a page of metadata could not show."""
    beginning = text.split("\n![", 1)[0][:_PREVIEW_CHARS]
    return beginning if len(beginning) == len(text) else beginning.rstrip() + "\n\n…"


def _checks(done: Typeset) -> list[dg.AssetCheckResult]:
    from resources.notes.pdf_reading import UnreadablePdf

    try:
        unsaid, lost = done.missing_summary(), done.missing_words()
    except UnreadablePdf as error:
        broken = {"problem": str(error)}
        return [
            dg.AssetCheckResult(passed=False, check_name="pdf_opens_and_holds_summary", metadata=broken),
            dg.AssetCheckResult(passed=False, check_name="all_transcript_words_in_pdf", metadata=broken),
            _glyph_check(done),
        ]
    return [
        dg.AssetCheckResult(
            passed=not unsaid, check_name="pdf_opens_and_holds_summary", metadata={"missing": _some(unsaid)}
        ),
        dg.AssetCheckResult(
            passed=not lost,
            check_name="all_transcript_words_in_pdf",
            metadata={"missing_paragraphs": len(lost), "missing": _some(lost), "words": done.printed.speech_total},
        ),
        _glyph_check(done),
    ]


def _glyph_check(done: Typeset) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=done.glyphs_replaced == 0,
        severity=dg.AssetCheckSeverity.WARN,
        check_name="all_glyphs_available",
        metadata={"glyphs_replaced": done.glyphs_replaced},
    )


def _some(texts: list[str]) -> dg.MetadataValue:
    return dg.MetadataValue.text("\n".join(texts[:_SHOWN]) or "nothing")
