"""What a chapter is called.

Belongs here: titles made of a chapter's own words, and whether a title a model wrote will do. Pure.
Does not belong here: where chapters start (`chapters.py`), how terms are found (`key_terms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from resources.summary import key_terms
from resources.summary.chapters import Stretch
from resources.summary.sentences import Sentence
from resources.summary.similarity import subjects
from resources.summary.vocabulary import Vocabulary

_AND = {"en": " and ", "ru": " и ", "de": " und ", "fr": " et ", "es": " y ", "it": " e ", "pt": " e ", "uk": " і "}
_LONGEST = 60
"""Characters: one line of a table of contents."""
_LEAST_SAID = 0.6
"""Of the words with a subject in a model's title, so many must be said in its chapter: one of two is too few."""


def titles(
    sentences: Sequence[Sentence],
    chapters: Sequence[Stretch],
    vocabulary: Vocabulary,
    proposed: Sequence[str] = (),
) -> list[str]:
    """A title for each chapter, no two the same, at most 60 characters.

    A title of `proposed` (empty for none) is taken if its words are said in the chapter; else the one or two terms
    that are said in this chapter rather than elsewhere; else its first words.
    """
    ranked = key_terms.distinctive(
        [sentences[chapter.first : chapter.last] for chapter in chapters], vocabulary, wanted=4
    )
    found: list[str] = []
    used: set[str] = set()
    for index, chapter in enumerate(chapters):
        said = sentences[chapter.first : chapter.last]
        asked = proposed[index] if index < len(proposed) else ""
        options = [asked] if asked and _fits(asked, said, vocabulary) else []
        terms = ranked[index]
        joined = [(terms[0], terms[1])] if len(terms) > 1 else []
        joined += [(terms[0], other) for other in terms[2:]]
        options += [_AND.get(vocabulary.language, ", ").join(pair) for pair in joined] + terms
        options += [_shortened(sentence.text) for sentence in said[:8]]
        options = [option for option in options if option] or ["…"]  # of full stops alone nothing is left
        options += [f"{options[-1]} ({number})" for number in range(2, len(chapters) + 2)]
        title = next(o for o in map(_capital, options) if len(o) <= _LONGEST + 5 and o.casefold() not in used)
        used.add(title.casefold())
        found.append(title)
    return found


def clean(title: str) -> str:
    """A model's title without marks, quotes and a full stop; empty if it is no title."""
    bare = re.sub(r"[*_`#]+", "", title).strip().strip("\"'«»“”„ ").rstrip(".:; ")
    return bare if 2 < len(bare) <= _LONGEST else ""


def _fits(title: str, said: Sequence[Sentence], vocabulary: Vocabulary) -> bool:
    stems = set(subjects(title, vocabulary))
    there = {stem for sentence in said for stem in subjects(sentence.text, vocabulary)}
    return bool(stems) and len(stems & there) >= _LEAST_SAID * len(stems)


def _shortened(text: str) -> str:
    """The beginning of a sentence, up to the end of a clause if there is one, never inside a word."""
    text = text.rstrip(".!?…。！？\"'»”’)] ")
    if len(text) <= _LONGEST:
        return text
    cut = text[: _LONGEST - 1]
    clause = max(cut.rfind(mark) for mark in (", ", "; ", ": ", " — ", " – "))
    if clause >= _LONGEST // 3:
        return cut[:clause].rstrip(" ,;:—–")
    return (cut[: cut.rfind(" ")] if " " in cut else cut).rstrip(" ,;:—–-") + "…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
