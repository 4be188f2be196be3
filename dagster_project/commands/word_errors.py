"""The word error rate of a transcript.

Belongs here: counting. Does not belong here: where texts come from. Pure.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; `it's` is one word, however its apostrophe is drawn."""
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


def word_error_rate(reference: str, heard: str) -> float:
    """(substitutions + deletions + insertions) / words of the reference, by the Levenshtein distance over words.

    ValueError if the reference holds no words.
    """
    wanted, found = words(reference), words(heard)
    if not wanted:
        raise ValueError("a reference without words has no error rate")
    row = list(range(len(found) + 1))
    for i, want in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, got in enumerate(found, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (want != got))
    return row[-1] / len(wanted)
