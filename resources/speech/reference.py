"""How well speech was heard, where somebody has written down what was really said.

Belongs here: the reference transcript beside a recording, what makes two texts the same, the error rates. Pure.
Does not belong here: transcripts themselves, and corrections of them (`corrections.py`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from resources.errors import BadInput

SUFFIX = ".ref.txt"
"""`talk.mp4` is held against `talk.ref.txt`."""

_LARGEST_BYTES = 10_000_000
"""A day of uninterrupted speech is about 1.5 MB of text in Latin letters, 3 MB in others."""

_APOSTROPHES = str.maketrans(dict.fromkeys("‘’ʼ`´＇", "'"))
_WITHIN_WORDS = re.compile(r"(?<=\w)'(?=\w)")


@dataclass(frozen=True)
class ErrorRates:
    """Of a text against a reference: the share of words and of characters that differ, 0 for none.

    (substitutions + deletions + insertions) / length of the reference, by the Levenshtein distance; more than 1 if much
    was heard that nobody said. `words` is the length of the reference.
    """

    wer: float
    cer: float
    words: int


def read_reference(recording: Path) -> str | None:
    """The text of the file named like `recording` with `SUFFIX`, which lies beside it; None if there is none.

    Raises BadInput if it can't be read, is too large, or is not UTF-8 (with or without a byte order mark).
    """
    path = recording.with_name(recording.stem + SUFFIX)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path.name} can't be read ({error.strerror}).", "Make it readable.") from error
    if len(content) > _LARGEST_BYTES:
        raise BadInput(
            f"{path.name} is larger than {_LARGEST_BYTES / 1e6:g} MB, so it is no transcript.", "Put the text there."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path.name} is not UTF-8 in line {line}.", "Save it as UTF-8.") from error


def normalized(text: str) -> str:
    """The text as it is compared: words in lower case with one blank between them.

    Unicode's compatibility forms (NFKC) and full case folding; `ё` is `е`; every sign but letters, their marks and
    digits parts words, except an apostrophe within one, which is straight. Numbers stay as they are written: `4` is
    not `four`.
    """
    text = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES).replace("ё", "е")
    kept = _WITHIN_WORDS.sub("\x00", text)
    spaced = "".join(
        "'" if sign == "\x00" else sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in kept
    )
    return " ".join(spaced.split())


def error_rates(reference: str, heard: str, separator: str = " ") -> ErrorRates:
    """How far `heard` is from `reference`, after both were normalized, by jiwer.

    `separator` is what stands between words in their language (`word_separator`): where that is nothing, each character
    counts as a word. Raises BadInput if the reference holds no words.
    """
    import jiwer

    wanted, got = normalized(reference), normalized(heard)
    if not separator:
        wanted, got = " ".join(wanted.replace(" ", "")), " ".join(got.replace(" ", ""))
    if not wanted:
        raise BadInput("The reference holds no words.", "Write down what is said, or remove it.")
    cer = jiwer.cer(wanted, got) if separator else jiwer.cer(wanted.replace(" ", ""), got.replace(" ", ""))
    return ErrorRates(jiwer.wer(wanted, got), cer, len(wanted.split()))
