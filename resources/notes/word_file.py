"""What python-docx has no words for: bookmarks, links within the file, fields, fonts by script, the same bytes.

Belongs here: WordprocessingML (ISO/IEC 29500-1) and the zip around it. Does not belong here: what notes say and where
it stands (`docx.py`). Pure.
"""

from __future__ import annotations

import io
import unicodedata
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docx.document import Document
    from docx.text.paragraph import Paragraph

RIGHT_TO_LEFT = ("ar", "fa", "he", "ps", "sd", "ug", "ur", "yi")
_EAST_ASIAN = {"zh": "SimSun", "ja": "Yu Mincho", "ko": "Batang"}
_WESTERN, _COMPLEX = "Georgia", "Times New Roman"  # every system with a word processor has them or a stand-in
_LONGEST_NAME = 40  # of a bookmark; 17.13.6.2 of the standard names no limit, Word has this one
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can say


def plain(text: str) -> str:
    """`text` on one line, without what XML 1.0 can't hold: controls, lone surrogates, U+FFFE and U+FFFF."""
    kept = (char for char in text if char.isspace() or unicodedata.category(char) not in ("Cc", "Cs"))
    return " ".join("".join(char for char in kept if ord(char) | 1 != 0xFFFF).split())


def element(tag: str, /, **attributes: str) -> Any:
    """`element("w:tag", val="x")` is `<w:tag w:val="x"/>`."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    made = OxmlElement(tag)
    for name, value in attributes.items():
        made.set(qn(f"w:{name}"), value)
    return made


def set_language(document: Document, language: str) -> None:
    """The language of all text, and fonts for Latin, Cyrillic and Greek, for East Asian and for complex scripts."""
    from docx.oxml.ns import qn

    for fonts in document.styles.element.iterfind(f"{qn('w:docDefaults')}//{qn('w:rFonts')}"):
        fonts.attrib.clear()
    for style in document.styles:
        properties = style.element.find(qn("w:rPr"))
        fonts = properties.find(qn("w:rFonts")) if properties is not None else None
        if fonts is not None and style.name != "Normal":
            properties.remove(fonts)  # a theme's fonts, which have no Greek and Cyrillic cuts everywhere
    properties = document.styles["Normal"].element.get_or_add_rPr()
    fonts = properties.get_or_add_rFonts()
    east_asian = _EAST_ASIAN.get(language, _EAST_ASIAN["zh"])
    for name, font in (("ascii", _WESTERN), ("hAnsi", _WESTERN), ("eastAsia", east_asian), ("cs", _COMPLEX)):
        fonts.set(qn(f"w:{name}"), font)
    for old in properties.findall(qn("w:lang")):
        properties.remove(old)
    attributes = {"val": language}
    if language in _EAST_ASIAN:
        attributes["eastAsia"] = language
    if language in RIGHT_TO_LEFT:
        attributes["bidi"] = language
    properties.append(element("w:lang", **attributes))


def right_to_left(paragraph: Paragraph) -> None:
    """Set a paragraph, and the runs it has, from right to left."""
    paragraph._p.get_or_add_pPr().insert_element_before(
        element("w:bidi"), "w:adjustRightInd", "w:snapToGrid", "w:spacing", "w:ind", "w:contextualSpacing",
        "w:mirrorIndents", "w:suppressOverlap", "w:jc", "w:textDirection", "w:textAlignment", "w:textboxTightWrap",
        "w:outlineLvl", "w:divId", "w:cnfStyle", "w:rPr", "w:sectPr", "w:pPrChange",
    )  # fmt: skip
    for run in paragraph.runs:
        run.font.rtl = True


class Bookmarks:
    """Places within a file, and links to them."""

    def __init__(self) -> None:
        self._count = 0

    def set(self, paragraph: Paragraph, name: str) -> None:
        """Name the place where the paragraph's text, as it is so far, begins."""
        name = name[:_LONGEST_NAME]
        begin = element("w:bookmarkStart", id=str(self._count), name=name)
        end = element("w:bookmarkEnd", id=str(self._count))
        self._count += 1
        paragraph._p.append(begin)
        paragraph._p.append(end)


def link(paragraph: Paragraph, text: str, place: str, style: str) -> None:
    """Append `text` that leads to the bookmark `place`, in a character style."""
    made = element("w:hyperlink", anchor=place[:_LONGEST_NAME], history="1")
    run = paragraph.add_run(text, style=style)
    made.append(run._r)
    paragraph._p.append(made)


def field(paragraph: Paragraph, code: str) -> None:
    """Append a field that the reader's program fills: `PAGE`, `NUMPAGES`."""
    made = element("w:fldSimple", instr=code)
    run = paragraph.add_run("1")
    made.append(run._r)
    paragraph._p.append(made)


def saved(document: Document) -> bytes:
    """The file: the same document gives the same bytes, whenever it is written."""
    package = document.part.package
    for name in [name for name, one in package.rels.items() if one.reltype.endswith("/thumbnail")]:
        del package.rels[name]  # the template's, a picture of an empty page
    written, fixed = io.BytesIO(), io.BytesIO()
    document.save(written)
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(fixed, "w") as new:
        for entry in old.infolist():
            renewed = zipfile.ZipInfo(entry.filename, _ZIP_TIME)
            renewed.compress_type, renewed.create_system = zipfile.ZIP_DEFLATED, 0
            new.writestr(renewed, old.read(entry))
    return fixed.getvalue()
