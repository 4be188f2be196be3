"""Prompts in files, and their completions as files.

Belongs here: reading prompts, writing `completions.csv` and `completions.md`. Does not belong here: completing them
(`language_models.py`), the asset (`completions.py`). Pure: the standard library.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from assets.tweets import reading
from resources.commonmark import escape
from resources.spreadsheets import safe
from resources.text.tweets import cleaned

CONFIG = "config"
"""Stands in place of a file's name for prompts of the config."""
_LONGEST_WORDS, _LONGEST_CHARACTERS = 200, 2_000
"""A tweet has 280 characters; what stands further back would cost time and memory, and change little."""


@dataclass(frozen=True)
class Prompt:
    """A cleaned beginning of a tweet, the file it stands in, and the number of its text there, from 1."""

    file: str
    number: int
    text: str


def of_texts(file: str, texts: Sequence[str]) -> tuple[list[Prompt], list[str]]:
    """The prompts among these texts, and a line on each that is none or was shortened. No model reads more than the
    last 200 words and 2,000 characters.
    """
    prompts, problems = [], []
    for number, text in enumerate(texts, start=1):
        words = cleaned(text).split()
        if not words:
            problems.append(f"{file}, text {number:,}: nothing is left of it when it is cleaned")
            continue
        text = " ".join(words[-_LONGEST_WORDS:])[-_LONGEST_CHARACTERS:].strip()
        if text != " ".join(words):
            problems.append(
                f"{file}, text {number:,}: only the end of it is read, {_LONGEST_WORDS} words and"
                f" {_LONGEST_CHARACTERS:,} characters at most"
            )
        prompts.append(Prompt(file, number, text))
    return prompts, problems


def of_file(file: str, content: bytes) -> tuple[list[Prompt], list[str]]:
    """As `of_texts`, of a text file with a prompt on each line, or a table. Raises: BadInput, which names the file."""
    return of_texts(file, reading.texts_of(file, content).texts)


def as_csv(prompts: Sequence[Prompt], completions: Sequence[Sequence[str]]) -> bytes:
    """A row for each completion: file, number of the text in it, prompt, number of the completion, completion, and the
    two joined.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["file", "number", "prompt", "completion_number", "completion", "text"])
    for prompt, texts in zip(prompts, completions, strict=True):
        for number, text in enumerate(texts, start=1):
            row = [prompt.file, str(prompt.number), prompt.text, str(number), text.strip(), prompt.text + text]
            writer.writerow([safe(cell) for cell in row])
    return out.getvalue().encode("utf-8")


def as_markdown(
    prompts: Sequence[Prompt], completions: Sequence[Sequence[str]], by: str, most: int | None = None
) -> str:
    """Each prompt with its completions below it; `by` says in words who completed them. At most `most` prompts."""
    shown = len(prompts) if most is None else min(most, len(prompts))
    parts = [f"*{escape(by)}*"]
    for prompt, texts in list(zip(prompts, completions, strict=True))[:shown]:
        lines = "\n".join(f"- … {escape(text.strip())}" if text.strip() else "- (ends here)" for text in texts)
        parts.append(f"**{escape(prompt.text)}**\n\n{lines}")
    if shown < len(prompts):
        parts.append(f"… and {len(prompts) - shown:,} more prompts")
    return "\n\n".join(parts)
